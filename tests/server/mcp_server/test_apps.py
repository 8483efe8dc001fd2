"""MCP Apps: hosts that declare the extension get a page and trees beside the result; others notice nothing."""

from __future__ import annotations

import json
import re
from functools import partial
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from scripted_ai import scripted_app

from server.mcp_server.app import create_mcp_server
from server.mcp_server.apps import BLOCKS, SHOWN, URI, _texts, page

MODES = pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])


def client(drawing: bool, mode: str, **ais: Any) -> Client:
    server = create_mcp_server(partial(scripted_app, ais or {"a": ["**Yes.**"], "b": ["No."]}))
    extensions = [advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})] if drawing else None
    return Client(server, mode=mode, extensions=extensions)


@MODES
async def test_a_host_that_draws_gets_every_text_as_a_tree(mode: str) -> None:
    async with client(True, mode) as host:
        result = await host.call_tool("ask_many", {"prompt": "Is it?"})
    blocks = result.meta[BLOCKS]
    texts = list(_texts(result.structured_content))
    assert len(blocks) == len(texts)
    assert blocks[texts.index("**Yes.**")] == [["p", ["strong", "Yes."]]]
    assert blocks[texts.index("No.")] == 0


@MODES
async def test_another_host_gets_what_it_always_got(mode: str) -> None:
    async with client(False, mode) as host:
        plain = await host.call_tool("ask_many", {"prompt": "Is it?"})
    async with client(True, mode) as host:
        drawn = await host.call_tool("ask_many", {"prompt": "Is it?"})
    assert BLOCKS not in (plain.meta or {})
    assert [block.text.split(" s")[0] for block in plain.content] == [b.text.split(" s")[0] for b in drawn.content]


@MODES
async def test_the_panels_name_their_page_which_is_there(mode: str) -> None:
    async with client(True, mode, gpt=[]) as host:
        tools = (await host.list_tools()).tools
        assert {tool.name for tool in tools if (tool.meta or {}).get("ui")} == SHOWN
        (content,) = (await host.read_resource(URI)).contents
    assert (content.mime_type, content.text) == (APP_MIME_TYPE, await anyio.to_thread.run_sync(page))


def test_the_page_is_one_small_file_that_fetches_nothing() -> None:
    text = page()
    assert len(text.encode()) <= 40_000
    assert not re.search(r"https?://(?!www\.w3\.org/2000/svg)", text)
    assert not re.search(r"\bfetch\(|innerHTML|eval\(|import\s*\(|XMLHttpRequest|EventSource|<link|src=", text)
    assert text.count("</script>") == 1


def test_texts_are_counted_in_the_order_of_the_data() -> None:
    data = {"b": "1", "a": ["2", {"c": "3", "n": 4, "none": None}], "d": "5"}
    assert list(_texts(json.loads(json.dumps(data)))) == ["1", "2", "3", "5"]
