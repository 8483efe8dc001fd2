"""What a host's model meant by arguments that are nearly right: understood where one reading is possible.

Models write `all` for a list, `a,b` for two names, `Merge` and `HIGH` for `merge` and `high`, `null` and `""` for what
they leave out, and call a question a prompt. Whatever could mean two things stays as it is, and is complained of.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from difflib import get_close_matches
from typing import Any

_ALIKE = (
    {"prompt", "question", "query", "message"},
    {"ais", "ai", "models_to_ask", "participants"},
    {"timeout_s", "timeout", "timeout_seconds"},
    {"max_tokens", "max_output_tokens", "max_completion_tokens"},
    {"effort", "reasoning_effort"},
    {"system", "system_prompt", "instructions"},
    {"files", "file", "paths_to_files"},
    {"images", "image"},
    {"thread", "thread_id", "conversation", "conversation_id"},
    {"id", "job", "job_id"},
    {"judges", "judge"},
    {"candidates", "answers"},
    {"background", "run_in_background", "is_background"},
)
"""Names under which models know the same argument."""


def understood(arguments: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any]:
    """*arguments* as *schema* wants them, as far as they can mean one thing only."""
    properties: Mapping[str, Any] = schema.get("properties", {})
    required = schema.get("required", ())
    named = _with_model(_renamed(arguments, properties), properties)
    meant = {}
    for name, value in named.items():
        optional = name in properties and name not in required
        if optional and (value is None or value == "" or _says_null(value, properties[name])):
            continue
        kinds = _kinds(properties[name], schema.get("$defs", {})) if name in properties else []
        meant[name] = _one(name, value, kinds)
    return {name: value for name, value in meant.items() if value is not _DEFAULT}


def hint(unknown: str, known: Iterable[str]) -> str:
    """What an argument of no such name may have been, and which there are."""
    names = list(known)
    alike = next((group for group in _ALIKE if unknown in group), set())
    near = [name for name in names if name in alike] or get_close_matches(unknown, names, n=1, cutoff=0.6)
    did = f" Did you mean {near[0]!r}?" if near else ""
    return f"{did} There are: {', '.join(names)}."


_DEFAULT = object()


def _renamed(arguments: Mapping[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(arguments)
    for name in list(given):
        if name in properties:
            continue
        group = next((one for one in _ALIKE if name.casefold() in one), None)
        places = [one for one in properties if group and one in group and one not in given]
        if name.casefold() in properties and name.casefold() not in given:
            places = [name.casefold()]
        if len(places) == 1:
            given[places[0]] = given.pop(name)
    return given


def _with_model(given: dict[str, Any], properties: Mapping[str, Any]) -> dict[str, Any]:
    """`model` beside `ai` is another model of that AI; alone it is one of the default AI, or the AI of that name."""
    model = given.get("model")
    if "model" in properties or "ai" not in properties or not isinstance(model, str):
        return given
    ai = given.get("ai") or ""
    if not isinstance(ai, str):
        return given
    rest = {name: value for name, value in given.items() if name != "model"}
    return rest if not model.strip() else rest | {"ai": f"{ai}/{model.strip()}"}


def _kinds(schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    """The forms in which a value may come."""
    if "$ref" in schema:
        return _kinds(definitions.get(schema["$ref"].rpartition("/")[2], {}), definitions)
    if "anyOf" in schema:
        return [kind for one in schema["anyOf"] for kind in _kinds(one, definitions)]
    return [schema]


def _says_null(value: Any, schema: Mapping[str, Any]) -> bool:
    """Whether the word null was written; where a text is wanted, it may be one."""
    free_text = schema.get("type") == "string" and "enum" not in schema
    return (
        isinstance(value, str)
        and value.strip().casefold() in ("null", "none", "undefined")
        and not (free_text or "none" in _enum(schema))
    )


def _enum(schema: Mapping[str, Any]) -> list[Any]:
    found = list(schema.get("enum", ()))
    return found + [value for one in schema.get("anyOf", ()) for value in _enum(one)]


def _one(name: str, value: Any, kinds: list[Mapping[str, Any]]) -> Any:
    types = {kind.get("type") for kind in kinds}
    words = [word for kind in kinds for word in kind.get("enum", ()) if isinstance(word, str)]
    if isinstance(value, str) and words and value not in words:
        return next((word for word in words if word.casefold() == value.strip().casefold()), value)
    if isinstance(value, str) and "array" in types and "string" not in types:
        return _listed(name, value)
    if isinstance(value, list) and "array" not in types and "string" in types and len(value) == 1:
        return value[0]
    if isinstance(value, list) and name in ("ais", "judges") and not value:
        return _DEFAULT
    return value


def _listed(name: str, value: str) -> Any:
    """A list that was written as one text."""
    text = value.strip()
    if text.startswith("["):
        try:
            found = json.loads(text)
        except ValueError:
            return value
        return found if isinstance(found, list) else value
    if name in ("ais", "judges"):
        if text.casefold() in ("all", "everyone", "*"):
            return _DEFAULT
        return [part.strip() for part in text.split(",") if part.strip()]
    return [text]
