"""What comes out of a tool, as text a model can be shown: bounded, cleaned, and cut where it can be seen."""

from __future__ import annotations

import asyncio
import importlib
import io
import logging
import math
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import anyio
import anyio.to_thread

from ai.agents.offered import ToolExecutionResult
from ai.lazy import loaded
from core.errors import MootError
from core.names.naming import module_name
from core.redact import without_secrets
from core.untrusted import clean, one_line

log = logging.getLogger(__name__)

LONGEST_RESULT = 50_000
"""Characters of one result; the rest is cut."""
_LONGEST_WORDS = 500
_LONG = 10_000
"""Characters, above which a thread looks through a text."""
_MOST_WITHHELD = 20
_DEEPEST = 100
"""Levels of a value that are looked into."""
_MOST_QUOTED = 3
"""Of what a group of exceptions holds."""
_SCAN = "core.secrecy.scan"
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'\":]+)+[/\\](?=[^\s/\\])")
"""The folders of a path, whose last part may stay."""


def as_result(name: str, value: Any) -> ToolExecutionResult:
    """What the tool called *name* returned: text as it is, anything else as JSON.

    An iterator is asked for its items, so whatever it raises is raised here, and it may block.
    """
    if isinstance(value, ToolExecutionResult):
        return value
    if value is None:
        return ToolExecutionResult.of("(it returned nothing)")
    if isinstance(value, str):
        return ToolExecutionResult.of(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return ToolExecutionResult.of(f"(it returned {len(bytes(value)):,} bytes, which are no text)")
    room = _Room()
    bounded_value = room.taken(value)
    try:
        from pydantic_core import to_json

        if room.too_deep:
            raise ValueError("it is too deep, or goes round in a circle")
        plain = partial(_plain, bounded_value)
        said = to_json(bounded_value, inf_nan_mode="strings", bytes_mode="base64", fallback=plain)
        text = said.decode("utf-8", "replace")
    except Exception as error:  # whatever cannot be written as JSON, in any of its ways
        log.debug("%s returned what cannot be shown", name, exc_info=error)
        return ToolExecutionResult.of(f"(it ran, and returned a {type(value).__name__}, which cannot be shown as text)")
    return ToolExecutionResult.of(f"{text[: LONGEST_RESULT - len(_MORE)]}{_MORE}" if room.full else text)


_MORE = "\n[cut: it goes on; ask for less at once]"


@dataclass
class _Room:
    """How many items of a value are still looked at, all levels together: some have no end."""

    left: int = LONGEST_RESULT
    full: bool = False
    too_deep: bool = False

    def taken(self, value: Any, depth: int = 0) -> Any:
        """*value* with at most so many items, and iterators as lists."""
        if not isinstance(value, dict | list | tuple | set | frozenset | deque | range | Iterator):
            return value
        if isinstance(value, io.IOBase):
            return f"(a {type(value).__name__}, which cannot be shown as text)"
        if depth > _DEEPEST:
            self.too_deep = True
            return None
        if isinstance(value, dict):
            return {key: self.taken(one, depth + 1) for key, one in self._some(value.items())}
        return [self.taken(one, depth + 1) for one in self._some(value)]

    def _some(self, items: Iterable[Any]) -> Iterator[Any]:
        for one in items:
            if self.left <= 0:
                self.full = True
                return
            self.left -= 1
            yield one


def sound(name: str, given: Any) -> ToolExecutionResult:
    """*given*, by whomever the tool called *name* was made, as a result whose fields are what they should be."""
    result = as_result(name, given)
    text = result.result if isinstance(result.result, str) else as_result(name, result.result).result
    error = result.error if isinstance(result.error, str) else one_line(_words(result.error), _LONGEST_WORDS)
    known = result.known is True
    if result.success is True:
        return ToolExecutionResult(True, result=text, known=known)
    return ToolExecutionResult(False, error=error or f"{name} failed, and does not say why.", known=known)


def ends_more(error: BaseException) -> bool:
    """Whether *error* is more than a tool's own failure: a cancellation from outside, or the user's Ctrl-C.

    A tool may well raise a cancellation itself, such as by awaiting a task that it has cancelled.
    """
    if isinstance(error, BaseExceptionGroup):
        return any(ends_more(one) for one in error.exceptions)
    if isinstance(error, asyncio.CancelledError):
        task = asyncio.current_task()
        return anyio.current_effective_deadline() == -math.inf or (task is not None and task.cancelling() > 0)
    return isinstance(error, KeyboardInterrupt | GeneratorExit)


def _plain(whole: Any, value: Any) -> Any:
    """A number or an array of a library's own as Python's; in place of anything else inside *whole*, a word on it."""
    if hasattr(value, "__index__"):
        return int(value)
    if hasattr(value, "tolist"):  # numpy's way, which others have taken over
        return value.tolist()
    if hasattr(value, "__float__"):
        return float(value)
    if value is whole:
        raise TypeError("there is nothing around it that could be shown")
    return f"(a {type(value).__name__}, which cannot be shown as text)"


def raised(name: str, error: BaseException, *, known: bool) -> ToolExecutionResult:
    """What is told of a tool that raised *error*: its kind and its words, without folders and keys."""
    log.debug("The tool %s failed", name, exc_info=error)
    words = one_line(_PATH.sub("", without_secrets(_told(error))), _LONGEST_WORDS)
    return ToolExecutionResult.failed(f"{name} failed: {words}".rstrip(": ") + _end(words), known=known)


def _told(error: BaseException) -> str:
    """The kind and the words of *error*; of a group, those of what it holds."""
    if isinstance(error, BaseExceptionGroup):
        told = [_told(one) for one in error.exceptions[:_MOST_QUOTED]]
        more = len(error.exceptions) - len(told)
        return "; ".join([*told, *([f"and {more} more"] if more else [])])
    kind = "" if isinstance(error, MootError) else f"{type(error).__name__}: "
    return f"{kind}{_words(error)}".removesuffix(": ")


def _words(value: object) -> str:
    try:
        return str(value)
    except Exception:  # a tool's own exception, whose own __str__ may fail
        return "it cannot say why"


def bounded(text: str, longest: int = LONGEST_RESULT) -> str:
    """*text* cleaned, and cut with a note where it is longer than *longest* characters."""
    if len(text) <= longest:
        return clean(text)
    return f"{clean(text[:longest])}\n[cut: {len(text) - longest:,} more characters; ask for less at once]"


async def without_secrets_in(text: str) -> str:
    """*text* without keys, and without the lines that hold what looks like a secret."""
    scan = loaded(_SCAN)
    if len(text) > _LONG or scan is None or not scan.are_read():
        return await anyio.to_thread.run_sync(_withheld, text)
    return _withheld(text)


def _withheld(text: str) -> str:
    scan = importlib.import_module(module_name(_SCAN))
    scan.read_rules()
    text = without_secrets(text)
    for _ in range(_MOST_WITHHELD):
        found = scan.find_secret(text)
        if found is None:
            return text
        kind, line = found
        lines = text.split("\n")
        lines[line - 1] = f"[line left out: it looks like a secret ({kind})]"
        text = "\n".join(lines)
    return f"[left out: it holds more than {_MOST_WITHHELD} lines that look like secrets]"


def _end(words: str) -> str:
    return "" if words.endswith((".", "!", "?")) else "."
