"""Recipes and tools that other packages add to the toolbox, by entry points; see docs/extending.md.

A recipe has `run` as its first argument and asks AIs through it; a tool is any function with typed arguments.
"""

from __future__ import annotations

import inspect
import json
import logging
import re
from collections.abc import Awaitable, Callable
from functools import cache, partial
from typing import Any

import anyio.to_thread
from pydantic import ConfigDict, PydanticUserError, TypeAdapter
from pydantic_core import PydanticSerializationError, to_json

from ai.runs.run import Run
from core.errors import MootError
from core.names import extensions
from core.untrusted import clean
from server.toolbox import KINDS, RECIPES, Recipe
from tools.recipe.result import Prose, Result

log = logging.getLogger(__name__)

_TAKEN = frozenset({recipe.name for recipe in RECIPES} | KINDS.keys())
_NAME = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,39}")
"""With the server's name before it, a name that every model's API takes: one that it does not, it refuses with all."""


class Said(Result):
    """What an added function returned: a text, or data with its text."""

    model_config = ConfigDict(defer_build=True)

    text: Prose
    data: Any = None

    def markdown(self) -> str:
        return self.text


@cache
def all_recipes() -> tuple[Recipe, ...]:
    """The recipes of Moot, then what packages add. What cannot be used is told of and left out. Blocks."""
    if not extensions.announced():
        return RECIPES
    return (*RECIPES, *_usable(extensions.RECIPES), *_usable(extensions.TOOLS))


def find(name: str) -> Recipe:
    """The recipe or tool called *name*.

    Raises:
        KeyError: There is none.
    """
    own = {recipe.name: recipe for recipe in RECIPES}
    return own[name] if name in own else {recipe.name: recipe for recipe in all_recipes()}[name]


def _usable(group: str) -> list[Recipe]:
    recipes = []
    taken = extensions.load(extensions.RECIPES) if group == extensions.TOOLS else {}
    for name, function in extensions.load(group).items():
        try:
            if name in taken:
                raise ValueError("there is a recipe of that name")
            recipes.append(_recipe(group, name, function))
        except Exception as error:  # whatever its annotations do
            extensions.complain(group, name, str(error) or type(error).__name__)
    return recipes


def _recipe(group: str, name: str, function: Any) -> Recipe:
    """*function* as a recipe.

    Raises:
        ValueError: It cannot be one; the message says why.
    """
    asks = group == extensions.RECIPES
    if name in _TAKEN:
        raise ValueError("Moot has a tool of that name")
    if not _NAME.fullmatch(name):
        raise ValueError("its name is not one of up to 40 letters of ASCII, digits and underscores, which hosts take")
    if not inspect.isroutine(function):
        raise ValueError(f"it is no function but a {type(function).__name__}")
    if not (function.__doc__ or "").strip():
        raise ValueError("it has no docstring, which a model chooses it by")
    if asks and not inspect.iscoroutinefunction(function):
        raise ValueError("a recipe is an 'async def'")
    signature = inspect.signature(function, eval_str=True)
    parameters = list(signature.parameters.values())
    if asks != bool(parameters and parameters[0].name == "run"):
        raise ValueError("the first argument of a recipe is 'run'" if asks else "a tool has no argument 'run'")
    for parameter in parameters[asks:]:
        _check(parameter)
    title = name.replace("_", " ").capitalize()
    return Recipe(_wrapped(name, function, signature, asks), title, asks_others=asks, added=True)


def _check(parameter: inspect.Parameter) -> None:
    """Raise what is wrong with an argument: a host that is told of one such tool is told of none."""
    told = f"its argument {parameter.name!r}"
    if parameter.annotation is inspect.Parameter.empty:
        raise ValueError(f"{told} has no type")
    if parameter.kind not in (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY):
        raise ValueError(f"{told} cannot be given by its name")
    if parameter.name.startswith("_") or parameter.name in ("run", "ctx"):
        raise ValueError(f"{told} has a name that no argument can have")
    try:
        to_json([TypeAdapter(parameter.annotation).json_schema(), parameter.default], serialize_unknown=True)
    except (PydanticUserError, PydanticSerializationError) as error:
        raise ValueError(f"{told} cannot be told of in JSON ({type(error).__name__})") from error


def _wrapped(
    name: str, function: Callable[..., Any], signature: inspect.Signature, asks: bool
) -> Callable[..., Awaitable[Result]]:
    async def call(run: Run, **arguments: Any) -> Result:
        try:
            if not inspect.iscoroutinefunction(function):
                return _said(await anyio.to_thread.run_sync(partial(function, **arguments)))
            return _said(await (function(run, **arguments) if asks else function(**arguments)))
        except MootError:
            raise
        except (Exception, SystemExit) as error:  # it is somebody else's: what it raises is its own failure
            log.exception("%s failed", name)
            raise MootError(f"{name} failed ({type(error).__name__}: {error}). Ask whoever wrote it.") from error

    run = inspect.Parameter("run", inspect.Parameter.POSITIONAL_OR_KEYWORD, annotation=Run)
    given = [one for one in signature.parameters.values() if one.name != "run"]
    call.__name__ = call.__qualname__ = name
    call.__doc__ = clean(function.__doc__ or "")
    vars(call)["__signature__"] = signature.replace(parameters=[run, *given], return_annotation=Result)
    return call


def _said(value: Any) -> Result:
    """What a function returned as a result: one of ours, a text, a pydantic model, or anything that is JSON."""
    if isinstance(value, Result):
        return value
    if isinstance(value, str):
        return Said(text=value)
    data = json.loads(to_json(value, bytes_mode="base64", inf_nan_mode="null", serialize_unknown=True))
    if data is None or isinstance(data, bool | int | float):
        return Said(text=json.dumps(data), data=data)
    return Said(text=f"```json\n{json.dumps(data, ensure_ascii=False, indent=2)}\n```", data=data)
