"""Commands for the recipes and tools that other packages add; looked for when no other command is meant."""

from __future__ import annotations

import inspect
import sys
import types
from typing import TYPE_CHECKING, Any, Literal, Union, get_args, get_origin

import click

from core.names import extensions

if TYPE_CHECKING:
    from server.toolbox import Recipe


class WithAdded(click.Group):
    """A group of commands, and behind them those that packages add. Their code is imported when one is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        own = super().list_commands(ctx)
        return own + [name for name in dict.fromkeys(self.added()) if name not in own and name.isidentifier()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        own = super().get_command(ctx, cmd_name)
        if own is not None or cmd_name not in self.added():
            return own
        return _command(cmd_name)

    def added(self) -> list[str]:
        """What packages call their recipes and tools."""
        return [*extensions.names(extensions.RECIPES), *extensions.names(extensions.TOOLS)]


def _command(name: str) -> click.Command | None:
    """The command for the added *name*; of a broken one it is a command that says so."""
    from server.added import find

    try:
        recipe = find(name)
    except KeyError:
        takes_all = {"ignore_unknown_options": True, "allow_extra_args": True}
        return click.Command(name, takes_all, _broken, help="Cannot be used: run it to see why.")
    signature = inspect.signature(recipe.run, eval_str=True)
    parameters = [_parameter(one) for one in signature.parameters.values() if one.name != "run"]
    as_json = click.Option(["--json", "as_json"], is_flag=True, help="Print one JSON object instead of text.")
    return click.Command(name, params=[*parameters, as_json], callback=_callback(recipe), help=recipe.run.__doc__)


def _broken() -> None:
    raise click.ClickException(" ".join(extensions.problems()))


def _callback(recipe: Recipe) -> Any:
    def run(as_json: bool, **given: Any) -> None:
        from server.cli.running.terminal import run_recipe
        from server.cli.showing.printing import Shown

        arguments = {name: list(value) if isinstance(value, tuple) else value for name, value in given.items()}
        given = {name: value for name, value in arguments.items() if value not in (None, [])}
        sys.exit(run_recipe(recipe.name, given, Shown(as_json=as_json)))

    return run


def _parameter(parameter: inspect.Parameter) -> click.Parameter:
    """An argument where Python has a positional one without a default, else an option."""
    kind, many = _kind(parameter.annotation)
    required = parameter.default is inspect.Parameter.empty
    default = None if required else parameter.default
    if required and parameter.kind is not inspect.Parameter.KEYWORD_ONLY:
        return click.Argument([parameter.name], type=kind, nargs=-1 if many else 1, required=True)
    flag = f"--{parameter.name.replace('_', '-')}"
    if kind is bool:
        return click.Option([flag, parameter.name], is_flag=True, default=bool(default))
    return click.Option([flag, parameter.name], type=kind, multiple=many, required=required, default=default)


def _kind(annotation: Any) -> tuple[Any, bool]:
    """What click makes of a value for *annotation*, and whether there may be several."""
    if hasattr(annotation, "__metadata__"):
        annotation = annotation.__origin__
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin in (Union, types.UnionType):
        return _kind(next(one for one in inside if one is not type(None)))
    if origin is Literal:
        return click.Choice([str(one) for one in inside]), False
    if origin in (list, tuple, set, frozenset) and inside:
        return _kind(inside[0])[0], True
    return annotation if annotation in (int, float, bool) else str, False
