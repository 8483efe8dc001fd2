"""Runs a recipe for a person: shows how it goes on, prints the result, keeps what there is when Ctrl-C comes."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from ai.runs.app import App
from ai.runs.run import Run, new_run_id
from ai.wire.few_calls import FewCalls
from ai.wire.raw.bounded import MEGABYTE
from ai.wire.transport import SharedHTTP
from core.config import load_config
from core.errors import MootError, StoreError
from core.events import Event, Subscription
from core.memory.history import State
from core.paths import credentials_path
from core.view import RunView
from server.added import find
from server.cli.interrupt import interruptible, nobody_need_read
from server.cli.options import INTERRUPTED, NONE, OK, SOME, USAGE, code_of, complain, note, print_json
from server.cli.running.approving import asked, can_ask
from server.cli.running.watching import Show, Streamer, display
from server.cli.showing.printing import Shown, notes, print_result
from server.mcp_client.borrowed import open_lending_app
from server.progress import watched
from server.recording import cost_of, cut_off_in, keep_run, said_in
from server.toolbox import Recipe
from tools.recipe.result import Result

_STEERING = ("status", "jobs")
"""Recipes that ask nobody: nothing of them is worth keeping, and they have said themselves what is wrong."""


@dataclass
class _Going:
    """A run under way, and what is known of it."""

    view: RunView = field(default_factory=RunView)
    run: Run | None = None
    result: Result | None = None
    interrupted: bool = False
    problem: OSError | None = None
    """Why its words cannot be written."""
    written: str = ""
    kept: str | None = None


@dataclass
class Last:
    """What is known of a run that is over, for a conversation that goes on after it."""

    usd: float | None = None
    cut_off: list[tuple[str, str]] = field(default_factory=list)
    """Who said what until Ctrl-C came; nothing where nothing may be kept."""


def run_recipe(
    name: str,
    arguments: dict[str, Any],
    shown: Shown,
    *,
    save: tuple[str, str] | None = None,
    send_secrets: bool = False,
    last: Last | None = None,
) -> int:
    """Run the recipe and print its result; the exit code says whether all, some or none answered.

    *save* names a field of the result, and the file to write it to as JSON instead; *last* is told what it cost.
    """
    try:
        going = anyio.run(_run, name, arguments, shown, send_secrets, last is not None)
    except MootError as error:
        return complain(error, shown.as_json, code_of(error))
    if last is not None:
        last.usd = cost_of(going.view)
        if going.interrupted and going.run is not None and not going.run.local_only:
            last.cut_off = cut_off_in(going.view)
    if going.interrupted:
        with nobody_need_read():
            _print_what_there_is(going, shown)
        return INTERRUPTED
    if going.problem is not None:  # it is kept all the same; whoever started the program is told
        raise going.problem
    assert going.result is not None, "whoever is not interrupted has one"
    result, code = going.result, SOME if going.result.partial else OK
    if save is not None:
        result, saved = _saved(result, *save)
        code = code if saved else USAGE
    return _print(result, shown, going, code)


def _print(result: Result, shown: Shown, going: _Going, code: int) -> int:
    try:
        print_result(result, shown, written=going.written)
    except StoreError as error:
        return complain(error, False, NONE)
    if not shown.as_json and (going.written or not shown.rendered) and not hasattr(result, "replies"):
        for sentence in notes(result):
            note(sentence)
    return code


def _print_what_there_is(going: _Going, shown: Shown) -> None:
    """After Ctrl-C: every answer, whole or not, and who was cancelled."""
    said = said_in(going.view)
    cancelled = [call.ai for call in going.view.calls.values() if call.state == "cancelled"]
    told = f"cancelled: {', '.join(dict.fromkeys(cancelled)) or 'nobody was asked yet'}."
    if going.kept:
        told += f" What there is was kept: moot show {going.kept}"
    note(told)
    if shown.as_json:
        answers = [{"ai": author, "text": text} for author, text in said]
        print_json({"cancelled": cancelled, "answers": answers, "kept": going.kept})
    elif going.written:
        rest = said[0][1] if said else ""
        print(rest[len(going.written) :] if rest.startswith(going.written) else "")
    elif said:
        alone = len(going.view.calls) == 1
        print("\n\n".join(text if alone else f"## {author}\n\n{text}" for author, text in said))


def _saved(result: Result, field: str, path: str) -> tuple[Result, bool]:
    """*result* without *field*, which is now in the file *path*; with it where that cannot be written."""
    try:
        Path(path).write_text(json.dumps(getattr(result, field), indent=2, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        note(f"{path!r} cannot be written ({error.strerror}). The result is below.")
        return result, False
    return result.model_copy(update={field: None}), True


async def _run(name: str, arguments: dict[str, Any], shown: Shown, send_secrets: bool, goes_on: bool) -> _Going:
    recipe = await anyio.to_thread.run_sync(find, name)
    going = _Going()
    async with interruptible(goes_on=goes_on) as interruption:
        await recipe.load()
        config = load_config(credentials_path())
        http = SharedHTTP(FewCalls(), longest_response=config.defaults.longest_response_mb * MEGABYTE)
        async with open_lending_app(config, http=http, by_hand=True, send_secrets=send_secrets) as app:
            if name not in _STEERING and not shown.as_json:
                _warn(app)
            with anyio.CancelScope() as scope:
                interruption.reach(scope)
                await _run_in(app, recipe, arguments, shown, going, scope)
            going.interrupted = interruption.told and going.result is None
            going.kept = await _keep(app, name, arguments, going)
    return going


def _warn(app: App) -> None:
    if app.config.readable:
        for sentence in app.warnings():
            note(sentence)


async def _run_in(
    app: App, recipe: Recipe, arguments: dict[str, Any], shown: Shown, going: _Going, scope: anyio.CancelScope
) -> None:
    """Run it, up to its result or to the end of *scope*; a run that is cut off leaves what its view holds."""
    run_id = new_run_id()
    app.bus.add_sink(_into(going.view, run_id))
    alone = shown.streamed and recipe.name == "ask_one" and not arguments.get("dry_run")
    agents = any(app.roster.agent(name) for name in _named(arguments)) or bool(arguments.get("tools"))
    streamer = Streamer(going.view) if alone and not agents else None
    show: Show = streamer.show if streamer else display(going.view, as_json=shown.as_json, lines=agents)

    async def watch(events: Subscription) -> None:
        await show(events)
        if streamer is not None and isinstance(streamer.problem, BrokenPipeError):
            scope.cancel()

    try:
        async with watched(app.bus, run_id, watch), app.run(recipe.name, run_id=run_id) as going.run:
            going.run.approve = asked if can_ask() and not shown.as_json else None
            result = await recipe.run(going.run, **arguments)
            going.result = result
    finally:
        if streamer is not None:
            going.written, going.problem = streamer.written, streamer.problem


def _named(arguments: Mapping[str, Any]) -> list[str]:
    """The AIs that *arguments* name."""
    given = [arguments.get("ai"), *(arguments.get("ais") or ()), *(arguments.get("judges") or ())]
    return [name for name in given if isinstance(name, str)]


def _into(view: RunView, run_id: str) -> Callable[[Event], None]:
    def fold(event: Event) -> None:
        if event.run == run_id:
            view.apply(event)

    return fold


async def _keep(app: App, name: str, arguments: dict[str, Any], going: _Going) -> str | None:
    said = said_in(going.view)
    if not said or going.run is None or going.run.local_only:
        return None
    result = going.result.model_dump(mode="json") if going.result is not None else {}
    cost = cost_of(going.view)
    return await keep_run(app, name, arguments, said, result, state=_state(going), usd=cost, door="cli")


def _state(going: _Going) -> State:
    if going.result is None:
        return "cancelled"
    return "partial" if going.result.partial else "done"
