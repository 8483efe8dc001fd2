"""Whether a schema is one at all: what is not is refused by providers, together with everything sent beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

_TYPES = ("object", "array", "string", "number", "integer", "boolean", "null")
_BY_NAME = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
_IN_A_ROW = ("anyOf", "oneOf", "allOf", "prefixItems")
_ALONE = ("additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_TEXTS = ("$ref", "description", "title", "pattern", "format")
_PROSE = ("description", "title")
_LONGEST = 80


def misshapen(schema: Mapping[str, Any]) -> str:
    """Where *schema* is no JSON Schema, as half a sentence; empty where its form is one.

    No properties at the top may be said in any way: some languages write an empty object as a list.
    """
    left: list[tuple[str, Any]] = [("", schema if schema.get("properties") else {**schema, "properties": {}})]
    while left:  # and no recursion, which a deep one would end
        place, one = left.pop()
        if isinstance(one, bool) and place:
            continue
        if not isinstance(one, Mapping):
            return _has_to_be(place, "an object")
        for key, value in one.items():
            inside = f"{place}.{key}" if place else str(key)
            if wanted := _wanted(key, value):
                return _has_to_be(inside, wanted)
            left += _below(key, value, inside)
    return ""


def _wanted(key: str, value: Any) -> str:
    """What stands at *key* instead of *value*; empty where *value* may."""
    if key in _BY_NAME:
        return "" if isinstance(value, Mapping) else "an object"
    if key in _IN_A_ROW:
        return "" if isinstance(value, list | tuple) and value else "a list of schemas"
    if key in _TEXTS:
        return "" if isinstance(value, str) or (value is None and key in _PROSE) else "a text"
    if key == "required":
        return "" if _texts(value) else "a list of names"
    if key == "enum":
        return "" if isinstance(value, list | tuple) else "a list"
    if key == "type":
        types = [value] if isinstance(value, str) else value
        return "" if _texts(types) and types and all(one in _TYPES for one in types) else f"one of {', '.join(_TYPES)}"
    return ""


def _below(key: str, value: Any, place: str) -> Iterator[tuple[str, Any]]:
    if key in _BY_NAME:
        yield from ((f"{place}.{name}", one) for name, one in value.items())
    elif key in _IN_A_ROW or (key == "items" and isinstance(value, list | tuple)):
        yield from ((f"{place}.{number}", one) for number, one in enumerate(value))
    elif key in _ALONE or key == "items":
        yield place, value


def _texts(value: Any) -> bool:
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)


def _has_to_be(place: str, what: str) -> str:
    shown = place if len(place) <= _LONGEST else f"…{place[-_LONGEST:]}"
    return f"{shown!r} has to be {what}" if place else f"it has to be {what}"
