"""The engine of a batch: order, duplicates, failures, a bounded window, and what it remembers."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted_ai import Hold, scripted_app, scripted_seat

from ai.batch.rows import WINDOW, Ask, Batch, Result
from ai.client import AsyncAIClient, Emit
from core.errors import (
    AuthenticationError,
    BudgetExceededError,
    CircuitOpenError,
    ConfigError,
    ForbiddenError,
    RateLimitedError,
    ServerError,
)
from core.values import Request, Response


class Echo(AsyncAIClient):
    """Says what it was asked, after *pause* turns of the loop."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.at_once = self.most_at_once = 0

    async def complete(self, request: Request, emit: Emit) -> Response:
        text = request.messages[-1].text
        self.asked.append(text)
        self.at_once += 1
        self.most_at_once = max(self.at_once, self.most_at_once)
        for _ in range(len(text) % 5):
            await anyio.lowlevel.checkpoint()
        self.at_once -= 1
        return Response(f"echo {text}", "echo-1")


class Kept:
    """A memory that finds what was kept only later, as a store does that commits in groups."""

    def __init__(self) -> None:
        self.values: dict[str, Any] = {}
        self.committed: dict[str, Any] = {}

    async def recall(self, keys: Sequence[str]) -> dict[str, Any]:
        found = {key: self.committed[key] for key in keys if key in self.committed}
        self.committed |= self.values
        return found

    @property
    def waiting(self) -> int:
        return len(self.values) - len(self.committed)

    async def enter(self) -> None:
        return

    def leave(self) -> None:
        return

    async def keep(self, key: str, value: Any) -> None:
        assert key not in self.values, "kept twice"
        self.values[key] = value


def asks(prompts: Sequence[str], ais: Sequence[str] = ("a",)) -> list[Ask]:
    return [Ask(None, n, ai, Request.of(prompt), prompt) for n, prompt in enumerate(prompts) for ai in ais]


async def through(batch: Batch, given: Sequence[Ask], chunk: int = 7) -> list[Result]:
    results: list[Result] = []
    left: Iterator[Ask] = iter(given)

    async def read() -> list[Ask]:
        return [ask for _, ask in zip(range(chunk), left, strict=False)]

    async def write(some: Sequence[Result]) -> None:
        results.extend(some)

    with anyio.fail_after(10):
        await batch.run(read, write)
    return results


def texts(results: Sequence[Result]) -> list[str]:
    return [result.value.get("error") or result.value["text"] for result in results]


@given(st.lists(st.text(min_size=1, max_size=8).filter(str.strip), max_size=60), st.integers(1, 9))
@settings(deadline=None, max_examples=30)
async def test_results_come_in_order_and_equal_requests_are_made_once(prompts: list[str], width: int) -> None:
    async with scripted_app({}) as app:
        app.roster.seats["a"] = scripted_seat("a", echo := Echo(), concurrency=50)
        results = await through(Batch(app.caller, width=width, memory=Kept()), asks(prompts))
    assert texts(results) == [f"echo {prompt}" for prompt in prompts]
    assert sorted(echo.asked) == sorted(set(prompts))
    assert echo.most_at_once <= width
    firsts = [prompts.index(prompt) for prompt in prompts]
    assert [result.duplicate_of for result in results] == [
        first if first != index else None for index, first in enumerate(firsts)
    ]


@pytest.mark.parametrize(("fresh", "hashes"), [(False, 0), (True, 100_000), (True, 1_000)])
async def test_a_duplicate_far_behind_is_found_in_what_was_kept(
    fresh: bool, hashes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ai.batch.rows._MOST_HASHES", hashes)
    prompts = [f"p{number}" for number in range(2_500)]
    async with scripted_app({}) as app:
        app.roster.seats["a"] = scripted_seat("a", echo := Echo(), concurrency=50)
        batch = Batch(app.caller, width=50, memory=Kept(), fresh=fresh)
        results = await through(batch, asks(prompts + prompts), chunk=100)
        assert len(batch._recent) < 2_000, "what the store has for certain is not held in memory too"
    assert len(echo.asked) == 2_500
    assert texts(results[2_500:]) == texts(results[:2_500])


async def test_a_fresh_memory_is_asked_for_what_came_before_alone() -> None:
    memory = Kept()
    asked: list[str] = []

    async def recall(keys: Sequence[str]) -> dict[str, Any]:
        asked.extend(keys)
        return {}

    memory.recall = recall  # type: ignore[method-assign]
    async with scripted_app({}) as app:
        app.roster.seats["a"] = scripted_seat("a", Echo(), concurrency=5)
        await through(Batch(app.caller, width=5, memory=memory, fresh=True), asks(["1", "2", "3", "2", "4"]), chunk=3)
    assert asked == ["row:a:2"]


async def test_a_failed_row_blocks_nobody_and_says_why() -> None:
    async with scripted_app({"a": ["one", ServerError("it broke", ai="a"), "three"]}) as app:
        results = await through(Batch(app.caller, width=1), asks(["1", "2", "3"]))
    assert texts(results) == ["one", "server: it broke", "three"]


async def test_several_ais_answer_each_row_side_by_side() -> None:
    async with scripted_app({"a": ["a1", "a2"], "b": ["b1", "b2"]}) as app:
        results = await through(Batch(app.caller, width=1), asks(["1", "2"], ("a", "b")))
    assert texts(results) == ["a1", "b1", "a2", "b2"]


async def test_a_slow_row_holds_back_the_writing_and_the_window_bounds_what_waits() -> None:
    slow = Hold("slow")
    read: list[int] = []
    async with scripted_app({"s": [slow]}) as app:
        app.roster.seats["a"] = scripted_seat("a", Echo(), concurrency=50)
        rows = iter(range(10 * WINDOW))
        written: list[Result] = []

        async def give() -> list[Ask]:
            numbers = [number for _, number in zip(range(10), rows, strict=False)]
            read.extend(numbers)
            return [Ask(None, n, "a" if n else "s", Request.of(str(n)), str(n)) for n in numbers]

        async def take(some: Sequence[Result]) -> None:
            written.extend(some)

        with anyio.fail_after(20):
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(Batch(app.caller, width=20).run, give, take)
                await slow.reached.wait()
                while len(read) < WINDOW:
                    await anyio.lowlevel.checkpoint()
                for _ in range(200):
                    await anyio.lowlevel.checkpoint()
                assert not written and len(read) <= WINDOW + 10
                slow.gate.set()
        assert [result.ask.index for result in written] == list(range(10 * WINDOW))


async def test_what_was_kept_is_not_asked_again_and_what_failed_neither() -> None:
    memory = Kept()
    async with scripted_app({"a": ["one", ServerError("broke", ai="a")]}) as app:
        await through(Batch(app.caller, width=1, memory=memory), asks(["1", "2"]))
    memory.committed |= memory.values
    async with scripted_app({"a": ["three"]}) as app:
        results = await through(Batch(app.caller, width=1, memory=memory), asks(["1", "2", "3"]))
    assert texts(results) == ["one", "server: broke", "three"]


class Refusals:
    """A budget that raises *errors*, one after the other, and then lets every call pass."""

    def __init__(self, *errors: Exception) -> None:
        self._errors = list(errors)

    async def reserve(self, run: str, estimates: Sequence[Any]) -> list[None]:
        if self._errors:
            raise self._errors.pop(0)
        return [None] * len(estimates)


@pytest.mark.parametrize(
    ("error", "raised"),
    [
        (AuthenticationError("wrong key", ai="a"), ConfigError),
        (ForbiddenError("not here", ai="a", code="region"), ConfigError),
        (BudgetExceededError("used up", ai="a"), BudgetExceededError),
    ],
)
async def test_what_would_be_in_vain_for_every_row_ends_the_batch(error: Any, raised: type[Exception]) -> None:
    async with scripted_app({"a": [error]}) as app:
        if isinstance(error, BudgetExceededError):
            app.clients["a"]._steps.clear()
            app.roster.budget = Refusals(error)  # type: ignore[assignment]
        with pytest.raises(raised, match=str(error)):
            await through(Batch(app.caller, width=1), asks(["1", "2"]))


async def test_a_row_too_dear_by_itself_fails_alone() -> None:
    async with scripted_app({"a": ["two"]}) as app:
        app.roster.budget = Refusals(BudgetExceededError("too dear", ai="a", alone=True))  # type: ignore[assignment]
        results = await through(Batch(app.caller, width=1), asks(["1", "2"]))
    assert texts(results) == ["budget_exceeded: too dear", "two"]


async def test_an_ai_that_rests_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    rest = CircuitOpenError("rested", ai="a", retry_after=0.001)
    async with scripted_app({"a": [rest, rest, "awake"]}) as app:
        assert texts(await through(Batch(app.caller, width=1), asks(["1"]))) == ["awake"]


async def test_a_rate_limit_is_no_rows_failure_but_a_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = RateLimitedError("slow down", ai="a", retry_after=0.001)
    async with scripted_app({"a": [slow, "one", slow, "two"]}) as app:
        assert texts(await through(Batch(app.caller, width=1), asks(["1", "2"]))) == ["one", "two"]


async def test_a_pause_of_hours_pauses_the_batch_and_fails_no_row() -> None:
    async with scripted_app({"a": ["one", RateLimitedError("slow down", ai="a", retry_after=7_200.0)]}) as app:
        with pytest.raises(ConfigError, match="a: slow down Go on then"):
            await through(Batch(app.caller, width=1), asks(["1", "2", "3"]))


async def test_an_empty_prompt_is_that_rows_failure() -> None:
    async with scripted_app({"a": ["two"]}) as app:
        results = await through(Batch(app.caller, width=1), asks(["", "2"]))
    assert "The prompt is empty" in texts(results)[0] and texts(results)[1] == "two"


async def test_a_write_that_fails_ends_the_batch_with_that_error() -> None:
    async with scripted_app({"a": ["one"]}) as app:

        async def write(some: Sequence[Result]) -> None:
            raise ConfigError("no place to write")

        left = iter([asks(["1"])])

        async def read() -> list[Ask]:
            return next(left, [])

        with pytest.raises(ConfigError, match="no place to write"):
            await Batch(app.caller, width=1).run(read, write)
