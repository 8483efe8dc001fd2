"""Asks a second time when the first request shows no sign of life, and takes whichever answers first.

The hedged request of Dean and Barroso, "The Tail at Scale" (2013). Both may be billed, so it is off unless an AI's row
sets `hedge_after`, and it draws on the same budget as retries: at most one call in five is asked twice.
"""

from __future__ import annotations

from collections.abc import Callable

import anyio
import anyio.abc

from ai.client import Emit, Retrying, Signal, Thinking
from ai.layers.pipeline import Complete
from core.values import Request, Response


class Hedge:
    """A second request after *after_s* seconds without a token, if *allow* permits it."""

    def __init__(self, after_s: float, *, allow: Callable[[], bool] = lambda: True) -> None:
        self._after_s = after_s
        self._allow = allow

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        race = _Race(request, emit, call_next)
        async with anyio.create_task_group() as tasks:
            race.begin(tasks)
            with anyio.move_on_after(self._after_s):
                await race.sign.wait()
            if not race.sign.is_set() and self._allow():
                emit(Retrying(2, 0.0, f"no sign of life for {self._after_s:g} s, so it is asked a second time"))
                race.begin(tasks)
            await race.over.wait()
            tasks.cancel_scope.cancel()
        return race.result()


class _Race:
    """Up to two attempts at the same call. The first to write anything goes on alone."""

    def __init__(self, request: Request, emit: Emit, call_next: Complete) -> None:
        self.sign = anyio.Event()
        """Set by the first token, answer or failure."""
        self.over = anyio.Event()
        self._request = request
        self._emit = emit
        self._call_next = call_next
        self._scopes: list[anyio.CancelScope] = []
        self._ahead: int | None = None
        self._running = 0
        self._outcome: Response | Exception | None = None

    def begin(self, tasks: anyio.abc.TaskGroup) -> None:
        self._running += 1
        self._scopes.append(anyio.CancelScope())
        tasks.start_soon(self._run, len(self._scopes) - 1)

    def result(self) -> Response:
        if isinstance(self._outcome, Response):
            return self._outcome
        assert self._outcome is not None, "a race is over when there is an outcome"
        raise self._outcome

    async def _run(self, number: int) -> None:
        def relay(signal: Signal) -> None:
            if self._ahead is None and isinstance(signal, str | Thinking):
                self._lead(number)
            if self._ahead in (None, number):
                self._emit(signal)

        with self._scopes[number]:
            try:
                response = await self._call_next(self._request, relay)
            except Exception as error:
                self._failed(number, error)
            else:
                self._lead(number)
                self._end(response)

    def _lead(self, number: int) -> None:
        self._ahead = number
        self.sign.set()
        for other, scope in enumerate(self._scopes):
            if other != number:
                scope.cancel()

    def _failed(self, number: int, error: Exception) -> None:
        """The last to fail, or the one that was ahead, decides; a first failure leaves the other its chance."""
        self._running -= 1
        if self._ahead == number or not self._running:
            self._end(error)

    def _end(self, outcome: Response | Exception) -> None:
        if self._outcome is None:
            self._outcome = outcome
        self.sign.set()
        self.over.set()
