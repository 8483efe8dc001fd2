"""Python functions as tools: any typed function, synchronous or not, or an object that says what it is.

What a model is told comes from the signature and the docstring; what it gives is checked by pydantic, and a bad call
goes back to it with the sentence that says why.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import AsyncGenerator, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass, replace
from typing import Any, get_type_hints, overload

import anyio
from pydantic import BaseModel, ConfigDict, Field, ValidationError, create_model

from ai.agents.approvals import check_policy
from ai.agents.beside import beside, guarded
from ai.agents.docstrings import described
from ai.agents.names import checked_name
from ai.agents.offered import ToolExecutionResult, Tools
from ai.agents.results import LONGEST_RESULT, as_result, ends_more, raised
from core.errors import ApprovalNeededError, InvalidInputError
from core.tooling import Policy
from core.untrusted import one_line
from core.values import ToolSpec

TIMEOUT_S = 120.0
"""Seconds that one call of a function may take, where nobody says otherwise."""


@dataclass(frozen=True)
class FunctionTool:
    """One function that a model may call. It can still be called as the function it is made of.

    Attributes:
        execute: Takes the arguments by their names; what it gives is told to the model.
        check: What the arguments mean, once they are checked; raises pydantic's ValidationError.
        approval: Whether it runs by itself, after a person's word, or not at all.
        timeout_s: Seconds that one call may take.
    """

    spec: ToolSpec
    execute: Callable[..., Any]
    check: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    approval: Policy = "allow"
    timeout_s: float = TIMEOUT_S

    def __post_init__(self) -> None:
        name = self.spec.name
        check_policy(self.approval, f"'approval' of the tool {name!r}")
        if not isinstance(self.spec.read_only, bool):
            raise InvalidInputError(f"'read_only' of the tool {name!r} is {self.spec.read_only!r}: give True or False.")
        if not (isinstance(self.timeout_s, int | float) and self.timeout_s > 0):
            raise InvalidInputError(f"'timeout_s' of the tool {name!r} is {self.timeout_s!r}: give seconds above 0.")

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        return self.execute(*args, **kwargs)

    def __get__(self, instance: object, owner: type | None = None) -> FunctionTool:
        """The tool of a method, bound to its object."""
        return self if instance is None else replace(self, execute=functools.partial(self.execute, instance))


@overload
def tool(function: Callable[..., Any], /) -> FunctionTool: ...
@overload
def tool(
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    approval: Policy = "allow",
    timeout_s: float = TIMEOUT_S,
) -> Callable[[Callable[..., Any]], FunctionTool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    description: str | None = None,
    read_only: bool = False,
    approval: Policy = "allow",
    timeout_s: float = TIMEOUT_S,
) -> FunctionTool | Callable[[Callable[..., Any]], FunctionTool]:
    """Make a typed function something that a model may call, as `@tool` or `@tool(read_only=True, ...)`.

    Args:
        description: What it does, for the model; else the first part of the docstring, whose `Args` tell of parameters.
        read_only: It changes nothing, so that it may be run again after a crash.
        approval: `ask` has a person say yes to each call, `never` refuses it.
        timeout_s: Seconds that one call may take.

    Raises:
        InvalidInputError: It cannot be described to a model; the message says why.
    """

    def make(made_of: Callable[..., Any]) -> FunctionTool:
        return _from_function(
            made_of, name=name, description=description, read_only=read_only, approval=approval, timeout_s=timeout_s
        )

    return make if function is None else make(function)


class FunctionTools:
    """Functions as `Tools`."""

    def __init__(self, tools: Iterable[FunctionTool]) -> None:
        self._tools: dict[str, FunctionTool] = {}
        for one in tools:
            if one.spec.name in self._tools:
                raise InvalidInputError(f"Two tools are called {one.spec.name!r}. Give one of them another name.")
            self._tools[one.spec.name] = one

    def specs(self) -> Sequence[ToolSpec]:
        return [one.spec for one in self._tools.values()]

    def policy(self, name: str) -> Policy | None:
        return self._tools[name].approval if name in self._tools else None

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        one = self._tools[name]
        try:
            given = one.check(arguments)
        except ValidationError as error:
            why = f"{name} was not called: {complaint(error)} Correct it and call it again."
            return ToolExecutionResult.failed(why)
        with anyio.move_on_after(one.timeout_s):
            return await _run(one, given)
        said = f"{name} did not finish within {one.timeout_s:g} s."
        return ToolExecutionResult.failed(said, known=one.spec.read_only)


def as_tools(given: Iterable[Any]) -> list[Tools]:
    """What a program hands over, each as `Tools`: those, functions, and objects or classes that are tools themselves.

    Raises:
        InvalidInputError: One of them is nothing of the kind, or cannot be described.
    """
    functions: list[FunctionTool] = []
    others: list[Tools] = []
    for one in given:
        if isinstance(one, FunctionTool):
            functions.append(one)
        elif isinstance(one, Tools) and not isinstance(one, type):
            others.append(one)
        elif _says_itself(one):
            functions.append(_from_object(_made_without_arguments(one) if isinstance(one, type) else one))
        elif callable(one):
            functions.append(tool(one))
        else:
            needs = "A tool is a function, or has name, description, parameters and execute"
            raise InvalidInputError(f"{needs}: no {type(one).__name__}.")
    return ([FunctionTools(functions)] if functions else []) + others


def _made_without_arguments(kind: type) -> Any:
    try:
        return kind()
    except TypeError as error:
        why = f"The tool {kind.__name__!r} is a class that cannot be made without arguments"
        raise InvalidInputError(f"{why}. Give an object of it.") from error


def complaint(error: ValidationError) -> str:
    """One sentence for each bad argument: its name and what is expected."""
    told = []
    for one in error.errors(include_url=False, include_input=False)[:5]:
        name = ".".join(map(str, one["loc"])) or "the arguments"
        match one["type"]:
            case "missing":
                told.append(f"{name!r} is missing.")
            case "extra_forbidden":
                told.append(f"There is no argument {name!r}.")
            case _:
                told.append(f"{name!r}: {one['msg']}.")
    return " ".join(told)


async def _run(one: FunctionTool, given: Mapping[str, Any]) -> ToolExecutionResult:
    name, known = one.spec.name, one.spec.read_only
    call = functools.partial(one.execute, **given)
    try:
        if inspect.iscoroutinefunction(_bare(one.execute)):
            value = await call()
        else:
            value = await beside(functools.partial(guarded, name, functools.partial(_made, name, call), known=known))
            if inspect.isawaitable(value):
                value = await value
        if isinstance(value, AsyncGenerator):
            value = await _drained(value)
        if value is None or isinstance(value, str | bytes | ToolExecutionResult):
            return as_result(name, value)
        return await beside(functools.partial(guarded, name, functools.partial(as_result, name, value), known=known))
    except ApprovalNeededError:
        raise
    except BaseException as error:  # whatever a tool raises is that call's failure
        if ends_more(error):
            raise
        return raised(name, error, known=known)


def _made(name: str, call: Callable[[], Any]) -> Any:
    """What a synchronous function gives, as a result, but for what has to be awaited on the loop."""
    value = call()
    return value if inspect.isawaitable(value) or isinstance(value, AsyncGenerator) else as_result(name, value)


async def _drained(given: AsyncGenerator[Any, Any]) -> list[Any]:
    """What *given* yields, and one more than can be shown where it does not end before."""
    taken: list[Any] = []
    async with aclosing(given):
        async for one in given:
            taken.append(one)
            if len(taken) > LONGEST_RESULT:
                break
    return taken


def _bare(function: Callable[..., Any]) -> Callable[..., Any]:
    while isinstance(function, functools.partial):
        function = function.func
    if not inspect.isroutine(function) and callable(function):
        return type(function).__call__
    return function


def _from_function(
    function: Callable[..., Any],
    *,
    name: str | None,
    description: str | None,
    read_only: bool,
    approval: Policy,
    timeout_s: float,
) -> FunctionTool:
    inner = function.func if isinstance(function, functools.partial) else function
    called = checked_name(name or str(getattr(inner, "__name__", type(inner).__name__)))
    about = described(inspect.getdoc(function) or "")
    model, names = _arguments(called, function, about.parameters)
    spec = ToolSpec(called, description or about.summary, untitled(model.model_json_schema(by_alias=True)), read_only)

    def check(arguments: Mapping[str, Any]) -> Mapping[str, Any]:
        parsed = model.model_validate(dict(arguments))
        return {names[field]: getattr(parsed, field) for field in parsed.model_fields_set}

    return FunctionTool(spec, function, check, approval, timeout_s)


def _from_object(one: Any) -> FunctionTool:
    """The tool that an object is, which has its own schema."""
    if not isinstance(one.parameters, Mapping):
        raise InvalidInputError(f"'parameters' of the tool {one.name!r} must be a JSON Schema, as a dict.")
    about = one.description or ""
    spec = ToolSpec(checked_name(one.name), about, one.parameters, getattr(one, "read_only", False))
    approval: Policy = getattr(one, "approval", "allow")
    return FunctionTool(spec, one.execute, dict, approval, getattr(one, "timeout_s", TIMEOUT_S))


def _says_itself(one: Any) -> bool:
    return all(hasattr(one, name) for name in ("name", "description", "parameters", "execute"))


def _arguments(
    called: str, function: Callable[..., Any], about: Mapping[str, str]
) -> tuple[type[BaseModel], dict[str, str]]:
    """The model of a function's arguments, and the parameter that each of its fields stands for."""
    hints = _hints(function)
    fields: dict[str, Any] = {}
    names: dict[str, str] = {}
    for number, (name, parameter) in enumerate(_signature(called, function).parameters.items()):
        if number == 0 and name in ("self", "cls"):
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD, parameter.POSITIONAL_ONLY):
            why = f"A model gives arguments by name, and {called!r} takes '{parameter}'"
            raise InvalidInputError(f"{why}. Give each one a name.")
        field = f"argument_{number}"  # pydantic has names of its own that a parameter may bear
        default = ... if parameter.default is parameter.empty else parameter.default
        fields[field] = (hints.get(name, Any), Field(default, alias=name, description=about.get(name)))
        names[field] = name
    try:
        config = ConfigDict(extra="forbid", arbitrary_types_allowed=False)
        model = create_model(called, __config__=config, **fields)
        model.model_json_schema(by_alias=True)
    except Exception as error:  # pydantic has many ways to say that a type has no schema
        why = one_line(str(error), 300)
        raise InvalidInputError(f"The parameters of {called!r} cannot be described to a model: {why}") from error
    return model, names


def _signature(called: str, function: Callable[..., Any]) -> inspect.Signature:
    try:
        return inspect.signature(function)
    except ValueError as error:  # some that are written in C
        raise InvalidInputError(f"{called!r} does not say what it takes. Write a function around it.") from error


def untitled(schema: Any) -> Any:
    """*schema* without the titles that pydantic makes of names: they are sent with every request, and say nothing."""
    if isinstance(schema, list):
        return [untitled(one) for one in schema]
    if not isinstance(schema, dict):
        return schema
    named = ("properties", "$defs")
    return {
        key: {name: untitled(one) for name, one in value.items()} if key in named else untitled(value)
        for key, value in schema.items()
        if key != "title" or not isinstance(value, str)
    }


def _hints(function: Callable[..., Any]) -> dict[str, Any]:
    try:
        return get_type_hints(_bare(function), include_extras=True)
    except (NameError, TypeError) as error:
        called = getattr(function, "__name__", "a tool")
        raise InvalidInputError(
            f"A type of {called!r} cannot be found ({error}). Import it at module level."
        ) from error
