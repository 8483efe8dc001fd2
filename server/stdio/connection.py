"""The MCP server on stdin and stdout, from the moment the host needs more than a snapshot.

It starts where `serve.py` ends: it hears again what settled the connection, and keeps those answers to itself.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from functools import partial
from types import TracebackType
from typing import cast

import anyio
import anyio.to_thread
from mcp.server.mcpserver import MCPServer
from mcp.server.stdio import stdio_server
from mcp.shared._stream_protocols import WriteStream
from mcp.shared.message import SessionMessage
from mcp.shared.subscriptions import SUBSCRIPTION_ID_META_KEY
from mcp.types import JSONRPCError, JSONRPCMessage, JSONRPCNotification, JSONRPCResponse

from ai.roster.warm import warm
from ai.runs.app import App
from core.config import load_config
from core.paths import credentials_path
from core.roles import Role, all_roles
from server.jobs.worker import start_worker
from server.leaving import is_leaving, leave
from server.mcp_client.borrowed import open_lending_app
from server.mcp_server.app import Live, create_mcp_server
from server.stdio.stdin import HostInput
from server.stdio.stdout import watch_stdout, without_reader

_LIVE = "MOOT_LIVE"
"""Set where `moot serve --live` was asked for; it goes on to a process that starts over in place."""
_LAST_S = 1.5
_QUIET_S = 2.0
"""Seconds after the start in which the host's own requests have the processor to themselves."""


def create_stdio_server() -> MCPServer[App]:
    """The server, whose AIs' SDKs are imported while nothing else is to be done."""
    config = load_config(credentials_path())
    return create_mcp_server(
        _warming_app,
        detach=start_worker,
        roles=all_roles(config.roles),
        live=_live_view() if os.environ.get(_LIVE) or config.defaults.live else None,
    )


def _live_view() -> Live:
    from server.web.live import LiveView

    return LiveView()


async def serve_stdio(
    server: MCPServer[App], heard: bytes = b"", repeated: Sequence[str | int] = (), *, renew: bool = False
) -> None:
    """Serve until the host hangs up or asks us to stop.

    *heard* was read from stdin already; the first answers to the requests with the ids *repeated* are dropped.
    With *renew*, a snapshot for the next start is left in the user's data folder.
    """
    inner = server._lowlevel_server  # as `run_stdio_async` does, which takes no stream of ours
    host = HostInput(heard, ended=leave)
    watch_stdout(partial(_nobody_reads, host))
    with without_reader():
        async with anyio.create_task_group() as tasks:
            if sys.platform != "win32":  # where hosts end a server without a signal
                tasks.start_soon(_stop_on_signal, host.hang_up)
            if renew:
                tasks.start_soon(_renew)
            lines = cast("anyio.AsyncFile[str]", host)  # of a file, the SDK uses nothing but the lines
            async with stdio_server(stdin=lines) as (reader, writer):
                await inner.run(reader, _Answers(writer, repeated, host), inner.create_initialization_options())
            tasks.cancel_scope.cancel()


def _roles() -> dict[str, Role]:
    """The roles that are offered as prompts, with the user's own. Blocks."""
    return all_roles(load_config(credentials_path()).roles)


def _nobody_reads(host: HostInput) -> None:
    """End soon: no answer can reach anybody any more."""
    host.hang_up()
    ending = threading.Timer(_LAST_S, os._exit, (0,))
    ending.daemon = True
    ending.start()


async def _stop_on_signal(hang_up: Callable[[], None]) -> None:
    """End when told to; at once when that is the second time, or the host has hung up before."""
    with anyio.open_signal_receiver(signal.SIGTERM, signal.SIGINT) as signals:
        async for _ in signals:
            if is_leaving():
                os._exit(0)  # what has finished is in the journal and in the ledger's spool
            hang_up()


async def _renew() -> None:
    from server.stdio.take_snapshot import save_for_user

    await anyio.sleep(_QUIET_S)
    await save_for_user(create_mcp_server(roles=await anyio.to_thread.run_sync(_roles)))


@asynccontextmanager
async def _warming_app() -> AsyncIterator[App]:
    async with open_lending_app() as app, anyio.create_task_group() as tasks:
        tasks.start_soon(warm, app.roster, _QUIET_S)
        yield app
        tasks.cancel_scope.cancel()


def _answered(message: JSONRPCMessage) -> str | int | None:
    """The request to which *message* answers, or whose subscription it acknowledges."""
    match message:
        case JSONRPCResponse() | JSONRPCError():
            return message.id
        case JSONRPCNotification(method="notifications/subscriptions/acknowledged", params={"_meta": dict(meta)}):
            return meta.get(SUBSCRIPTION_ID_META_KEY)
        case _:
            return None


class _Answers:
    """The write stream: drops the first answers to requests that the host has already, and tells which calls ended."""

    def __init__(self, stream: WriteStream[SessionMessage], ids: Sequence[str | int], host: HostInput) -> None:
        self._stream = stream
        self._ids = set(ids)
        self._host = host

    async def send(self, item: SessionMessage, /) -> None:
        request = _answered(item.message)
        self._host.answered(request)
        if request in self._ids:
            self._ids.discard(request)
        else:
            await self._stream.send(item)

    async def aclose(self) -> None:
        await self._stream.aclose()

    async def __aenter__(self) -> _Answers:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool | None:
        await self.aclose()
        return None
