"""Answers that are not as they should be: mended, or told at once as what they are, and never waited for."""

from __future__ import annotations

import sys

import anyio
import borrowed_server
import pytest

from ai.agents.offered import ToolExecutionResult
from core.config import Config
from core.tooling import McpServerConfig
from server.mcp_client.borrowed import borrowing
from server.mcp_client.messages import message_of

HEAD = '{"jsonrpc": "2.0", "id": ID, '
NO_MCP = "'s' answered with what is no valid MCP. Tell its maker, or try another version."


def content(text: str) -> str:
    return HEAD + f'"result": {{"content": [{{"type": "text", "text": "{text}"}}]}}}}'


async def called(said: str) -> ToolExecutionResult:
    """What a call gives that a server answers with *said*, long before its time is up."""
    command = [borrowed_server.__file__, "says", said]
    row = McpServerConfig(command=sys.executable, args=command, timeout=600)
    with anyio.fail_after(60):
        async with borrowing(Config(mcp_servers={"s": row})) as lent:
            return await (await lent.tools(["s.echo"])).call("s__echo", {})


@pytest.mark.parametrize(
    ("said", "text"),
    [
        (content("a\\ud83d"), "a\ufffd"),
        (content("caf\xe9"), "caf\ufffd"),
        ("\xef\xbb\xbf" + content("after a mark"), "after a mark"),
        (f"{content('once')}\n{content('twice')}", "once"),
        ("\n".join([content("of another").replace("ID", "999"), content("its own")]), "its own"),
    ],
)
async def test_a_letter_that_is_none_costs_that_letter_and_no_answer(said: str, text: str) -> None:
    result = await called(said)
    assert result.success and result.result == text


@pytest.mark.parametrize(
    "said",
    [
        HEAD.rstrip(", ") + "}",
        HEAD + '"result": null}',
        HEAD + '"error": {"code": "x", "message": "m"}}',
        HEAD + '"error": {"code": -32000}}',
        HEAD + '"result": {"content": [], "x": ' + "[" * 5_000 + "]" * 5_000 + "}}",
        HEAD + '"result": {"content": [oh]}}',
    ],
)
async def test_an_answer_that_cannot_be_read_is_not_waited_for(said: str) -> None:
    result = await called(said)
    assert (result.success, result.known, result.error) == (False, False, NO_MCP)


@pytest.mark.parametrize("code", [-32000, -32001])
async def test_an_error_with_a_code_of_the_clients_own_is_the_servers_and_ends_nothing(code: int) -> None:
    result = await called(HEAD + f'"error": {{"code": {code}, "message": "No such town"}}}}')
    assert result.error == "'s' answered with an error: No such town."


def test_a_request_of_the_servers_own_that_cannot_be_read_is_no_answer() -> None:
    assert message_of(b'{"jsonrpc": "2.0", "id": 1, "method": 5}') is None
    assert message_of(b'{"jsonrpc": "2.0", "id": 1, "method": "x", oh}') is None
    assert message_of(b"{not json") is None and message_of(b'{"id": true}') is None
