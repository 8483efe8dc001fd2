"""Skills that hosts are served, through a real client in both eras."""

from __future__ import annotations

import hashlib
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import Client, MCPError
from mcp.types import INVALID_PARAMS, Request, Result
from pydantic import ConfigDict
from scripted_ai import ScriptedApp, scripted_app

from core.paths import data_dir
from core.people.person import Person
from server.mcp_server.app import create_mcp_server
from server.mcp_server.skills import SKILLS

ERAS = ("2026-07-28", "legacy")


class Anything(Result):
    model_config = ConfigDict(extra="allow")


@asynccontextmanager
async def host(mode: Any = "2026-07-28") -> AsyncIterator[Client]:
    async with scripted_app({"a": []}) as app:

        @asynccontextmanager
        async def opened() -> AsyncIterator[ScriptedApp]:
            yield app

        with anyio.fail_after(10):
            async with Client(create_mcp_server(opened), mode=mode) as client:
                yield client


async def asked(client: Client, method: str, **params: Any) -> dict[str, Any]:
    answer = await client.session.send_request(Request[dict[str, Any], str](method=method, params=params), Anything)
    return answer.model_extra or {}


async def names(client: Client) -> list[str]:
    return [one["frontmatter"]["name"] for one in (await asked(client, "skills/list"))["skills"]]


async def refused(client: Client, method: str, **params: Any) -> str:
    with pytest.raises(MCPError) as error:
        await asked(client, method, **params)
    assert error.value.code == INVALID_PARAMS
    return error.value.message


def laid(folder: Path, name: str, **files: bytes) -> None:
    (folder / name / "refs").mkdir(parents=True)
    (folder / name / "SKILL.md").write_text(f"---\nname: {name}\ndescription: About {name}.\nversion: 2\n---\nDo it.\n")
    for path, data in files.items():
        (folder / name / path.replace("__", "/")).write_bytes(data)


@pytest.fixture
def mine() -> None:
    laid(data_dir() / "skills", "notes", **{"refs__a b.md": b"A\n", "logo.png": b"\x89PNG\0", "refs__c.md": b"C\n"})


@pytest.mark.parametrize("mode", ERAS)
async def test_a_host_lists_gets_and_reads_skills(mode: str, mine: None) -> None:
    async with host(mode) as client:
        listed = await asked(client, "skills/list")
        assert [one["uri"] for one in listed["skills"]] == ["skill://moot/SKILL.md", "skill://notes/SKILL.md"]
        assert (listed["ttlMs"], listed["cacheScope"]) == (60_000, "private")
        notes = listed["skills"][1]
        assert notes["frontmatter"] == {"name": "notes", "description": "About notes.", "version": 2}
        assert [one["uri"] for one in notes["resources"]] == [
            "skill://notes/SKILL.md",
            "skill://notes/logo.png",
            "skill://notes/refs/a%20b.md",
            "skill://notes/refs/c.md",
        ]
        assert (await asked(client, "skills/get", uri="skill://notes/SKILL.md"))["skill"] == notes
        for one in listed["skills"]:
            for file in one["resources"]:
                (content,) = (await client.read_resource(file["uri"])).contents
                data = (
                    content.text.encode() if hasattr(content, "text") else __import__("base64").b64decode(content.blob)
                )
                assert len(data) == file["size"]
                assert f"sha256:{hashlib.sha256(data).hexdigest()}" == file["digest"]


@pytest.mark.parametrize("mode", ERAS)
async def test_a_folder_of_a_skill_is_listed(mode: str, mine: None) -> None:
    async with host(mode) as client:
        top = await asked(client, "resources/directory/read", uri="skill://notes")
        assert [(one["name"], one["mimeType"]) for one in top["resources"]] == [
            ("notes", "text/markdown"),
            ("logo.png", "image/png"),
            ("refs", "inode/directory"),
        ]
        inner = await asked(client, "resources/directory/read", uri=top["resources"][2]["uri"])
        assert [one["uri"] for one in inner["resources"]] == ["skill://notes/refs/a%20b.md", "skill://notes/refs/c.md"]


@pytest.mark.parametrize(
    "uri",
    [
        "skill://nothing/SKILL.md", "skill://notes", "skill://notes/", "skill://notes/refs/c.md", "moot://usage", "",
        "skill://notes/../moot/SKILL.md", "skill://notes//SKILL.md", "skill:///SKILL.md", "skill://notes/SKILL.md/",
    ],
)  # fmt: skip
async def test_what_is_no_skill_is_refused(uri: str, mine: None) -> None:
    async with host() as client:
        assert "No skill is served" in await refused(client, "skills/get", uri=uri)


@pytest.mark.parametrize(
    "uri",
    [
        "skill://nothing/SKILL.md", "skill://notes", "skill://notes/refs", "skill://notes/../../credentials.json",
        "skill://notes/%2e%2e/%2e%2e/credentials.json", "skill://notes/refs/../SKILL.md", "skill://notes/refs/d.md",
    ],
)  # fmt: skip
async def test_what_is_no_file_of_a_skill_is_not_read(uri: str, mine: None) -> None:
    (data_dir() / "credentials.json").write_text("{}")
    async with host() as client:
        assert "No skill is served" in await refused(client, "resources/read", uri=uri)


@pytest.mark.parametrize("uri", ["skill://notes/SKILL.md", "skill://nothing", "skill://notes/ref", "skill://", "x"])
async def test_what_is_no_folder_of_a_skill_is_not_listed(uri: str, mine: None) -> None:
    async with host() as client:
        assert "is not a directory resource" in await refused(client, "resources/directory/read", uri=uri)


async def test_a_long_list_comes_in_pages() -> None:
    for number in range(120):
        laid(data_dir() / "skills", f"skill-{number:03}")
    listed: list[str] = []
    async with host() as client:
        cursor: dict[str, str] = {}
        while True:
            page = await asked(client, "skills/list", **cursor)
            listed += [one["frontmatter"]["name"] for one in page["skills"]]
            if "nextCursor" not in page:
                break
            cursor = {"cursor": page["nextCursor"]}
    assert listed == ["moot", *(f"skill-{number:03}" for number in range(120))]


async def test_bad_skills_and_secrets_are_not_served_and_the_others_are(mine: None) -> None:
    place = data_dir() / "skills"
    laid(place, "leaky", id_rsa=b"x")
    laid(place, "linked")
    (place / "linked" / "refs" / "out").symlink_to("/etc/passwd")
    async with host() as client:
        assert [one["frontmatter"]["name"] for one in (await asked(client, "skills/list"))["skills"]] == [
            "moot",
            "notes",
        ]


async def test_another_person_is_served_what_comes_with_moot_alone(mine: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("server.mcp_server.skills.acting", lambda: Person("ann"))
    async with host() as client:
        assert await names(client) == ["moot"]
        assert "No skill is served" in await refused(client, "resources/read", uri="skill://notes/SKILL.md")


async def test_hosts_are_told_of_the_extension_and_lists_do_not_grow() -> None:
    async with host() as client:
        capabilities = (await asked(client, "server/discover"))["capabilities"]
        assert capabilities["extensions"][SKILLS] == {"directoryRead": True}
        (ours,) = [one for one in (await client.list_resources()).resources if one.uri.startswith("skill:")]
        (listed,) = (await asked(client, "skills/list"))["skills"]
        assert (ours.uri, ours.name, ours.mime_type) == ("skill://moot/SKILL.md", "moot", "text/markdown")
        assert ours.description == listed["frontmatter"]["description"]
        assert (await client.read_resource("moot://threads")).contents
