"""One server: started when it is first needed, shared by all runs, started again after it ended, with pauses."""

from __future__ import annotations

import logging
import math
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from importlib.metadata import version
from typing import TypeVar

import anyio
from anyio.abc import TaskGroup
from mcp.client import Client, ClientSession, IncomingMessage, Transport
from mcp.shared.exceptions import MCPError
from mcp.types import (
    CONNECTION_CLOSED,
    HEADER_MISMATCH,
    INVALID_PARAMS,
    METHOD_NOT_FOUND,
    REQUEST_TIMEOUT,
    Implementation,
    ToolListChangedNotification,
)
from mcp.types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from core.redact import redact
from core.tooling import McpServerConfig
from core.untrusted import one_line
from server.mcp_client.endpoint import endpoint
from server.mcp_client.failures import ChangedError, ToolServerError
from server.mcp_client.guard import Guard
from server.mcp_client.messages import ANSWER_TOO_LONG, ANSWER_UNREADABLE
from server.mcp_client.program import NotStartedError, Said, program

T = TypeVar("T")

_LONGEST_PAUSE_S = 60.0
_CALLS_AT_ONCE = 16
_WRITE_S = 5.0
"""How much longer than its timeout a call may take whose server does not even read it."""
_GOODBYE_S = 3.0
_NOT_DONE = (METHOD_NOT_FOUND, INVALID_PARAMS, HEADER_MISMATCH)
"""Errors by which a server says that it has done nothing."""
_LONGEST_QUOTE = 300
_NO_MCP = "answered with what is no valid MCP. Tell its maker, or try another version."
_OF_OURS = re.compile(r"Connection closed|Request '.*' timed out")
"""What the client itself says, by codes that servers use, too."""

_MOOT = Implementation(name="moot", version=version("moot-mcp"))

for _name in ("client", "mcp.client"):  # they log whatever a server writes, with tracebacks; what counts is raised
    logging.getLogger(_name).setLevel(logging.CRITICAL)


@dataclass
class _Held:
    """One life of a server, from its start to its end."""

    settled: anyio.Event = field(default_factory=anyio.Event)
    """Set once it is ready, or it is clear that it never will be."""
    closing: anyio.Event = field(default_factory=anyio.Event)
    over: anyio.Event = field(default_factory=anyio.Event)
    scope: anyio.CancelScope = field(default_factory=anyio.CancelScope)
    said: Said = field(default_factory=Said)
    client: Client | None = None
    problem: str = ""
    """Half a sentence: why it is over, or never began."""


class Connection:
    """The way to one server. `changed` is set whenever the tools it lists may be others than before.

    Args:
        tasks: Whoever opened it holds this group, in which the server is kept; it ends before that group does.
        guard: Ends a program where this process is killed.
        now: Seconds of a clock that never goes back, by which pauses are counted.
    """

    def __init__(
        self,
        name: str,
        row: McpServerConfig,
        tasks: TaskGroup,
        guard: Guard,
        *,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self.name = name
        self.row = row
        self.changed = True
        self._tasks = tasks
        self._guard = guard
        self._now = now
        self._held: _Held | None = None
        self._failures = 0
        self._not_before = -math.inf
        self._slots = anyio.Semaphore(_CALLS_AT_ONCE)

    @property
    def last_words(self) -> str:
        """The end of what it wrote to stderr, for the person whose server it is."""
        said = self._held.said.stderr.decode("utf-8", "replace").strip() if self._held else ""
        return one_line(redact(said.splitlines()[-1]), _LONGEST_QUOTE) if said else ""

    @property
    def running(self) -> bool:
        held = self._held
        return held is not None and held.client is not None and not held.over.is_set()

    async def client(self) -> Client:
        """The client of a server that runs, started if need be.

        Raises:
            ToolServerError: It cannot be started, or ended so often that it has a pause.
        """
        held = self._held
        if held is None or held.over.is_set():
            self._check_pause(held)
            held = self._held = _Held()
            self.changed = True
            self._tasks.start_soon(self._hold, held)
        await held.settled.wait()
        if held.client is None:
            raise ToolServerError(self._sentence(held.problem))
        return held.client

    async def ask(
        self,
        send: Callable[[ClientSession, float], Awaitable[T]],
        *,
        timeout_s: float | None = None,
        known: Client | None = None,
    ) -> T:
        """What *send* gives, which gets a session with the server and how many seconds the answer may take.

        Args:
            known: Whose list was looked at: another one, or one that has changed its list since, is not asked.

        Raises:
            ChangedError: It is not the one that is *known*; nothing was sent.
            ToolServerError: The server did not answer, or with an error.
        """
        async with self._slots:
            client, held = await self.client(), self._held
            if known is not None and (client is not known or self.changed):
                raise ChangedError(f"{self.name!r} changes what it offers all the time. Do without it.")
            limit_s = self.row.timeout if timeout_s is None else timeout_s
            assert held is not None
            with anyio.move_on_after(limit_s + _WRITE_S):
                try:
                    answer = await send(client.session, limit_s)
                except MCPError as error:
                    raise await self._failed(error, held, limit_s) from None
                except ValidationError:
                    raise ToolServerError(f"{self.name!r} {_NO_MCP}", sent=True) from None
                except Exception as error:  # of the transport, such as a write that timed out
                    held.scope.cancel()
                    text = f"{self.name!r} was lost ({type(error).__name__}). It is started again once it is needed."
                    raise ToolServerError(text, sent=True) from error
                self._failures = 0
                return answer
            held.scope.cancel()  # it does not even read what it is sent
            raise ToolServerError(f"{self.name!r} takes no more requests, and is started anew.", sent=True)

    async def close(self) -> None:
        """End the server, with all it started."""
        held = self._held
        if held is None or held.over.is_set():
            return
        held.closing.set()
        with anyio.move_on_after(_GOODBYE_S):
            await held.over.wait()
            return
        held.scope.cancel()
        with anyio.CancelScope(shield=True):
            await held.over.wait()

    async def _failed(self, error: MCPError, held: _Held, limit_s: float) -> ToolServerError:
        """What *error* means for whoever asked."""
        code, name = error.code, self.name
        if code == ANSWER_UNREADABLE:
            return ToolServerError(f"{name!r} {_NO_MCP}", sent=True)
        if code == REQUEST_TIMEOUT and _OF_OURS.fullmatch(error.message):
            text = f"{name!r} did not answer within {limit_s:g} s. Raise its 'timeout', or ask for less."
            return ToolServerError(text, sent=True)
        if code == ANSWER_TOO_LONG:
            return ToolServerError(f"{name!r}: {error.message}. Ask for less at once.", sent=True)
        if _is_lost(error):
            held.scope.cancel()  # an address does not tell by itself that nobody is there any more
            with anyio.move_on_after(_GOODBYE_S):
                await held.over.wait()
            why = held.problem or "the connection ended"
            return ToolServerError(
                f"{name!r} was lost before it answered: {why}. It is started again once it is needed.", sent=True
            )
        self.changed = self.changed or code in _NOT_DONE  # it may not have the tool any more
        said = one_line(redact(error.message), _LONGEST_QUOTE).rstrip(".")
        return ToolServerError(f"{name!r} answered with an error: {said}.", sent=code not in _NOT_DONE)

    def _check_pause(self, held: _Held | None) -> None:
        left = self._not_before - self._now()
        if left > 0 and held is not None:
            text = f"{held.problem}; after {self._failures} failures it is started again in {math.ceil(left)} s"
            raise ToolServerError(self._sentence(text))

    def _sentence(self, problem: str) -> str:
        return f"The MCP server {self.name!r} cannot be used: {problem}. Look at it with: moot tools"

    async def _hold(self, held: _Held) -> None:
        """Start the server, keep it until it ends or is not needed any more, and say why it ended."""
        try:
            with held.scope:
                held.scope.deadline = anyio.current_time() + self.row.startup_timeout
                async with self._transport(held) as transport, self._client(transport) as client:
                    held.scope.deadline = math.inf
                    held.client = client
                    held.settled.set()
                    await self._keep(held, client)
                    held.scope.deadline = anyio.current_time() + _GOODBYE_S
            if held.scope.cancelled_caught and held.client is None:
                held.problem = f"it did not answer within {self.row.startup_timeout:g} s"
        except Exception as error:  # whatever a server and its transport raise is its end alone
            held.problem = self._reason(error)
        finally:
            self._note_end(held)
            held.over.set()
            held.settled.set()

    def _note_end(self, held: _Held) -> None:
        if held.closing.is_set():
            return
        if held.said.babbles:
            held.problem = "it writes line after line that is no MCP"
        if not held.problem:
            code = held.said.code
            held.problem = "it ended" if code is None else f"its program ended with exit code {code}"
        self._failures += 1
        if self._failures > 1:
            self._not_before = self._now() + min(_LONGEST_PAUSE_S, 2.0 ** (self._failures - 2))

    async def _keep(self, held: _Held, client: Client) -> None:
        """Until the server is gone or closed; what it tells of changes to its list is noted meanwhile."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_set_off, held.said.gone, tasks.cancel_scope)
            tasks.start_soon(_set_off, held.closing, tasks.cancel_scope)
            tools = client.server_capabilities.tools
            if tools and tools.list_changed and client.protocol_version in MODERN_PROTOCOL_VERSIONS:
                tasks.start_soon(self._listen, client)

    async def _listen(self, client: Client) -> None:
        try:
            async with client.listen(tools_list_changed=True) as changes:
                self.changed = True  # whatever happened before we listened
                async for _ in changes:
                    self.changed = True
        except Exception as error:  # then the list is looked at again by its age alone
            logging.getLogger(__name__).debug("%s tells of no changes: %s", self.name, error)

    async def _heard(self, message: IncomingMessage) -> None:
        if isinstance(message, ToolListChangedNotification):
            self.changed = True

    def _client(self, transport: Transport) -> Client:
        """No callbacks: what a server asks of its client's user, models or folders is declined."""
        limit_s = self.row.startup_timeout
        return Client(
            transport, message_handler=self._heard, client_info=_MOOT, cache=None, read_timeout_seconds=limit_s
        )

    @asynccontextmanager
    async def _transport(self, held: _Held) -> AsyncIterator[Transport]:
        row = self.row
        if row.url is not None:
            headers = {name: value.get_secret_value() for name, value in row.headers.items()}
            async with endpoint(row.url, headers=headers, connect_s=row.startup_timeout) as transport:
                yield transport
        else:
            assert row.command is not None, "a row has the one or the other"
            env = {name: value.get_secret_value() for name, value in row.env.items()}
            yield program([row.command, *row.args], held.said, env=env, cwd=row.cwd, guard=self._guard)

    def _reason(self, error: Exception) -> str:
        """Half a sentence, without what the server itself wrote."""
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        match error:
            case NotStartedError():
                return str(error)
            case MCPError() if _is_lost(error):
                return ""
            case MCPError():
                return f"it did not let Moot in: {one_line(redact(error.message), _LONGEST_QUOTE).rstrip('.')}"
            case ValidationError():
                return "what it answers is no valid MCP"
            case RuntimeError() if "protocol version" in str(error):  # not ours
                return "it speaks a version of MCP that Moot does not know"
            case _:
                return f"the connection failed ({type(error).__name__})"


def _is_lost(error: MCPError) -> bool:
    """Whether the client says by *error* that nobody is there any more; servers use its code for other errors."""
    lost = error.code == CONNECTION_CLOSED and _OF_OURS.fullmatch(error.message) is not None
    return lost or error.message == "Session terminated"


async def _set_off(event: anyio.Event, scope: anyio.CancelScope) -> None:
    await event.wait()
    scope.cancel()
