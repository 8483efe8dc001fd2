"""Jobs as the tasks of a host that declares `io.modelcontextprotocol/tasks`, through a real client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from mcp import Client, MCPError
from mcp.client import advertise
from mcp.types import CallToolResult, ElicitResult, TextContent
from pydantic import BaseModel
from scripted_ai import Hold, ScriptedApp, Step, scripted_app
from tasks_client import Task, TasksClient, send

from ai.runs.run import Run
from core.config import BudgetLimits
from core.errors import InvalidInputError, ServerError
from core.limits.budget import Budget
from server.mcp_server import tasks
from server.mcp_server.app import create_mcp_server
from server.mcp_server.tasks import TASKS
from server.toolbox import KINDS, RECIPES, Recipe

MODERN = "2026-07-28"


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    """What waits for a test's own event becomes a task soon."""
    monkeypatch.setattr(tasks, "DIRECT_S", 0.1)


@asynccontextmanager
async def host(
    ais: dict[str, list[Step]],
    *extensions: Any,
    mode: Any = MODERN,
    elicits: bool = True,
    recipes: tuple[Recipe, ...] = RECIPES,
) -> AsyncIterator[tuple[Client, ScriptedApp]]:
    """A host with these extensions. It declares that it can ask its user; only tasks' questions would be answered."""
    async with scripted_app(ais) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        async def asked(*_: object) -> ElicitResult:
            raise AssertionError("nobody asks outside of a task")

        callback = asked if elicits else None
        server = create_mcp_server(opened, recipes=recipes)
        with anyio.fail_after(10):
            async with Client(server, mode=mode, extensions=extensions, elicitation_callback=callback) as client:
                yield client, app


async def ask(client: Client, **arguments: Any) -> CallToolResult:
    result = await client.call_tool("ask_many", {"prompt": "Well?", **arguments})
    assert isinstance(result, CallToolResult)
    return result


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def test_a_slow_call_becomes_a_task_which_is_the_job_and_ends_with_the_tools_own_result() -> None:
    user = TasksClient()
    async with host({"a": [slow := Hold("slow")], "b": ["quick"]}, user) as (client, app):
        result: list[CallToolResult] = []
        async with anyio.create_task_group() as group:

            async def call() -> None:
                result.append(await ask(client))

            group.start_soon(call)
            await user.started.wait()
            (job,) = await app.jobs.list_jobs()
            assert (user.new[0].task_id, user.new[0].status, job.state) == (job.id, "working", "running")
            slow.gate.set()
        assert "2 of 2 AIs answered" in text_of(result[0]) and not result[0].is_error
        assert (result[0].structured_content or {})["replies"][0]["text"] == "slow"
    assert user.seen[-1].status == "completed"
    assert user.seen[-1].poll_interval_ms == 1_000 and user.seen[-1].ttl_ms == 30 * 86_400_000


async def test_a_quick_call_is_answered_directly_and_with_progress() -> None:
    lines: list[str | None] = []

    async def progress(at: float, total: float | None, message: str | None) -> None:
        lines.append(message)

    async with host({"a": ["yes"], "b": ["no"]}, TasksClient()) as (client, _):
        result = await client.call_tool("ask_many", {"prompt": "Well?"}, progress_callback=progress)
        assert isinstance(result, CallToolResult) and "2 of 2 AIs answered" in text_of(result)
    assert any("answered" in (line or "") for line in lines)


async def test_a_host_that_gives_a_task_up_cancels_the_job_and_its_request() -> None:
    user = TasksClient()
    async with host({"a": [Hold("never")]}, user) as (client, app):
        async with anyio.create_task_group() as group:
            group.start_soon(ask, client)
            await user.started.wait()
            group.cancel_scope.cancel()
        job = await app.jobs.wait(user.new[0].task_id, 5)
        assert job.state == "cancelled" and app.clients["a"].cancelled == 1
        again = await send(client.session, "tasks/cancel", job.id)
        assert not again.model_dump(exclude={"meta", "result_type"})
        task = await send(client.session, "tasks/get", job.id)
        assert isinstance(task, Task) and task.status == "cancelled" and task.result is None


async def test_a_tool_that_fails_is_a_completed_task_whose_result_is_an_error() -> None:
    async with host({"a": [ServerError("'a' is down.")]}, TasksClient()) as (client, app):
        failed = await ask(client)
        assert failed.is_error and "'a' is down" in text_of(failed)
        (job,) = await app.jobs.list_jobs()
        task = await send(client.session, "tasks/get", job.id)
        assert isinstance(task, Task) and task.status == "completed" and task.result and task.result["isError"]


@pytest.fixture
def used_up(tmp_path: Path) -> Iterator[Budget]:
    """A budget too small for any call."""
    budget = Budget(tmp_path, BudgetLimits(per_run_tokens=1), {})
    yield budget
    budget.close()


async def test_a_paused_job_asks_whether_to_go_on_and_does_when_the_user_accepts(used_up: Budget) -> None:
    asked: list[str] = []

    def accept(message: str) -> dict[str, Any]:
        asked.append(message)
        if len(asked) == 2:
            app.roster.budget = None
        return {"action": "accept", "content": {}}

    user = TasksClient(accept)
    async with host({"a": ["yes"]}, user) as (client, app):
        app.roster.budget = used_up
        result = await ask(client)
        assert "1 of 1" in text_of(result) and not result.is_error
    assert len(asked) == 2 and "Over budget" in asked[0] and asked[0].endswith("Go on?")
    questions = {name for task in user.seen for name in task.input_requests or ()}
    assert len(questions) == 2, "a host does not ask again what it takes for the same question"


async def test_a_paused_job_is_cancelled_when_the_user_declines(used_up: Budget) -> None:
    user = TasksClient(lambda message: {"action": "decline"})
    async with host({"a": []}, user) as (client, app):
        app.roster.budget = used_up
        with pytest.raises(MCPError, match="cancelled"):
            await ask(client)
        assert (await app.jobs.get(user.new[0].task_id)).state == "cancelled"


async def test_a_host_that_cannot_ask_its_user_reads_why_the_job_is_paused_and_how_to_go_on(used_up: Budget) -> None:
    async with host({"a": ["yes"]}, TasksClient(), elicits=False) as (client, app):
        app.roster.budget = used_up
        result = await ask(client)
        (job,) = await app.jobs.list_jobs()
        assert result.is_error and "Over budget" in text_of(result)
        assert f'jobs(action="resume", id="{job.id}")' in text_of(result)
        app.roster.budget = None
        await client.call_tool("jobs", {"action": "resume", "id": job.id})
        await app.jobs.wait(job.id, 5)
        task = await send(client.session, "tasks/get", job.id)
        assert isinstance(task, Task) and task.result and "1 of 1" in task.result["content"][0]["text"]


@pytest.mark.parametrize(
    ("mode", "extensions"),
    [(MODERN, ()), ("legacy", ()), ("legacy", (advertise(TASKS),))],
    ids=["modern", "legacy", "legacy that advertises"],
)
async def test_other_hosts_are_answered_as_ever_and_no_job_is_made(mode: Any, extensions: tuple[Any, ...]) -> None:
    async with host({"a": [slow := Hold("yes")]}, *extensions, mode=mode) as (client, app):
        async with anyio.create_task_group() as group:
            answers: list[CallToolResult] = []

            async def call() -> None:
                answers.append(await ask(client))

            group.start_soon(call)
            await slow.reached.wait()
            slow.gate.set()
        assert "1 of 1" in text_of(answers[0])
        assert await app.jobs.list_jobs() == []


async def test_wrong_arguments_a_plan_and_background_are_answered_by_the_tool_itself() -> None:
    async with host({"a": [slow := Hold("yes")]}, TasksClient()) as (client, app):
        assert "'promt' is not an argument of ask_many" in text_of(await ask(client, promt="x"))
        assert "No AI named 'nobody'" in text_of(await ask(client, ais=["nobody"]))
        assert (await ask(client, dry_run=True)).structured_content
        assert await app.jobs.list_jobs() == []
        handle = await ask(client, background=True)
        assert "jobs(action=" in text_of(handle)
        await slow.reached.wait()
        slow.gate.set()
        assert (await app.jobs.wait((handle.structured_content or {})["job"]["id"], 5)).state == "done"


async def test_where_no_job_can_be_kept_the_call_is_answered_as_ever(isolated: Path) -> None:
    await anyio.to_thread.run_sync((isolated / "home").write_bytes, b"not a folder")
    async with host({"a": ["yes"]}, TasksClient()) as (client, _):
        assert "1 of 1" in text_of(await ask(client))


@pytest.mark.parametrize("method", ["tasks/get", "tasks/update", "tasks/cancel"])
async def test_a_task_nobody_knows_and_a_host_that_does_not_speak_tasks_are_errors(method: str) -> None:
    async with host({"a": []}, TasksClient()) as (client, _):
        with pytest.raises(MCPError) as caught:
            await send(client.session, method, "nope")
        assert caught.value.code == -32602 and "no job 'nope'" in str(caught.value)
    async with host({"a": []}) as (client, _):
        with pytest.raises(MCPError) as caught:
            await send(client.session, method, "nope")
        assert caught.value.code == -32021
    async with host({"a": []}, TasksClient(), mode="legacy") as (client, _):
        with pytest.raises(MCPError) as caught:
            await send(client.session, method, "nope")
        assert caught.value.code == -32601


class Said(BaseModel):
    text: str

    def markdown(self) -> str:
        return self.text


async def trip(run: Run, broken: bool = False) -> Said:
    """Asks its user two things at once."""
    form = {"type": "object", "properties": {"name": {"type": "string"}}}
    given: dict[str, Any] = {}

    async def fill(what: str) -> None:
        given[what] = await run.ask_user(f"Which {what}?", form)

    if broken:
        raise RuntimeError("a fault of the program")
    async with anyio.create_task_group() as group:
        group.start_soon(fill, "start")
        group.start_soon(fill, "end")
    return Said(text=" ".join(f"{what}={given[what]}" for what in ("start", "end")))


TRIP = Recipe(trip, "Trip", background=True)


@pytest.fixture
def trips(monkeypatch: pytest.MonkeyPatch) -> tuple[Recipe, ...]:
    monkeypatch.setitem(KINDS, "trip", TRIP)
    return (TRIP, *RECIPES)


async def test_a_recipe_asks_its_user_several_things_at_once_and_one_answer_leaves_the_other(trips: Any) -> None:
    async with host({}, TasksClient(), recipes=trips) as (client, app):
        job = await app.jobs.submit("trip", {})
        while len(app.jobs.questions.of(job.id)) < 2:
            await anyio.lowlevel.checkpoint()
        task = await send(client.session, "tasks/get", job.id)
        assert isinstance(task, Task) and task.status == "input_required" and task.input_requests
        by_message = {request["params"]["message"]: name for name, request in task.input_requests.items()}
        one = {by_message["Which start?"]: {"action": "accept", "content": {"name": "Rome"}}, "unknown": {}}
        await send(client.session, "tasks/update", job.id, input_responses=one)
        with pytest.raises(MCPError) as caught:
            await send(client.session, "tasks/update", job.id, input_responses={by_message["Which end?"]: {"no": 1}})
        assert caught.value.code == -32602
        task = await send(client.session, "tasks/get", job.id)
        assert isinstance(task, Task) and task.input_requests
        assert set(task.input_requests) == {by_message["Which end?"]}
        rest = {by_message["Which end?"]: {"action": "decline"}}
        await send(client.session, "tasks/update", job.id, input_responses=rest)
        assert (await app.jobs.wait(job.id, 5)).state == "done"
        result = await app.jobs.result(job.id)
        assert result and result.markdown == "start={'name': 'Rome'} end=None"


async def test_an_answer_is_kept_with_the_job_and_a_drain_does_not_wait_for_the_user(trips: Any) -> None:
    async with host({}, recipes=trips) as (_, app):
        job = await app.jobs.submit("trip", {})
        while len(app.jobs.questions.of(job.id)) < 2:
            await anyio.lowlevel.checkpoint()
        first = next(name for name, question in app.jobs.questions.of(job.id).items() if "start" in question.message)
        app.jobs.questions.answer(job.id, first, {"name": "Oslo"})
        while not (await app.jobs.get(job.id)).calls:
            await anyio.lowlevel.checkpoint()
        await app.jobs.cancel(job.id, "drain")
        assert (await app.jobs.wait(job.id, 5)).state == "cancelled"
        await app.jobs.resume(job.id)
        while not (left := app.jobs.questions.of(job.id)):
            await anyio.lowlevel.checkpoint()
        ((name, question),) = left.items()
        assert question.message == "Which end?"
        app.jobs.questions.answer(job.id, name, {"name": "Rome"})
        assert (await app.jobs.wait(job.id, 5)).state == "done"
        result = await app.jobs.result(job.id)
        assert result and "Oslo" in result.markdown and "Rome" in result.markdown


async def test_only_a_job_can_wait_for_its_user() -> None:
    async with scripted_app({}) as app, app.run("trip") as run:
        with pytest.raises(InvalidInputError, match="only a job"):
            await run.ask_user("Well?", {})


async def test_a_fault_of_the_program_is_a_failed_task(trips: Any) -> None:
    async with host({}, TasksClient(), recipes=trips) as (client, app):
        with pytest.raises(MCPError) as caught:
            await client.call_tool("trip", {"broken": True})
        assert caught.value.code == -32603 and "unexpectedly" in str(caught.value)
        (job,) = await app.jobs.list_jobs()
        task = await send(client.session, "tasks/get", job.id)
        assert isinstance(task, Task) and task.status == "failed" and task.error and task.error["code"] == -32603
