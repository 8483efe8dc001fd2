"""Reads what a provider sent without trusting its shape: every getter gives a value of its type, and none raises.

What is missing, of another type or out of all proportion reads as not said. Whether an answer without it is still a
whole one is for the fold to decide.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

MOST_TOKENS = 20_000_000
"""No model reads or writes as many in one call; a larger count is a mistake or a lie."""
DEEPEST = 100
"""Levels of nesting; what goes deeper is no answer, and would end whoever walks through it later."""
_NOTHING: Mapping[str, Any] = {}


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else _NOTHING


def items(value: object) -> Sequence[Any]:
    return value if isinstance(value, list) else ()


def first(value: object) -> Mapping[str, Any]:
    """The first of a list of objects; an object that stands there alone is taken for it."""
    if isinstance(value, list):
        return mapping(value[0]) if value else _NOTHING
    return mapping(value)


def count(value: object) -> int | None:
    """A number of tokens: whole, not negative, and possible."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if not 0 <= value <= MOST_TOKENS or value != int(value):  # NaN is in no range
        return None
    return int(value)


def number(value: object) -> float | None:
    """A finite number, also one that is written as text."""
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    try:
        found = float(value)
    except (ValueError, OverflowError):
        return None
    return found if abs(found) <= 1e18 else None


def position(value: object, otherwise: int) -> int:
    """An index in a list."""
    return value if isinstance(value, int) and not isinstance(value, bool) and 0 <= value < 10_000 else otherwise


def decode(data: str, *, exactly: bool = False) -> Any:
    """The JSON value in *data*. NaN and the infinities, which are no JSON, read as null.

    Args:
        exactly: They are refused, and so is an object with one key twice: it is for something to be done.

    Raises:
        ValueError: It is no JSON, or nested deeper than anything that makes sense.
    """
    try:
        value = (EXACT if exactly else _decoder).decode(data)
    except RecursionError as error:
        raise ValueError("nested too deeply") from error
    if data.count("{") + data.count("[") > DEEPEST and depth(value) > DEEPEST:
        raise ValueError("nested too deeply")
    return value


def is_json(text: str) -> bool:
    """Whether *text* is one JSON object or list, as it is or in a code fence."""
    inner = text.strip().removeprefix("```json").removeprefix("```").removesuffix("```")
    try:
        return isinstance(decode(inner), dict | list)
    except ValueError:
        return False


def arguments(said: object) -> Mapping[str, Any] | None:
    """The arguments of a tool call, as text (some write the text as JSON once more) or as the object itself.

    None where they are no JSON object, or one that could be read in two ways.
    """
    for _ in range(2):
        if isinstance(said, str):
            try:
                said = decode(said, exactly=True) if said.strip() else {}
            except ValueError:
                return None
    if said is None:
        return {}
    return sound(said) if isinstance(said, dict) else None


def sound(value: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """*value* as it can be sent on: halves of characters become U+FFFD; None where it holds what JSON cannot."""
    try:
        plain = json.dumps(value, ensure_ascii=False, allow_nan=False)
    except (ValueError, TypeError, RecursionError):
        return None
    if max(plain, default="") < "\ud800" or plain.isascii():
        return value
    whole = plain.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    mended: Mapping[str, Any] = value if whole == plain else json.loads(whole)
    return mended


def depth(value: object) -> int:
    """How many levels *value* has."""
    levels, level = 0, [value]
    while level:
        levels += 1
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
    return levels


def _null(_: str) -> None:
    return None


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key stands there twice")
    return found


EXACT = json.JSONDecoder(parse_constant=_refuse, object_pairs_hook=_once)
"""Reads JSON that means one thing."""
_decoder = json.JSONDecoder(parse_constant=_null)  # one for all: json.loads looks for the encoding of each token anew
