"""Hosts that are subscribed to a job, through a real client, in memory, in both protocol eras."""

from __future__ import annotations

import json
import socket
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager, nullcontext
from functools import partial
from typing import Any

import anyio
import pytest
import uvicorn
from anyio.abc import ObjectReceiveStream
from mcp import Client, MCPError
from mcp.client.subscriptions import Subscription
from mcp.server.mcpserver import MCPServer
from mcp.types import ResourceUpdatedNotification, TextResourceContents
from scripted_ai import Hold, ScriptedApp, scripted_app

from ai.runs.app import App
from core.errors import StoreError
from core.jobs.values import Job
from server.jobs.worker import serving_jobs
from server.mcp_server import subscriptions
from server.mcp_server.app import create_mcp_server

pytestmark = pytest.mark.filterwarnings(
    "ignore:resources/:mcp.MCPDeprecationWarning"
)  # it is the old era that is meant


@pytest.fixture(params=["legacy", "2026-07-28"])
def mode(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(subscriptions, "_LOOK_S", 0.01)
    return request.param


class Host:
    """A host, and the updates it is sent: the URIs of resources, in either era."""

    def __init__(self, client: Client, heard: ObjectReceiveStream[str], stack: AsyncExitStack) -> None:
        self.client, self._heard, self._stack = client, heard, stack
        self._streams: dict[str, Subscription] = {}

    @property
    def legacy(self) -> bool:
        return self.client.protocol_version != "2026-07-28"

    async def subscribe(self, uri: str) -> None:
        if self.legacy:
            await self.client.subscribe_resource(uri)
        else:
            listening = self.client.listen(resource_subscriptions=[uri])
            self._streams[uri] = await self._stack.enter_async_context(listening)

    async def next(self, uri: str) -> str | None:
        """The next update; None when there will be none. The old era does not tell of the end."""
        if self.legacy:
            return await self._heard.receive()
        async for event in self._streams[uri]:
            return getattr(event, "uri", "")
        return None

    async def state(self, uri: str) -> str:
        (content,) = (await self.client.read_resource(uri)).contents
        assert isinstance(content, TextResourceContents)
        shown = json.loads(content.text)
        return str((shown.get("job") or shown["jobs"][0])["state"])


@asynccontextmanager
async def over_http(server: MCPServer[App]) -> AsyncIterator[str]:
    """The server's address on loopback."""
    app = server.streamable_http_app(host="127.0.0.1")
    http = uvicorn.Server(uvicorn.Config(app, log_level="warning", ws="none"))
    with socket.create_server(("127.0.0.1", 0)) as listening:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(partial(http.serve, sockets=[listening]))
            yield f"http://127.0.0.1:{listening.getsockname()[1]}/mcp"
            http.should_exit = True


@asynccontextmanager
async def hosting(mode: Any, *, http: bool = False, **ais: Any) -> AsyncIterator[tuple[Host, ScriptedApp]]:
    updates, heard = anyio.create_memory_object_stream[str](100)

    async def hear(message: Any) -> None:
        if isinstance(message, ResourceUpdatedNotification):
            await updates.send(message.params.uri)

    async with scripted_app(ais) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        server = create_mcp_server(opened)
        with anyio.fail_after(20):
            async with over_http(server) if http else nullcontext(server) as target:
                client = Client(target, mode=mode, message_handler=hear)
                async with updates, heard, client, AsyncExitStack() as stack:
                    yield Host(client, heard, stack), app


@pytest.mark.parametrize(("resource", "http"), [("moot://jobs/{}", False), ("moot://jobs/{}/events", True)])
async def test_a_host_is_told_of_every_change_up_to_the_end_and_no_further(
    mode: Any, resource: str, http: bool
) -> None:
    async with hosting(mode, http=http, a=[first := Hold("first")], b=[last := Hold("last")]) as (host, app):
        job = await app.jobs.submit("ask_many", {"prompt": "Well?"})
        await last.reached.wait()
        await host.subscribe(uri := resource.format(job.id))
        first.gate.set()
        assert await host.next(uri) == uri
        await app.jobs.wait(job.id, 5, after=0)
        last.gate.set()
        while await host.state(uri) != "done":
            assert await host.next(uri) == uri
        if not host.legacy:
            while await host.next(uri):
                pass  # the stream ends by itself
        await host.subscribe(uri)
        assert await host.next(uri) == uri, "a job that is over is told of once"


async def test_a_job_that_another_process_works_on_is_followed_too(mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOT_STORE", " ")
    async with hosting(mode) as (host, mine), scripted_app({"a": [held := Hold("yes")]}) as other:
        async with serving_jobs(other):
            job = await other.jobs.submit("ask_many", {"prompt": "Well?"})
            await held.reached.wait()
            assert (await mine.jobs.get(job.id)).owner != (await mine.jobs.engine()).owner
            await host.subscribe(uri := f"moot://jobs/{job.id}")
            held.gate.set()
            while await host.state(uri) != "done":
                assert await host.next(uri) == uri


async def test_what_cannot_be_subscribed_to_is_refused_or_left_out(mode: Any) -> None:
    async with hosting(mode, a=[]) as (host, _):
        for uri, why in (("moot://jobs/nope", "There is no job 'nope'"), ("moot://usage", "Only moot://jobs/ID")):
            if host.legacy:
                with pytest.raises(MCPError, match=why):
                    await host.subscribe(uri)
            else:
                async with host.client.listen(resource_subscriptions=[uri], tools_list_changed=True) as stream:
                    assert not stream.honored.resource_subscriptions and stream.honored.tools_list_changed
                await host.subscribe(uri)
                assert await host.next(uri) is None


async def test_after_it_is_taken_back_nothing_is_looked_at_any_more(mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with hosting(mode, a=[held := Hold("yes"), "and now?"]) as (host, app):
        job = await app.jobs.submit("ask_many", {"prompt": "Well?"})
        await held.reached.wait()
        uri, looked = f"moot://jobs/{job.id}", anyio.Event()
        look = subscriptions._look
        looks = 0

        async def counted(*asked: Any) -> Any:
            nonlocal looks
            looks += 1
            if looks > 2:
                looked.set()
            return await look(*asked)

        monkeypatch.setattr(subscriptions, "_look", counted)
        if host.legacy:
            await host.subscribe(uri)
            await looked.wait()
            for _ in range(2):  # the second is harmless
                await host.client.unsubscribe_resource(uri)
        else:
            async with host.client.listen(resource_subscriptions=[uri]):
                await looked.wait()
            await host.client.list_prompts()
        taken_back = looks
        other = await app.jobs.submit("ask_many", {"prompt": "And now?"})
        assert (await app.jobs.wait(other.id, 5)).state == "done"
        assert looks <= taken_back + 1, "the one that was under way"
        held.gate.set()
        assert (await app.jobs.wait(job.id, 5)).state == "done"


async def test_a_store_that_is_away_for_a_while_ends_no_subscription(
    mode: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    async with hosting(mode, a=[held := Hold("yes")]) as (host, app):
        job = await app.jobs.submit("ask_many", {"prompt": "Well?"})
        await held.reached.wait()
        await host.subscribe(uri := f"moot://jobs/{job.id}")
        failures, get = 0, app.jobs.get

        async def failing(id: str) -> Job:
            nonlocal failures
            failures += 1
            if failures < 4:
                raise StoreError("The store is busy.")
            return await get(id)

        monkeypatch.setattr(app.jobs, "get", failing)
        held.gate.set()
        assert await host.next(uri) == uri and failures >= 4


async def test_there_is_an_end_to_how_many_are_followed(mode: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subscriptions, "_MOST", 1)
    async with hosting(mode, a=[first := Hold("1"), second := Hold("2")]) as (host, app):
        jobs = [await app.jobs.submit("ask_many", {"prompt": prompt}) for prompt in ("One?", "Two?")]
        await first.reached.wait()
        await second.reached.wait()
        one, two = (f"moot://jobs/{job.id}" for job in jobs)
        await host.subscribe(one)
        with pytest.raises(MCPError, match="End some first"):
            await host.subscribe(two)


async def test_events_are_read_on_behind_a_cursor(mode: Any) -> None:
    async with hosting(mode, a=["one"], b=["two"]) as (host, app):
        job = await app.jobs.submit("ask_many", {"prompt": "Well?"})
        await app.jobs.wait(job.id, 5)

        async def read(uri: str) -> Any:
            (content,) = (await host.client.read_resource(uri)).contents
            assert isinstance(content, TextResourceContents)
            return json.loads(content.text)

        whole = await read(f"moot://jobs/{job.id}/events")
        first, second = whole["events"]
        assert {first["text"], second["text"]} == {"one", "two"} and whole["job"]["state"] == "done"
        assert whole["cursor"] == second["cursor"]
        rest = await read(f"moot://jobs/{job.id}/events?after={first['cursor']}")
        assert rest["events"] == [second]
        none = await read(f"moot://jobs/{job.id}/events?after={whole['cursor']}")
        assert (none["events"], none["cursor"]) == ([], whole["cursor"])
        with pytest.raises(MCPError, match="There is no job 'nope'"):
            await read("moot://jobs/nope/events")
