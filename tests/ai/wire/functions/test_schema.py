"""Schemas of functions as each protocol takes them: nothing is lost in silence, and no recursion is without end."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.wire.functions.form import misshapen
from ai.wire.functions.names import FUNCTION, legal, legal_id
from ai.wire.functions.schema import ALL, GEMINI, GRAMMAR, MESSAGES, OLLAMA, Takes, adapted, restored

STRICT = Takes(strict=True)
EVERY = {"all": ALL, "strict": STRICT, "messages": MESSAGES, "gemini": GEMINI, "ollama": OLLAMA, "grammar": GRAMMAR}
TREE: dict[str, Any] = {
    "type": "object",
    "properties": {"root": {"$ref": "#/$defs/Node"}},
    "required": ["root"],
    "$defs": {
        "Node": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "children": {"type": "array", "items": {"$ref": "#/$defs/Node"}},
            },
            "required": ["name"],
        }
    },
}


def of(**properties: Any) -> dict[str, Any]:
    return {"type": "object", "properties": properties}


@pytest.mark.parametrize("takes", EVERY.values(), ids=EVERY)
@pytest.mark.parametrize(
    "schema", [{}, {"type": "object"}, {"$ref": "#"}, {"$ref": "https://x/y.json"}, {"type": "string"}]
)
def test_whatever_it_was_it_is_an_object_with_properties(schema: dict[str, Any], takes: Takes) -> None:
    made = adapted(schema, takes).schema
    assert made["type"] == "object" and isinstance(made["properties"], dict)


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (of(x="string"), "'properties.x' has to be an object"),
        (of(x=None), "'properties.x' has to be an object"),
        (of(x={"required": True}), "'properties.x.required' has to be a list of names"),
        (of(x={"type": "strng"}), "'properties.x.type' has to be one of object, array"),
        (of(x={"type": []}), "'properties.x.type' has to be one of object, array"),
        (of(x={"type": "array", "items": 5}), "'properties.x.items' has to be an object"),
        (of(x={"anyOf": [{"type": "string"}, 5]}), "'properties.x.anyOf.1' has to be an object"),
        (of(x={"enum": "a"}), "'properties.x.enum' has to be a list"),
        (of(x={"$ref": 5}), "'properties.x.$ref' has to be a text"),
        ({"type": "object", "properties": ["x"]}, "'properties' has to be an object"),
        ({"type": "object", "required": "x"}, "'required' has to be a list of names"),
        ({"type": "object", "$defs": []}, "'$defs' has to be an object"),
        ({"type": "object", "additionalProperties": "no"}, "'additionalProperties' has to be an object"),
    ],
)
def test_what_providers_would_refuse_for_its_form_is_refused_with_its_place(schema: dict[str, Any], said: str) -> None:
    for takes in EVERY.values():
        with pytest.raises(ValueError, match=re.escape(said)):
            adapted(schema, takes)


@pytest.mark.parametrize("takes", EVERY.values(), ids=EVERY)
def test_a_form_that_is_only_unusual_is_fine(takes: Takes) -> None:
    unusual = {"type": "object", "properties": {"required": {"type": "string"}, "x": True, "y": {"description": None}}}
    assert set(adapted(unusual, takes).schema["properties"]) == {"required", "x", "y"}
    for nothing in ([], None, {}):
        assert adapted({"type": "object", "properties": nothing}, takes).schema["properties"] == {}


def test_a_schema_of_many_levels_is_looked_through_without_recursion() -> None:
    schema: dict[str, Any] = {"type": "nowhere"}
    for _ in range(5_000):
        schema = of(x=schema)
    assert misshapen(schema).startswith("'…") and misshapen(schema).endswith("boolean, null")


@pytest.mark.parametrize("takes", [GEMINI, OLLAMA, GRAMMAR])
def test_a_schema_that_holds_itself_is_written_out_as_far_as_it_goes_and_then_told_in_words(takes: Takes) -> None:
    text = json.dumps(adapted(TREE, takes).schema)
    assert "$ref" not in text and len(text) < 3_000
    assert "Of the same form as Node." in text


@pytest.mark.parametrize("takes", [ALL, MESSAGES])
def test_who_takes_references_gets_them(takes: Takes) -> None:
    made = adapted(TREE, takes).schema
    assert made["properties"]["root"] == {"$ref": "#/$defs/Node"} and made["$defs"] == TREE["$defs"]


def test_a_tree_of_references_that_doubles_at_each_level_does_not_fill_the_memory() -> None:
    levels = {f"L{n}": of(a={"$ref": f"#/$defs/L{n + 1}"}, b={"$ref": f"#/$defs/L{n + 1}"}) for n in range(30)}
    schema = of(x={"$ref": "#/$defs/L0"}) | {"$defs": levels | {"L30": {"type": "string"}}}
    text = json.dumps(adapted(schema, GEMINI).schema)
    assert len(text) < 2_000_000 and "too much to be told" in text


@pytest.mark.parametrize(
    ("keyword", "value", "words"),
    [
        ("pattern", "^[a-z]+$", "Matches the regular expression ^[a-z]+$."),
        ("minLength", 3, "At least 3 characters."),
        ("multipleOf", 5, "A multiple of 5."),
        ("exclusiveMinimum", 0.5, "More than 0.5."),
        ("default", "x", 'Default: "x".'),
        ("uniqueItems", True, "No item twice."),
        ("not", {"type": "null"}, 'Not of this form: {"type": "null"}.'),
        ("x-of-a-vendor", 1, 'Fits the JSON Schema {"x-of-a-vendor": 1} too.'),
    ],
)
def test_what_gemini_cannot_be_told_stands_in_the_description(keyword: str, value: Any, words: str) -> None:
    made = adapted(of(p={"type": "string", "description": "It.", keyword: value}), GEMINI).schema
    assert made["properties"]["p"] == {"type": "string", "description": f"It. {words}"}


def test_what_says_the_same_in_other_keywords_is_put_so() -> None:
    given_ = of(
        a={"const": "x"},
        b={"oneOf": [{"type": "string"}, {"type": "integer"}]},
        c={"type": "integer", "exclusiveMinimum": 0},
        d={"allOf": [{"type": "string"}, {"description": "D."}]},
    )
    assert adapted(given_, GEMINI).schema["properties"] == {
        "a": {"enum": ["x"]},
        "b": {"anyOf": [{"type": "string"}, {"type": "integer"}]},
        "c": {"type": "integer", "minimum": 1},
        "d": {"type": "string", "description": "D."},
    }


def test_a_choice_at_the_top_becomes_one_object_and_the_choice_stands_in_words() -> None:
    schema = {"type": "object", "anyOf": [of(a={"type": "string"}) | {"required": ["a"]}, of(b={"type": "integer"})]}
    made = adapted(schema, MESSAGES).schema
    assert made["properties"] == {"a": {"type": "string"}, "b": {"type": "integer"}}
    assert "required" not in made and "One of these forms:" in made["description"]


def test_strict_asks_for_everything_and_what_may_be_left_out_as_null() -> None:
    schema = of(a={"type": "string"}, b={"type": "integer", "default": 5, "minLength": 2}) | {"required": ["a"]}
    made = adapted(schema, STRICT)
    assert made.strict and made.schema["required"] == ["a", "b"] and made.schema["additionalProperties"] is False
    told = made.schema["properties"]["b"]["anyOf"]
    assert told == [
        {"type": "integer", "description": "Default: 5. At least 2 characters. Null leaves it out."},
        {"type": "null"},
    ]
    assert restored({"a": "x", "b": None}, schema, STRICT) == {"a": "x"}


@pytest.mark.parametrize(
    "loose",
    [
        {"anyOf": [{"type": "string"}, {"type": "null"}]},
        {"type": "string", "default": None},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "array"},
        {"type": "string", "x-of-a-vendor": 1},
    ],
)
def test_what_strict_cannot_say_without_another_meaning_goes_without_it(loose: dict[str, Any]) -> None:
    schema = of(p=loose)
    assert not adapted(schema, STRICT).strict
    assert restored({"p": None}, schema, STRICT) == {"p": None}


def test_names_of_parameters_that_are_refused_come_back_as_they_were_at_every_depth() -> None:
    inner = of(**{"$top": {"type": "integer"}})
    schema = of(**{"filter[id]": {"type": "string"}, "list": {"type": "array", "items": inner}})
    schema["required"] = ["filter[id]"]
    made = adapted(schema, MESSAGES).schema
    assert list(made["properties"]) == ["filter_id_", "list"] and made["required"] == ["filter_id_"]
    assert "Its real name is 'filter[id]'." in made["properties"]["filter_id_"]["description"]
    assert restored({"filter_id_": "x", "list": [{"_top": 3}]}, schema, MESSAGES) == {
        "filter[id]": "x",
        "list": [{"$top": 3}],
    }


def test_texts_and_lists_of_small_models_have_an_end() -> None:
    made = adapted(of(a={"type": "string"}, b={"type": "array", "items": {"type": "string", "enum": ["x"]}}), _SMALL)
    assert made.schema["properties"] == {
        "a": {"type": "string", "maxLength": 9},
        "b": {"type": "array", "items": {"type": "string", "enum": ["x"]}, "maxItems": 2},
    }


_SMALL = Takes(keywords=GRAMMAR.keywords, refs=False, longest=(9, 2))
_LEAVES = st.sampled_from([{"type": "string"}, {"type": "integer"}, {"type": "boolean"}, {"enum": ["a", 1]}])
_SCHEMAS = st.recursive(
    _LEAVES,
    lambda inner: st.one_of(
        st.dictionaries(st.sampled_from(["a", "b c", "$d", "é"]), inner, max_size=3).map(lambda p: of(**p)),
        inner.map(lambda one: {"type": "array", "items": one}),
        st.lists(inner, min_size=1, max_size=2).map(lambda many: {"anyOf": many}),
    ),
    max_leaves=8,
)


@pytest.mark.parametrize("takes", EVERY.values(), ids=EVERY)
@given(properties=st.dictionaries(st.sampled_from(["x", "y[0]", "z"]), _SCHEMAS, max_size=3))
def test_any_schema_is_adapted_into_json_that_holds_only_what_is_taken(
    takes: Takes, properties: dict[str, Any]
) -> None:
    made = adapted(of(**properties), takes).schema
    assert json.loads(json.dumps(made)) == made
    if takes.keys:
        assert all(map(takes.keys.fullmatch, made["properties"]))
    if takes.keywords:
        assert made.keys() <= takes.keywords


@given(st.lists(st.text(max_size=80), max_size=6, unique=True))
def test_names_are_legal_no_two_alike_and_the_same_each_time(names: list[str]) -> None:
    found = legal(names, FUNCTION)
    assert list(found) == names and len(set(found.values())) == len(names)
    assert all(map(FUNCTION.fullmatch, found.values()))
    assert found == legal(names, FUNCTION)


def test_a_legal_name_stays_and_another_gives_way() -> None:
    found = legal(["a.b", "a_b"], FUNCTION)
    assert found["a_b"] == "a_b" and found["a.b"].startswith("a_b_")


def test_an_id_of_another_provider_fits() -> None:
    assert legal_id("call_1", re.compile(r"[a-z0-9_]+")) == "call_1"
    assert re.fullmatch(r"[A-Za-z0-9]{9}", legal_id("functions.look:0", re.compile(r"[A-Za-z0-9]{9}")))
