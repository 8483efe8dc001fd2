"""One odd line in the results of a provider's batch is that row's failure; the rows around it stand."""

from __future__ import annotations

import json
from typing import Any

import httpx2
import pytest

from ai.batch.endpoint import RemoteResult
from ai.batch.endpoints import anthropic as anthropic_batch
from ai.batch.endpoints import mistral as mistral_batch
from ai.batch.endpoints import openai as openai_batch
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint
from ai.wire.transport import SharedHTTP
from core.errors import AIError
from core.values import Response

CHAT = {"choices": [{"index": 0, "message": {"content": "Fine."}, "finish_reason": "stop"}]}
MESSAGE = {"content": [{"type": "text", "text": "Fine."}], "stop_reason": "end_turn", "model": "m"}
GOOD = {
    "openai": {"response": {"status_code": 200, "body": CHAT}, "error": None},
    "mistral": {"response": {"status_code": 200, "body": CHAT}, "error": None},
    "anthropic": {"result": {"type": "succeeded", "message": MESSAGE}},
}
MODULES: dict[str, Any] = {"openai": openai_batch, "mistral": mistral_batch, "anthropic": anthropic_batch}
BATCH = {
    "openai": {"status": "completed", "output_file_id": "f", "error_file_id": None},
    "mistral": {"status": "SUCCESS", "output_file": "f", "error_file": None},
    "anthropic": {},
}
ODD: list[Any] = [None, 1, "x", [], {}, [None], {"status_code": "x"}, {"status_code": 200, "body": 7}, True]
ODD += [{"status_code": 200, "body": {"choices": [{"message": "x"}]}}, {"type": "succeeded", "message": {"content": 1}}]
ODD += [{"type": "errored", "error": "x"}, {"type": 9}, {"status_code": 200, "body": {"choices": {"a": 1}}}]


async def results_of(name: str, *lines: bytes) -> dict[str, Any]:
    def answer(request: httpx2.Request) -> httpx2.Response:
        if request.url.path.endswith(("/content", "/results")):
            return httpx2.Response(200, content=b"\n".join(lines))
        return httpx2.Response(200, json=BATCH[name])

    http = SharedHTTP(transport=httpx2.MockTransport(answer))
    settings = ClientSettings(Who("a", "p"), "m", Endpoint("http://127.0.0.1:1/v1", "k-123456"))
    found: dict[str, Any] = {}
    async for result in MODULES[name].Batches(settings, http).results("b1"):
        assert isinstance(result, RemoteResult)
        found[result.custom_id] = result.outcome
    await http.aclose()
    return found


@pytest.mark.parametrize("name", GOOD)
async def test_an_odd_row_is_a_failure_between_two_answers(name: str) -> None:
    part = "result" if name == "anthropic" else "response"
    for odd in ODD:
        rows = [
            {"custom_id": "r1"} | GOOD[name],
            {"custom_id": "r2"} | GOOD[name] | {part: odd},
            {"custom_id": "r3"} | GOOD[name],
        ]
        found = await results_of(name, *(json.dumps(row).encode() for row in rows))
        assert isinstance(found["r1"], Response) and isinstance(found["r3"], Response)
        assert isinstance(found["r2"], AIError), odd


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("line", [b"{broken", b"null", b"[1]", b"7", b"\xff\xfe", b"[" * 3_000])
async def test_a_line_that_is_no_row_costs_no_row(name: str, line: bytes) -> None:
    rows = [json.dumps({"custom_id": one} | GOOD[name]).encode() for one in ("r1", "r2")]
    found = await results_of(name, rows[0], line, rows[1])
    assert isinstance(found["r1"], Response) and isinstance(found["r2"], Response)
