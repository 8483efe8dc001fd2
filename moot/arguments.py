"""What a program gives a recipe, checked before anything is sent: the names of options, and then their values."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import cache
from types import FunctionType
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from core.errors import InvalidInputError
from core.names.misspelt import check_options

F = TypeVar("F", bound=FunctionType)

_WORDS = {
    "ai": "Whom to ask, by the name in credentials.json or the provider's; by default the first.",
    "ais": "Whom to ask, by name; by default all.",
    "batch.ais": "Whom to ask every row, by name; by default the first.",
    "paths": "Only these paths of the change.",
    "sarif": "Also give the findings as SARIF 2.1.0.",
    "system": "The system prompt.",
    "temperature": "From 0 to 2; by default the provider's own.",
    "max_tokens": "The longest answer, in tokens.",
    "effort": "How much a model may think.",
    "timeout_s": "Seconds each AI may take.",
    "files": "Paths or patterns of files to send along; secrets and what .gitignore names are left out.",
    "images": "Paths of pictures to send along.",
    "thread": "The conversation to continue or to start, by a name of your own.",
    "on_partial": "'refuse' raises PartialPanelError where an AI gives no answer.",
    "history": "What was said before, as `moot.Said`; the author `assistant` stands for whoever is asked.",
    "task": "What to do, with all that is needed for it.",
    "tools": "What they may look things up with: workspace, git, threads, clock, arithmetic.",
    "agent.tools": "Built-in tools (workspace, git, threads, clock, arithmetic, ask), or servers of mcp_servers.",
    "skills": "Skills to work by, by name.",
    "max_turns": "The longest conversation with its model, in requests.",
    "budget_usd": "The most that all of it may cost, in dollars.",
    "dry_run": "Only tell what it may cost; nothing is sent.",
}
"""What several recipes take; a host's model reads of it in the server's instructions."""

_RUN = "run"
"""The first argument of every recipe, which no caller gives."""


@cache
def signature_of(recipe: Callable[..., Any]) -> inspect.Signature:
    """The signature that callers see, with its annotations evaluated."""
    seen = inspect.signature(recipe, eval_str=True)
    return seen.replace(parameters=[one for name, one in seen.parameters.items() if name != _RUN])


def shown_signature(recipe: Callable[..., Any]) -> inspect.Signature:
    """The signature for a reader: types alone, without the bounds that are checked."""
    seen = signature_of(recipe)
    bare = [one.replace(annotation=_bare(one.annotation)) for one in _options(recipe)]
    return seen.replace(parameters=bare)


def checked(name: str, recipe: Callable[..., Any], args: tuple[Any, ...], options: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of one call of *recipe*, which the caller knows as *name*.

    Raises:
        TypeError: There is no such option, with the one that was probably meant, or one is missing.
        InvalidInputError: A value is none that the option takes.
    """
    signature = signature_of(recipe)
    check_options(options, signature.parameters.keys(), f"{name}()")
    try:
        given = signature.bind(*args, **options).arguments
    except TypeError as error:
        raise TypeError(f"{name}(): {error}") from None
    return {option: _value(name, option, recipe, value) for option, value in given.items()}


def described(name: str, recipe: Callable[..., Any]) -> str:
    """The docstring of *recipe* for programmers, who see its options in a signature and not in a schema."""
    told = inspect.cleandoc(recipe.__doc__ or "").rstrip()
    options = [line for one in _options(recipe) if (line := _described(one, name))]
    listed = "\n    ".join(options)
    return (
        f"{told}\n\nArgs:\n    {listed}\n\nRaises:\n"
        f"    TypeError: {name}() has no such option; what was probably meant is named.\n"
        "    InvalidInputError: A value is none that its option takes (a ValueError).\n"
        "    MootError: There is no result; the subclass says why.\n"
    )


def dressed(call: F, *, name: str, module: str, doc: str | None, signature: inspect.Signature) -> F:
    """*call* as its reader shall see it: in `help()`, in a notebook and in a traceback."""
    call.__name__ = call.__qualname__ = name
    call.__module__, call.__doc__ = module, doc
    vars(call)["__signature__"] = signature
    return call


def _options(recipe: Callable[..., Any]) -> list[inspect.Parameter]:
    return list(signature_of(recipe).parameters.values())


def _described(parameter: inspect.Parameter, name: str) -> str:
    told = [one.description for one in getattr(parameter.annotation, "__metadata__", ()) if one.description]
    words = _WORDS.get(f"{name}.{parameter.name}") or _WORDS.get(parameter.name) or (told[0] if told else "")
    return f"{parameter.name}: {words}" if words else ""


def _value(name: str, option: str, recipe: Callable[..., Any], value: Any) -> Any:
    try:
        return _adapters(recipe)[option].validate_python(value)
    except ValidationError as error:
        detail = error.errors(include_url=False, include_input=False)[0]
        where = "".join(f"[{part!r}]" for part in detail["loc"])
        raise InvalidInputError(f"{name}(): {option!r}{where}: {detail['msg']}. Correct the value.") from None


@cache
def _adapters(recipe: Callable[..., Any]) -> dict[str, TypeAdapter[Any]]:
    return {name: TypeAdapter(one.annotation) for name, one in signature_of(recipe).parameters.items()}


def _bare(annotation: Any) -> Any:
    return annotation.__origin__ if hasattr(annotation, "__metadata__") else annotation
