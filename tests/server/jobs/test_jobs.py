"""Jobs through the MCP server, in both protocol eras, and on the command line."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from click.testing import CliRunner
from mcp import Client
from mcp.types import CallToolResult, TextContent
from scripted_ai import Hold, ScriptedApp, Step, scripted_app

from core.errors import MootError, ServerError, UnknownAIError
from core.jobs.runner import MOST_AT_ONCE
from server.cli.main import cli
from server.jobs import worker
from server.jobs.background import JobHandle, start
from server.jobs.worker import serving_jobs
from server.mcp_server.app import create_mcp_server
from server.toolbox import KINDS
from tools.ask_many import Replies


@asynccontextmanager
async def working(ais: dict[str, list[Step]]) -> AsyncIterator[ScriptedApp]:
    """An app that works on its jobs."""
    async with scripted_app(ais) as app:
        with anyio.fail_after(10):
            async with serving_jobs(app):
                yield app


@asynccontextmanager
async def talking(mode: Any, ais: dict[str, list[Step]]) -> AsyncIterator[tuple[Client, ScriptedApp]]:
    async with scripted_app(ais) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        with anyio.fail_after(10):
            async with Client(create_mcp_server(opened), mode=mode) as client:
                yield client, app


async def call(client: Client, tool: str, **arguments: Any) -> CallToolResult:
    result = await client.call_tool(tool, arguments)
    assert isinstance(result, CallToolResult)
    return result


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_background_returns_an_id_at_once_and_the_tools_own_result_later(mode: Any) -> None:
    hold = Hold("slow")
    async with talking(mode, {"a": [hold], "b": ["quick"]}) as (client, _):
        accepted = await call(client, "ask_many", prompt="Well?", background=True)
        assert not accepted.is_error and accepted.structured_content
        job = accepted.structured_content["job"]["id"]
        assert job in text_of(accepted) and "pauses when the last window closes" in text_of(accepted)
        await hold.reached.wait()
        part = await call(client, "jobs", action="get", id=job, wait_s=5, after=0)
        assert "quick" in text_of(part) and "running" in text_of(part)
        hold.gate.set()
        whole = await call(client, "jobs", action="get", id=job, wait_s=5)
        assert "2 of 2 AIs answered" in text_of(whole) and "slow" in text_of(whole)
        assert (whole.structured_content or {})["result"]["replies"][0]["text"] == "slow"
        listed = await call(client, "jobs")
        assert job in text_of(listed) and "done" in text_of(listed)


async def test_a_running_job_is_cancelled_and_its_request_with_it() -> None:
    async with talking("legacy", {"a": [hold := Hold("never")], "b": ["quick"]}) as (client, app):
        accepted = await call(client, "ask_many", prompt="Well?", background=True)
        job = (accepted.structured_content or {})["job"]["id"]
        await hold.reached.wait()
        await call(client, "jobs", action="cancel", id=job)
        ended = await call(client, "jobs", action="get", id=job, wait_s=5)
        assert "cancelled" in text_of(ended)
        assert app.clients["a"].cancelled == 1


async def test_a_drained_job_keeps_the_answer_under_way_and_asks_nobody_else() -> None:
    ais: dict[str, list[Step]] = {"a": [hold := Hold("One.\nPOSITION: yes")], "b": ["Two.\nPOSITION: no"], "c": []}
    async with working(ais) as app:
        job = await app.jobs.submit("debate", {"question": "Well?", "rounds": 1})
        await hold.reached.wait()
        await app.jobs.cancel(job.id, "drain")
        await anyio.wait_all_tasks_blocked()
        hold.gate.set()
        ended = await app.jobs.wait(job.id, 5)
        assert (ended.state, ended.calls) == ("cancelled", 2)


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({"action": "get", "id": "nope"}, "There is no job 'nope'"),
        ({"action": "cancel"}, "'id' is missing"),
        ({"action": "explode"}, "'action'"),
        ({"action": "get", "id": "x", "wait_s": 51}, "'wait_s'"),
    ],
)
async def test_a_wrong_call_of_jobs_is_one_sentence(arguments: dict[str, Any], complaint: str) -> None:
    async with talking("legacy", {"a": []}) as (client, _):
        result = await call(client, "jobs", **arguments)
    assert result.is_error and complaint in text_of(result)


async def test_a_slip_of_the_pen_does_not_become_a_job() -> None:
    async with working({"a": []}) as app:
        with pytest.raises(UnknownAIError, match="nobody"):
            await start(app, KINDS["ask_many"], {"prompt": "hi", "ais": ["nobody"]})
        assert await app.jobs.list_jobs() == []


async def test_starting_with_patience_gives_the_result_or_else_the_handle() -> None:
    async with working({"a": ["one", hold := Hold("two")]}) as app:
        result = await start(app, KINDS["ask_many"], {"prompt": "hi"}, wait_s=5)
        assert isinstance(result, Replies) and "one" in result.markdown()
        handle = await start(app, KINDS["ask_many"], {"prompt": "again"}, wait_s=0.05)
        assert isinstance(handle, JobHandle)
        await hold.reached.wait()
        hold.gate.set()
        assert (await app.jobs.wait(handle.job.id, 5)).state == "done"


async def test_a_job_whose_ai_is_not_configured_here_waits_for_one_who_has_it() -> None:
    async with working({"a": ["yes"]}) as app:
        job = await app.jobs.submit("ask_many", {"prompt": "hi", "ais": ["elsewhere"]})
        paused = await app.jobs.wait(job.id, 5)
        assert paused.state == "paused" and "No AI named 'elsewhere'" in paused.reason
        assert paused.task_status == "input_required"
        app.roster.seats["elsewhere"] = app.roster.seats["a"]
        await app.jobs.resume(job.id)
        assert (await app.jobs.wait(job.id, 5)).state == "done"


async def test_a_failed_job_says_why_and_a_retry_makes_only_what_failed() -> None:
    async with working({"a": ["one"], "b": [ServerError("'b' is down."), "two"]}) as app:
        job = await app.jobs.submit("ask_many", {"prompt": "hi"})
        assert (await app.jobs.wait(job.id, 5)).state == "done"
        await app.jobs.retry(job.id)
        assert (await app.jobs.wait(job.id, 5)).state == "done"
        result = await app.jobs.result(job.id)
        assert result and result.markdown.startswith("2 of 2")
    async with working({"a": [ServerError("'a' is down.")]}) as app:
        with pytest.raises(MootError, match="'a' is down"):
            await start(app, KINDS["ask_many"], {"prompt": "hi"}, wait_s=5)


async def test_a_debate_is_resumed_with_what_was_said() -> None:
    """The second process asks exactly what the first would have asked: the memo gives every statement again."""
    ais: dict[str, list[Step]] = {
        "a": ["One.\nPOSITION: yes"],
        "b": ["Two.\nPOSITION: no"],
        "c": [hold := Hold("never")],
    }
    async with scripted_app(ais) as first:
        with anyio.fail_after(10):
            async with serving_jobs(first):
                job = await first.jobs.submit("debate", {"question": "Well?", "rounds": 0})
                await hold.reached.wait()
            assert (await first.jobs.get(job.id)).state == "queued"
    async with working({"a": [], "b": [], "c": ["VERDICT: Yes.\nDISSENTERS: none"]}) as second:
        assert (await second.jobs.wait(job.id, 5)).state == "done"
        result = await second.jobs.result(job.id)
        assert result and "**Yes.**" in result.markdown and "One." in result.markdown


async def test_unfinished_jobs_are_handed_to_a_worker_of_their_own_and_no_jobs_are_not() -> None:
    started: list[str] = []
    async with scripted_app({"a": [hold := Hold("never")]}) as app:
        with anyio.fail_after(10):
            async with serving_jobs(app, detach=lambda: started.append("worker")):
                assert app.jobs.runs_on
            assert started == []
            async with serving_jobs(app, detach=lambda: started.append("worker")):
                await app.jobs.submit("ask_many", {"prompt": "hi"})
                await hold.reached.wait()
            assert started == ["worker"]


async def test_only_a_few_jobs_run_at_once_and_the_rest_wait_their_turn() -> None:
    holds = [Hold(str(number)) for number in range(MOST_AT_ONCE + 2)]
    async with working({"a": holds[::2], "b": holds[1::2]}) as app:  # an AI is asked ten things at once
        submitted = [
            await app.jobs.submit("ask_many", {"prompt": str(n), "ais": ["ab"[n % 2]]}) for n in range(len(holds))
        ]
        for hold in holds[:MOST_AT_ONCE]:
            await hold.reached.wait()
        assert len(await app.jobs.list_jobs(("queued",))) == 2
        for hold in holds:
            hold.gate.set()
        for job in submitted:
            assert (await app.jobs.wait(job.id, 5)).state == "done"


async def test_nothing_is_opened_while_there_is_no_job(isolated: Path) -> None:
    async with working({"a": []}) as app:
        await anyio.wait_all_tasks_blocked()
        assert app.jobs._engine is None
    assert not (isolated / "home").exists()


@pytest.fixture
def moot(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(worker, "start_worker", lambda: None)
    return lambda *arguments: CliRunner().invoke(cli, arguments)


def test_moot_jobs_lists_shows_steers_and_cleans(moot: Any, isolated: Path) -> None:
    path = isolated / "home" / "credentials.json"
    path.parent.mkdir()
    row = {"provider": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "model": "m"}
    path.write_text(json.dumps({"ais": {"a": row}}))
    path.chmod(0o600)
    assert moot("jobs").stdout.strip() == "No jobs."
    accepted = moot("ask", "hi", "-a", "a", "--background", "--json")
    assert accepted.exit_code == 0, accepted.output
    job = json.loads(accepted.stdout)["job"]["id"]
    assert job in moot("jobs", "list").stdout
    assert "queued" in moot("jobs", "show", job).stdout
    assert "cancelled" in moot("jobs", "cancel", job).stdout
    assert "queued" in moot("jobs", "resume", job).stdout
    assert "cancelled" in moot("jobs", "cancel", job, "--drain").stdout
    assert moot("jobs", "clean", "--older-than", "0").stdout.strip() == "1 job deleted."
    missing = moot("jobs", "show", job)
    assert missing.exit_code == 2 and "There is no job" in missing.stderr
    watched = moot("jobs", "watch", job)
    assert (watched.exit_code, watched.stderr) == (missing.exit_code, missing.stderr)
    assert json.loads(moot("jobs", "--json").stdout) == json.loads(moot("jobs", "list", "--json").stdout)


def test_the_background_needs_named_ais(moot: Any) -> None:
    result = moot("ask", "hi", "--background")
    assert result.exit_code == 2 and "need to know whom" in result.stderr


def test_a_damaged_store_of_jobs_is_one_sentence(moot: Any, isolated: Path) -> None:
    path = isolated / "home" / "jobs.db"
    path.parent.mkdir()
    path.write_bytes(b"garbage" * 1_000)
    result = moot("jobs")
    assert result.exit_code == 1
    assert "damaged" in result.stderr and str(isolated) not in result.output


def test_the_words_of_what_is_over_can_be_deleted_by_themselves(isolated: Path) -> None:
    async def prepare() -> str:
        async with working({"a": ["the answer"]}) as app:
            job = await app.jobs.submit("ask_many", {"prompt": "the question", "ais": ["a"]})
            assert (await app.jobs.wait(job.id, 10)).state == "done"
        return job.id

    job = anyio.run(prepare)
    kept = (isolated / "home" / "jobs.db").read_bytes()
    assert b"the question" in kept and b"the answer" in kept
    told = CliRunner().invoke(cli, ["jobs", "clean", "--words"])
    assert told.output == "The words of 1 job deleted.\n"
    kept = (isolated / "home" / "jobs.db").read_bytes()
    assert b"the question" not in kept and b"the answer" not in kept
    shown = CliRunner().invoke(cli, ["jobs", "show", job])
    assert "is done" in shown.output and "has been deleted" in shown.output
    again = CliRunner().invoke(cli, ["jobs", "retry", job])
    assert again.exit_code != 0
