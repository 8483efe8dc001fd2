"""A person before a host says whether an agent's tool may be called, in both eras, and where nobody can be asked."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from agent_tools import Lent, Recorder, calling
from mcp import Client
from mcp.types import CallToolResult, ElicitResult, ErrorData, TextContent
from scripted_ai import ScriptedApp, Step, scripted_app
from tasks_client import TasksClient

from ai.runs.run import Materials
from core.config import Config, Defaults
from core.tooling import AgentConfig
from server.mcp_server.app import create_mcp_server

WRITES: list[Step] = [calling(("write", {"x": 1}), text="I will."), "It is done."]


@asynccontextmanager
async def talking(
    mode: Any, steps: list[Step], answer: ElicitResult | None, *, faster: bool | None = None, ask: Any = None
) -> AsyncIterator[tuple[Client, ScriptedApp, Recorder, list[str]]]:
    tools, asked = Recorder(), []
    config = Config(defaults=Defaults(drain_s=0.05), agents={"worker": AgentConfig(ai="gpt", tools=["lent"])})

    async def shown(context: Any, params: Any) -> ElicitResult:
        asked.append(params.message)
        assert answer is not None
        if faster is not None:  # somebody else's word, given at another door while this form is open
            (job,) = await app.jobs.list_jobs()
            (one,) = await app.jobs.approvals(job.id)
            await app.jobs.approve(job.id, one.id, yes=faster)
        return answer

    async with scripted_app({"gpt": steps}, config=config, materials=Materials(borrowed=Lent(tools))) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        with anyio.fail_after(15):
            callback = None if answer is None else ask or shown
            async with Client(create_mcp_server(opened), mode=mode, elicitation_callback=callback) as client:
                yield client, app, tools, asked


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


ALLOW = ElicitResult(action="accept", content={"allow": True})


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize("tool", ["agent", "ask_one"])
async def test_a_call_is_made_after_a_yes_and_the_answer_is_the_same_calls(mode: Any, tool: str) -> None:
    async with talking(mode, WRITES, ALLOW) as (client, _, tools, asked):
        prompt = "task" if tool == "agent" else "prompt"
        result = await client.call_tool(tool, {prompt: "Write", "ai": "worker"})
        assert isinstance(result, CallToolResult) and "It is done." in text_of(result)
        assert tools.calls == [("write", {"x": 1})]
        assert asked == ['worker wants to call write({"x":1}). Allow it?']


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize(
    "answer",
    [ElicitResult(action="decline"), ElicitResult(action="accept", content={"allow": False})],
)
async def test_after_a_no_the_agent_goes_on_without_it(mode: Any, answer: ElicitResult) -> None:
    steps: list[Step] = [WRITES[0], "I may not."]
    async with talking(mode, steps, answer) as (client, _, tools, _):
        result = await client.call_tool("agent", {"task": "Write", "ai": "worker"})
        assert isinstance(result, CallToolResult) and "I may not." in text_of(result) and not tools.calls


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize(("faster", "said"), [(False, "I may not."), (True, "It is done.")])
async def test_a_form_filled_in_after_somebody_else_has_answered_changes_nothing_and_breaks_nothing(
    mode: Any, faster: bool, said: str
) -> None:
    late = ElicitResult(action="accept", content={"allow": not faster})
    async with talking(mode, [WRITES[0], said], late, faster=faster) as (client, _, tools, _):
        result = await client.call_tool("agent", {"task": "Write", "ai": "worker"})
        assert isinstance(result, CallToolResult) and not result.is_error and said in text_of(result)
        assert len(tools.calls) == int(faster)


async def refuses(*_: object) -> ErrorData:
    return ErrorData(code=-32601, message="No forms here")


def filled(**content: Any) -> ElicitResult:
    return ElicitResult(action="accept", content=content)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
@pytest.mark.parametrize(
    "answer",
    [
        ElicitResult(action="cancel"),
        ElicitResult(action="accept"),
        filled(),
        filled(allow="true"),
        filled(allow=1),
        filled(allow="perhaps"),
        filled(allow=["true"]),
    ],
    ids=str,
)
async def test_what_is_no_word_is_neither_a_yes_nor_a_no_and_the_job_waits_for_one(
    mode: Any, answer: ElicitResult
) -> None:
    async with talking(mode, WRITES, answer) as (client, app, tools, asked):
        result = await client.call_tool("agent", {"task": "Write", "ai": "worker"})
        assert isinstance(result, CallToolResult) and not result.is_error and len(asked) == 1
        await answered_elsewhere(result, app, tools)


async def answered_elsewhere(result: CallToolResult, app: ScriptedApp, tools: Recorder) -> None:
    (job,) = await app.jobs.list_jobs()
    assert job.state == "paused" and f"moot jobs answer {job.id}" in text_of(result) and not tools.calls
    (approval,) = await app.jobs.approvals(job.id)
    await app.jobs.approve(job.id, approval.id, yes=True)
    assert (await app.jobs.wait(job.id, 5)).state == "done" and tools.calls == [("write", {"x": 1})]


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_a_yes_to_a_job_that_was_called_off_meanwhile_does_nothing_and_promises_nothing(mode: Any) -> None:
    apps: list[ScriptedApp] = []

    async def calls_off(*_: object) -> ElicitResult:
        (job,) = await apps[0].jobs.list_jobs()
        await apps[0].jobs.cancel(job.id)
        return ALLOW

    async with talking(mode, [WRITES[0]], ALLOW, ask=calls_off) as (client, app, tools, _):
        apps.append(app)
        result = await client.call_tool("agent", {"task": "Write", "ai": "worker"})
        assert isinstance(result, CallToolResult) and not tools.calls
        (job,) = await app.jobs.list_jobs()
        assert f"Job {job.id} is cancelled." in text_of(result) and f"moot jobs resume {job.id}" in text_of(result)
        assert "It goes on when" not in text_of(result) and "goes on as a job" not in text_of(result)


async def test_a_host_that_answers_a_form_with_an_error_has_given_no_word() -> None:
    async with talking("legacy", WRITES, ALLOW, ask=refuses) as (client, app, tools, _):
        result = await client.call_tool("agent", {"task": "Write", "ai": "worker"})
        assert isinstance(result, CallToolResult) and not result.is_error
        await answered_elsewhere(result, app, tools)


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_where_a_host_shows_no_forms_the_job_waits_and_says_how_it_is_answered(mode: Any) -> None:
    async with talking(mode, WRITES, None) as (client, app, tools, _):
        result = await client.call_tool("agent", {"task": "Write", "ai": "worker"})
        assert isinstance(result, CallToolResult)
        await answered_elsewhere(result, app, tools)


async def test_no_tool_of_the_server_answers_for_a_person() -> None:
    async with talking("legacy", [WRITES[0], "never said"], None) as (client, app, tools, _):
        await client.call_tool("agent", {"task": "Write", "ai": "worker"})
        (job,) = await app.jobs.list_jobs()
        resumed = await client.call_tool("jobs", {"action": "resume", "id": job.id})
        assert isinstance(resumed, CallToolResult)
        with anyio.fail_after(5):
            while (await app.jobs.get(job.id)).state != "paused":
                await anyio.sleep(0.01)
        assert not tools.calls and len(await app.jobs.approvals(job.id)) == 1
        app.clients["gpt"]._steps.clear()


@pytest.mark.parametrize(("allow", "said"), [(True, "It is done."), (False, "It is done.")])
async def test_a_task_asks_for_each_call_that_waits(allow: bool, said: str) -> None:
    asked: list[str] = []

    def answer(message: str) -> dict[str, Any]:
        asked.append(message)
        return {"action": "accept", "content": {"allow": allow}}

    tools = Recorder()
    config = Config(defaults=Defaults(drain_s=0.05), agents={"worker": AgentConfig(ai="gpt", tools=["lent"])})
    steps: list[Step] = [calling(("write", {"x": 1}), ("write", {"x": 2})), "It is done."]
    materials = Materials(borrowed=Lent(tools))

    async def outside(*_: object) -> ElicitResult:
        raise AssertionError("nobody asks outside of a task")

    async with scripted_app({"gpt": steps}, config=config, materials=materials) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        server = create_mcp_server(opened)
        user = TasksClient(answer)
        with anyio.fail_after(15):
            async with Client(server, mode="2026-07-28", extensions=(user,), elicitation_callback=outside) as client:
                result = await client.call_tool("agent", {"task": "Write", "ai": "worker"})
    assert isinstance(result, CallToolResult) and said in text_of(result)
    assert len(asked) == 2 and len(tools.calls) == (2 if allow else 0)
