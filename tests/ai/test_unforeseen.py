"""Whatever one call raises is that call's failure: the others' answers stand, and what it cost is kept."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import pytest
from pydantic import BaseModel, ValidationError
from scripted_ai import NoSync, ScriptedClient, scripted_app, scripted_seat

from ai.batch.rows import Ask, Batch
from ai.caller import Caller
from ai.client import AIClient, AsyncAIClient, Emit
from ai.roster.billing import believed
from ai.roster.roster import Roster
from core.config import BudgetLimits, Config
from core.errors import BadResponseError, EmptyAnswerError, NotLocalError, StoreError
from core.events import CallFailed, CallFinished, CallStarted, EventBus
from core.limits.budget import Budget
from core.names.naming import module_name
from core.values import Answer, Failure, Request, Response, ToolCall, Usage
from tools.ask_many import ask_many
from tools.consensus import consensus
from tools.debate import debate

HI = Request.of("hi")


def invalid() -> ValidationError:
    class Model(BaseModel):
        x: int

    try:
        Model.model_validate({"x": "y"})
    except ValidationError as error:
        return error
    raise AssertionError


def group(*errors: BaseException) -> BaseException:
    return BaseExceptionGroup("several", errors)


UNFORESEEN = [
    TypeError("'int' object is not iterable"),
    KeyError("choices"),
    AttributeError("x"),
    RecursionError("too deep"),
    MemoryError(),
    UnicodeDecodeError("utf-8", b"\xff", 0, 1, "no"),
    OverflowError("big"),
    ZeroDivisionError("x"),
    AssertionError("x"),
    StopIteration("x"),
    StopAsyncIteration("x"),
    OSError("disk"),
    RuntimeError("x"),
    StoreError("x"),
    invalid(),
    group(ValueError("a"), TypeError("b")),
    group(group(KeyError("a"))),
]
"""None is one of those that a client promises to raise."""


class Odd(AsyncAIClient):
    """Writes a little and then raises what nobody foresaw."""

    def __init__(self, error: BaseException) -> None:
        self._error = error

    async def complete(self, request: Request, emit: Emit) -> Response:
        emit("so ")
        emit("far")
        raise self._error


class OddSync(AIClient):
    def __init__(self, error: BaseException) -> None:
        self._error = error

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        emit("so far")
        raise self._error


@asynccontextmanager
async def panel(error: BaseException, **fine: list[Any]) -> AsyncIterator[Any]:
    """An app in which `odd` raises *error*."""
    async with scripted_app(fine) as app:
        app.roster.seats["odd"] = scripted_seat("odd", Odd(error), OddSync(error))
        yield app


@pytest.mark.parametrize("error", UNFORESEEN, ids=lambda error: type(error).__name__)
async def test_any_exception_is_the_failure_of_its_call_alone(error: BaseException, caplog: Any) -> None:
    caplog.set_level(logging.DEBUG, logger=module_name("ai.call_ends"))
    async with panel(error, fine=["yes"]) as app:
        first, second = await app.caller.call_many([("odd", HI), ("fine", HI)])
    assert isinstance(second, Answer) and second.text == "yes"
    assert isinstance(first, Failure)
    failure = first.error
    assert isinstance(failure, BadResponseError) and failure.ai == "odd" and failure.code == "bad_response"
    assert failure.partial == "so far" and failure.maybe_billed and not failure.retryable
    assert any(record.exc_info for record in caplog.records), "the traceback is in the log"
    assert [type(event) for event in app.events if isinstance(event, CallStarted | CallFailed | CallFinished)].count(
        CallStarted
    ) == 2
    failed = [event for event in app.events if isinstance(event, CallFailed)]
    assert len(failed) == 1 and not failed[0].cancelled


@pytest.mark.parametrize("error", [KeyboardInterrupt(), SystemExit(1), asyncio.CancelledError(), group(SystemExit(1))])
async def test_what_ends_the_program_or_the_task_is_no_failure_of_an_ai(error: BaseException) -> None:
    async with panel(error) as app:
        with pytest.raises(BaseException) as caught:
            await app.caller.call("odd", HI)
    assert caught.value is error


@pytest.mark.parametrize("error", [TypeError("x"), group(ValueError("a"), KeyError("b"))])
async def test_no_recipe_loses_the_other_answers(error: BaseException) -> None:
    async with panel(error, a=["Answer: 4"], b=["Answer: 4"]) as app:
        async with app.run("ask_many") as run:
            result = await ask_many(run, "What?", ais=["a", "odd", "b"])
    assert [reply.ok for reply in result.replies] == [True, False, True]
    assert result.replies[1].code == "bad_response" and result.replies[1].text == "so far"


async def test_a_consensus_goes_on_without_the_one_that_broke() -> None:
    async with panel(TypeError("x"), a=["Answer: 4"] * 4, b=["Answer: 4"] * 4) as app:
        async with app.run("consensus") as run:
            result = await consensus(run, "What is 2+2?", ais=["a", "odd", "b"])
        assert any("odd" in line for line in result.failed)
        for client in app.clients.values():
            client._steps.clear()


async def test_a_debate_goes_on_without_the_one_that_broke() -> None:
    async with panel(TypeError("x"), a=["POSITION: 4"] * 9, b=["POSITION: 4"] * 9) as app:
        async with app.run("debate") as run:
            result = await debate(run, "What is 2+2?", ais=["a", "odd", "b"])
        assert any("odd" in line for line in result.failed)
        for client in app.clients.values():
            client._steps.clear()


async def test_a_row_of_a_batch_fails_alone() -> None:
    written: list[Any] = []
    asks = [[Ask("r", n, ai, Request.of(f"row {n}"), f"k{n}") for n, ai in enumerate(["fine", "odd", "fine"])]]

    async def read() -> list[Ask]:
        return asks.pop() if asks else []

    async def write(results: Any) -> None:
        written.extend(results)

    async with panel(TypeError("x"), fine=["yes", "yes"]) as app:
        await Batch(app.caller, width=2).run(read, write)
    assert [result.ok for result in written] == [True, False, True]
    assert written[1].value["text"] == "so far" and written[1].value["billed"]


def test_the_synchronous_call_fails_alone_too(isolated: Path) -> None:
    for error in UNFORESEEN:
        roster, events = Roster(Config()), EventBus()
        heard: list[Any] = []
        events.add_sink(heard.append)
        roster.seats["odd"] = scripted_seat("odd", ScriptedClient(), OddSync(error))
        outcome = Caller(roster, events).call_blocking("odd", HI)
        assert isinstance(outcome, Failure) and isinstance(outcome.error, BadResponseError)
        assert outcome.error.partial == "so far"
        assert [type(event) for event in heard] == [CallStarted, CallFailed]
        roster.close()


async def test_what_an_odd_call_may_have_cost_stays_in_the_budget(tmp_path: Path) -> None:
    limits = BudgetLimits(per_day_tokens=10_000, unknown_price="allow")
    async with panel(TypeError("x")) as app:
        app.roster.budget = Budget(tmp_path, limits, {})
        await app.caller.call("odd", Request.of("hi", max_tokens=4_000))
        await app.caller.call("odd", Request.of("hi", max_tokens=4_000))
        third = await app.roster.budget.refusal("", [_estimate(app, 4_000)])
        await anyio.to_thread.run_sync(app.roster.budget.close)
    assert third is not None, "two estimates of 4,000 stand"


async def test_what_it_says_it_took_counts_where_it_says_so(tmp_path: Path) -> None:
    error = BadResponseError("odd", tokens=(10, 20))
    async with panel(error) as app:
        app.roster.budget = Budget(tmp_path, BudgetLimits(per_day_tokens=10_000, unknown_price="allow"), {})
        for _ in range(5):
            await app.caller.call("odd", Request.of("hi", max_tokens=4_000))
        assert await app.roster.budget.refusal("", [_estimate(app, 4_000)]) is None
        await anyio.to_thread.run_sync(app.roster.budget.close)


def _estimate(app: Any, max_tokens: int) -> Any:
    from ai.roster.estimate import estimate

    return estimate(app.roster.seats["odd"], Request.of("hi", max_tokens=max_tokens))


async def test_an_ai_that_must_not_be_asked_fails_alone_also_under_a_budget(tmp_path: Path) -> None:
    async with scripted_app({"near": ["yes"], "far": []}) as app:
        app.roster.seats["near"] = scripted_seat("near", app.clients["near"], NoSync(), local=True)
        app.roster.budget = Budget(tmp_path, BudgetLimits(per_day_tokens=100_000, unknown_price="allow"), {})
        asks = [("far", Request.of("hi", local_only=True)), ("near", Request.of("hi", local_only=True))]
        far, near = await app.caller.call_many(asks)
        await anyio.to_thread.run_sync(app.roster.budget.close)
    assert isinstance(far, Failure) and isinstance(far.error, NotLocalError)
    assert isinstance(near, Answer)


@pytest.mark.parametrize(
    ("said", "read"),
    [
        (Usage(10, 20, 5, 3), Usage(10, 20, 5, 3)),
        (Usage(10, 20, 11, 21), Usage(10, 20, None, None)),
        (Usage(15_000_000, 20), Usage(None, 20)),
        (Usage(10, 15_000_000), Usage(10, None)),
        (Usage(-1, -2, -3, -4), Usage()),
        (Usage(450_000, 380_000), Usage(450_000, 380_000)),
    ],
)
def test_a_count_that_cannot_be_true_is_not_believed(said: Usage, read: Usage) -> None:
    assert believed(said, HI) == read


async def test_a_price_that_cannot_be_told_loses_no_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*args: Any, **more: Any) -> float:
        raise ArithmeticError

    monkeypatch.setattr("ai.caller.pricing", lambda: broken)
    async with scripted_app({"a": ["yes"]}) as app:
        answer = await app.caller.call("a", HI)
    assert isinstance(answer, Answer) and answer.cost_usd is None
    with anyio.fail_after(5):
        await anyio.lowlevel.checkpoint()


async def test_a_tool_that_nobody_offered_is_no_answer() -> None:
    called = Response("", "m", finish_reason="tool_calls", usage=Usage(9, 4), tool_calls=(ToolCall("t", "look", {}),))
    async with scripted_app({"caller": [called], "fine": ["yes"]}) as app:
        first, second = await app.caller.call_many([("caller", HI), ("fine", HI)])
    assert isinstance(second, Answer)
    assert isinstance(first, Failure)
    assert isinstance(first.error, EmptyAnswerError)
    assert first.error.tokens == (9, 4)
