"""The MCP server through a real client, in memory, in both protocol eras."""

from __future__ import annotations

import json
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult, TextContent
from scripted_ai import Hold, ScriptedApp, Step, scripted_app

from core.errors import QuotaExceededError, ServerError
from core.names.naming import module_name
from core.values import Response, Usage
from server.mcp_server.app import INSTRUCTIONS, create_mcp_server
from server.toolbox import RECIPES

Talk = Callable[..., AbstractAsyncContextManager[tuple[Client, ScriptedApp]]]


@pytest.fixture(params=["legacy", "2026-07-28"])
def talk(request: pytest.FixtureRequest) -> Talk:
    """A client connected to a server whose AIs follow a script."""

    @asynccontextmanager
    async def connect(**ais: list[Step]) -> AsyncIterator[tuple[Client, ScriptedApp]]:
        async with scripted_app(ais) as app:

            @asynccontextmanager
            async def opened() -> AsyncIterator[ScriptedApp]:
                yield app

            with anyio.fail_after(10):
                async with Client(create_mcp_server(opened), mode=request.param) as client:
                    yield client, app

    return connect


def text_of(result: CallToolResult) -> str:
    return "\n".join(block.text for block in result.content if isinstance(block, TextContent))


async def call(client: Client, tool: str, arguments: dict[str, Any], **more: Any) -> CallToolResult:
    result = await client.call_tool(tool, arguments, **more)
    assert isinstance(result, CallToolResult)
    return result


_SAY_IT_THEMSELVES = {"staged", "paths", "sarif", "skills", "max_turns", "budget_usd"}


async def test_the_tools_are_listed_with_described_parameters_and_within_8_kb(talk: Talk) -> None:
    async with talk(a=[]) as (client, _):
        listed = await client.list_tools()
    assert [tool.name for tool in listed.tools] == [recipe.name for recipe in RECIPES]
    for tool in listed.tools:
        assert tool.description and tool.title
        assert tool.annotations and tool.annotations.read_only_hint is (tool.name not in ("agent", "batch", "jobs"))
        for name, parameter in tool.input_schema["properties"].items():
            said = parameter.get("description") or "enum" in parameter
            assert said or name in INSTRUCTIONS or name in _SAY_IT_THEMSELVES, f"{tool.name}.{name} is not explained"
    size = len(json.dumps(listed.model_dump(by_alias=True, exclude_none=True, mode="json"), separators=(",", ":")))
    assert size <= 7_800, size


async def test_content_and_structured_content_are_each_complete(talk: Talk) -> None:
    answers: dict[str, list[Step]] = {
        "a": [Response("forty-two", "gpt-6.1-sol", usage=Usage(1_000, 100))],
        "b": [ServerError("'b' failed.")],
    }
    async with talk(**answers) as (client, _):
        result = await call(client, "ask_many", {"prompt": "Well?"})
    assert not result.is_error and result.structured_content
    for form in (text_of(result), json.dumps(result.structured_content)):
        assert "PARTIAL: 1 of 2" in form
        for piece in ("forty-two", "gpt-6.1-sol", "1000", "100", "0.003", "'b' failed."):
            assert piece in form


async def test_all_failed_is_an_error_result_with_each_reason(talk: Talk) -> None:
    async with talk(a=[ServerError("'a' failed.")], b=[QuotaExceededError("'b' is broke.")]) as (client, _):
        result = await call(client, "ask_many", {"prompt": "Well?"})
    assert result.is_error
    assert (
        text_of(result) == "None of the 2 AIs answered.\n- a: server: 'a' failed.\n- b: quota_exceeded: 'b' is broke."
    )
    assert result.structured_content and result.structured_content["error"]["code"] == "no_answer"


async def test_where_all_failed_for_one_reason_its_code_is_told(talk: Talk) -> None:
    refused = [QuotaExceededError("broke", code="no_credit") for _ in range(2)]
    async with talk(a=[refused[0]], b=[refused[1]]) as (client, _):
        result = await call(client, "ask_many", {"prompt": "Well?"})
    assert result.structured_content == {
        "error": {"kind": "no_answer", "code": "no_credit", "message": text_of(result)}
    }


@pytest.mark.parametrize(
    ("tool", "arguments", "complaint"),
    [
        ("ask_one", {}, "ask_one cannot run: 'prompt' is missing."),
        ("ask_one", {"prompt": "x", "modell": "y"}, "'modell' is not an argument of ask_one. There are: prompt, ai,"),
        ("ask_one", {"prompt": "x", "temperature": 9}, "'temperature': Input should be less than or equal to 2."),
        ("ask_one", {"prompt": "x", "ai": "nobody"}, "No AI named 'nobody'. Configured: a."),
        ("ask_one", {"prompt": "  "}, "The prompt is empty"),
        ("ask_one", {"prompt": "x" * 5_000_000}, "5,000,000 characters"),
        ("ask_many", {"prompt": "x", "ais": {"a": 1}}, "'ais': Input should be a valid list."),
        ("debate", {"question": "x", "rounds": 99}, "'rounds': Input should be less than or equal to 4."),
    ],
)
async def test_bad_input_is_one_sentence_and_the_server_keeps_serving(
    talk: Talk, tool: str, arguments: dict[str, Any], complaint: str
) -> None:
    async with talk(a=[]) as (client, _):
        result = await call(client, tool, arguments)
        assert result.is_error and complaint in text_of(result)
        assert "pydantic" not in text_of(result) and "Traceback" not in text_of(result)
        assert not (await call(client, "status", {})).is_error


async def test_progress_names_who_answered_and_grows(talk: Talk) -> None:
    heard: list[tuple[float, str | None]] = []
    totals: set[float | None] = set()

    async def progress(progress: float, total: float | None, message: str | None) -> None:
        heard.append((progress, message))
        totals.add(total)

    async with talk(a=["one"], b=[ServerError("down")]) as (client, _):
        await call(client, "ask_many", {"prompt": "Well?"}, progress_callback=progress)
    assert [number for number, _ in heard] == sorted({number for number, _ in heard})
    assert totals == {2.0}
    lines = " / ".join(message or "" for _, message in heard)
    assert "a answered in" in lines and "b failed: server" in lines and "(2 of 2)" in lines


async def test_cancelling_the_call_cancels_the_request_to_the_ai(talk: Talk) -> None:
    hold = Hold("never")
    async with talk(a=[hold]) as (client, app):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(client.call_tool, "ask_one", {"prompt": "Well?"})
            await hold.reached.wait()
            tasks.cancel_scope.cancel()
        await anyio.wait_all_tasks_blocked()
        assert app.clients["a"].cancelled == 1
        assert not (await call(client, "status", {})).is_error


def crash(*_: object, **__: object) -> str:
    raise RuntimeError("secret detail")


async def test_a_bug_of_ours_tells_the_model_nothing_and_the_server_keeps_serving(
    talk: Talk, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tools.ask_one.gather", crash)
    async with talk(a=[]) as (client, _):
        result = await call(client, "ask_one", {"prompt": "Well?"})
        assert result.is_error and "secret" not in text_of(result)
        assert not (await call(client, "status", {})).is_error
    assert "secret detail" in caplog.text


async def test_what_nobody_foresaw_of_one_ai_is_told_without_its_details_which_are_in_the_log(
    talk: Talk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, logger=module_name("ai"))
    async with talk(a=[crash], b=["Yes."]) as (client, _):
        result = await call(client, "ask_many", {"prompt": "Well?"})
    assert not result.is_error and "Yes." in text_of(result)
    assert "RuntimeError" in text_of(result) and "secret" not in text_of(result)
    assert "secret detail" in caplog.text


async def test_a_debate_runs_over_the_wire(talk: Talk) -> None:
    ais: dict[str, list[Step]] = {
        "a": ["One.\nPOSITION: yes"],
        "b": ["Two.\nPOSITION: no"],
        "c": ["VERDICT: Yes.\nDISSENTERS: none"],
    }
    async with talk(**ais) as (client, _):
        result = await call(client, "debate", {"question": "Well?", "rounds": 0})
    assert not result.is_error and "**Yes.**" in text_of(result)
    assert (result.structured_content or {})["judge"]["ai"] == "c"
