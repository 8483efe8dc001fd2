"""Azure, Bedrock, Vertex, keys that programs give, and parameters of addresses."""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from typing import Any

import httpx2
import pytest

from ai.providers.catalog import PROVIDERS
from ai.roster.key_command import KeyCommand
from ai.roster.roster import Roster
from ai.wire.transport import SharedHTTP
from core.config import AIConfig, Config
from core.errors import NotUsableError
from core.redact import redact
from core.values import Request

CHAT = b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\ndata: [DONE]\n\n'
MESSAGES = (
    b'data: {"type":"message_start","message":{"model":"c","usage":{"input_tokens":1,"output_tokens":1}}}\n\n'
    b'data: {"type":"content_block_delta","index":0,"delta":{"type":"text_delta","text":"Hi"}}\n\n'
    b'data: {"type":"message_delta","delta":{"stop_reason":"end_turn"},"usage":{"output_tokens":1}}\n\n'
    b'data: {"type":"message_stop"}\n\n'
)
GEMINI = b'data: {"candidates":[{"content":{"parts":[{"text":"Hi"}]},"finishReason":"STOP"}]}\n\n'


class Server:
    """Answers everything with *body*, and keeps what it was asked."""

    def __init__(self, body: bytes) -> None:
        self.body = body
        self.asked: list[httpx2.Request] = []

    def __call__(self, request: httpx2.Request) -> httpx2.Response:
        self.asked.append(request)
        return httpx2.Response(200, headers={"content-type": "text/event-stream"}, content=self.body)


async def ask(body: bytes, **row: Any) -> httpx2.Request:
    """Ask the AI of *row* once; the request that was sent."""
    server = Server(body)
    transport = httpx2.MockTransport(server)
    roster = Roster.open(Config(rows={"x": AIConfig.model_validate(row)}), SharedHTTP(transport, transport))
    assert roster.problems == {}
    try:
        seat = roster.seats["x"]
        client = seat.client
        assert (await client.complete(Request.of("Hi"), lambda signal: None)).text == "Hi"
    finally:
        await roster.aclose()
    return server.asked[-1]


def problem(**row: Any) -> str:
    return Roster.open(Config(rows={"x": AIConfig.model_validate(row)})).problems["x"]


async def test_parameters_of_an_address_come_after_the_path() -> None:
    request = await ask(
        CHAT,
        provider="openai_compatible",
        base_url="http://127.0.0.1:1/openai/deployments/m?api-version=2024-10-21",
        query={"team": "a b"},
        model="m",
    )
    assert request.url.path == "/openai/deployments/m/chat/completions"
    assert dict(request.url.params) == {"api-version": "2024-10-21", "team": "a b"}


@pytest.mark.parametrize(("provider", "body"), [("anthropic", MESSAGES), ("gemini", GEMINI)])
async def test_every_protocol_sends_the_parameters_of_its_address(provider: str, body: bytes) -> None:
    request = await ask(body, provider=provider, base_url="http://127.0.0.1:1/x?a=1", api_key="k" * 8, model="m")
    assert request.url.params["a"] == "1"
    assert request.url.path.startswith("/x/v1")


async def test_azure_takes_its_key_in_a_header_of_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://team.openai.test/")
    request = await ask(CHAT, provider="azure", api_key="azure-key-1", model="gpt")
    assert str(request.url) == "https://team.openai.test/openai/v1/responses"
    assert request.headers["api-key"] == "azure-key-1"
    assert "authorization" not in request.headers


async def test_azure_takes_a_token_that_a_program_gives(tmp_path: Path) -> None:
    token = program(tmp_path, {"accessToken": "entra-token-1", "expires_on": int(time.time()) + 3600})
    request = await ask(CHAT, provider="azure", base_url="http://127.0.0.1:1/openai/v1", key_command=token, model="gpt")
    assert request.headers["authorization"] == "Bearer entra-token-1"
    assert "api-key" not in request.headers


async def test_bedrock_is_asked_in_its_region_with_a_bearer_key() -> None:
    request = await ask(CHAT, provider="bedrock", region="eu-west-1", api_key="aws-bearer-1", model="openai.gpt-6")
    assert str(request.url) == "https://bedrock-mantle.eu-west-1.api.aws/openai/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer aws-bearer-1"


async def test_claude_on_bedrock_speaks_messages_with_a_bearer_key() -> None:
    request = await ask(
        MESSAGES, provider="bedrock_anthropic", region="us-east-1", api_key="aws-bearer-1", model="anthropic.claude"
    )
    assert str(request.url) == "https://bedrock-mantle.us-east-1.api.aws/anthropic/v1/messages"
    assert request.headers["authorization"] == "Bearer aws-bearer-1"


async def test_gemini_on_vertex_is_asked_in_its_project() -> None:
    request = await ask(GEMINI, provider="vertex", region="europe-west4", project="p-1", api_key="ya29.token-1")
    assert request.url.host == "europe-west4-aiplatform.googleapis.com"
    assert "/projects/p-1/locations/europe-west4/publishers/google/models/gemini-4-argon:stream" in request.url.path
    assert request.headers["authorization"] == "Bearer ya29.token-1"


async def test_claude_on_vertex_is_asked_in_its_project_and_without_a_model_in_the_body() -> None:
    request = await ask(
        MESSAGES,
        provider="vertex_anthropic",
        region="us-east5",
        project="p-1",
        api_key="ya29.token-1",
        model="claude-x",
    )
    assert (
        request.url.path == "/v1/projects/p-1/locations/us-east5/publishers/anthropic/models/claude-x:streamRawPredict"
    )
    body = json.loads(request.content)
    assert "model" not in body and body["anthropic_version"] and body["stream"] is True
    assert request.headers["authorization"] == "Bearer ya29.token-1"


@pytest.mark.parametrize(
    ("row", "words"),
    [
        ({"provider": "azure", "api_key": "azure-key-1"}, "AZURE_OPENAI_ENDPOINT"),
        ({"provider": "bedrock", "api_key": "aws-bearer-1", "model": "m"}, "ais.x.region is missing"),
        ({"provider": "bedrock", "api_key": "aws-bearer-1", "region": "eu-west-1"}, "ais.x.model is missing"),
        ({"provider": "vertex", "region": "global"}, "ais.x.project is missing"),
        ({"provider": "vertex", "project": "p"}, "ais.x.region is missing"),
        ({"provider": "openai", "api_key": "sk-12345678", "num_ctx": 9}, "for the provider 'ollama' alone"),
    ],
)
def test_what_a_platform_lacks_is_named(row: dict[str, Any], words: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for provider in PROVIDERS.values():
        for name in (*provider.region_env, *provider.project_env, "AZURE_OPENAI_ENDPOINT"):
            monkeypatch.delenv(name, raising=False)
    assert words in problem(**row)


def test_without_a_key_bedrock_says_how_to_sign(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai.roster.placing.find_spec", lambda name: None)
    assert "moot-mcp[aws]" in problem(provider="bedrock", region="eu-west-1", model="m")


def test_a_token_that_is_there_for_other_things_makes_no_ai(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_TOKEN", "HF_TOKEN", "AWS_BEARER_TOKEN_BEDROCK", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, "ghp_1234567890")
    monkeypatch.setenv("CEREBRAS_API_KEY", "csk-1234567890")
    assert Roster.open(Config()).names == ["cerebras"]


def program(tmp_path: Path, said: object, code: int = 0, *, counted: bool = False) -> list[str]:
    """A command that prints *said*, and leaves a mark each time it runs."""
    text = said if isinstance(said, str) else json.dumps(said)
    script = f"open({str(tmp_path / 'runs')!r}, 'a').write('x'); print({text!r}); raise SystemExit({code})"
    return [sys.executable, "-c", script]


@pytest.mark.parametrize(
    "said",
    [
        "token-12345\n",
        {"accessToken": "token-12345", "expiresOn": "2099-01-01 00:00:00.000000"},
        {"access_token": "token-12345", "expires_in": 3600},
        {"token": "token-12345", "expiration": "2099-01-01T00:00:00Z"},
    ],
)
def test_a_program_gives_a_key_once_for_as_long_as_it_lasts(tmp_path: Path, said: object) -> None:
    command = KeyCommand("x", "azure", program(tmp_path, said))
    assert [command.key(), command.key()] == ["token-12345"] * 2
    assert (tmp_path / "runs").read_text() == "x"
    assert "token-12345" not in redact("it said token-12345")


def test_a_key_that_ends_is_asked_for_again(tmp_path: Path) -> None:
    command = KeyCommand("x", "azure", program(tmp_path, {"access_token": "token-12345", "expires_in": 30}))
    command.key(), command.key()
    assert (tmp_path / "runs").read_text() == "xx"


@pytest.mark.parametrize(
    ("command", "words"),
    [
        (["no-such-program-at-all"], "was not found"),
        ([sys.executable, "-c", "import sys; sys.exit('log in first')"], "ended with exit code 1: log in first"),
        ([sys.executable, "-c", "print()"], "printed no key"),
        ([sys.executable, "-c", "print('{\"error\": 1}')"], "printed no key"),
        ([sys.executable, "-c", "print('a b c')"], "printed what cannot be a key"),
    ],
)
def test_a_program_that_gives_no_key_is_named_with_the_reason(command: list[str], words: str) -> None:
    with pytest.raises(NotUsableError) as caught:
        KeyCommand("x", "azure", command).key()
    assert words in str(caught.value) and "key_command" in str(caught.value)
