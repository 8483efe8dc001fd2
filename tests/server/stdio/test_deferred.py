"""The library's models wait for their first use; models of anybody else do not."""

from __future__ import annotations

import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from server.stdio.imports import built_when_used, left_out

ROOT = Path(__file__).parents[3]

WAITING = """
import sys
from server.stdio.serve import _Real
_Real()._import()
from pydantic import BaseModel
def below(model):
    return {model}.union(*map(below, type.__subclasses__(model)))
library = [one for one in below(BaseModel) if one.__module__.startswith("mcp_types")]
print(len(library), sum(one.__dict__["__pydantic_complete__"] for one in library))
print(BaseModel.model_config, "rich" in sys.modules)
"""


def test_a_model_that_is_defined_inside_is_built_by_its_first_use() -> None:
    with built_when_used():

        class Point(BaseModel):
            x: int

    assert not Point.__pydantic_complete__
    assert Point.model_validate({"x": "1"}).x == 1
    assert Point.__pydantic_complete__
    with pytest.raises(ValidationError):
        Point.model_validate({"x": "one"})


def test_models_that_are_defined_afterwards_or_say_otherwise_are_built_at_once() -> None:
    with pytest.raises(RuntimeError), built_when_used():

        class Eager(BaseModel):
            model_config = ConfigDict(defer_build=False)

        raise RuntimeError

    class After(BaseModel):
        pass

    assert Eager.__pydantic_complete__
    assert After.__pydantic_complete__


def test_a_module_that_is_left_out_cannot_be_imported_until_afterwards() -> None:
    sys.modules.pop("this", None)
    with left_out("this"), pytest.raises(ImportError):
        importlib.import_module("this")
    assert "this" not in sys.modules


def test_a_module_that_is_there_already_is_not_left_out() -> None:
    with left_out("json"):
        assert importlib.import_module("json") is json


def test_the_server_is_imported_without_building_most_of_the_librarys_models() -> None:
    done = subprocess.run([sys.executable, "-c", WAITING], cwd=ROOT, capture_output=True, text=True, check=True)
    counts, setting = done.stdout.splitlines()
    models, built = map(int, counts.split())
    assert models > 400
    assert built < models / 4
    assert setting == "{} False"
