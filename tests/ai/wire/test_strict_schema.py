"""A user's schema in a strict endpoint's form, and its answers back in the user's."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ai.batch.records import Schema
from ai.wire.strict_schema import restored, strict_schema, without_nulls


def thing(properties: dict[str, Any], *required: str, **more: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties, "required": list(required)} | more


TEXT, WHOLE = {"type": "string"}, {"type": "integer"}


def wrong(schema: Any) -> str | None:
    """What a strict endpoint would say of *schema*, by the rules that OpenAI documents."""
    if not isinstance(schema, dict):
        return None
    if schema.get("type") == "object" or "properties" in schema:
        if schema.get("additionalProperties") is not False:
            return "additionalProperties"
        if set(schema.get("required", [])) != set(schema.get("properties", {})):
            return "required"
    inner = [*schema.get("properties", {}).values(), *schema.get("anyOf", []), *schema.get("$defs", {}).values()]
    return next((found for part in [*inner, schema.get("items")] if (found := wrong(part))), None)


FIT = [
    thing({"a": TEXT}, "a"),
    thing({"a": TEXT, "b": WHOLE}, "a"),
    thing({"a": TEXT}, additionalProperties=False),
    thing({"a": thing({"b": TEXT}), "c": {"type": "array", "items": thing({"d": WHOLE})}}, "c"),
    thing({"a": {"type": ["string", "null"]}, "b": {"anyOf": [TEXT, {"type": "null"}]}}),
    thing({"a": {"enum": ["x", "y"]}, "b": {"oneOf": [TEXT, WHOLE]}}),
    thing({"a": {"$ref": "#/$defs/t"}}, **{"$defs": {"t": thing({"x": TEXT})}, "$schema": "x", "title": "T"}),
    thing({"a": TEXT | {"default": "x", "description": "what"}}),
]
UNFIT = [
    {"type": "object"},
    {"type": "array", "items": TEXT},
    {"type": "string"},
    {},
    thing({"a": TEXT}, additionalProperties=True),
    thing({"a": TEXT}, additionalProperties=TEXT),
    thing({"a": {"type": "object", "additionalProperties": TEXT}}),
    thing({"a": {}}),
    thing({"a": True}),
    thing({"a": TEXT}, patternProperties={"^x": TEXT}),
    thing({"a": {"allOf": [TEXT]}}),
    thing({"a": TEXT}, "a", "b"),
    {"anyOf": [thing({"a": TEXT})]},
]


@pytest.mark.parametrize("schema", FIT)
def test_an_ordinary_schema_is_made_fit(schema: dict[str, Any]) -> None:
    before = json.dumps(schema)
    made = strict_schema(schema)
    assert made is not None and wrong(made) is None
    assert json.dumps(schema) == before, "the caller's own is left alone"


@pytest.mark.parametrize("schema", UNFIT)
def test_what_strict_modes_cannot_say_goes_without(schema: dict[str, Any]) -> None:
    assert strict_schema(schema) is None


def test_a_schema_without_end_goes_without() -> None:
    endless: dict[str, Any] = thing({})
    endless["properties"]["again"] = endless
    assert strict_schema(endless) is None


NULLS = [
    (thing({"a": TEXT, "b": WHOLE}, "a"), {"a": "x", "b": None}, {"a": "x"}),
    (thing({"a": TEXT}, "a"), {"a": None}, {"a": None}),
    (thing({"a": {"type": ["string", "null"]}}), {"a": None}, {"a": None}),
    (thing({"a": {"anyOf": [TEXT, {"type": "null"}]}}), {"a": None}, {"a": None}),
    (thing({"a": {"enum": ["x", None]}}), {"a": None}, {"a": None}),
    (thing({"a": {}}), {"a": None}, {"a": None}),
    (thing({"a": TEXT}), {"other": None}, {"other": None}),
    (thing({"a": thing({"b": TEXT})}), {"a": {"b": None}}, {"a": {}}),
    (thing({"a": {"type": "array", "items": thing({"b": TEXT})}}), {"a": [{"b": None}, {}]}, {"a": [{}, {}]}),
    (thing({"a": {"$ref": "#/$defs/t"}}, **{"$defs": {"t": thing({"b": TEXT})}}), {"a": {"b": None}}, {"a": {}}),
    (thing({"a": {"$ref": "#"}}), {"a": {"a": None}}, {"a": {}}),
    (thing({"a": {"anyOf": [thing({"b": TEXT}), TEXT]}}), {"a": {"b": None}}, {"a": {}}),
    (thing({"a": TEXT}), [1, None], [1, None]),
]


@pytest.mark.parametrize(("schema", "answer", "meant"), NULLS)
def test_a_null_that_stands_for_nothing_is_taken_out_again(schema: Any, answer: Any, meant: Any) -> None:
    assert without_nulls(answer, schema) == meant
    assert json.loads(restored(json.dumps(answer), schema)) == meant


def test_an_answer_that_needs_no_change_keeps_its_own_writing() -> None:
    assert restored(' {"a":  "x"}', thing({"a": TEXT})) == ' {"a":  "x"}'
    assert restored("no JSON", thing({"a": TEXT})) == "no JSON"


def test_a_row_whose_optional_property_came_as_null_fits_the_user_s_schema() -> None:
    schema = Schema(thing({"a": TEXT, "b": WHOLE}, "a"))
    assert schema.read('{"a": "x", "b": null}') == ({"a": "x"}, None)
    assert schema.read('{"a": null}')[1] is not None


X = {"type": "object", "properties": {"b": {"type": "string"}}, "required": ["b"]}


@pytest.mark.parametrize(
    "optional",
    [
        {"$ref": "#/$defs/X"},
        {"type": "string", "enum": ["x", None]},
        {"type": ["string", "null"], "enum": ["x"]},
        {"type": "string", "const": "x"},
    ],
)
def test_what_cannot_be_null_by_itself_may_be_left_out(optional: dict[str, Any]) -> None:
    schema = {"type": "object", "properties": {"a": optional}, "$defs": {"X": X}}
    made = strict_schema(schema)
    assert made is not None
    assert made["properties"]["a"]["anyOf"][1] == {"type": "null"}
    assert json.loads(restored('{"a": null}', schema)) == {}
