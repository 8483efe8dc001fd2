"""Saved prompts: a text under a name, with variables in braces, kept as files that a person can edit."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path

from core.errors import InvalidInputError, StoreError
from core.files.atomic import write_atomically
from core.paths import data_dir

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
_VARIABLE = re.compile(r"\{([A-Za-z_][A-Za-z0-9_]{0,63})\}")


def folder() -> Path:
    return data_dir() / "prompts"


def save_prompt(name: str, text: str) -> Path:
    """Keep *text* under *name*, instead of what was there.

    Raises:
        InvalidInputError: It cannot be called that, or is empty.
        StoreError: It cannot be written.
    """
    if not text.strip():
        raise InvalidInputError("The prompt is empty: give a text, or pipe one in.")
    path = _path(name)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise InvalidInputError("The prompt is not valid UTF-8 text. Convert it to UTF-8 and save it again.") from None
    try:
        write_atomically(path, text.strip() + "\n", private=True)
    except OSError as error:
        raise StoreError(
            f"The prompt cannot be written: {error.strerror}. Free some space, or set MOOT_HOME."
        ) from error
    return path


def load_prompt(name: str) -> str:
    """The text kept under *name*.

    Raises:
        InvalidInputError: There is none.
    """
    try:
        return _path(name).read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        known = ", ".join(prompt_names()) or "none yet"
        raise InvalidInputError(
            f"There is no prompt {name!r}. Saved: {known}. To save one: moot prompt save NAME TEXT"
        ) from None
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"The prompt {name!r} cannot be read ({type(error).__name__}). Save it anew."
        ) from error


def remove_prompt(name: str) -> bool:
    """Forget the prompt *name*; whether there was one."""
    path = _path(name)
    there = path.exists()
    path.unlink(missing_ok=True)
    return there


def prompt_names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.md")) if folder().is_dir() else []


def variables(text: str) -> list[str]:
    """The names in braces, each once."""
    return list(dict.fromkeys(_VARIABLE.findall(text)))


def filled(name: str, text: str, given: Mapping[str, str]) -> str:
    """*text* with its variables as they were *given*. Braces that hold no name stay.

    Raises:
        InvalidInputError: One is missing, or there is none of that name.
    """
    wanted = variables(text)
    if missing := [one for one in wanted if one not in given]:
        raise InvalidInputError(f"The prompt {name!r} needs {missing[0]!r}: add --var {missing[0]}=TEXT.")
    if unknown := [one for one in given if one not in wanted]:
        has = ", ".join(wanted) or "none"
        raise InvalidInputError(f"The prompt {name!r} has no variable {unknown[0]!r}. It has: {has}.")
    return _VARIABLE.sub(lambda found: given[found[1]], text)


def _path(name: str) -> Path:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name[:80]!r} is no name for a prompt: use letters, digits, dots, hyphens, underscores."
        )
    return folder() / f"{name}.md"
