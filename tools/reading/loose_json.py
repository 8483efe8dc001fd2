"""JSON as models write it: fenced, between sentences, in lines, with single quotes, trailing commas, or cut off.

What is JSON is read by the standard library. Only what is not goes to `json_repair`, which takes the square of the
number of brackets that are opened, so a text that opens too many is not read.
"""

from __future__ import annotations

import json
from typing import Any

_LONGEST = 400_000
_LONGEST_REPAIRED = 200_000
_MOST_OPENED = 1_500
_MOST_TRIES = 64


def json_values(text: str) -> list[Any]:
    """The outermost JSON objects and lists in *text*, in order; those that are broken are mended where it can be."""
    text = text.strip().lstrip("\ufeff")
    if len(text) > _LONGEST or not ("{" in text or "[" in text):
        return []
    whole = _loads(text)
    if isinstance(whole, dict | list):
        return [whole]
    strict = _strict(text)
    return strict if strict is not None else _mended(text)


def json_object(text: str) -> dict[str, Any] | None:
    """The first JSON object in *text*, whatever stands around it; None when there is none."""
    return next((found for found in json_values(text) if isinstance(found, dict)), None)


def _loads(text: str) -> Any:
    try:
        return json.loads(text, strict=False)
    except (ValueError, RecursionError):
        return None


def _strict(text: str) -> list[Any] | None:
    """The values that are JSON; None when something that begins like one is not."""
    decoder = json.JSONDecoder(strict=False)
    found: list[Any] = []
    place = _next(text, 0)
    for _ in range(_MOST_TRIES):
        if place < 0:
            break
        try:
            value, place = decoder.raw_decode(text, place)
        except (ValueError, RecursionError):
            if _begins(text, place):
                return None
            place += 1
        else:
            found += [value] if isinstance(value, dict) or (value and isinstance(value, list)) else []
        place = _next(text, place)
    return found


def _next(text: str, place: int) -> int:
    found = [spot for sign in "{[" if (spot := text.find(sign, place)) >= 0]
    return min(found, default=-1)


def _begins(text: str, place: int) -> bool:
    """Whether what is opened at *place* looks like an object or a list of them, and not like prose or code."""
    rest = text[place + 1 : place + 200].lstrip()
    if text[place] == "[":
        return rest[:1] == "{"
    return rest[:1] in "\"'“‘" or (rest.split(":")[0].strip().replace("_", "a").isalnum() and ":" in rest)


def _mended(text: str) -> list[Any]:
    if len(text) > _LONGEST_REPAIRED or text.count("{") + text.count("[") > _MOST_OPENED:
        return []
    from json_repair import repair_json

    begin = next((place for place, sign in enumerate(text) if sign in "{[" and _begins(text, place)), None)
    if begin is None:
        return []
    try:
        value = repair_json(_plain_quotes(text[begin:]), return_objects=True, skip_json_loads=True)
    except (ValueError, RecursionError, IndexError, TypeError, KeyError, AttributeError):
        return []
    if isinstance(value, list) and value and all(isinstance(one, dict | list) for one in value):
        return value if text[begin] == "{" else [value]
    return [value] if isinstance(value, dict | list) and value else []


def _plain_quotes(text: str) -> str:
    """Typographic double quotes as plain ones, where they stand for them."""
    return text if '"' in text else text.replace("“", '"').replace("”", '"')
