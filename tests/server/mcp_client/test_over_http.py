"""Borrowed tools over streamable HTTP on loopback, in both revisions, and addresses that are none."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
import uvicorn
from borrowed_server import SKILLS, Fake, server
from endpoint_server import bound
from starlette.responses import PlainTextResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from core.config import Config
from core.errors import InvalidInputError
from core.tooling import McpServerConfig
from server.mcp_client.borrowed import Borrowed, borrowing
from server.mcp_client.failures import ToolServerError
from server.side_tasks import tasks_beside

Wrap = Callable[[ASGIApp], ASGIApp]
SECRET = "Bearer of-this-server-alone"


def as_it_is(app: ASGIApp) -> ASGIApp:
    return app


def of_the_old_revision(app: ASGIApp) -> ASGIApp:
    """Refuses what speaks the newest one, as a server from before it does."""

    async def old(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"mcp-protocol-version", b"2026-07-28") in scope["headers"]:
            await PlainTextResponse("Bad Request: unsupported protocol version", 400)(scope, receive, send)
            return
        await app(scope, receive, send)

    return old


def for_who_knows_the_secret(app: ASGIApp) -> ASGIApp:
    async def guarded(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http" and (b"authorization", SECRET.encode()) not in scope["headers"]:
            await PlainTextResponse("who are you", 401)(scope, receive, send)
            return
        await app(scope, receive, send)

    return guarded


def endless(app: ASGIApp) -> ASGIApp:
    """Answers each call with JSON that does not end, and says so only by being packed."""

    async def answer(scope: Scope, receive: Receive, send: Send) -> None:
        body = b""
        while scope["type"] == "http":
            message = await receive()
            body += message.get("body", b"")
            if not message.get("more_body"):
                break
        if b'"tools/call"' in body:
            headers = [(b"content-type", b"application/json")]
            await send({"type": "http.response.start", "status": 200, "headers": headers})
            for _ in range(50):
                await send({"type": "http.response.body", "body": b" " * 1_048_576, "more_body": True})
            await send({"type": "http.response.body", "body": b"{}"})
            return
        sent = False

        async def again() -> Any:
            nonlocal sent
            if sent or scope["type"] != "http":
                return await receive()
            sent = True
            return {"type": "http.request", "body": body, "more_body": False}

        await app(scope, again, send)

    return answer


@asynccontextmanager
async def lending(wrap: Wrap = as_it_is, mode: str = "fine", **more: Any) -> AsyncIterator[Borrowed]:
    """What is lent by a server that listens here, for as long as the block runs."""
    app = wrap(server(Fake(mode)).streamable_http_app())
    config = uvicorn.Config(app, lifespan="on", log_level="critical", ws="none", timeout_graceful_shutdown=1)
    running = uvicorn.Server(config)
    with anyio.fail_after(60), bound() as listener:
        async with tasks_beside(until_done=True) as tasks:
            tasks.start_soon(running.serve, [listener])
            row = {"url": f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"} | more
            try:
                async with borrowing(Config(mcp_servers={"docs": McpServerConfig.model_validate(row)})) as lent:
                    yield lent
            finally:
                running.should_exit = True


@pytest.mark.parametrize("wrap", [as_it_is, of_the_old_revision])
async def test_a_server_at_an_address_lends_its_tools(wrap: Wrap) -> None:
    async with lending(wrap) as lent:
        tools = await lent.tools(["docs.search", "docs.fails", "docs.asks"])
        found = await tools.call("docs__search", {"words": "x"})
        failed = await tools.call("docs__fails", {})
        asked = await tools.call("docs__asks", {})
    assert found.result.startswith('{"words": "x"}')
    assert (failed.success, failed.error) == (False, "the disk is full")
    assert not asked.success


async def test_the_headers_of_the_row_are_sent(caplog: pytest.LogCaptureFixture) -> None:
    async with lending(for_who_knows_the_secret, headers={"Authorization": SECRET}) as lent:
        assert (await (await lent.tools(["docs.echo"])).call("docs__echo", {})).success
    async with lending(for_who_knows_the_secret) as lent:
        with pytest.raises(ToolServerError, match="it did not let Moot in"):
            await lent.tools(["docs"])
    assert SECRET not in caplog.text


async def test_an_address_where_nobody_listens_is_one_sentence() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    row = McpServerConfig(url=f"http://127.0.0.1:{port}/mcp")
    with anyio.fail_after(30):
        async with borrowing(Config(mcp_servers={"docs": row})) as lent:
            with pytest.raises(ToolServerError, match=r"the connection failed \(ConnectError\)"):
                await lent.tools(["docs"])


async def test_a_call_past_its_time_is_unknown_over_http_too() -> None:
    async with lending(timeout=0.3) as lent:
        tools = await lent.tools(["docs.slow", "docs.echo"])
        slow = await tools.call("docs__slow", {})
        after = await tools.call("docs__echo", {})
    assert (slow.success, slow.known) == (False, False)
    assert after.success


@pytest.mark.parametrize("wrap", [as_it_is, endless])
async def test_an_answer_of_50_mb_is_not_read_over_http_too(wrap: Wrap) -> None:
    async with lending(wrap) as lent:
        tools = await lent.tools(["docs.huge"])
        huge = await tools.call("docs__huge", {})
        assert (await lent.tools(["docs"])).specs()
    assert (huge.success, huge.known) == (False, False)


async def test_a_request_of_an_extension_reaches_a_server_that_has_it() -> None:
    async with lending(mode="skilled") as lent:
        answer = await lent.request("docs", "skills/get", {"name": "fish"}, extension=SKILLS)
        with pytest.raises(InvalidInputError, match="does not offer 'x/y'"):
            await lent.request("docs", "skills/get", extension="x/y")
    assert answer["skill"] == "how to fish"


async def test_a_server_of_the_old_revision_has_no_extensions() -> None:
    async with lending(of_the_old_revision, "skilled") as lent:
        with pytest.raises(InvalidInputError, match="does not offer"):
            await lent.request("docs", "skills/get", {"name": "fish"}, extension=SKILLS)
