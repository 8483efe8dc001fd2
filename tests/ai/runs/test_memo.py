"""Runs that belong to a job: what is finished is given again, and never asked again."""

from __future__ import annotations

import json
from collections.abc import Collection
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scripted_ai import Hold, ScriptedApp, scripted_app

from ai.runs.memo import Memo, dump_answer, load_answer
from core.config import BudgetLimits
from core.errors import ServerError
from core.events import CallFinished, CallStarted
from core.limits.budget import Budget
from core.values import Answer, Deadlines, Failure, Image, Message, Request, Response, ToolCall, Usage


class Notebook:
    """A journal in memory, as strict as the real one: JSON only, the first value stays."""

    def __init__(self) -> None:
        self.kept: dict[str, str] = {}
        self.looked_up = 0
        self.gate = anyio.Event()
        self.gate.set()

    async def memo(self, job: str, keys: Collection[str]) -> dict[str, Any]:
        self.looked_up += 1
        return {key: json.loads(self.kept[key]) for key in keys if key in self.kept}

    @property
    def waiting(self) -> int:
        return 0

    def record(self, job: str, key: str, value: Any) -> None:
        self.kept.setdefault(key, json.dumps(value))

    async def settle(self) -> None: ...

    async def ready(self, job: str) -> None:
        await self.gate.wait()


@asynccontextmanager
async def resumed(app: ScriptedApp, notebook: Notebook) -> Any:
    async with app.run("test", run_id="j1", memo=Memo(notebook, "j1")) as run:
        yield run


async def test_a_finished_call_is_given_again_whole_and_neither_asked_nor_published() -> None:
    notebook = Notebook()
    answer = Response(
        "yes", "m-1", usage=Usage(7, 3), request_id="r1", tool_calls=(ToolCall("t", "f", {"a": 1}, b"s"),)
    )
    async with scripted_app({"a": [answer]}) as app:
        async with resumed(app, notebook) as run:
            first = await run.ask("a", Request.of("hi"), role="judge")
        told = len(app.events)
        async with resumed(app, notebook) as run:
            second = await run.ask("a", Request.of("hi"), role="judge")
        assert second == first
        assert not [event for event in app.events[told:] if isinstance(event, CallStarted | CallFinished)]


async def test_what_failed_is_asked_again_and_only_that() -> None:
    notebook = Notebook()
    async with scripted_app({"a": ["one"], "b": [ServerError("no"), "two"]}) as app:
        asks = [("a", Request.of("hi")), ("b", Request.of("hi"))]
        async with resumed(app, notebook) as run:
            first = await run.ask_many(asks)
        assert isinstance(first[1], Failure)
        async with resumed(app, notebook) as run:
            second = await run.ask_many(asks)
        assert [outcome.text for outcome in second if isinstance(outcome, Answer)] == ["one", "two"]


@pytest.mark.parametrize(
    "change",
    [
        {"system": "Be brief."},
        {"temperature": 0.5},
        {"extra": {"seed": 2}},
        {"messages": (Message.user("hi", Image(b"other", "image/png")),)},
    ],
)
async def test_a_changed_request_is_another_call(change: dict[str, Any]) -> None:
    notebook = Notebook()
    fields = {"messages": (Message.user("hi", Image(b"picture", "image/png")),)}
    async with scripted_app({"a": ["one", "two"]}) as app:
        async with resumed(app, notebook) as run:
            await run.ask("a", Request(**fields))
        async with resumed(app, notebook) as run:
            assert (await run.ask("a", Request(**(fields | change)))).text == "two"


async def test_deadlines_and_priority_do_not_make_another_call() -> None:
    notebook = Notebook()
    async with scripted_app({"a": ["one"]}) as app:
        async with resumed(app, notebook) as run:
            await run.ask("a", Request.of("hi"))
        async with resumed(app, notebook) as run:
            again = Request.of("hi", deadlines=Deadlines(total=5), priority="batch")
            assert (await run.ask("a", again)).text == "one"


async def test_the_same_request_twice_in_a_run_is_two_calls_and_so_it_is_again() -> None:
    notebook = Notebook()
    async with scripted_app({"a": ["one", "two"]}) as app:
        for _ in range(2):
            async with resumed(app, notebook) as run:
                said = [(await run.ask("a", Request.of("hi"))).text for _ in range(2)]
            assert said == ["one", "two"]


async def test_an_answer_is_kept_before_anybody_hears_of_it() -> None:
    notebook = Notebook()
    kept_when_told: list[int] = []
    async with scripted_app({"a": ["one"]}) as app:
        app.bus.add_sink(lambda e: kept_when_told.append(len(notebook.kept)) if isinstance(e, CallFinished) else None)
        async with resumed(app, notebook) as run:
            await run.ask("a", Request.of("hi"))
    assert kept_when_told == [1]


async def test_no_call_starts_while_answers_could_not_be_kept() -> None:
    notebook = Notebook()
    notebook.gate = anyio.Event()
    async with scripted_app({"a": ["one"]}) as app:
        async with resumed(app, notebook) as run, anyio.create_task_group() as tasks:
            tasks.start_soon(run.ask, "a", Request.of("hi"))
            await anyio.wait_all_tasks_blocked()
            assert app.clients["a"].requests == []
            notebook.gate.set()
    assert len(notebook.kept) == 1


async def test_draining_keeps_what_is_under_way_and_starts_nothing_new() -> None:
    notebook = Notebook()
    hold = Hold("late")
    async with scripted_app({"a": [hold]}) as app:
        memo = Memo(notebook, "j1")
        with anyio.fail_after(5):
            async with app.run("test", memo=memo) as run, anyio.create_task_group() as tasks:
                tasks.start_soon(run.ask, "a", Request.of("under way"))
                await hold.reached.wait()

                async def drain() -> None:
                    await memo.drain()
                    assert len(notebook.kept) == 1
                    tasks.cancel_scope.cancel()

                tasks.start_soon(drain)
                await anyio.wait_all_tasks_blocked()
                tasks.start_soon(run.ask, "a", Request.of("new"))
                await anyio.wait_all_tasks_blocked()
                hold.gate.set()


async def test_only_as_many_calls_are_past_the_gate_as_the_ai_takes_at_once() -> None:
    notebook = Notebook()
    holds = [Hold(str(n)) for n in range(3)]
    async with scripted_app({"a": [*holds]}) as app:
        app.roster.seats["a"].concurrency.ceiling = 2
        memo = Memo(notebook, "j1")
        with anyio.fail_after(5):
            async with app.run("test", memo=memo) as run, anyio.create_task_group() as tasks:
                tasks.start_soon(run.ask_many, [("a", Request.of(str(n))) for n in range(3)])
                await anyio.wait_all_tasks_blocked()
                assert memo._under_way == 2
                for hold in holds:
                    hold.gate.set()


async def test_a_step_of_ones_own_is_run_once() -> None:
    notebook = Notebook()
    ran: list[int] = []

    async def step() -> dict[str, int]:
        ran.append(1)
        return {"value": 42}

    async with scripted_app({}) as app:
        for _ in range(2):
            async with resumed(app, notebook) as run:
                assert await run.call("step", step) == {"value": 42}
        async with app.run("test") as run:
            assert await run.call("step", step) == {"value": 42}
    assert len(ran) == 2, "once for the job, once without one"


async def test_a_fresh_job_looks_nothing_up() -> None:
    notebook = Notebook()
    async with scripted_app({"a": ["one"]}) as app:
        async with app.run("test", memo=Memo(notebook, "j1", fresh=True)) as run:
            await run.ask("a", Request.of("hi"))
    assert notebook.looked_up == 0 and len(notebook.kept) == 1


async def test_a_resumed_run_reserves_only_for_the_calls_it_really_makes(tmp_path: Path) -> None:
    notebook = Notebook()
    limits = BudgetLimits(per_run_tokens=5_000)
    async with scripted_app({"a": [Response("one", "m", usage=Usage(10, 10))], "b": ["two"]}) as app:
        app.roster.budget = budget = Budget(tmp_path, limits, {})
        one, two = ("a", Request.of("hi", max_tokens=4_000)), ("b", Request.of("hi", max_tokens=4_000))
        async with resumed(app, notebook) as run:
            await run.ask(*one)
        async with resumed(app, notebook) as run:
            assert len(await run.ask_many([one, two])) == 2, "both together would be over the limit"
        await anyio.to_thread.run_sync(budget.close)


FIGURES = st.none() | st.integers(0, 10**9)
ANSWERS = st.builds(
    Answer,
    ai=st.text(min_size=1),
    model=st.text(),
    text=st.text(),
    latency_s=st.floats(0, 1e6),
    usage=st.builds(Usage, FIGURES, FIGURES, FIGURES, FIGURES),
    cost_usd=st.none() | st.floats(0, 1e6),
    finish_reason=st.sampled_from(["stop", "length", "tool_calls"]),
    request_id=st.none() | st.text(min_size=1),
    answered_by=st.none() | st.text(min_size=1),
    tool_calls=st.lists(
        st.builds(
            ToolCall,
            id=st.text(),
            name=st.text(),
            arguments=st.dictionaries(st.text(), st.integers() | st.text()),
            signature=st.none() | st.binary(),
        ),
        max_size=2,
    ).map(tuple),
    first_token_s=st.none() | st.floats(0, 1e6),
    key=st.text(),
    cached=st.booleans(),
)


@given(ANSWERS)
def test_an_answer_comes_back_from_json_as_it_was(answer: Answer) -> None:
    assert load_answer(json.loads(json.dumps(dump_answer(answer)))) == answer
