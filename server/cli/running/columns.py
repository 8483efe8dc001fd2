"""A run while it goes on, in a terminal: who is asked, for how long, and what they say so far.

As many columns as there is room for; of more calls a line each, those that are waited for at the bottom, where
nothing scrolls away.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from core.redact import without_secrets
from core.untrusted import clean, one_line
from core.view import CallView, RunView

FRAMES_PER_S = 10
_SPINNER = "⠋⠙⠹⠸⠼⠴⠦⠧⠇⠏"
_PLAIN_SPINNER = "|/-\\"
_NARROWEST = 26
"""Cells of a column below which lines are easier to read."""
_LEAST, _FRAME = 3, 2
_BORDER = {"done": "green", "failed": "red", "cancelled": "red", "retrying": "yellow"}
_MARK = {"done": "✓", "failed": "✗", "cancelled": "✗"}
_PLAIN_MARK = {"done": "+", "failed": "x", "cancelled": "x"}


class Columns:
    """The calls of a run, drawn anew from its view for every frame."""

    def __init__(self, view: RunView, clock: Callable[[], float] = time.monotonic) -> None:
        self._view = view
        self._clock = clock
        self._started: dict[str, float] = {}
        self._ended: dict[str, float] = {}

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        now, room = self._clock(), max(console.height - 2, 4)
        shown = [_Shown(call, self._seconds(key, call, now)) for key, call in self._view.calls.items()]
        plain = console.encoding.lower() not in ("utf-8", "utf8")
        beside = max(1, options.max_width // _NARROWEST)
        if shown and len(shown) <= beside and room >= _LEAST + _FRAME:
            yield _side_by_side(shown, console, options.max_width, room, _spin(now, plain))
        else:
            yield from _lines(shown, options.max_width, room, _spin(now, plain), _PLAIN_MARK if plain else _MARK)

    def _seconds(self, key: str, call: CallView, now: float) -> float:
        start = self._started.setdefault(key, now)
        if call.over:
            return self._ended.setdefault(key, now) - start
        return now - start


class _Shown:
    """One call and how long it has taken."""

    def __init__(self, call: CallView, seconds: float) -> None:
        self.call = call
        self.seconds = seconds

    @property
    def name(self) -> str:
        return f"{self.call.ai} · {one_line(self.call.role)}" if self.call.role else self.call.ai

    @property
    def state(self) -> str:
        if self.call.note and not self.call.over:
            return one_line(self.call.note)
        if self.call.failure is not None and self.call.state == "failed":
            return f"failed: {self.call.failure.error.kind}"
        return {"waiting": "thinking", "done": "answered"}.get(self.call.state, self.call.state)

    @property
    def text(self) -> str:
        return clean(without_secrets(self.call.text))


def _spin(now: float, plain: bool) -> str:
    signs = _PLAIN_SPINNER if plain else _SPINNER
    return signs[int(now * FRAMES_PER_S) % len(signs)]


def _side_by_side(shown: Sequence[_Shown], console: Console, width: int, room: int, spin: str) -> Table:
    """Columns that grow with what is in them."""
    each = width // len(shown)
    wrapped = [list(Text(one.text).wrap(console, max(each - 4, 8))) if one.text else [] for one in shown]
    height = min(max(_LEAST, *(len(lines) + _FRAME for lines in wrapped)), room)
    grid = Table.grid(expand=True)
    for _ in shown:
        grid.add_column(ratio=1)
    grid.add_row(*(_panel(one, lines, each, height, spin) for one, lines in zip(shown, wrapped, strict=True)))
    return grid


def _panel(one: _Shown, lines: Sequence[Text], width: int, height: int, spin: str) -> Panel:
    told = f"{one.state} {one.seconds:.0f} s"
    return Panel(
        Text("\n").join(lines[-(height - _FRAME) :]),
        title=Text(_cut(one.name, width - 6)),
        subtitle=Text(_cut(told if one.call.over else f"{spin} {told}", width - 6)),
        border_style=_BORDER.get(one.call.state, "cyan"),
        height=height,
    )


def _lines(shown: Sequence[_Shown], width: int, room: int, spin: str, marks: dict[str, str]) -> RenderResult:
    """A line for each call; where they do not fit, one line counts those that are over."""
    pending = [one for one in shown if not one.call.over]
    over = [one for one in shown if one.call.over]
    fitting = room - min(len(pending), room - 1)
    if len(over) > fitting:
        hidden, over = over[: len(over) - fitting + 1], over[len(over) - fitting + 1 :]
        answered = sum(one.call.state == "done" for one in hidden)
        yield Text(_cut(f"{answered} answered, {len(hidden) - answered} without an answer", width), style="dim")
    names = min(max((cell_len(one.name) for one in shown), default=0), width // 3)
    for one in [*over, *pending[:room]]:
        sign = marks.get(one.call.state, spin)
        head = f"{sign} {_cut(one.name, names):<{names}}  {one.seconds:3.0f} s  {one.state}"
        tail = " ".join(one.text[-4 * width :].split())
        left = width - cell_len(head) - 2
        said = f"  {_end(tail, left)}" if tail and left > 8 and one.call.state != "failed" else ""
        yield Text(_cut(head + said, width), style=_BORDER.get(one.call.state, ""), no_wrap=True)


def _cut(text: str, width: int) -> str:
    """*text* in at most *width* cells, cut where a character ends."""
    if cell_len(text) <= width:
        return text
    shorter = Text(text)
    shorter.truncate(max(width, 1), overflow="ellipsis")
    return shorter.plain


def _end(text: str, width: int) -> str:
    """The end of *text* in at most *width* cells, from the beginning of a word."""
    while text and cell_len(text) > width:
        _, blank, rest = text.partition(" ")
        text = rest if blank else text[-(width // 2) :] if cell_len(text) > 2 * width else text[1:]
    return text
