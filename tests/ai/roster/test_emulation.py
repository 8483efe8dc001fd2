"""Which AIs are asked for functions in words: those whose catalogue row or own row says that they know none."""

from __future__ import annotations

import threading
from typing import Any

import pytest
from scripted_ai import NoSync, ScriptedClient

from ai.client import AIClient, Emit, ignore
from ai.providers.catalog import PROVIDERS
from ai.roster.build import build_ai
from ai.roster.configured_ai import ConfiguredAI
from ai.roster.key_lane import Key
from core.config import AIConfig, Defaults
from core.limits.buckets import open_buckets
from core.values import Request, Response, ToolCall, ToolSpec

ADD = ToolSpec("add", "Adds.", {"type": "object", "properties": {"a": {"type": "integer"}}})
ASKED = Request.of("Add.", tools=(ADD,))
CALL = '{"calls": [{"tool": "add", "arguments": {"a": 1}}]}'


def seat(provider: str, client: ScriptedClient, sync: AIClient | None = None, **row: object) -> ConfiguredAI:
    def find(other: str) -> object:
        raise AssertionError(other)

    return build_ai(
        "x",
        AIConfig.model_validate(row),
        PROVIDERS[provider],
        [Key("", "k", client, sync or NoSync())],
        buckets=open_buckets(),
        defaults=Defaults(attempts=1),
        find=find,  # type: ignore[arg-type]
    )


@pytest.mark.parametrize(
    ("provider", "row", "emulated"),
    [
        ("openai", {}, False),
        ("openai", {"quirks": {"tools": "emulated"}}, True),
        ("local", {}, True),
        ("command", {"command": ["x"]}, True),
        ("command", {"command": ["x"], "quirks": {"tools": "native"}}, False),
    ],
)
async def test_a_row_decides(provider: str, row: dict[str, Any], emulated: bool) -> None:
    client = ScriptedClient(CALL)
    response = await seat(provider, client, **row).complete(ASKED, ignore)
    assert (client.requests[0].tools == ()) is emulated
    assert response.tool_calls == ((ToolCall("call_1_0", "add", {"a": 1}),) if emulated else ())


def test_without_an_event_loop_it_is_the_same() -> None:
    class Blocking(AIClient):
        def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
            assert request.tools == ()
            emit(CALL)
            return Response(CALL, "m")

    heard: list[object] = []
    answer = seat("local", ScriptedClient(), Blocking()).complete_blocking(ASKED, heard.append)
    assert answer.tool_calls[0].name == "add" and CALL not in heard
