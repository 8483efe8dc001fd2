"""What comes out of a tool, as text a model can be shown: bounded, cleaned, and cut where it can be seen."""

from __future__ import annotations

import importlib
import logging
import re
from functools import partial
from typing import Any

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
_LONG = 10_000
"""Characters, above which a thread looks through a text."""
_MOST_WITHHELD = 20
_SCAN = "core.secrecy.scan"
_PATH = re.compile(r"(?<![\w.])(?:[A-Za-z]:)?(?:[/\\][^\s/\\'\":]+)+[/\\](?=[^\s/\\])")
"""The folders of a path, whose last part may stay."""


def as_result(name: str, value: Any) -> ToolExecutionResult:
    """What the tool called *name* returned: text as it is, anything else as JSON."""
    if isinstance(value, ToolExecutionResult):
        return value
    if value is None:
        return ToolExecutionResult.of("(it returned nothing)")
    if isinstance(value, str):
        return ToolExecutionResult.of(value)
    if isinstance(value, bytes | bytearray | memoryview):
        return ToolExecutionResult.of(f"(it returned {len(bytes(value)):,} bytes, which are no text)")
    try:
        from pydantic_core import to_json

        said = to_json(value, inf_nan_mode="strings", bytes_mode="base64", fallback=partial(_plain, value))
        return ToolExecutionResult.of(said.decode("utf-8", "replace"))
    except Exception as error:  # whatever cannot be written as JSON, in any of its ways
        log.debug("%s returned what cannot be shown", name, exc_info=error)
        return ToolExecutionResult.of(f"(it ran, and returned a {type(value).__name__}, which cannot be shown as text)")


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
    words = one_line(_PATH.sub("", without_secrets(str(error))), 500)
    kind = "" if isinstance(error, MootError) else f"{type(error).__name__}: "
    return ToolExecutionResult.failed(f"{name} failed: {kind}{words}".rstrip(": ") + _end(words), known=known)


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
