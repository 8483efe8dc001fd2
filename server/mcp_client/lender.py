"""One server that lends its tools: what it lists, judged by its pins, and a call of one of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
from mcp.client import Client, ClientSession
from mcp.types import CallToolRequest, CallToolRequestParams, CallToolResult, InputRequiredResult, Request
from pydantic import BaseModel, ConfigDict, TypeAdapter

from ai.agents.offered import ToolExecutionResult
from core.errors import InvalidInputError, MootError
from core.tooling import Policy
from server.mcp_client.canonical import canonical
from server.mcp_client.connection import Connection
from server.mcp_client.definitions import Definition, Listing, listed
from server.mcp_client.failures import ChangedError, ToolServerError, to_accept
from server.mcp_client.pins import (
    Held,
    Pins,
    Verdict,
    first_pins,
    identity_of,
    judged,
    pin_first,
    read_pins,
    with_tool,
    write_pins,
)
from server.mcp_client.policies import decided, matches
from server.mcp_client.results import text_of

_LOOKS = 3
"""How often a call looks at the tools again, of a server that changes them while it is called."""
_LONGEST_ARGUMENTS = 4_000_000
"""Characters of JSON."""
_ANSWER: TypeAdapter[CallToolResult | InputRequiredResult] = TypeAdapter(CallToolResult | InputRequiredResult)


class _Anything(BaseModel):
    """A result of a shape that is not ours to check."""

    model_config = ConfigDict(extra="allow")


class _Named(Request[dict[str, Any], str]):
    """A request whose `name` also goes into the header that servers over HTTP are routed by."""

    name_param = "name"


class Lender:
    """A row of `mcp_servers` at work. Its tools are looked at again when it tells of a change, and by their age.

    Args:
        fresh_s: Seconds for which what was listed is taken for true while the server tells of no change.
    """

    def __init__(self, connection: Connection, *, fresh_s: float = 60.0) -> None:
        self.connection = connection
        self._fresh_s = fresh_s
        self._looking = anyio.Lock()
        self._looked_at = -float("inf")
        self._listing = Listing(())
        self._verdict = Verdict({}, ())
        self._known: Client | None = None
        """Whose tools were looked at: a server that was started anew may have others."""

    @property
    def name(self) -> str:
        return self.connection.name

    async def look(self, *, anew: bool = False) -> Verdict:
        """Which of its tools may be used now. At its first use all are pinned as they are.

        Args:
            anew: Ask the server, however short ago that was done.

        Raises:
            ToolServerError: It cannot be reached, or does not say what it has.
            ConfigError: Its pins cannot be read or written.
        """
        async with self._looking:
            client = await self.connection.client()
            old = anyio.current_time() - self._looked_at > self._fresh_s
            if anew or old or self.connection.changed or client is not self._known:
                await self._list(client)
            return self._verdict

    @property
    def listed(self) -> Sequence[Definition]:
        """What it listed when it was looked at last, whatever may be used of it."""
        return self._listing.tools

    @property
    def cut(self) -> str:
        """What of its list was not looked at; empty where all was."""
        return self._listing.cut

    def takes(self, tool: str) -> bool:
        """Whether the row lets *tool* be used at all."""
        only = self.connection.row.tools
        return (only is None or matches(tool, only)) and self.policy(tool) != "never"

    def policy(self, tool: str) -> Policy | None:
        return decided(tool, self.connection.row.approvals)

    async def call(self, tool: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        """Call *tool*, if it still is as it was taken. Whatever goes wrong is the result."""
        refused = self._refusal(tool, arguments)
        if refused:
            return ToolExecutionResult.failed(refused)
        for _ in range(_LOOKS):
            try:
                verdict = await self.look()
            except MootError as error:
                return ToolExecutionResult.failed(str(error))
            if tool not in verdict.usable:
                return ToolExecutionResult.failed(self._why_not(tool, verdict))
            one, accepted = verdict.usable[tool]
            with suppress(ChangedError):
                return await self._called(tool, arguments, read_only=accepted and one.reads_only)
        return ToolExecutionResult.failed(f"{self.name!r} changes what it offers all the time. Do without it.")

    async def _called(self, tool: str, arguments: Mapping[str, Any], *, read_only: bool) -> ToolExecutionResult:
        send = partial(_call, name=tool, arguments=dict(arguments))
        try:
            answer = await self.connection.ask(send, known=self._known)
        except ChangedError:
            raise
        except ToolServerError as error:
            return ToolExecutionResult.failed(str(error), known=read_only or not error.sent)
        return _made_of(answer, self.name, tool, read_only=read_only)

    async def request(self, method: str, params: Mapping[str, Any] | None, *, extension: str) -> dict[str, Any]:
        """What the server answers to a request of *extension*, as it is.

        Raises:
            InvalidInputError: It does not say that it has the extension.
            ToolServerError: It cannot be reached, or answers with an error.
        """
        capabilities = (await self.connection.client()).server_capabilities
        if extension not in {**(capabilities.extensions or {}), **(capabilities.experimental or {})}:
            raise InvalidInputError(f"The MCP server {self.name!r} does not offer {extension!r}. Ask another one.")
        asked: Request[dict[str, Any], str] = _Named(method=method, params=dict(params or {}))
        if not isinstance((params or {}).get("name"), str):
            asked = Request[dict[str, Any], str](method=method, params=dict(params or {}))
        answer = await self.connection.ask(lambda session, limit_s: session.send_request(asked, _Anything, limit_s))
        return answer.model_extra or {}

    async def accept(self, tool: str | None = None) -> list[str]:
        """Take what the last look showed as it is: all of it, or one tool; the names that are accepted now.

        Raises:
            InvalidInputError: There is no such tool, or it can never be accepted, or not alone.
            ConfigError: It cannot be written.
        """
        row, listing = self.connection.row, self._listing
        if tool is None:
            pins = first_pins(row, listing, accepted=True)
            taken = list(pins.tools)
        else:
            pins, taken = with_tool(await self._pins_for_one(), self._acceptable(tool)), [tool]
        await anyio.to_thread.run_sync(write_pins, self.name, pins)
        self._looked_at = -float("inf")
        return taken

    async def _pins_for_one(self) -> Pins:
        pins = await anyio.to_thread.run_sync(read_pins, self.name)
        identity, reached = identity_of(self.connection.row)
        if pins is not None and pins.identity != identity:
            told = f"{self.name!r} is reached in another way than before, so accept all of it"
            raise InvalidInputError(f"{told}: moot tools accept {self.name}")
        return pins or Pins(identity, reached)

    def _acceptable(self, tool: str) -> Definition:
        found = next((one for one in self._listing.tools if one.name == tool), None)
        if found is None:
            raise InvalidInputError(f"{self.name!r} has no tool {tool!r}. See what it has: moot tools list {self.name}")
        if found.problem:
            raise InvalidInputError(f"{tool!r} of {self.name!r} cannot be accepted: {found.problem}.")
        return found

    async def _list(self, client: Client) -> None:
        connection = self.connection
        connection.changed = False  # what changes while it is read is looked at again
        try:
            self._listing = await connection.ask(lambda *_: listed(client), timeout_s=connection.row.startup_timeout)
            self._verdict = await anyio.to_thread.run_sync(self._judge, self._listing)
        except BaseException:
            connection.changed = True
            raise
        self._known, self._looked_at = client, anyio.current_time()

    def _judge(self, listing: Listing) -> Verdict:
        """Blocks: reads the pins, and writes those of a first use."""
        row = self.connection.row
        pins = read_pins(self.name)
        if pins is None:
            pins = first_pins(row, listing)
            if not pin_first(self.name, pins):
                pins = read_pins(self.name) or pins
        return judged(row, pins, listing)

    def _refusal(self, tool: str, arguments: Mapping[str, Any]) -> str:
        if not self.takes(tool):
            return f"{tool!r} of {self.name!r} may not be used: its row in credentials.json says so. Do without it."
        try:
            size = len(canonical(arguments))
        except (ValueError, TypeError, RecursionError):
            return f"{tool!r} was not called: its arguments hold what JSON cannot say, such as NaN. Correct them."
        if size > _LONGEST_ARGUMENTS:
            return f"{tool!r} was not called: its arguments have {size:,} characters of JSON. Send less."
        return ""

    def _why_not(self, tool: str, verdict: Verdict) -> str:
        held: Held | None = next((one for one in verdict.held if one.name == tool), None)
        if held is None:
            return f"{self.name!r} has no tool {tool!r} any more. Do without it."
        return f"{tool!r} of {self.name!r} was not called: {held.why}. {to_accept(self.name, held.acceptable)}"


async def _call(
    session: ClientSession, limit_s: float, *, name: str, arguments: dict[str, Any]
) -> CallToolResult | InputRequiredResult:
    """Not the client's own `call_tool`, which follows the server's schema for results: patterns, that may never end."""
    asked = CallToolRequest(params=CallToolRequestParams(name=name, arguments=arguments))
    return await session.send_request(asked, _ANSWER, limit_s)


def _made_of(
    answer: CallToolResult | InputRequiredResult, server: str, tool: str, *, read_only: bool
) -> ToolExecutionResult:
    if isinstance(answer, InputRequiredResult):
        text = (
            f"{tool!r} of {server!r} wants to ask its user something, which is declined. Call it so that it need not."
        )
        return ToolExecutionResult.failed(text, known=read_only)
    text = text_of(answer)
    return ToolExecutionResult.failed(text) if answer.is_error else ToolExecutionResult.of(text)
