"""What is asked: the words of the command line, a saved prompt, and what is piped in. Imports click alone."""

from __future__ import annotations

import os
import stat
import sys
from collections.abc import Sequence
from typing import Any

import click

from server.cli.options import note

_SILENT_S = 2.0
"""After so long without a byte on standard input it is said that it is waited for."""


def question(
    words: Sequence[str], saved: str | None = None, variables: Sequence[str] = (), *, piped: bool = True
) -> str:
    """A saved prompt with its variables, the words, and what is piped in, a paragraph each.

    Args:
        piped: Whether standard input belongs to the question.

    Raises:
        click.UsageError: That is nothing.
    """
    if variables and not saved:
        raise click.UsageError("--var fills in a saved prompt: name that with -p. To list them: moot prompt list")
    parts = [_saved(saved, variables) if saved else "", " ".join(words), standard_input() if piped else ""]
    text = "\n\n".join(part.strip() for part in parts if part.strip())
    if not text:
        raise click.UsageError('Nothing to ask: give a prompt, or pipe one in. For example: moot "What is 2+2?"')
    return text


def standard_input() -> str:
    """What is piped or redirected in; nothing where standard input is a terminal, closed, or no file.

    Raises:
        click.UsageError: It is no text.
    """
    if sys.stdin is None or not has_input():
        return ""
    _say_if_silent()
    try:
        return sys.stdin.read()
    except UnicodeDecodeError:
        raise click.UsageError(
            "What is piped in is not UTF-8 text. Convert it to UTF-8 first; a picture goes in with -i -."
        ) from None
    except OSError as error:
        raise click.UsageError(
            f"Standard input cannot be read ({error.strerror}). Leave it open, or < /dev/null."
        ) from None


def input_bytes() -> bytes:
    """Standard input as it is.

    Raises:
        click.UsageError: Nothing is piped in.
    """
    if sys.stdin is None or not has_input():
        raise click.UsageError("Nothing is piped in for -i -, as in: pngpaste - | moot ask -i - 'What is this?'")
    _say_if_silent()
    data: bytes = sys.stdin.buffer.read()
    return data


def has_input() -> bool:
    """Whether standard input is a pipe, a socket or a file: what somebody meant to be read."""
    try:
        number = sys.stdin.fileno()
        mode = os.fstat(number).st_mode
    except (AttributeError, ValueError):  # a stand-in for it, as in tests
        return sys.stdin is not None and not sys.stdin.isatty()
    except OSError:
        return False
    return stat.S_ISFIFO(mode) or stat.S_ISREG(mode) or stat.S_ISSOCK(mode)


def _say_if_silent() -> None:
    """Say that something is waited for, when nothing comes."""
    import select

    try:
        ready = select.select([sys.stdin.fileno()], [], [], _SILENT_S)[0]
    except (OSError, ValueError, AttributeError):  # Windows knows sockets alone
        return
    if not ready:
        note("waiting for standard input, which nobody has written to yet. Without it: add < /dev/null")


def _saved(name: str, variables: Sequence[str]) -> str:
    from core.memory.prompts import filled, load_prompt
    from server.cli.options import reporting

    given: dict[str, str] = {}
    for one in variables:
        key, sign, value = one.partition("=")
        if not sign or not key.strip():
            raise click.UsageError(f"--var {one!r} is not of the form NAME=TEXT.")
        given[key.strip()] = value
    return reporting(lambda: filled(name, load_prompt(name), given))


def no_secret(file: Any, text: str, meant: bool, *, within: bool = True) -> str:
    """*text*, which stands in *file*, unless that is, or with *within* holds, a secret that nobody said is *meant*."""
    from pathlib import Path

    from core.secrecy.check import secret_in, secret_name  # not for the many calls that send no file

    called = str(getattr(file, "name", "<stdin>"))
    path = None if called == "<stdin>" else Path(called).resolve()
    reason = secret_name(path, path.parent) if path else None
    reason = reason or (secret_in(text, path.name if path else "") if within else None)
    if reason and not meant:
        raise click.UsageError(f"{called!r} is not sent: {reason}. Use --send-secrets if it is meant.")
    return text
