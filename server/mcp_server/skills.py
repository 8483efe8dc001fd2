"""MCP's extension `io.modelcontextprotocol/skills` (SEP-2640): hosts are served skills, file by file.

Served are the skill that comes with Moot and, to whoever owns the installation, those in their own folders. Each file
is an ordinary resource below `skill://`, of which the list of resources shows Moot's own `SKILL.md` alone; the entry of
a skill tells of all its files with their digests. Skills of a workspace are never served: they are somebody else's
words.
"""

from __future__ import annotations

import base64
import logging
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import anyio.to_thread
from mcp.server.context import HandlerResult, ServerRequestContext
from mcp.server.extension import Extension, MethodBinding
from mcp.server.mcpserver import MCPServer
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    BlobResourceContents,
    PaginatedRequestParams,
    ReadResourceRequestParams,
    ReadResourceResult,
    RequestParams,
    TextResourceContents,
)
from pydantic import ConfigDict, Field

from ai.lazy import load
from ai.runs.app import App
from core.people.person import acting

if TYPE_CHECKING:
    from core.skills.skill import Skill, SkillFile

SKILLS = "io.modelcontextprotocol/skills"
"""The extension's identifier."""
_SCHEME = "skill://"
_MAIN = "SKILL.md"
_FOLDER = "inode/directory"
_OURS = "moot"
ABOUT_OURS = (
    "How to get the most out of Moot's tools, which ask other AIs. Use when a second opinion, a comparison of several "
    "AIs, a debate with a verdict, a code review by others, or a long run in the background would help."
)
"""What the head of our own skill says, so that no list waits for it to be read."""
_PAGE = 50
_LONGEST_URI = 2_000
_FRESH_MS = 60_000
_FRESH = {"ttlMs": _FRESH_MS, "cacheScope": "private"}
_KINDS = {
    "md": "text/markdown", "txt": "text/plain", "py": "text/x-python", "js": "text/javascript",
    "json": "application/json", "yaml": "application/yaml", "yml": "application/yaml", "toml": "application/toml",
    "csv": "text/csv", "html": "text/html", "css": "text/css", "xml": "application/xml", "svg": "image/svg+xml",
    "png": "image/png", "jpg": "image/jpeg", "jpeg": "image/jpeg", "gif": "image/gif", "webp": "image/webp",
    "pdf": "application/pdf",
}  # fmt: skip
"""By the end of a name; Python's own table is another one on every machine."""

Context = ServerRequestContext[App, Any]

log = logging.getLogger(__name__)


class SkillParams(RequestParams):
    model_config = ConfigDict(defer_build=True)  # a server starts faster

    uri: str = Field(max_length=_LONGEST_URI)


class FolderParams(PaginatedRequestParams):
    model_config = ConfigDict(defer_build=True)

    uri: str = Field(max_length=_LONGEST_URI)


class SkillsExtension(Extension):
    """Serves skills. `register` it with its server, too, which then reads their files as resources."""

    identifier = SKILLS

    def settings(self) -> dict[str, Any]:
        return {"directoryRead": True}

    def methods(self) -> Sequence[MethodBinding]:
        return [
            MethodBinding("skills/list", PaginatedRequestParams, self._list),
            MethodBinding("skills/get", SkillParams, self._get),
            MethodBinding("resources/directory/read", FolderParams, self._folder),
        ]

    def register(self, server: MCPServer[App]) -> None:
        """Read what is below `skill://` here, and leave every other resource to *server*."""
        inner = server._lowlevel_server  # MCPServer reads such resources alone as it lists
        found = inner.get_request_handler("resources/read")
        assert found is not None
        others = found.handler

        async def read(ctx: Context, params: ReadResourceRequestParams) -> HandlerResult:
            return await (self._read(params) if str(params.uri).startswith(_SCHEME) else others(ctx, params))

        inner.add_request_handler("resources/read", ReadResourceRequestParams, read)

    def furnish(self, server: MCPServer[App]) -> None:
        """Have our own skill be in the list of resources, for hosts that do not know the extension."""

        @server.resource(f"{_SCHEME}{_OURS}/{_MAIN}", name=_OURS, description=ABOUT_OURS, mime_type=_kind(_MAIN))
        async def ours() -> str:
            skill, path = await _found(f"{_SCHEME}{_OURS}/{_MAIN}")
            assert skill is not None
            return (await skill.read(path)).decode()

    async def _list(self, ctx: Context, params: PaginatedRequestParams) -> dict[str, Any]:
        after = params.cursor or ""
        waiting = [one for one in await _served() if one.name > after]
        entries = [entry for one in waiting[:_PAGE] if (entry := await _entry(one))]
        more = {"nextCursor": waiting[_PAGE - 1].name} if len(waiting) > _PAGE else {}
        return {"skills": entries, **more, **_FRESH}

    async def _get(self, ctx: Context, params: SkillParams) -> dict[str, Any]:
        skill, path = await _found(params.uri)
        if skill is None or path != _MAIN:
            raise _not_served(params.uri)
        if (entry := await _entry(skill)) is None:
            raise MCPError(INTERNAL_ERROR, f"The skill {skill.name!r} cannot be read now. Ask its owner to look at it.")
        return {"skill": entry, **_FRESH}

    async def _read(self, params: ReadResourceRequestParams) -> ReadResourceResult:
        skills = await load("core.skills.skill")
        uri = str(params.uri)
        skill, path = await _found(uri)
        if skill is None or path not in {one.path for one in skill.files}:
            raise _not_served(uri)
        try:
            data = await skill.read(path)
        except skills.SkillError as error:
            raise MCPError(INTERNAL_ERROR, str(error), {"uri": uri}) from None
        return ReadResourceResult(contents=[_content(uri, path, data)], ttl_ms=_FRESH_MS, cache_scope="private")

    async def _folder(self, ctx: Context, params: FolderParams) -> dict[str, Any]:
        skill, path = await _found(params.uri)
        children = _children(skill, path) if skill is not None else []
        if not children:
            raise MCPError(INVALID_PARAMS, f"{params.uri[:200]} is not a directory resource.", {"uri": params.uri})
        after = params.cursor or ""
        waiting = [one for one in children if one["uri"] > after]
        more = {"nextCursor": waiting[_PAGE - 1]["uri"]} if len(waiting) > _PAGE else {}
        return {"resources": waiting[:_PAGE], **more}


async def _served() -> list[Skill]:
    """The skills that whoever asks is served, by name."""
    finding = await load("core.skills.finding")

    def look() -> list[Skill]:
        places = [*(finding.user_places() if acting().owns else []), *finding.shipped_places()]
        found = finding.find_skills([place for place in places if place.shared])
        for problem in found.problems:
            log.info("%s", problem)
        return sorted({one.name: one for one in reversed(found.skills)}.values(), key=lambda one: str(one.name))

    return await anyio.to_thread.run_sync(look)


async def _found(uri: str) -> tuple[Skill | None, str]:
    """The skill that *uri* lies in, and the path below its folder; empty: the folder itself."""
    name, _, path = uri.removeprefix(_SCHEME).partition("/") if uri.startswith(_SCHEME) else ("", "", "")
    skill = next((one for one in await _served() if one.name == name), None)
    return skill, unquote(path)


async def _entry(skill: Skill) -> dict[str, Any] | None:
    """What hosts are told of *skill*; None where one of its files is a secret or cannot be read."""
    skills = await load("core.skills.skill")
    resources = []
    for one in skill.files:
        try:
            data = await skill.read(one.path)
        except skills.SkillError as error:
            log.warning("The skill %s is not served: %s", skill.name, error)
            return None
        resources.append({"uri": _uri(skill, one.path), "digest": skills.digest_of(data), "size": len(data)})
    return {"uri": _uri(skill, _MAIN), "frontmatter": dict(skill.frontmatter), "resources": resources}


def _children(skill: Skill, path: str) -> list[dict[str, Any]]:
    """What lies in the folder *path* of *skill*, by address; nothing where it is none."""
    above = f"{path}/" if path else ""
    below = {one.path.removeprefix(above).partition("/")[0]: one for one in skill.files if one.path.startswith(above)}
    return sorted((_child(skill, above + name, one) for name, one in below.items()), key=lambda one: str(one["uri"]))


def _child(skill: Skill, path: str, one: SkillFile) -> dict[str, Any]:
    name = path.rpartition("/")[2]
    if one.path != path:
        return {"uri": _uri(skill, path), "name": name, "mimeType": _FOLDER}
    told = {"uri": _uri(skill, path), "name": name, "mimeType": _kind(path), "size": one.size}
    return told | ({"name": skill.name, "description": skill.description} if path == _MAIN else {})


def _uri(skill: Skill, path: str) -> str:
    return f"{_SCHEME}{skill.name}/{quote(path)}"


def _kind(path: str) -> str:
    return _KINDS.get(path.rpartition(".")[2].lower(), "application/octet-stream")


def _content(uri: str, path: str, data: bytes) -> TextResourceContents | BlobResourceContents:
    """The very bytes, as text where they are text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        text = "\0"
    if "\0" in text:
        return BlobResourceContents(uri=uri, mime_type=_kind(path), blob=base64.b64encode(data).decode())
    return TextResourceContents(uri=uri, mime_type=_kind(path), text=text)


def _not_served(uri: str) -> MCPError:
    return MCPError(INVALID_PARAMS, f"No skill is served at {uri[:200]}", {"uri": uri})
