"""A function's JSON Schema in the form that a protocol takes, and arguments to it back in the caller's own.

Whatever the form cannot say stands in words in the description beside it, so that no constraint is lost in silence. A
schema that refers to itself is told as far as it goes, and from there on in words.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from ai.wire.functions.form import misshapen
from ai.wire.functions.names import legal
from ai.wire.functions.strict import strict_function
from ai.wire.functions.words import described, sentence
from ai.wire.strict_schema import followed, without_nulls

_DEEPEST = 40
_MOST_NODES = 5_000
_TIMES = 2
"""How often a schema stands inside itself before the rest is told in words."""
_DROPPED = ("$schema", "$id", "$comment", "$anchor", "$vocabulary")
"""What demands nothing of a value."""
_OF_ONE = ("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames")
_OF_LIST = ("anyOf", "oneOf", "allOf", "prefixItems")
_OF_NAMED = ("properties", "patternProperties", "dependentSchemas", "$defs", "definitions")


@dataclass(frozen=True, slots=True)
class Takes:
    """What a protocol takes of JSON Schema.

    Attributes:
        keywords: None means all of them.
        refs: Whether `$ref` is followed there; else what it refers to is written out.
        strict: Whether a function's schema may be held to exactly, where a stricter one can say it.
        keys: What the names of parameters have to match.
        scalars: The Python types that values of `enum` may have.
        longest: Characters of a text and items of a list that names no limit; for models that would not end.
    """

    keywords: frozenset[str] | None = None
    refs: bool = True
    strict: bool = False
    keys: re.Pattern[str] | None = None
    scalars: tuple[type, ...] = ()
    longest: tuple[int, int] | None = None


_SAFE_KEYS = re.compile(r"[A-Za-z0-9_.-]{1,64}")
"""What Anthropic takes ("Property keys should match pattern")."""
_PLAIN = frozenset({"type", "description", "enum", "items", "anyOf", "properties", "required"})
ALL = Takes()
MESSAGES = Takes(keys=_SAFE_KEYS)
GEMINI = Takes(
    # Google, "FunctionDeclaration": parametersJsonSchema, and "Structured output": what a schema may hold
    keywords=_PLAIN
    | {"format", "title", "prefixItems", "minItems", "maxItems", "minimum", "maximum", "additionalProperties"},
    refs=False,
    keys=_SAFE_KEYS,
    scalars=(str, int, float),
)
OLLAMA = Takes(keywords=_PLAIN, refs=False)  # Ollama, api/types.go: ToolProperty
GRAMMAR = Takes(
    # llama.cpp, grammars/README.md: JSON Schemas; patterns and formats only in part
    keywords=_PLAIN
    | {"const", "minItems", "maxItems", "minLength", "maxLength", "minimum", "maximum", "additionalProperties"},
    refs=False,
)


@dataclass(frozen=True, slots=True)
class Adapted:
    schema: Mapping[str, Any]
    strict: bool = False


def adapted(schema: Mapping[str, Any], takes: Takes) -> Adapted:
    """*schema* as *takes* has it. It is made once for each that is alike, and nobody may change it.

    Raises:
        ValueError: It is no JSON Schema; the text says where, or is empty.
    """
    if wrong := misshapen(schema):
        raise ValueError(wrong)
    try:
        return _adapted(json.dumps(dict(schema), allow_nan=False), takes)
    except (TypeError, RecursionError) as error:
        raise ValueError from error


def restored(arguments: Mapping[str, Any], schema: Mapping[str, Any], takes: Takes) -> Mapping[str, Any]:
    """*arguments*, which answer to `adapted(schema, takes)`, as an answer to *schema*."""
    if takes.strict and adapted(schema, takes).strict:
        plain: dict[str, Any] = without_nulls(dict(arguments), at_top(schema))
        return plain
    if takes.keys is None:
        return arguments
    top = at_top(schema)
    renamed: dict[str, Any] = _with_own_keys(arguments, top, top, takes.keys, 0)
    return renamed


def at_top(schema: Mapping[str, Any]) -> dict[str, Any]:
    """*schema* as one object with properties: no provider takes a reference or a choice at the top."""
    top = dict(schema)
    if "$ref" in top:
        found = followed(top, top)
        top.pop("$ref")
        top = (dict(found) if isinstance(found, dict) else {}) | top
    said = []
    for key in ("allOf", "anyOf", "oneOf"):
        if options := [one for each in _list(top.get(key)) if isinstance(one := followed(each, schema), dict)]:
            top = _merged(top, options, every=key == "allOf")
            if key != "allOf":
                said.append(sentence(key, [_brief(option) for option in options]))
        top.pop(key, None)
    for key in [key for key in top if key in ("not", "if", "then", "else", "enum", "const")]:
        said.append(sentence(key, top.pop(key)))
    top = described(top, *said) if said else top
    properties = top.get("properties")
    return top | {"type": "object", "properties": properties if isinstance(properties, dict) else {}}


@lru_cache(512)
def _adapted(text: str, takes: Takes) -> Adapted:
    top = at_top(json.loads(text))
    if takes.strict and (found := strict_function(top)) is not None:
        return Adapted(found, strict=True)
    return Adapted(_Walk(takes, top).node(top, 0))


def _merged(top: dict[str, Any], options: Sequence[Mapping[str, Any]], *, every: bool) -> dict[str, Any]:
    """*top* with the properties of *options*; required is what all of them demand, or *every* one of them does."""
    properties: dict[str, Any] = dict(top.get("properties") or {})
    demands = [set(_list(option.get("required"))) for option in options]
    shared = set.union(*demands) if every else set.intersection(*demands)
    for option in options:
        for name, one in (option.get("properties") or {}).items():
            before = properties.setdefault(name, one)
            if before != one:
                properties[name] = {"allOf" if every else "anyOf": [before, one]}
        for key in option.keys() - top.keys() - {"properties", "required", "type", "description"}:
            if every or key in ("$defs", "definitions"):
                top[key] = option[key]
    required = [name for name in properties if name in shared or name in _list(top.get("required"))]
    return top | {"properties": properties} | ({"required": required} if required else {})


def _brief(option: Mapping[str, Any]) -> Mapping[str, Any]:
    """What tells one form from another: what each demands, since its properties are told anyway."""
    return {key: value for key, value in option.items() if key not in ("type", "description", "title", "$defs")}


@dataclass
class _Walk:
    """One schema on its way into another form."""

    takes: Takes
    root: Mapping[str, Any]
    nodes: int = 0
    trail: list[str] = field(default_factory=list)
    """The references that are being written out."""

    def node(self, schema: Any, depth: int) -> dict[str, Any]:
        self.nodes += 1
        if schema is False:
            return {"description": "Leave it out."}
        if not isinstance(schema, dict):
            return {}
        if depth > _DEEPEST or self.nodes > _MOST_NODES:
            return {"description": "What stands here is too much to be told. Keep it simple."}
        if "$ref" in schema:
            return self._referred(schema, depth)
        return self._bounded(self._keys(self._in_known_words(schema), depth))

    def _referred(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        reference = str(schema["$ref"])
        found = followed(schema, self.root)
        beside = {key: value for key, value in schema.items() if key != "$ref"}
        if not isinstance(found, dict) or "$ref" in found:
            return self.node(described(beside, sentence("$ref", reference)), depth + 1)
        if self.takes.refs:
            return {"$ref": reference} | self._keys(beside, depth)
        if self.trail.count(reference) >= _TIMES:
            name = reference.rsplit("/", 1)[-1].lstrip("#") or "the whole"
            kind = {"type": found["type"]} if isinstance(found.get("type"), str) else {}
            return described(kind | {"description": beside.get("description", "")}, f"Of the same form as {name}.")
        self.trail.append(reference)
        try:
            return self.node(found | beside, depth + 1)
        finally:
            self.trail.pop()

    def _in_known_words(self, schema: dict[str, Any]) -> dict[str, Any]:
        """*schema* with keywords that are not taken put as others that are, where that says the same."""
        known = self.takes.keywords
        made = {key: value for key, value in schema.items() if key not in _DROPPED}
        if known is None:
            return made
        if "const" in made and "const" not in known and self._listable([made["const"]]):
            made["enum"] = [made.pop("const")]
        if "oneOf" in made and "oneOf" not in known and "anyOf" not in made:
            made["anyOf"] = made.pop("oneOf")
        if "allOf" in made and isinstance(made["allOf"], list):
            made = self._united(made)
        if made.get("type") == "integer":
            for exclusive, inclusive, step in (("exclusiveMinimum", "minimum", 1), ("exclusiveMaximum", "maximum", -1)):
                if isinstance(limit := made.get(exclusive), int) and inclusive in known and inclusive not in made:
                    made[inclusive] = limit + step
                    del made[exclusive]
        return made

    def _united(self, schema: dict[str, Any]) -> dict[str, Any]:
        """`allOf` as one schema, where nothing in it says two things of the same."""
        whole = {key: value for key, value in schema.items() if key != "allOf"}
        for option in schema["allOf"]:
            one = followed(option, self.root)
            if not isinstance(one, dict) or any(whole.get(key, one[key]) != one[key] for key in one):
                return schema
            whole |= one
        return whole

    def _keys(self, schema: dict[str, Any], depth: int) -> dict[str, Any]:
        known, said = self.takes.keywords, []
        made: dict[str, Any] = {}
        for key, value in schema.items():
            if known is not None and key not in known:
                if key not in ("$defs", "definitions", "title"):
                    said.append(sentence(key, value))
            elif key == "enum" and not self._listable(value):
                said.append(sentence(key, value))
            else:
                made[key] = self._value(key, value, depth)
        if "properties" in made:
            made = self._with_safe_keys(made)
        if made.get("type") == "array" and "items" not in made and "prefixItems" not in made:
            made["items"] = {}  # OpenAI and Gemini refuse a list of nobody knows what
        return described(made, *said) if any(said) else made

    def _value(self, key: str, value: Any, depth: int) -> Any:
        if key in _OF_ONE and isinstance(value, dict):
            return self.node(value, depth + 1)
        if key in _OF_LIST and isinstance(value, list):
            return [self.node(one, depth + 1) for one in value]
        if key in _OF_NAMED and isinstance(value, dict):
            return {name: self.node(one, depth + 1) for name, one in value.items()}
        return value

    def _listable(self, values: Any) -> bool:
        kinds = self.takes.scalars
        return not kinds or all(isinstance(one, kinds) and not isinstance(one, bool) for one in _list(values))

    def _with_safe_keys(self, made: dict[str, Any]) -> dict[str, Any]:
        pattern = self.takes.keys
        if pattern is None or all(map(pattern.fullmatch, made["properties"])):
            return made
        own = legal(made["properties"], pattern)
        properties = {
            own[name]: one if own[name] == name else described(one, f"Its real name is {name!r}.")
            for name, one in made["properties"].items()
        }
        return made | {"properties": properties, "required": [own.get(name, name) for name in made.get("required", ())]}

    def _bounded(self, made: dict[str, Any]) -> dict[str, Any]:
        if self.takes.longest is None:
            return made
        text, items = self.takes.longest
        if made.get("type") == "string" and not made.keys() & {"enum", "const"}:
            made["maxLength"] = min(made.get("maxLength", text), text)
        elif made.get("type") == "array":
            made["maxItems"] = min(made.get("maxItems", items), items)
        return made


def _with_own_keys(value: Any, schema: Any, root: Any, pattern: re.Pattern[str], depth: int) -> Any:
    schema = followed(schema, root)
    if depth > _DEEPEST or not isinstance(schema, dict):
        return value
    if isinstance(value, list):
        return [_with_own_keys(one, schema.get("items"), root, pattern, depth + 1) for one in value]
    if not isinstance(value, dict):
        return value
    own: dict[str, tuple[str, Any]] = {}
    options = [option for key in ("allOf", "anyOf", "oneOf") for option in _list(schema.get(key))]
    for one in (*(followed(option, root) for option in options), schema):
        if isinstance(one, dict) and isinstance(properties := one.get("properties"), dict):
            own |= {sent: (name, properties[name]) for name, sent in legal(properties, pattern).items()}
    further = schema.get("additionalProperties")
    back = {name: own.get(name, (name, further)) for name in value}
    return {back[name][0]: _with_own_keys(one, back[name][1], root, pattern, depth + 1) for name, one in value.items()}


def _list(value: Any) -> Sequence[Any]:
    return value if isinstance(value, list) else ()
