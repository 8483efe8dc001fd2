"""Recordings through the wire of Gemini, which takes them as a part of a question."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx2
import pytest

from ai.client import Sound, Transcribed
from ai.providers import anthropic, gemini
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint
from ai.wire.transport import SharedHTTP
from core.errors import NotUsableError

SETTINGS = ClientSettings(
    Who("gemini", "gemini", ("GOOGLE_API_KEY",)), "gemini-4-argon", Endpoint("http://127.0.0.1:1", "k-123456")
)
SOUND = Sound(b"sound", "recording.ogg", "audio/ogg")


async def heard(said: str, finish: str = "STOP") -> tuple[Transcribed, dict[str, Any]]:
    """What is made of an answer that says that, and what was sent for it."""
    asked: list[dict[str, Any]] = []
    usage = {"promptTokenCount": 90, "candidatesTokenCount": 4}
    candidate = {"content": {"role": "model", "parts": [{"text": said}]}, "finishReason": finish}
    told = {"candidates": [candidate], "modelVersion": "gemini-4-argon", "usageMetadata": usage}

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(json.loads(request.content))
        body = f"data: {json.dumps(told)}\n\n"
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=body)

    transport = httpx2.MockTransport(answer)
    http = SharedHTTP(transport, transport)
    try:
        made = await gemini.AsyncClient(SETTINGS, http).transcribe(SOUND)
    finally:
        await http.aclose()
    return made, asked[0]


async def test_gemini_is_given_the_recording_beside_a_request_to_write_it_down() -> None:
    made, sent = await heard("Two and two.")
    assert (made.text, made.whole, made.usage.input_tokens) == ("Two and two.", True, 90)
    told, sound = sent["contents"][0]["parts"]
    assert "word for word" in told["text"]
    kind, data = sound["inlineData"].values()
    assert {kind, data} == {"audio/ogg", base64.b64encode(b"sound").decode()}


@pytest.mark.parametrize("said", ["[silence]", "Silence.", " [Silence] "])
async def test_silence_is_no_word(said: str) -> None:
    assert (await heard(said))[0].text == ""


async def test_what_is_cut_off_is_not_the_whole() -> None:
    assert not (await heard("Two and", finish="MAX_TOKENS"))[0].whole


async def test_an_ai_that_hears_nothing_says_so() -> None:
    transport = httpx2.MockTransport(lambda request: httpx2.Response(500))
    http = SharedHTTP(transport, transport)
    with pytest.raises(NotUsableError, match="hears nothing"):
        await anthropic.AsyncClient(SETTINGS, http).transcribe(SOUND)
    await http.aclose()
