"""What a schema demands, in words, for whoever cannot be told in the schema's own."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

_LONGEST = 2_000
"""Characters of one sentence. What is cut shows that it is."""
_SENTENCES: Mapping[str, str] = {
    "minLength": "At least {} characters.",
    "maxLength": "At most {} characters.",
    "pattern": "Matches the regular expression {}.",
    "format": "Format: {}.",
    "minimum": "At least {}.",
    "maximum": "At most {}.",
    "exclusiveMinimum": "More than {}.",
    "exclusiveMaximum": "Less than {}.",
    "multipleOf": "A multiple of {}.",
    "minItems": "At least {} items.",
    "maxItems": "At most {} items.",
    "minProperties": "At least {} keys.",
    "maxProperties": "At most {} keys.",
    "default": "Default: {}.",
    "examples": "For example: {}.",
    "const": "Always {}.",
    "enum": "One of {}.",
    "required": "Required: {}.",
    "contentEncoding": "Encoded as {}.",
    "contentMediaType": "Its media type is {}.",
    "oneOf": "Exactly one of these forms: {}.",
    "anyOf": "One of these forms: {}.",
    "allOf": "All of these at once: {}.",
    "not": "Not of this form: {}.",
    "propertyNames": "Every key fits {}.",
    "patternProperties": "Keys by their form: {}.",
    "prefixItems": "Items in this order: {}.",
    "contains": "Holds an item such as {}.",
}
_FLAGS: Mapping[str, str] = {
    "uniqueItems": "No item twice.",
    "deprecated": "Deprecated.",
    "readOnly": "Read only.",
    "writeOnly": "Write only.",
}
_BARE = {"pattern", "format", "contentEncoding", "contentMediaType"}
"""Whose value is told without quotation marks."""


def sentence(key: str, value: Any) -> str:
    """What *key* with *value* demands; empty where it demands nothing."""
    if key in _FLAGS:
        return _FLAGS[key] if value is True else ""
    if key == "additionalProperties":
        return _further_keys(value)
    if key == "required" and isinstance(value, list):
        return _cut(_SENTENCES[key].format(", ".join(map(str, value)))) if value else ""
    if known := _SENTENCES.get(key):
        return _cut(known.format(value if key in _BARE and isinstance(value, str) else as_json(value)))
    return _cut(f"Fits the JSON Schema {as_json({key: value})} too.")


def described(schema: dict[str, Any], *sentences: str) -> dict[str, Any]:
    """*schema* with *sentences* after its description."""
    said = [str(schema.get("description") or "").strip(), *sentences]
    words = " ".join(filter(None, said))
    return schema | {"description": words} if words else schema


def as_json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _further_keys(value: Any) -> str:
    if value is False:
        return "No other keys."
    if isinstance(value, dict) and value:
        return _cut(f"The values of further keys fit {as_json(value)}.")
    return "Further keys are free." if value is True or value == {} else ""


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}… (cut)"
