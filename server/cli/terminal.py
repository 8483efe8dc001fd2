"""Runs a recipe for a person at a terminal: live columns while answers stream, the whole answers in the end."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from rich.console import Console, ConsoleOptions, RenderResult
from rich.live import Live
from rich.markdown import Markdown
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from ai.runs.app import App, open_app
from ai.runs.run import new_run_id
from core.errors import ConfigError, InvalidInputError, MootError
from core.events import Subscription
from core.redact import redact, without_secrets
from core.untrusted import clean, one_line
from core.view import CallView, RunView
from server.added import find
from server.progress import report, watched
from tools.recipe.result import Result, shown

_OK, _NONE, _USAGE, _SOME, _INTERRUPTED = 0, 1, 2, 3, 130
_FRAMES_PER_S = 12
_WIDEST_ROW = 4
"""Columns side by side; more calls than that wrap onto further rows."""
_BORDER = {"done": "green", "failed": "red", "cancelled": "red", "retrying": "yellow"}


def run_recipe(
    name: str,
    arguments: dict[str, Any],
    as_json: bool,
    *,
    save: tuple[str, str] | None = None,
    send_secrets: bool = False,
) -> int:
    """Run the recipe and print its result; the exit code says whether all, some or none answered.

    *save* names a field of the result, and the file to write it to as JSON instead.
    """
    try:
        result = anyio.run(_run, name, arguments, as_json, send_secrets)
    except KeyboardInterrupt:
        return _INTERRUPTED
    except (ConfigError, InvalidInputError) as error:
        return _complain(error, as_json, _USAGE)
    except MootError as error:
        return _complain(error, as_json, _NONE)
    code = _SOME if result.partial else _OK
    if save is not None:
        result, saved = _saved(result, *save)
        code = code if saved else _USAGE
    _print(result, as_json)
    return code


def _saved(result: Result, field: str, path: str) -> tuple[Result, bool]:
    """*result* without *field*, which is now in the file *path*; with it where that cannot be written."""
    try:
        Path(path).write_text(json.dumps(getattr(result, field), indent=2, ensure_ascii=False), encoding="utf-8")
    except OSError as error:
        print(f"moot: {path!r} cannot be written ({error.strerror}). The result is below.", file=sys.stderr)
        return result, False
    return result.model_copy(update={field: None}), True


def show_models(name: str | None, as_json: bool) -> int:
    """Print what each endpoint itself offers."""
    try:
        offers, failures = anyio.run(_list_models, name)
    except MootError as error:
        return _complain(error, as_json, _USAGE)
    if as_json:
        print(json.dumps({"models": offers, "failed": failures}, ensure_ascii=False, indent=2))
    else:
        for ai, ids in offers.items():
            print(f"{ai}:", *(f"  {one_line(model)}" for model in ids), sep="\n")
    for reason in failures.values():
        print(reason, file=sys.stderr)
    if not failures:
        return _OK
    return _SOME if offers else _NONE


async def _run(name: str, arguments: dict[str, Any], as_json: bool, send_secrets: bool = False) -> Result:
    recipe = await anyio.to_thread.run_sync(find, name)
    await recipe.load()
    show = _silence if as_json else _columns if sys.stderr.isatty() else _lines
    async with open_app(by_hand=True, send_secrets=send_secrets) as app:
        if name != "status" and not as_json and app.config.readable:
            for sentence in app.warnings():
                print(f"moot: {sentence}", file=sys.stderr)
        run_id = new_run_id()
        async with watched(app.bus, run_id, show), app.run(name, run_id=run_id) as run:
            result = await recipe.run(run, **arguments)
    return result


async def _silence(events: Subscription) -> None:
    """Show nothing, as --json wants it."""


async def _lines(events: Subscription) -> None:
    async def send(_: float, line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    await report(events, send)


async def _columns(events: Subscription) -> None:
    view = RunView()
    console = Console(stderr=True)
    with Live(_Columns(view), console=console, refresh_per_second=_FRAMES_PER_S, transient=True):
        async for event in events:
            view.apply(event)


class _Columns:
    """The calls of a run side by side, each showing the tail of its text."""

    def __init__(self, view: RunView) -> None:
        self._view = view

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        calls = list(self._view.calls.values())
        latest = calls[-2 * _WIDEST_ROW :]
        rows = [latest[start : start + _WIDEST_ROW] for start in range(0, len(latest), _WIDEST_ROW)]
        height = max(5, (console.height - 4) // max(len(rows), 1))
        for row in rows:
            grid = Table.grid(expand=True)
            for _ in row:
                grid.add_column(ratio=1)
            width = options.max_width // len(row) - 4
            grid.add_row(*(_panel(call, console, width, height) for call in row))
            yield grid


def _panel(call: CallView, console: Console, width: int, height: int) -> Panel:
    tail = Text(clean(without_secrets(call.text))).wrap(console, max(width, 10))[-(height - 2) :]
    title = f"{call.ai} · {one_line(call.role)}" if call.role else call.ai
    style = _BORDER.get(call.state, "cyan")
    note = one_line(call.note, max(width, 1)) or call.state
    return Panel(Text("\n").join(tail), title=Text(title), subtitle=Text(note), border_style=style, height=height)


async def _list_models(name: str | None) -> tuple[dict[str, list[str]], dict[str, str]]:
    offers: dict[str, list[str]] = {}
    failures: dict[str, str] = {}

    async def ask(app: App, ai: str) -> None:
        try:
            offers[ai] = sorted(redact(model) for model in await app.roster.seat(ai).list_models())
        except MootError as error:
            failures[ai] = str(error)

    async with open_app() as app:
        if name is not None:
            app.roster.seat(name)
        async with anyio.create_task_group() as tasks:
            for ai in [name] if name else app.roster.names:
                tasks.start_soon(ask, app, ai)
    return dict(sorted(offers.items())), failures


def _print(result: Result, as_json: bool) -> None:
    if as_json:
        print(json.dumps(result.model_dump(mode="json"), ensure_ascii=False, indent=2))
        return
    text = clean(result.markdown())
    if sys.stdout.isatty():
        Console().print(Markdown(text))
    else:
        print(text)


def _complain(error: MootError, as_json: bool, code: int) -> int:
    if as_json:
        told = {"kind": error.kind, "code": error.code, "message": shown(str(error))}
        print(json.dumps({"error": told}, ensure_ascii=False))
    else:
        print(f"moot: {clean(str(error))}", file=sys.stderr)
    return code
