"""Tools of other servers through their real processes: what reaches the agent, and what a bad server cannot do."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import borrowed_server
import pytest
from mcp.types import CallToolResult, TextContent

from core.config import Config
from core.errors import InvalidInputError
from core.tooling import McpServerConfig
from server.mcp_client.borrowed import Borrowed, borrowing
from server.mcp_client.failures import ToolServerError
from server.mcp_client.results import text_of

PROGRAM = borrowed_server.__file__


def row(mode: str = "fine", *rest: str, **more: Any) -> McpServerConfig:
    return McpServerConfig.model_validate({"command": sys.executable, "args": [PROGRAM, mode, *rest], **more})


@asynccontextmanager
async def borrowed(**rows: McpServerConfig) -> AsyncIterator[Borrowed]:
    with anyio.fail_after(60):
        async with borrowing(Config(mcp_servers=rows)) as opened:
            yield opened


async def test_a_tool_of_a_server_is_listed_under_a_name_of_its_own_and_gives_its_text() -> None:
    async with borrowed(docs=row()) as lent:
        tools = await lent.tools(["docs.search"])
        (spec,) = tools.specs()
        result = await tools.call("docs__search", {"words": "x"})
    assert (spec.name, spec.description, spec.read_only) == ("docs__search", "Find documents by words.", False)
    assert spec.parameters["required"] == ["words"]
    assert result.success
    assert json.loads(result.result.partition("\n\n")[0]) == {"words": "x"}


async def test_nothing_is_started_before_a_tool_is_named() -> None:
    async with borrowed(docs=row("dies")) as lent:
        assert lent.names() == ["docs"]


async def test_a_missing_program_is_one_sentence() -> None:
    async with borrowed(gone=McpServerConfig(command="/no/such/program")) as lent:
        with pytest.raises(ToolServerError) as raised:
            await lent.tools(["gone"])
    assert str(raised.value) == (
        "The MCP server 'gone' cannot be used: the program 'program' was not found. Look at it with: moot tools"
    )


async def test_a_program_that_ends_at_once_is_one_sentence_without_its_own_words() -> None:
    async with borrowed(bad=row("dies")) as lent:
        with pytest.raises(ToolServerError, match="its program ended with exit code 7"):
            await lent.tools(["bad"])
        lender = await lent.lender("bad")
        assert lender.connection.last_words == "no such database"


async def test_a_program_that_writes_on_and_on_is_no_server_and_said_to_be_none() -> None:
    babbler = McpServerConfig(command=sys.executable, args=["-c", "while True: print('y' * 100)"])
    async with borrowed(babbler=babbler) as lent:
        with pytest.raises(ToolServerError, match="it writes line after line that is no MCP"):
            await lent.tools(["babbler"])


async def test_a_program_that_never_answers_is_given_up() -> None:
    async with borrowed(mute=row("mute", startup_timeout=0.5)) as lent:
        with pytest.raises(ToolServerError, match=r"it did not answer within 0\.5 s"):
            await lent.tools(["mute"])


async def test_a_crash_in_a_call_leaves_its_outcome_unknown_and_the_next_call_finds_a_new_server() -> None:
    async with borrowed(docs=row()) as lent:
        tools = await lent.tools(["docs.crash", "docs.echo"])
        crashed = await tools.call("docs__crash", {})
        again = await tools.call("docs__echo", {"a": 1})
    assert not crashed.success
    assert not crashed.known
    assert "exit code 3" in crashed.error
    assert again.result == '{"a": 1}'


async def test_a_server_that_ends_again_and_again_has_pauses() -> None:
    async with borrowed(bad=row("dies")) as lent:
        told = []
        for _ in range(3):
            with pytest.raises(ToolServerError) as raised:
                await lent.tools(["bad"])
            told.append(str(raised.value))
    assert "after 2 failures it is started again in 1 s" in told[2]


async def test_a_call_past_its_time_is_unknown_and_a_late_answer_is_dropped() -> None:
    async with borrowed(late=row("late", timeout=0.3)) as lent:
        tools = await lent.tools(["late"])
        slow = await tools.call("late__slow", {})
        after = await tools.call("late__echo", {})
    assert (slow.success, slow.known) == (False, False)
    assert "did not answer within 0.3 s" in slow.error
    assert after.result == "called echo"


async def test_a_cancelled_call_reaches_the_server(tmp_path: Path) -> None:
    side = tmp_path / "side"
    async with borrowed(docs=row("fine", str(side))) as lent:
        tools = await lent.tools(["docs.slow", "docs.echo"])
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(tools.call, "docs__slow", {})
            await anyio.sleep(0)
            while (await tools.call("docs__echo", {})).error:
                pass
            tasks.cancel_scope.cancel()
        assert (await tools.call("docs__echo", {})).success
    assert await anyio.Path(side).read_text() == "cancelled"


async def test_an_answer_of_50_mb_is_not_read_and_the_server_goes_on() -> None:
    async with borrowed(docs=row()) as lent:
        tools = await lent.tools(["docs.huge", "docs.echo"])
        huge = await tools.call("docs__huge", {})
        after = await tools.call("docs__echo", {})
    assert "bytes, and is not read" in huge.error
    assert not huge.known
    assert after.success


async def test_a_long_answer_is_cut_and_says_so() -> None:
    async with borrowed(docs=row()) as lent:
        tools = await lent.tools(["docs.huge"])
        result = await tools.call("docs__huge", {"size": 500_000})
    assert result.result.endswith("[cut: 100,000 more characters]")


async def test_what_is_no_text_is_named_with_its_size() -> None:
    async with borrowed(docs=row()) as lent:
        result = await (await lent.tools(["docs.odd"])).call("docs__odd", {})
    assert result.result.split("\n\n") == [
        "ab",
        "[a picture, image/png, 3 bytes; not shown]",
        "[a recording, audio/wav, 3 bytes; not played]",
        "[a resource, log: file:///var/log/it; not read]",
        "[a file, file:///blob, application/zip, 3 bytes; not shown]",
        '{"number": null}',
    ]


def test_numbers_that_json_has_not_are_told_as_they_came() -> None:
    said = CallToolResult(content=[], structured_content={"number": float("nan"), "most": float("inf")})
    assert text_of(said) == '{"number": NaN, "most": Infinity}'
    assert text_of(CallToolResult(content=[])) == "[the tool gave nothing back]"


def test_structured_content_that_a_text_repeats_is_told_once() -> None:
    text = TextContent(type="text", text='{"b": 1, "a": 2}')
    assert text_of(CallToolResult(content=[text], structured_content={"a": 2, "b": 1})) == text.text


async def test_a_tool_that_says_it_failed_has_failed() -> None:
    async with borrowed(docs=row()) as lent:
        result = await (await lent.tools(["docs.fails"])).call("docs__fails", {})
    assert (result.success, result.error, result.known) == (False, "the disk is full", True)


async def test_a_server_that_asks_its_clients_user_is_declined() -> None:
    async with borrowed(docs=row()) as lent:
        result = await (await lent.tools(["docs.asks"])).call("docs__asks", {})
    assert not result.success
    assert "declined" in result.error


async def test_prints_and_garbage_on_stdout_break_nothing() -> None:
    async with borrowed(loud=row("garbage")) as lent:
        result = await (await lent.tools(["loud.echo"])).call("loud__echo", {})
    assert result.result == "called echo"


async def test_a_flood_on_stderr_holds_nothing_up_and_is_kept_in_part(capfd: pytest.CaptureFixture[str]) -> None:
    async with borrowed(docs=row()) as lent:
        result = await (await lent.tools(["docs.flood"])).call("docs__flood", {})
        lender = await lent.lender("docs")
        assert len(lender.connection.last_words) <= 300
    assert result.result == "flooded"
    assert "noise" not in "".join(capfd.readouterr())


async def test_a_server_sees_the_variables_of_its_row_and_no_other_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-ours-and-nobody-elses")
    async with borrowed(docs=row(env={"TOKEN": "its-own"})) as lent:
        result = await (await lent.tools(["docs.environment"])).call("docs__environment", {})
    assert "PATH" in result.result
    assert "TOKEN" in result.result
    assert "OPENAI_API_KEY" not in result.result


async def test_all_that_a_server_started_ends_with_it() -> None:
    async with borrowed(docs=row()) as lent:
        child = int((await (await lent.tools(["docs.children"])).call("docs__children", {})).result)
        os.kill(child, 0)
    with anyio.fail_after(10):
        while _runs(child):
            await anyio.sleep(0.01)


def _runs(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


async def test_of_500_tools_some_are_offered_the_rest_is_told_and_each_can_be_named() -> None:
    async with borrowed(big=row("many")) as lent:
        whole = await lent.tools(["big"])
        one = await lent.tools(["big.tool_437"])
        result = await one.call("big__tool_437", {})
    assert len(whole.specs()) == 100
    assert whole.notes() == ("'big' has 500 tools, and 400 of them are left out. Name one: 'big.tool_100'.",)
    assert result.result == "called tool_437"


async def test_a_list_that_goes_round_in_a_circle_is_read_once() -> None:
    async with borrowed(docs=row("circle")) as lent:
        tools = await lent.tools(["docs"])
    assert "'docs': Its list goes round in a circle, and was read once." in tools.notes()


async def test_arguments_that_json_cannot_say_are_refused_before_anything_is_sent() -> None:
    async with borrowed(docs=row()) as lent:
        result = await (await lent.tools(["docs.echo"])).call("docs__echo", {"a": float("nan")})
    assert (result.success, result.known) == (False, True)
    assert "such as NaN" in result.error


async def test_what_the_row_forbids_is_neither_offered_nor_called() -> None:
    approvals = {"*": "allow", "write": "never", "e*": "ask"}
    async with borrowed(docs=row(approvals=approvals, tools=["echo", "write", "slow"])) as lent:
        tools = await lent.tools(["docs"])
        assert [spec.name for spec in tools.specs()] == ["docs__echo", "docs__slow"]
        assert [tools.policy(name) for name in ("docs__echo", "docs__slow", "other")] == ["ask", "allow", None]
        with pytest.raises(InvalidInputError, match="may not be used: its row"):
            await lent.tools(["docs.write"])


async def test_an_unknown_server_or_tool_is_named_with_what_was_meant() -> None:
    async with borrowed(github=row()) as lent:
        with pytest.raises(InvalidInputError, match="Did you mean 'github'"):
            await lent.tools(["gihub"])
        with pytest.raises(InvalidInputError, match="Did you mean 'search'"):
            await lent.tools(["github.serach"])


async def test_two_runs_share_one_server() -> None:
    async with borrowed(docs=row()) as lent:
        first, second = await lent.tools(["docs.children"]), await lent.tools(["docs.environment"])
        one = await first.call("docs__environment", {})
        two = await second.call("docs__environment", {})
    assert one.error.startswith("There is no tool 'docs__environment'")
    assert two.success


_KILLED = """
import installed_moot
import sys
import anyio
from core.config import Config
from core.tooling import McpServerConfig
from server.mcp_client.borrowed import borrowing

async def main():
    row = McpServerConfig(command=sys.executable, args=[sys.argv[1], "deaf"])
    async with borrowing(Config(mcp_servers={"docs": row})) as lent:
        print((await (await lent.tools(["docs.children"])).call("docs__children", {})).result, flush=True)
        await anyio.sleep_forever()

anyio.run(main)
"""


async def test_no_server_outlives_a_moot_that_is_killed() -> None:
    command = [sys.executable, "-c", _KILLED, PROGRAM]
    with anyio.fail_after(60):
        async with await anyio.open_process(command, env={**os.environ, "PYTHONPATH": ":".join(sys.path)}) as moot:
            assert moot.stdout is not None
            child = int(await moot.stdout.receive())
            assert _runs(child)
            moot.kill()
        while _runs(child):
            await anyio.sleep(0.01)
