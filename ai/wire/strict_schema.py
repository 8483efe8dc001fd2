"""A user's JSON Schema in the form that strict modes demand, and an answer to it back in the user's form.

Strict modes want every object closed and every property required. An optional property is asked for as one that may be
null, and a null that the user's schema does not allow is taken out of the answer again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ai.wire.raw.reading import decode, items
from core.values import Request, Response, Text

_CANNOT = {
    *("allOf", "not", "if", "then", "else", "dependentRequired", "dependentSchemas", "dependencies"),
    *("patternProperties", "propertyNames", "unevaluatedProperties", "unevaluatedItems", "contains", "minContains"),
    *("maxContains", "prefixItems", "minProperties", "maxProperties", "uniqueItems", "$dynamicRef", "$recursiveRef"),
}
"""What no strict mode can say (OpenAI, "Structured outputs", "Supported schemas")."""
_SILENT = frozenset(
    {"$schema", "$id", "$comment", "default", "examples", "title", "readOnly", "writeOnly", "deprecated"}
)
"""What asks for nothing, and is refused by some."""
_DEEPEST = 50


class _CannotError(Exception):
    pass


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """*schema* as strict modes take it; None where they cannot say what it says."""
    if schema.get("type") != "object" or "properties" not in schema or "$ref" in schema or "anyOf" in schema:
        return None  # the answer must be one object of known properties
    try:
        found: dict[str, Any] = _strict(schema, 0)
    except _CannotError:
        return None
    return found


def restored(text: str, schema: Mapping[str, Any]) -> str:
    """*text*, an answer to `strict_schema(schema)`, without the nulls that stand for what was left out."""
    try:
        value = decode(text)
    except ValueError:
        return text
    if "anyOf" in schema:
        return text  # no strict mode was asked for it
    back = without_nulls(value, schema)
    return text if back == value else json.dumps(back, ensure_ascii=False)


def as_asked(response: Response, request: Request) -> Response:
    """*response* as the caller's own schema has it, where a stricter one was sent."""
    if request.json_schema is None or (text := restored(response.text, request.json_schema)) == response.text:
        return response
    rest = tuple(part for part in response.parts if not isinstance(part, Text))
    return replace(response, text=text, parts=(Text(text), *rest) if rest else ())


def in_words(request: Request) -> Request:
    """*request* with its schema in the system prompt instead: for who refuses it."""
    if request.json_schema is None:
        return request
    rule = schema_rule(request.json_schema)
    return replace(request, json_schema=None, system=f"{request.system}\n\n{rule}" if request.system else rule)


def schema_rule(schema: Mapping[str, Any]) -> str:
    return f"Answer with one JSON object that fits this JSON Schema: {json.dumps(schema)}"


def without_nulls(value: Any, schema: Any, root: Any = None, depth: int = 0) -> Any:
    """*value* without nulls at properties that *schema* neither requires nor lets be null."""
    root = schema if root is None else root
    schema = followed(schema, root)
    if depth > _DEEPEST or not isinstance(schema, dict):
        return value
    if isinstance(value, list):
        return [without_nulls(one, schema.get("items"), root, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    for option in schema.get("anyOf") or schema.get("oneOf") or ():
        if isinstance(found := followed(option, root), dict) and "properties" in found:
            value = without_nulls(value, found, root, depth + 1)
    properties, required = schema.get("properties") or {}, schema.get("required") or ()
    return {
        name: without_nulls(one, properties.get(name), root, depth + 1)
        for name, one in value.items()
        if one is not None or name not in properties or name in required or nullable(properties[name], root)
    }


def _strict(schema: Any, depth: int) -> Any:
    if not isinstance(schema, dict) or depth > _DEEPEST or _CANNOT & schema.keys():
        raise _CannotError
    made = {key: value for key, value in schema.items() if key not in _SILENT}
    if not made:
        raise _CannotError  # it takes anything
    if "oneOf" in made:
        made["anyOf"] = made.pop("oneOf")
    if "anyOf" in made:
        made["anyOf"] = [_strict(one, depth + 1) for one in made["anyOf"]]
    for named in made.keys() & {"$defs", "definitions"}:
        made[named] = {name: _strict(one, depth + 1) for name, one in made[named].items()}
    if "items" in made:
        made["items"] = _strict(made["items"], depth + 1)
    return _closed(made, depth) if made.get("type") == "object" or "properties" in made else made


def _closed(schema: dict[str, Any], depth: int) -> dict[str, Any]:
    if schema.get("additionalProperties") not in (None, False) or "properties" not in schema:
        raise _CannotError  # an object of any keys
    required = set(schema.get("required") or ())
    properties = {
        name: made if name in required else _or_null(made)
        for name, one in schema["properties"].items()
        for made in [_strict(one, depth + 1)]
    }
    if required - properties.keys():
        raise _CannotError
    return schema | {"properties": properties, "required": list(properties), "additionalProperties": False}


def _or_null(schema: dict[str, Any]) -> dict[str, Any]:
    if "$ref" not in schema and nullable(schema, {}):  # what it refers to may be null or not: it may here
        return schema
    return {"anyOf": [schema, {"type": "null"}]}


def nullable(schema: Any, root: Any, depth: int = 0) -> bool:
    """Whether null fits *schema*, whose references are into *root*."""
    schema = followed(schema, root)
    if not isinstance(schema, dict) or depth > _DEEPEST:
        return True
    kind, values = schema.get("type"), schema.get("enum")
    if (kind is not None and kind != "null" and "null" not in items(kind)) or (values and None not in values):
        return False
    if "const" in schema:
        return schema["const"] is None
    if kind is not None or values:
        return True
    options = schema.get("anyOf") or schema.get("oneOf") or ()
    return any(nullable(option, root, depth + 1) for option in options) or not schema.keys() - _SILENT - {"description"}


def followed(schema: Any, root: Any) -> Any:
    """*schema*, or what its reference into *root* leads to."""
    for _ in range(_DEEPEST):
        reference = schema.get("$ref") if isinstance(schema, dict) else None
        if not isinstance(reference, str) or not reference.startswith("#"):
            return schema
        schema = root
        for step in filter(None, reference.removeprefix("#").split("/")):
            name = step.replace("~1", "/").replace("~0", "~")
            schema = schema.get(name) if isinstance(schema, dict) else None
    return None
