"""What a server wrote, as the client reads it: mended where that is safe, and else an error in the place of its answer.

Nobody waits for an answer that came and cannot be read. Half a character, which programs leave where they cut a text,
and bytes that are no UTF-8 cost that character alone.
"""

from __future__ import annotations

import json
from typing import Any

from mcp.shared.message import SessionMessage
from mcp.types import ErrorData, JSONRPCError, JSONRPCMessage, jsonrpc_message_adapter

from ai.wire.raw.reading import DEEPEST, depth, sound
from server.mcp_client.lines import TooLong, request_of

ANSWER_TOO_LONG, ANSWER_UNREADABLE = -32099, -32098
"""Codes of errors that stand for an answer which is not read; ours, no server's."""


def message_of(line: bytes | TooLong) -> SessionMessage | None:
    """What *line* says; None for what is no message: print() in a server is not our end."""
    if isinstance(line, TooLong):
        return _instead(line.request, ANSWER_TOO_LONG, f"the answer has {line.size:,} bytes, and is not read")
    line = line.removeprefix(b"\xef\xbb\xbf")
    if not line.lstrip().startswith(b"{"):
        return None
    try:
        return SessionMessage(jsonrpc_message_adapter.validate_json(line, by_name=False))
    except ValueError:
        pass
    said = _decoded(line)
    if said is not None and (found := _mended(said)) is not None:
        return SessionMessage(found)
    return _instead(_answered(line, said), ANSWER_UNREADABLE, "the answer cannot be read")


def _instead(request: str | int | None, code: int, text: str) -> SessionMessage | None:
    if request is None:
        return None
    return SessionMessage(JSONRPCError(jsonrpc="2.0", id=request, error=ErrorData(code=code, message=text)))


def _decoded(line: bytes) -> dict[str, Any] | None:
    try:
        said = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return said if isinstance(said, dict) else None


def _mended(said: dict[str, Any]) -> JSONRPCMessage | None:
    if depth(said) > DEEPEST or (whole := sound(said)) is None:
        return None
    try:
        return jsonrpc_message_adapter.validate_python(whole, by_name=False)
    except ValueError:
        return None


def _answered(line: bytes, said: dict[str, Any] | None) -> str | int | None:
    """The request that *line* answers, in whatever way; None where it answers none."""
    if said is None:
        return request_of(line)
    id_ = said.get("id")
    return id_ if isinstance(id_, str | int) and not isinstance(id_, bool) and "method" not in said else None
