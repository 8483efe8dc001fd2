"""A function's schema in OpenAI's strict form, where that says the same; what it cannot say stands in words."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from ai.wire.functions.words import described, sentence
from ai.wire.strict_schema import nullable, strict_schema

_FORMATS = {"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"}
"""OpenAI, "Structured outputs", "Supported schemas"."""
_IN_WORDS = ("default", "examples", "minLength", "maxLength", "contentEncoding", "contentMediaType", "deprecated")
"""What is refused or left out there."""
_KNOWN = {
    *("type", "title", "description", "enum", "const", "anyOf", "oneOf", "$ref", "$defs", "definitions", "properties"),
    *("required", "additionalProperties", "items", "minItems", "maxItems", "pattern", "format", "multipleOf"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "$schema", "$id", "$comment"),
}
_HOLDING = {"items", "anyOf", "oneOf", "$defs", "definitions"}
"""Keywords that hold schemas, beside `properties`."""
_LOOKS_AROUND = re.compile(r"\(\?[=!<]")
_TYPES: Mapping[type, str] = {str: "string", bool: "boolean", int: "integer", float: "number"}
_MOST_PROPERTIES = 200
"""More make the first call slow, while the schema is compiled."""


class _AmbiguousError(Exception):
    pass


def strict_function(top: Mapping[str, Any]) -> dict[str, Any] | None:
    """*top*, an object with properties, in the strict form; None where that would say something else.

    There every parameter has to be given, and null stands for one that is left out. One that may be left out, and
    may also be null, would mean two things by it.
    """
    try:
        return strict_schema(_prepared(dict(top), top, [_MOST_PROPERTIES]))
    except _AmbiguousError:
        return None


def _prepared(schema: dict[str, Any], root: Mapping[str, Any], left: list[int]) -> dict[str, Any]:
    said = [sentence(key, schema[key]) for key in _IN_WORDS if key in schema]
    made = {key: value for key, value in schema.items() if key not in _IN_WORDS}
    if "format" in made and made["format"] not in _FORMATS:
        said.append(sentence("format", made.pop("format")))
    if _LOOKS_AROUND.search(str(made.get("pattern", ""))):
        said.append(sentence("pattern", made.pop("pattern")))
    if "type" not in made and (kind := _kind_of_values(made)):
        made["type"] = kind
    if made.keys() - _KNOWN or ("$ref" in made and (said or made.keys() - {"$ref"})):
        raise _AmbiguousError  # also since nothing may stand beside a reference
    if made.get("type") == "array" and not isinstance(made.get("items"), dict):
        raise _AmbiguousError
    made |= {key: _inside(key, value, root, left) for key, value in made.items() if key in _HOLDING}
    if isinstance(made.get("properties"), dict):
        made["properties"] = _parameters(made, root, left)
    return described(made, *said) if said else made


def _inside(key: str, value: Any, root: Mapping[str, Any], left: list[int]) -> Any:
    if key == "items":
        return _prepared(value, root, left) if isinstance(value, dict) else value
    if isinstance(value, list):
        return [_prepared(one, root, left) if isinstance(one, dict) else one for one in value]
    if isinstance(value, dict):
        return {name: _prepared(one, root, left) if isinstance(one, dict) else one for name, one in value.items()}
    raise _AmbiguousError


def _parameters(schema: Mapping[str, Any], root: Mapping[str, Any], left: list[int]) -> dict[str, Any]:
    left[0] -= len(schema["properties"])
    if left[0] < 0:
        raise _AmbiguousError
    required, found = schema.get("required") or (), {}
    for name, one in schema["properties"].items():
        if not isinstance(one, dict) or (name not in required and _may_be_null(one, root)):
            raise _AmbiguousError
        made = _prepared(one, root, left)
        found[name] = made if name in required or "$ref" in made else described(made, "Null leaves it out.")
    return found


def _may_be_null(schema: Mapping[str, Any], root: Mapping[str, Any]) -> bool:
    return nullable(schema, root) or schema.get("default", ...) is None


def _kind_of_values(schema: Mapping[str, Any]) -> str | None:
    values = schema.get("enum", [schema["const"]] if "const" in schema else [])
    kinds = {_TYPES.get(type(value)) for value in values} if isinstance(values, list) else set()
    return kinds.pop() if len(kinds) == 1 else None
