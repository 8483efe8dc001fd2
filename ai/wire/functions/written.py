"""The JSON in what a model wrote: bare, in tags, in code fences, behind words, one object or several in a row.

Whatever looks like a part of it and cannot be read is not passed over: a call that nobody sees again is worse than one
that is asked for again.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ai.wire.raw.reading import DEEPEST, EXACT, decode, depth

CALL_LISTS = ("calls", "tool_calls")
OF_THE_FORM = re.compile(r'"(?:calls|tool|tool_calls|arguments|parameters|answer)"\s*:')
TAG = "<tool_call>"
_TAGGED = re.compile(rf"{TAG}(.*?)(?:</tool_call>|(?={TAG})|\Z)", re.DOTALL)
_OF_ONE_CALL = re.compile(r'"(?:tool|name|function|arguments|parameters)"\s*:')
_BETWEEN = re.compile(r"[\s,;]*(?:`{3,}\w*[\s,;]*)*")
"""What stands between two values that were meant together."""
_MOST_STARTS = 50
"""Places at which JSON is looked for in one answer."""


def values_in(text: str) -> list[Any]:
    """The JSON in *text* that could be meant; none where it cannot be read, or only a part of it could."""
    inner = text.strip().removeprefix("\ufeff")
    if isinstance(whole := _decoded(inner), dict | list):
        return [whole]  # first, for an answer may quote such tags
    if tagged := [one for one in _TAGGED.findall(inner) if one.strip()]:
        return _in_tags(tagged)
    if inner.startswith("```"):
        inner = inner.partition("\n")[2].rpartition("```")[0] or inner
    if (whole := _decoded(inner)) is not None:
        return [whole] if isinstance(whole, dict | list) else []
    return _among_words(inner) if OF_THE_FORM.search(inner) else []


def plain(value: Any) -> str:
    """*value* as JSON."""
    return json.dumps(value, ensure_ascii=False)


def _in_tags(tagged: list[str]) -> list[Any]:
    """Each of *tagged* as a list of calls; one that is none is in it as it was written."""
    found = [_decoded(one) for one in tagged]
    if all(one is None for one in found):
        return []
    return [_as_calls(said if one is None else one) for one, said in zip(found, tagged, strict=True)]


def _as_calls(value: Any) -> Any:
    if isinstance(value, list) or (isinstance(value, dict) and any(key in value for key in CALL_LISTS)):
        return value
    return {CALL_LISTS[0]: [value]}


def _among_words(text: str) -> list[Any]:
    """The first value that is in the form of calls or of an answer, and those that follow it at once."""
    broken: int | None = None
    behind = 0
    for start in [match.start() for match in re.finditer(r"[{\[]", text)][:_MOST_STARTS]:
        if start < behind:
            continue
        value, end = _value_at(text, start)
        if end is None:
            broken = start if broken is None and _opens(text, start) else broken
        elif OF_THE_FORM.search(plain(value)):
            found, end = _in_a_row(text, start)
            inside = broken is not None and OF_THE_FORM.search(text, broken, start)
            lost = _OF_ONE_CALL.search(text, broken or 0, start) or OF_THE_FORM.search(text, end)
            return [] if inside and lost else found
        else:
            behind = end
    return []


def _opens(text: str, start: int) -> bool:
    """Whether what begins at *start*, and is no JSON, begins as if it were."""
    return re.compile(r'[{\[]\s*["{\[]').match(text, start) is not None


def _in_a_row(text: str, start: int) -> tuple[list[Any], int]:
    """The values that stand at *start*, one behind the other, and where they end."""
    found: list[Any] = []
    place, end = start, start
    while True:
        value, after = _value_at(text, place)
        if after is None:
            return found, end
        found.append(value)
        end = after
        between = _BETWEEN.match(text, end)
        place = between.end() if between else end


def _value_at(text: str, start: int) -> tuple[Any, int | None]:
    """The object or list that begins at *start*, and where it ends; None where there is none."""
    if text[start : start + 1] not in ("{", "["):
        return None, None
    try:
        value, end = EXACT.raw_decode(text, start)
    except (ValueError, RecursionError):
        return None, None
    return (value, end) if depth(value) <= DEEPEST else (None, None)


def _decoded(text: str) -> Any:
    """The value in *text*: an exact one where something is to be done; an answer may hold what JSON has no word for."""
    try:
        return decode(text.strip(), exactly=True)
    except ValueError:
        pass
    try:
        value = decode(text.strip())
    except ValueError:
        return None
    return value if isinstance(value, dict) and "answer" in value and not value.keys() & {*CALL_LISTS} else None
