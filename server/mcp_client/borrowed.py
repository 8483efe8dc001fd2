"""The tools of other MCP servers, as an agent sees them. Light: the client is imported when a tool is needed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import anyio
from anyio.abc import TaskGroup

from ai.agents.offered import ToolExecutionResult
from ai.lazy import load
from ai.roster.names import closest
from ai.runs.app import open_app
from core.config import Config
from core.errors import InvalidInputError, MootError
from core.tooling import McpServerConfig, Policy
from core.untrusted import one_line
from core.values import ToolSpec
from server.mcp_client.failures import to_accept
from server.mcp_client.guard import Guard
from server.side_tasks import tasks_beside

if TYPE_CHECKING:
    from server.mcp_client.definitions import Definition
    from server.mcp_client.lender import Lender
    from server.mcp_client.pins import Held, Verdict

MOST_OFFERED = 100
"""Tools of one server that a model is told of when the server is named as a whole: providers take 128 in all."""
_MOST_SERVERS = 32
"""Servers that one process keeps."""
_MOST_NAMED = 5


@asynccontextmanager
async def borrowing(config: Config) -> AsyncIterator[Borrowed]:
    """The tools of the servers of *config*, for `open_app(borrow=...)`; all that was started ends with this block."""
    async with tasks_beside() as tasks:
        borrowed = Borrowed(config.mcp_servers, tasks)
        try:
            yield borrowed
        finally:
            with anyio.CancelScope(shield=True):
                await borrowed.aclose()


open_lending_app = partial(open_app, borrow=borrowing)
"""`open_app()` for a door whose runs may use the tools of other servers."""


class Borrowed:
    """The servers of one process, shared by all its runs. A server starts when one of its tools is first named.

    Args:
        tasks: The group in which they are kept, which whoever opened this holds, and closes after it.
        fresh_s: Seconds for which what a server listed is taken for true while it tells of no change.
    """

    def __init__(self, rows: Mapping[str, McpServerConfig], tasks: TaskGroup, *, fresh_s: float = 60.0) -> None:
        self._rows = rows
        self._tasks = tasks
        self._fresh_s = fresh_s
        self._guard = Guard()
        self._lenders: dict[str, Lender] = {}

    def names(self) -> list[str]:
        return [name for name, row in self._rows.items() if row.enabled]

    async def tools(self, names: Sequence[str]) -> BorrowedTools:
        """The tools of *names*: `github` for all that may be used now, `github.search_code` for one.

        Raises:
            InvalidInputError: A server or a tool is unknown, switched off, or held back.
            ToolServerError: A server cannot be reached.
            ConfigError: What is pinned of a server cannot be read or written.
        """
        wanted: dict[str, list[str]] = {}
        whole: set[str] = set()
        for name in names:
            server, tool = self._split(name)
            named = wanted.setdefault(server, [])
            if tool is None:
                whole.add(server)
            elif tool not in named:
                named.append(tool)
        lenders = {server: await self.lender(server) for server in wanted}
        verdicts = await _looked_at(lenders)
        chosen = _Chosen()
        for server, named in wanted.items():
            for tool in named:
                chosen.one(lenders[server], verdicts[server], tool)
            if server in whole:
                chosen.all(lenders[server], verdicts[server])
        return BorrowedTools(chosen)

    async def lender(self, server: str) -> Lender:
        """The server called *server*, not started yet, or at work already.

        Raises:
            InvalidInputError: There is none of that name, or it is switched off, or there are too many.
        """
        self._check(server)
        if server not in self._lenders:
            if len(self._lenders) >= _MOST_SERVERS:
                raise InvalidInputError(f"One process keeps {_MOST_SERVERS} MCP servers at most. Name fewer of them.")
            module = await load("server.mcp_client.lender")
            if server not in self._lenders:
                way = module.Connection(server, self._rows[server], self._tasks, self._guard)
                self._lenders[server] = module.Lender(way, fresh_s=self._fresh_s)
        return self._lenders[server]

    async def request(
        self, server: str, method: str, params: Mapping[str, Any] | None = None, *, extension: str
    ) -> dict[str, Any]:
        """What *server* answers to a request of an *extension* of the protocol, as it is: data of somebody else's.

        Raises:
            InvalidInputError: There is no such server, or it does not say that it has the extension.
            ToolServerError: It cannot be reached, or answers with an error.
        """
        lender = await self.lender(server)
        answer: dict[str, Any] = await lender.request(method, params, extension=extension)
        return answer

    async def aclose(self) -> None:
        """End every server, with all it started. Afterwards nothing can be called."""
        async with anyio.create_task_group() as tasks:
            for lender in self._lenders.values():
                tasks.start_soon(lender.connection.close)
        await self._guard.aclose()

    def _split(self, name: str) -> tuple[str, str | None]:
        """The server and, where one is meant, its tool; a server's own name may have dots in it."""
        if name in self._rows:
            return name, None
        places = [place for place, letter in enumerate(name) if letter == "."]
        for place in reversed(places):
            if name[:place] in self._rows:
                return name[:place], name[place + 1 :]
        return name, None

    def _check(self, server: str) -> None:
        row = self._rows.get(server)
        if row is None:
            near = closest(server, self._rows)
            hint = f" Did you mean {near!r}?" if near else ""
            known = ", ".join(self.names()) or "none; add one below 'mcp_servers' of credentials.json"
            raise InvalidInputError(f"There is no MCP server {one_line(server, 80)!r}.{hint} Known are: {known}.")
        if not row.enabled:
            raise InvalidInputError(f"The MCP server {server!r} is switched off: remove its 'enabled' first.")


@dataclass(frozen=True, slots=True)
class _Lent:
    lender: Lender
    tool: str
    spec: ToolSpec


class _Chosen:
    """What was asked for, as it comes together."""

    def __init__(self) -> None:
        self.tools: dict[str, _Lent] = {}
        self.notes: list[str] = []
        self._taken: set[tuple[str, str]] = set()
        self._clashing: set[str] = set()

    def one(self, lender: Lender, verdict: Verdict, tool: str) -> None:
        """Take *tool*, which was asked for by its name.

        Raises:
            InvalidInputError: It is not there, or may not be used.
        """
        server, held = lender.name, next((one for one in verdict.held if one.name == tool), None)
        if held is not None:
            raise InvalidInputError(
                f"{tool!r} of {server!r} is held back: {held.why}. {to_accept(server, held.acceptable)}"
            )
        if tool not in verdict.usable:
            near = closest(tool, verdict.usable)
            hint = f"Did you mean {near!r}?" if near else f"See what it has: moot tools list {server}"
            raise InvalidInputError(f"The MCP server {server!r} has no tool {one_line(tool, 80)!r}. {hint}")
        if not lender.takes(tool):
            raise InvalidInputError(f"{tool!r} of {server!r} may not be used: its row in credentials.json says so.")
        self._take(lender, *verdict.usable[tool])

    def all(self, lender: Lender, verdict: Verdict) -> None:
        """Take all that may be used now, up to so many, and note what is left out."""
        server, usable = lender.name, [one for one in verdict.usable.values() if lender.takes(one[0].name)]
        for definition, accepted in usable[:MOST_OFFERED]:
            self._take(lender, definition, accepted)
        if len(usable) > MOST_OFFERED:
            more = len(usable) - MOST_OFFERED
            which = f"'{server}.{usable[MOST_OFFERED][0].name}'"
            self.notes.append(
                f"{server!r} has {len(usable)} tools, and {more} of them are left out. Name one: {which}."
            )
        if lender.cut:
            self.notes.append(f"{server!r}: {lender.cut}")
        if held := [one for one in verdict.held if lender.takes(one.name)]:
            self.notes.append(_of_held(server, held))

    def _take(self, lender: Lender, definition: Definition, accepted: bool) -> None:
        key = lender.name, definition.name
        if key in self._taken:
            return
        self._taken.add(key)
        spec = definition.spec(lender.name, read_only=accepted and definition.reads_only)
        if spec.name in self.tools or spec.name in self._clashing:
            self._clashing.add(spec.name)
            self.tools.pop(spec.name, None)
            self.notes.append(f"Two tools would be called {spec.name!r}, so neither is offered. Rename a server.")
            return
        self.tools[spec.name] = _Lent(lender, definition.name, spec)
        if definition.hidden:
            told = f"{definition.hidden} characters that show nothing in its description; they are left out."
            self.notes.append(f"'{lender.name}.{definition.name}' hides {told}")


class BorrowedTools:
    """Some tools of other servers, under names that are their own; what a server claims of itself decides nothing."""

    def __init__(self, chosen: _Chosen) -> None:
        self._tools = chosen.tools
        self._notes = chosen.notes

    def specs(self) -> Sequence[ToolSpec]:
        return [one.spec for one in self._tools.values()]

    def notes(self) -> Sequence[str]:
        return tuple(self._notes)

    def policy(self, name: str) -> Policy | None:
        lent = self._tools.get(name)
        return lent.lender.policy(lent.tool) if lent else None

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        lent = self._tools.get(name)
        if lent is None:
            near = closest(name, self._tools)
            hint = f" Did you mean {near!r}?" if near else ""
            return ToolExecutionResult.failed(f"There is no tool {one_line(name, 80)!r}.{hint}")
        return await lent.lender.call(lent.tool, arguments)


async def _looked_at(lenders: Mapping[str, Lender]) -> dict[str, Verdict]:
    """What each may lend now, all asked at once.

    Raises:
        MootError: The first of them, as named, that cannot say.
    """
    verdicts: dict[str, Verdict] = {}
    failures: dict[str, MootError] = {}

    async def look(server: str, lender: Lender) -> None:
        try:
            verdicts[server] = await lender.look(anew=True)
        except MootError as error:
            failures[server] = error

    async with anyio.create_task_group() as tasks:
        for server, lender in lenders.items():
            tasks.start_soon(partial(look, server, lender))
    for server in lenders:
        if server in failures:
            raise failures[server]
    return verdicts


def _of_held(server: str, held: Sequence[Held]) -> str:
    named = [one_line(one.name, 64) for one in held[:_MOST_NAMED] if one.acceptable]
    which = f" ({', '.join(named)}{', …' if len(held) > len(named) else ''})" if named else ""
    count = "One tool" if len(held) == 1 else f"{len(held)} tools"
    next_step = to_accept(server, any(one.acceptable for one in held))
    return f"{count} of {server!r}{which} held back, not being as it was taken. {next_step}"
