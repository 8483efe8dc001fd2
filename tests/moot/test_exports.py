"""What `moot` offers: every name is there, typed, explained, and costs nothing before it is used."""

from __future__ import annotations

import ast
import importlib
import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import moot
from core.names.naming import module_name
from moot.homes import HOMES

SOURCE = Path(moot.__file__)
FUNCTIONS = ["agent", "ask", "ask_many", "batch", "consensus", "debate", "judge", "review"]


def imported_for_checkers() -> dict[str, set[str]]:
    """The names under TYPE_CHECKING, by the module they come from."""
    found: dict[str, set[str]] = {}
    for node in ast.walk(ast.parse(SOURCE.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module not in (
            "typing",
            "importlib",
            "moot.homes",
            module_name("core.names.naming"),
        ):
            found.setdefault(node.module or "", set()).update(alias.name for alias in node.names)
    return found


def test_every_exported_name_is_sorted_present_and_explained() -> None:
    assert list(moot.__all__) == sorted(set(moot.__all__))
    assert dir(moot) == sorted(moot.__all__)
    for name in moot.__all__:
        member = getattr(moot, name)
        if inspect.isclass(member) or inspect.isroutine(member) or inspect.ismodule(member):
            assert inspect.getdoc(member), f"moot.{name} says nothing about itself"


def test_what_a_type_checker_sees_is_what_is_there() -> None:
    seen = imported_for_checkers()
    assert seen.pop("moot") == {"sync", "testing"}
    assert seen == {module_name(module): set(names) for module, names in HOMES.items()}
    assert set(moot.__all__) == {name for names in seen.values() for name in names} | {"sync", "testing"}


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'aks'"):
        moot.aks  # noqa: B018
    with pytest.raises(AttributeError, match="has no attribute 'aks'"):
        moot.sync.aks  # noqa: B018


@pytest.mark.parametrize("name", FUNCTIONS)
def test_every_recipe_shows_its_options_with_their_types(name: str) -> None:
    for function in (getattr(moot, name), getattr(moot.sync, name), getattr(moot.Moot, name)):
        signature = inspect.signature(function)
        given = [one for one in signature.parameters.values() if one.name != "self"]
        assert "run" not in signature.parameters
        assert [one.kind for one in given[1:]] == [inspect.Parameter.KEYWORD_ONLY] * len(given[1:])
        assert all(one.annotation is not inspect.Parameter.empty for one in given)
        assert all(f"    {one.name}: " in (function.__doc__ or "") for one in given), function.__doc__
        assert (function.__name__, function.__module__.partition(".")[0]) == (name, "moot")
    assert inspect.iscoroutinefunction(getattr(moot, name))
    assert not inspect.iscoroutinefunction(getattr(moot.sync, name))


def test_the_blocking_names_are_the_asynchronous_ones() -> None:
    assert set(moot.sync.__all__) == {*FUNCTIONS, "call_ai", "call_multiple_ais", "open"}
    for name in moot.sync.__all__:
        assert inspect.getdoc(getattr(moot.sync, name))


def test_importing_it_imports_nothing_else() -> None:
    program = "import sys; before = set(sys.modules); import moot; print(sorted(set(sys.modules) - before))"
    folder = SOURCE.parents[1]
    done = subprocess.run([sys.executable, "-c", program], cwd=folder, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "['moot']"


def test_every_package_says_that_it_is_typed() -> None:
    for name in ("ai", "core", "server", "tools"):
        package = importlib.import_module(module_name(name))
        assert (Path(str(package.__file__)).parent / "py.typed").exists()
    assert (SOURCE.parent / "py.typed").exists()
