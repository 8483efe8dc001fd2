"""The worlds of BFCL v4's conversations: what a user asks turn by turn, and the Python objects on which the calls act.

The wheel `bfcl-eval` is read as a zip and imported from it, never installed; its arithmetic needs `mpmath`, which is
put into the same cache.
"""

from __future__ import annotations

import copy
import importlib
import inspect
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from _measure import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))

from bfcl import FILES_OF_CLASSES, Call, conversations, folder, wheel

_SOURCES = "bfcl_eval.eval_checker.multi_turn_eval.func_source_code"
_ARITHMETIC = "mpmath==1.3.0"


@dataclass(frozen=True, slots=True)
class Conversation:
    """`turns`: what the user says and the calls that are right then; `start` the state of each object."""

    id: str
    turns: tuple[tuple[str, tuple[Call, ...]], ...]
    objects: tuple[str, ...]
    start: Mapping[str, Any]


class World:
    """The objects of one conversation, and their methods by name."""

    def __init__(self, conversation: Conversation) -> None:
        self._objects: dict[str, Any] = {}
        self.methods: dict[str, Callable[..., Any]] = {}
        for name in conversation.objects:
            made = getattr(importlib.import_module(f"{_SOURCES}.{FILES_OF_CLASSES[name]}"), name)()
            if hasattr(made, "_load_scenario"):  # arithmetic has no state
                start = copy.deepcopy(conversation.start.get(name, {}))
                made._load_scenario(start, long_context="long_context" in conversation.id)
            self._objects[name] = made
            self.methods |= {
                name: one for name, one in inspect.getmembers(made, inspect.ismethod) if not name.startswith("_")
            }

    def call(self, name: str, arguments: Mapping[str, Any]) -> Any:
        """What the method gives; what it raises is told as a text."""
        try:
            return self.methods[name](**arguments)
        except Exception as error:  # whatever it raises is its answer
            return f"{type(error).__name__}: {error}"

    def same_state(self, other: World) -> bool:
        """Whether every public attribute of every object is equal, as the package's own check has it."""
        return all(_public(one) == _public(other._objects[name]) for name, one in self._objects.items())


def all_conversations() -> Iterator[Conversation]:
    path = wheel(fetch=True)
    assert path is not None
    for needed in (str(path), str(_arithmetic())):
        if needed not in sys.path:
            sys.path.append(needed)
    with zipfile.ZipFile(path) as data:
        for row, keys in conversations(data):
            said = [turn[-1]["content"] if turn else "You may use what I told you of now." for turn in row["question"]]
            turns = tuple(zip(said, keys, strict=True))
            yield Conversation(row["id"], turns, tuple(row["involved_classes"]), row["initial_config"])


def _public(one: Any) -> dict[str, Any]:
    return {name: value for name, value in vars(one).items() if not name.startswith("_")}


def _arithmetic() -> Any:
    place = folder() / _ARITHMETIC
    if not (place / "mpmath").is_dir():
        uv, pip = shutil.which("uv"), shutil.which("pip") or "pip"
        install = [uv, "pip", "install"] if uv else [pip, "install", "--disable-pip-version-check"]
        subprocess.run([*install, "--no-deps", "--quiet", "--target", str(place), _ARITHMETIC], check=True)
    return place
