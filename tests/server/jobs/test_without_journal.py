"""A host's call is answered where jobs cannot be kept, and the answer says that it is kept nowhere."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, closing
from pathlib import Path

import anyio
import pytest
from mcp import Client
from mcp.types import CallToolResult, Implementation, TextContent
from scripted_ai import ScriptedApp, scripted_app

from core.paths import data_dir
from server.mcp_server.app import create_mcp_server

IMPATIENT = Implementation(name="codex-mcp-client", version="1")
"""A host that waits only so long: its calls are jobs."""


def newer(path: Path) -> None:
    with closing(sqlite3.connect(path)) as store:
        store.execute("PRAGMA user_version = 99")


def damaged(path: Path) -> None:
    path.write_bytes(os.urandom(20_000))


@pytest.mark.parametrize(("spoil", "words"), [(newer, "newer version of Moot"), (damaged, "is damaged")])
async def test_a_call_is_answered_without_a_journal(spoil: Callable[[Path], None], words: str) -> None:
    data_dir().mkdir(parents=True)
    spoil(data_dir() / "jobs.db")
    async with scripted_app({"a": ["Fine."]}) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        with anyio.fail_after(10):
            async with Client(create_mcp_server(opened), mode="legacy", client_info=IMPATIENT) as client:
                result = await client.call_tool("ask_one", {"prompt": "Well?"})
    assert isinstance(result, CallToolResult) and not result.is_error
    text = " ".join(block.text for block in result.content if isinstance(block, TextContent))
    assert "> Fine." in text and "not kept anywhere" in text and words in text
    assert words in (result.structured_content or {})["not_kept"]
