"""Borrowed tools for a person: which servers there are, what they lend, what is held back and how it differs."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio

from ai.agents.offered import ToolExecutionResult
from core.config import load_config
from core.errors import InvalidInputError, MootError
from core.paths import credentials_path
from core.redact import redact
from core.tooling import McpServerConfig
from core.untrusted import clean, one_line
from server.cli.options import NONE, OK, SOME, note, print_json
from server.mcp_client.borrowed import Borrowed, borrowing
from server.mcp_client.definitions import Definition
from server.mcp_client.lender import Lender
from server.mcp_client.names import offered_name
from server.mcp_client.pins import Held, Verdict, identity_of

_LONGEST_TOLD = 100
_NONE_YET = "no MCP server is set up. Take some over: moot tools import cursor, or add one to 'mcp_servers'."


def show_tools(named: Sequence[str], *, as_json: bool) -> int:
    """Print the servers called *named*, or all, started for it. Exit code 0, or 3 where one cannot be used."""
    told = anyio.run(_looked_at, named)
    if as_json:
        print_json({"servers": told})
    else:
        for server in told:
            print("\n".join(clean(redact(line)) for line in _lines(server, whole=bool(named))))
        if not told:
            note(_NONE_YET)
        for server in told:
            if any(one["acceptable"] for one in server["held"]):
                note(f"to see what is different, and to accept it: moot tools accept {server['name']}")
    broken = [server for server in told if server["problem"]]
    return OK if not broken else NONE if len(broken) == len(told) else SOME


def try_tool(server: str, tool: str, arguments: str, *, as_json: bool) -> int:
    """Call *tool* once and print what it gave. Exit code 0, or 1 where it failed.

    Raises:
        InvalidInputError: *arguments* are no JSON object, or there is no such tool.
        MootError: The server cannot be used.
    """
    try:
        given = json.loads(arguments)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise InvalidInputError("""The arguments are no JSON object. Write one in quotes, such as '{"words": "x"}'.""")
    result = anyio.run(_tried, server, tool, given)
    if as_json:
        print_json({"success": result.success, "result": result.result, "error": result.error, "known": result.known})
    elif result.success:
        print(result.result)
    else:
        note(result.error)
        if not result.known:
            note("nobody knows whether the call changed anything. Look before you call it again.")
    return OK if result.success else NONE


def accept_tools(server: str, tool: str | None, agreed: Callable[[str], bool]) -> int:
    """Show what accepting would take, ask, and take it. Exit code 0, or 1 where nothing was accepted."""
    return anyio.run(_accepted, server, tool, agreed)


@asynccontextmanager
async def _lending() -> AsyncIterator[tuple[Borrowed, Mapping[str, McpServerConfig]]]:
    config = await anyio.to_thread.run_sync(load_config, credentials_path())
    for problem in config.bad_servers:
        note(clean(redact(problem)))
    async with borrowing(config) as lent:
        yield lent, config.mcp_servers


async def _looked_at(named: Sequence[str]) -> list[dict[str, Any]]:
    async with _lending() as (lent, rows):
        told: dict[str, dict[str, Any]] = {}

        async def look(name: str) -> None:
            told[name] = await _told(lent, name, rows[name])

        for name in named:
            if name not in rows:
                await lent.lender(name)  # says what is known
        async with anyio.create_task_group() as tasks:
            for name in named or rows:
                tasks.start_soon(look, name)
        return [told[name] for name in named or rows]


async def _told(lent: Borrowed, name: str, row: McpServerConfig) -> dict[str, Any]:
    """All that is known of one server, as JSON."""
    server: dict[str, Any] = {"name": name, "reached": identity_of(row)[1], "enabled": row.enabled, "problem": ""}
    server |= {"tools": [], "held": [], "gone": [], "cut": ""}
    if not row.enabled:
        return server
    lender = await lent.lender(name)
    try:
        verdict = await lender.look()
    except MootError as error:
        said = lender.connection.last_words
        return server | {"problem": f"{error}{f' Its last words: {said}' if said else ''}"}
    tools = [_tool(lender, one, accepted) for one, accepted in verdict.usable.values()]
    held = [
        {"name": one.name, "why": one.why, "changes": list(one.changes), "acceptable": one.acceptable}
        for one in verdict.held
    ]
    return server | {"tools": tools, "held": held, "gone": list(verdict.gone), "cut": lender.cut}


def _tool(lender: Lender, one: Definition, accepted: bool) -> dict[str, Any]:
    return {
        "name": one.name,
        "called": offered_name(lender.name, one.name),
        "description": one.description,
        "claims_read_only": one.reads_only,
        "accepted": accepted,
        "policy": lender.policy(one.name),
        "offered": lender.takes(one.name),
        "hidden_characters": one.hidden,
        "sha256": one.digest,
    }


def _lines(server: Mapping[str, Any], *, whole: bool) -> Iterator[str]:
    yield f"{server['name']}: {_state(server)}  ({one_line(server['reached'], 200)})"
    for one in server["tools"] if whole else ():
        yield f"  {one['name']}: {_runs(one)}. {one_line(one['description'], _LONGEST_TOLD)}"
        if one["hidden_characters"]:
            yield f"    hides {one['hidden_characters']} characters that show nothing in its description"
    for one in server["held"]:
        yield f"  held back: {one_line(one['name'], 80)}, {one['why']}"
    if server["gone"]:
        yield f"  not listed any more: {one_line(', '.join(server['gone']), 300)}"
    if server["cut"]:
        yield f"  {server['cut']}"


def _state(server: Mapping[str, Any]) -> str:
    if not server["enabled"]:
        return "switched off"
    if server["problem"]:
        return str(server["problem"])
    held = f", {len(server['held'])} held back" if server["held"] else ""
    count = len(server["tools"])
    return f"{count} {'tool' if count == 1 else 'tools'}{held}"


def _runs(one: Mapping[str, Any]) -> str:
    """When a tool runs, in words."""
    if not one["offered"]:
        return "never"
    if one["policy"] is not None:
        return {"allow": "runs by itself", "ask": "asks first"}[one["policy"]]
    if one["claims_read_only"]:
        return "reads only, runs by itself" if one["accepted"] else "says that it only reads, and asks until accepted"
    return "asks first"


async def _tried(server: str, tool: str, given: dict[str, Any]) -> ToolExecutionResult:
    async with _lending() as (lent, _):
        tools = await lent.tools([f"{server}.{tool}"])
        (spec,) = tools.specs()
        return await tools.call(spec.name, given)


async def _accepted(server: str, tool: str | None, agreed: Callable[[str], bool]) -> int:
    async with _lending() as (lent, _):
        lender = await lent.lender(server)
        verdict = Verdict({}, ())
        try:
            verdict = await lender.look()
        except MootError as error:
            if not lender.listed:
                raise
            note(clean(redact(str(error))))
        for line in _to_judge(lender, verdict, tool):
            print(clean(redact(line)))
        which = f"the tool {tool!r}" if tool else "all of this"
        if not await anyio.to_thread.run_sync(agreed, f"Accept {which} of {server!r}?"):
            note("nothing was accepted.")
            return NONE
        taken = await lender.accept(tool)
    note(f"{len(taken)} {'tool' if len(taken) == 1 else 'tools'} of {server!r} accepted.")
    return OK


def _to_judge(lender: Lender, verdict: Verdict, tool: str | None) -> Iterator[str]:
    """What a person has to see before they say yes."""
    held = {one.name: one for one in verdict.held}
    for one in lender.listed:
        if tool is None or one.name == tool:
            yield from _of_one(one, held.get(one.name))
    for name in verdict.gone if tool is None else ():
        yield f"- {name}: not listed any more"


def _of_one(one: Definition, held: Held | None) -> Iterator[str]:
    claim = "says that it only reads" if one.reads_only else "may change things"
    yield f"{one_line(one.name, 80)}: {claim}. {one_line(one.description, 300)}"
    if one.hidden:
        yield f"    hides {one.hidden} characters that show nothing in its description"
    if held is not None:
        yield f"    held back: {held.why}{'' if held.acceptable else ', and cannot be accepted'}"
        yield from (f"    {line}" for line in held.changes)
