"""A result on its way out: plain text into a pipe or a file, rendered in a terminal, one object as JSON.

A pipe gets the words of a single AI and nothing else; of several, each under its heading. In a terminal the verdict
comes last, where the eye is.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.errors import StoreError
from core.untrusted import clean
from server.cli.options import in_words, note
from server.streams import is_terminal
from tools.recipe.result import Result

_BLOCK = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*?)^ {0,3}\1[`~]*[ \t]*$", re.MULTILINE | re.DOTALL)
_UNCLOSED = re.compile(r"^ {0,3}(`{3,}|~{3,})[^\n]*\n(.*)\Z", re.MULTILINE | re.DOTALL)
_STRONG = re.compile(r"\*\*(.+?)\*\*")
_SLANTED = re.compile(r"^(\s*)\*([^*\s][^*]*)\*$")


@dataclass(frozen=True)
class Shown:
    """How the user wants to see the answer."""

    as_json: bool = False
    to: str | None = None
    """A file for it."""
    extract: bool = False
    raw: bool = False
    live: bool = False
    """Whether a single answer is to be read while it is written, in a terminal too."""

    @property
    def rendered(self) -> bool:
        """Whether it goes into a terminal as it was meant to look."""
        return not (self.as_json or self.to or self.extract or self.raw) and is_terminal(sys.stdout)

    @property
    def streamed(self) -> bool:
        """Whether the words of one AI are to be written as they arrive."""
        return not (self.as_json or self.to or self.extract or (self.rendered and not self.live))


def print_result(result: Result, shown: Shown, *, written: str = "") -> None:
    """Print *result*, of which the text *written* is out already.

    Raises:
        StoreError: Its file cannot be written.
    """
    if shown.to:
        _save(whole_text(result, shown), shown.to)
    elif shown.rendered and not written:
        from server.cli.showing.rendering import render

        render(result)
    else:
        _write(whole_text(result, shown), written)


def whole_text(result: Result, shown: Shown) -> str:
    """*result* as text without a terminal's colours, or as JSON."""
    if shown.as_json:
        return json.dumps(result.model_dump(mode="json"), ensure_ascii=False, indent=2)
    texts = _texts(result)
    if shown.extract:
        return _last_block("\n\n".join(texts) if texts else result.markdown())
    if len(texts) == 1 and not hasattr(result, "replies"):
        return texts[0]
    if hasattr(result, "replies"):
        return "\n\n".join(_replies(result))
    return in_words(plain(clean(result.markdown())))


def notes(result: Result) -> Iterator[str]:
    """What a reader of one bare answer has to know beside it."""
    if getattr(result, "note", None):
        yield in_words(str(result.note))  # type: ignore[attr-defined]
    if getattr(result, "ok", True) is False:
        yield f"{result.ai} broke off: {result.error}"  # type: ignore[attr-defined]
    if sent := getattr(result, "sent_along", None):
        yield f"sent along: {'; '.join(sent)}"


def plain(markdown: str) -> str:
    """*markdown* of ours without the stars; what AIs say stands behind `>` or in code, and stays as it is."""
    lines, fenced = [], False
    for line in markdown.splitlines():
        fenced = fenced != line.lstrip().startswith(("```", "~~~"))
        ours = not fenced and not line.startswith(">")
        lines.append(_SLANTED.sub(r"\1\2", _STRONG.sub(r"\1", line)) if ours else line)
    return "\n".join(lines)


def _texts(result: Result) -> list[str]:
    """What the AIs said, of results that are nothing else."""
    if hasattr(result, "replies"):
        return [reply.text for reply in result.replies if reply.text]
    return [result.text] if hasattr(result, "text") and hasattr(result, "latency_s") else []


def _replies(result: Any) -> Iterator[str]:
    yield in_words(result.summary)
    if result.synthesis is not None:
        yield in_words(plain(result.synthesis.markdown()))
    for reply in result.replies:
        told = f"## {reply.ai}" if reply.ok else f"## {reply.ai}: {'broke off' if reply.text else 'no answer'}"
        why = [] if reply.ok else [in_words(reply.error or "")]
        noted = [in_words(reply.note)] if reply.note and reply.ok else []
        yield "\n\n".join([told, *why, *noted, *([reply.text.strip()] if reply.text else [])])
    if result.sent_along:
        yield "Sent along:\n" + "\n".join(f"- {line}" for line in result.sent_along)


def _last_block(text: str) -> str:
    """The last code block of *text*; all of it where there is none, as nobody wants nothing."""
    blocks: Sequence[tuple[str, str]] = _BLOCK.findall(text) or _UNCLOSED.findall(text)
    if not blocks:
        note("no code block in the answer, so all of it is printed.")
        return text
    return blocks[-1][1].rstrip("\n")


def _write(text: str, written: str) -> None:
    """Print what of *text* is not out already."""
    if written and text.startswith(written):
        rest = text[len(written) :]
        sys.stdout.write(rest if (written + rest).endswith("\n") else f"{rest}\n")
        return
    if written:
        note("the answer was begun anew: what was printed before the next line is void.")
        sys.stdout.write("\n")
    sys.stdout.write(text if text.endswith("\n") else f"{text}\n")


def _save(text: str, path: str) -> None:
    from core.files.atomic import write_atomically

    try:
        write_atomically(Path(path), text if text.endswith("\n") else f"{text}\n")
    except OSError as error:
        sys.stdout.write(f"{text}\n")
        raise StoreError(f"{path!r} cannot be written ({error.strerror}). The answer is on standard output.") from error
    note(f"written to {path}")
