"""Takes the snapshot from the live server: `python -m server.stdio.take_snapshot` renews the release's."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from mcp.server.mcpserver import MCPServer
from mcp.server.runner import serve_dual_era_loop
from mcp.shared._context_streams import create_context_streams
from mcp.shared.message import SessionMessage
from mcp_types import jsonrpc_message_adapter
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS, MODERN_PROTOCOL_VERSIONS

from core.files.atomic import write_atomically
from server.stdio.snapshot import BUILT_IN, FORMAT, base_stamp, listed_settings, user_snapshot

LISTS = ("tools/list", "resources/list", "resources/templates/list", "prompts/list")
_PACKAGES = {name.replace("-", "_"): version(name) for name in ("moot-mcp", "mcp", "mcp-types")}
"""What decides what is listed, by the names their folders in site-packages begin with."""
_CLIENT = {"name": "snapshot", "version": "1"}
_META = "io.modelcontextprotocol/"


async def take(server: MCPServer[Any]) -> dict[str, Any]:
    """What *server* answers in every protocol version; its lifespan is not entered, since lists need no app."""
    texts: list[str] = []
    answers: dict[str, dict[str, int]] = {}
    for protocol in (*HANDSHAKE_PROTOCOL_VERSIONS, *MODERN_PROTOCOL_VERSIONS):
        requests = _legacy(protocol) if protocol in HANDSHAKE_PROTOCOL_VERSIONS else _modern(protocol)
        answers[protocol] = {}
        for request, response in zip(requests, await _responses(server, requests), strict=True):
            text = _fragment(response)
            if text not in texts:
                texts.append(text)
            answers[protocol][request["method"]] = texts.index(text)
    return {
        "format": FORMAT,
        "packages": _PACKAGES,
        "settings": "",
        "base": None,
        "handshake": list(HANDSHAKE_PROTOCOL_VERSIONS),
        "modern": list(MODERN_PROTOCOL_VERSIONS),
        "answers": answers,
        "texts": texts,
    }


async def save_for_user(server: MCPServer[Any]) -> None:
    """Keep *server*'s answers in the user's data folder, for the next start. A folder that is read-only stays so."""
    await anyio.to_thread.run_sync(_save, await take(server))


def _save(raw: dict[str, Any]) -> None:
    own = raw | {"settings": listed_settings(), "base": base_stamp()}
    with suppress(OSError):  # the next start is a plain one again
        write_atomically(Path(user_snapshot()), _compact(own))


def _legacy(protocol: str) -> list[dict[str, Any]]:
    hello = {"protocolVersion": protocol, "capabilities": {}, "clientInfo": _CLIENT}
    return [{"method": "initialize", "params": hello}, *({"method": method} for method in ("ping", *LISTS))]


def _modern(protocol: str) -> list[dict[str, Any]]:
    meta = {f"{_META}protocolVersion": protocol, f"{_META}clientCapabilities": {}}
    listen = {"method": "subscriptions/listen", "params": {"_meta": meta, "notifications": {}}}
    plain = [{"method": method, "params": {"_meta": meta}} for method in ("server/discover", "ping", *LISTS)]
    return [*plain, listen]


async def _responses(server: MCPServer[Any], requests: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """What *server* says first to each of *requests*, over one connection."""
    inner = server._lowlevel_server  # what `run_stdio_async` runs, here without its lifespan
    to_server, server_reads = create_context_streams[SessionMessage | Exception](0)
    server_writes, from_server = create_context_streams[SessionMessage](0)
    said = []
    async with anyio.create_task_group() as tasks, to_server, from_server:

        async def serve() -> None:
            options = inner.create_initialization_options()
            await serve_dual_era_loop(inner, server_reads, server_writes, lifespan_state=None, init_options=options)

        tasks.start_soon(serve)
        for number, request in enumerate(requests):
            message = {"jsonrpc": "2.0", "id": number, **request}
            await to_server.send(SessionMessage(jsonrpc_message_adapter.validate_python(message, by_name=False)))
            answer = (await from_server.receive()).message
            said.append(json.loads(answer.model_dump_json(by_alias=True, exclude_unset=True)))
        tasks.cancel_scope.cancel()
    return said


def _fragment(response: dict[str, Any]) -> str:
    """What follows the id, or the method of the notification by which a subscription is acknowledged."""
    for kind in ("result", "error"):
        if kind in response:
            return f'"{kind}":{_compact(response[kind])}'
    return f'"method":{_compact(response["method"])}'


def _compact(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def main() -> None:
    """Renew the snapshot of the release, from a server without any configuration."""
    os.environ["MOOT_CREDENTIALS"] = os.devnull
    from server.mcp_server.app import create_mcp_server

    raw = anyio.run(take, create_mcp_server())
    Path(BUILT_IN).write_text(json.dumps(raw, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
