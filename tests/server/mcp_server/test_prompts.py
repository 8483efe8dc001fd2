"""Prompts, their completion, and threads as resources: through the MCP server and a real client."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import PromptReference, ResourceTemplateReference, TextContent, TextResourceContents
from scripted_ai import ScriptedApp, scripted_app

from ai.runs.run import Materials
from core.config import RoleConfig
from core.files.workspace import Workspace
from core.memory.threads import Threads
from core.roles import all_roles
from server.mcp_server.app import create_mcp_server


@pytest.fixture
def materials(tmp_path: Path) -> Iterator[Materials]:
    opened = Materials(Workspace(), Threads(tmp_path / "threads.db"))
    yield opened
    opened.threads.close()


@asynccontextmanager
async def talk(materials: Materials) -> AsyncIterator[Client]:
    async with scripted_app({"gpt": ["Blue."], "gemini": []}, materials=materials) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        roles = all_roles({"pirate": RoleConfig(system="Arr.", description="Sails.")})
        with anyio.fail_after(10):
            async with Client(create_mcp_server(opened, roles=roles)) as client:
                await client.call_tool("ask_one", {"prompt": "Which colour?", "ai": "gpt", "thread": "paint"})
                yield client


async def prompt(client: Client, name: str, **arguments: str) -> str:
    (message,) = (await client.get_prompt(name, arguments)).messages
    assert isinstance(message.content, TextContent)
    return message.content.text


async def test_every_role_and_every_panel_is_a_prompt(materials: Materials) -> None:
    async with talk(materials) as client:
        listed = (await client.list_prompts()).prompts
        assert [one.name for one in listed][:4] == ["debate", "consensus", "review", "reviewer"]
        assert listed[-1].name == "pirate" and listed[-1].description == "Sails."
        assert all(argument.description for one in listed for argument in one.arguments or ())
        said = await prompt(client, "pirate", task="Find the treasure.", ai="gpt")
        assert "ask_one with role='pirate' with ai='gpt'" in said and said.endswith("Find the treasure.")
        said = await prompt(client, "debate", question="Tabs?", ais="gpt, gemini", rounds="2")
        assert "debate with ais=['gpt', 'gemini'], rounds=2" in said and said.endswith("Tabs?")
        assert "review with base='main'" in await prompt(client, "review", base="main")


async def test_arguments_are_completed_from_what_is_configured(materials: Materials) -> None:
    async with talk(materials) as client:

        async def completed(reference: PromptReference | ResourceTemplateReference, name: str, value: str) -> list[str]:
            return (await client.complete(reference, {"name": name, "value": value})).completion.values

        debate = PromptReference(type="ref/prompt", name="debate")
        assert await completed(PromptReference(type="ref/prompt", name="tester"), "ai", "g") == ["gpt", "gemini"]
        assert await completed(debate, "ais", "gpt, g") == ["gpt, gemini"]
        assert await completed(debate, "rounds", "") == list("01234")
        assert await completed(debate, "question", "x") == []
        thread = ResourceTemplateReference(type="ref/resource", uri="moot://threads/{name}")
        assert await completed(thread, "name", "p") == ["paint"]


async def test_threads_are_listed_and_read_as_resources(materials: Materials) -> None:
    async with talk(materials) as client:
        (content,) = (await client.read_resource("moot://threads")).contents
        assert isinstance(content, TextResourceContents) and '"paint"' in content.text
        (content,) = (await client.read_resource("moot://threads/paint")).contents
        assert isinstance(content, TextResourceContents)
        assert content.text.startswith("# paint\n\n## user") and content.text.rstrip().endswith("Blue.")
        with pytest.raises(MCPError, match="no thread 'none'"):
            await client.read_resource("moot://threads/none")


@pytest.mark.parametrize(("name", "complaint"), [("debate", "'question'"), ("nobody", "Unknown prompt: nobody")])
async def test_a_prompt_that_cannot_be_made_is_an_answer_and_no_traceback(
    materials: Materials, name: str, complaint: str, caplog: pytest.LogCaptureFixture
) -> None:
    async with talk(materials) as client:
        with pytest.raises(MCPError, match=complaint):
            await client.get_prompt(name, {})
    assert not [record for record in caplog.records if record.exc_info]
