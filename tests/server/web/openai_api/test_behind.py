"""What stands behind the endpoint: embeddings, fallbacks, budgets, limits, the ledger, and its own reflection."""

from __future__ import annotations

import json
import re
import sqlite3
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import openai
import pytest
from endpoint_server import bound, config_of, endpoint, served
from fake_provider import FakeProvider
from scripted_ai import scripted_app
from starlette.routing import Route

from ai.runs.app import open_app
from core.config import AIConfig, Config, Defaults
from core.paths import data_dir
from server.web.openai_api.routes import routes
from server.web.openai_api.targets import PANELS

HI: list[Any] = [{"role": "user", "content": "Hi"}]


def sdk(url: str) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=url, api_key="t", max_retries=0)


async def test_embeddings_are_handed_through_and_written_down(provider: FakeProvider) -> None:
    with anyio.fail_after(20):
        async with endpoint(provider.base_url, {"gpt": "chat-1"}) as (url, _app), sdk(url) as client:
            made = await client.embeddings.create(
                model="gpt/text-embedding-3-small", input=["a", "b"], dimensions=2, encoding_format="float"
            )
            assert made.data[0].embedding == [0.25, 0.5] and made.usage.prompt_tokens == 4
            with pytest.raises(openai.BadRequestError):
                await client.embeddings.create(model="moot/debate", input="a")
            with pytest.raises(openai.BadRequestError):
                await client.embeddings.create(model="gpt", input=[])
            with pytest.raises(openai.BadRequestError):
                await client.embeddings.create(model="gpt", input=["a"] * 3_000)
        assert provider.requests == [
            {"model": "text-embedding-3-small", "input": ["a", "b"], "dimensions": 2, "encoding_format": "float"}
        ]
        rows = await anyio.to_thread.run_sync(ledger_rows)
    assert rows == [("embed", "gpt/text-embedding-3-small", "embedding", "ok", 4)]


def ledger_rows() -> list[tuple[Any, ...]]:
    (path,) = list(Path(data_dir()).rglob("moot.db"))
    with closing(sqlite3.connect(path)) as connection:
        return connection.execute("SELECT tool, ai, role, outcome, input_tokens FROM calls ORDER BY rowid").fetchall()


async def test_an_ai_without_embeddings_says_so() -> None:
    with anyio.fail_after(20):
        async with scripted_app({"a": []}) as app, served(lambda: app) as url, sdk(url) as client:
            with pytest.raises(openai.BadRequestError) as refused:
                await client.embeddings.create(model="a", input="x")
    assert "makes no embeddings" in refused.value.message


async def test_a_fallback_answers_and_is_told(provider: FakeProvider) -> None:
    fields = {"provider": "openai_compatible", "base_url": provider.base_url, "api_key": "none"}
    rows = {
        "down": AIConfig.model_validate(fields | {"model": "status=401,times=1", "fallback": ["up"]}),
        "over": AIConfig.model_validate(fields | {"model": "status=402,times=9", "fallback": ["up"]}),
        "up": AIConfig.model_validate(fields | {"model": "tokens=2"}),
    }
    with anyio.fail_after(20):
        async with open_app(Config(rows=rows)) as app, served(lambda: app) as url, sdk(url) as client:
            answer = await client.chat.completions.create(model="over", messages=HI)
    moot = (answer.model_extra or {})["moot"]
    assert moot["answered_by"] == "up" and answer.choices[0].message.content == "tok tok "


async def test_a_budget_refuses_before_anything_is_sent(provider: FakeProvider) -> None:
    defaults = Defaults.model_validate({"budget": {"per_day_tokens": 10}})
    with anyio.fail_after(20):
        async with endpoint(provider.base_url, {"gpt": "a"}, defaults=defaults) as (url, _), sdk(url) as client:
            for ask in (
                client.chat.completions.create(model="gpt", messages=HI),
                client.embeddings.create(model="gpt", input="word " * 100),
            ):
                with pytest.raises(openai.RateLimitError) as refused:
                    await ask
                assert (
                    refused.value.type == "insufficient_quota"
                    and int(refused.value.response.headers["retry-after"]) > 0
                )
                assert refused.value.response.headers["x-should-retry"] == "false"
    assert provider.requests == []


async def test_every_call_is_in_the_ledger(provider: FakeProvider) -> None:
    with anyio.fail_after(20):
        async with endpoint(provider.base_url, {"a": "tokens=1", "b": "tokens=2"}) as (url, _), sdk(url) as client:
            await client.chat.completions.create(model="a", messages=HI)
            await client.chat.completions.create(model="moot/ask-many", messages=HI)
        rows = await anyio.to_thread.run_sync(ledger_rows)
    assert sorted(row[:2] for row in rows) == [("ask_many", "a"), ("ask_many", "b"), ("ask_one", "a")]


@pytest.mark.parametrize("model", ["me", "moot/ask-many"])
async def test_a_panel_that_asks_itself_is_stopped(provider: FakeProvider, model: str) -> None:
    with anyio.fail_after(30), bound() as listener:
        own = f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        config = config_of(own, {"me": model})
        config.rows["other"] = config_of(provider.base_url, {"other": "tokens=1"}).rows["other"]
        async with open_app(config) as app, served(lambda: app, listener) as url, sdk(url) as client:
            assert url == own
            if model == "me":
                with pytest.raises(openai.InternalServerError) as stopped:
                    await client.chat.completions.create(model=model, messages=HI)
                assert "508" in stopped.value.message and "base_url" in stopped.value.message
            else:
                answer = await client.chat.completions.create(model=model, messages=HI)
                assert "508" in (answer.choices[0].message.content or "")
            with pytest.raises(openai.InternalServerError) as refused:
                await client.chat.completions.create(model="other", messages=HI, extra_headers={"x-moot-depth": "2"})
            assert refused.value.status_code == 508 and refused.value.code == "loop_detected"
    assert len(provider.requests) == (0 if model == "me" else 2)


async def test_how_deep_a_run_is_goes_out_with_its_requests_alone(provider: FakeProvider) -> None:
    with anyio.fail_after(20):
        async with endpoint(provider.base_url, {"gpt": "tokens=1"}) as (url, app), sdk(url) as client:
            await client.chat.completions.create(model="gpt", messages=HI)
            await client.chat.completions.create(model="gpt", messages=HI, extra_headers={"x-moot-depth": "1"})
            async with app.run("ask_one") as run:
                from core.values import Request

                await run.ask("gpt", Request.of("Hi"))
    assert [headers.get("x-moot-depth") for headers in provider.headers] == ["1", "2", None]


async def test_the_program_of_the_documentation_works() -> None:
    page = (Path(__file__).parents[4] / "docs" / "endpoint.md").read_text("utf-8")
    (program,) = re.findall(r"^```python\n(.*?)^```", page, re.M | re.S)
    said = json.dumps({"argument": "By four years.", "answer": "Python", "confidence": 0.9})
    with anyio.fail_after(60):
        async with scripted_app({"gpt": [said], "claude": [said]}) as app, served(lambda: app) as url:
            here = program.replace("http://127.0.0.1:4747/v1", url)
            done = await anyio.run_process([sys.executable, "-c", here])
    assert done.stdout.decode().split() == ["Python", "1.0", "[]"]


async def test_every_panel_and_address_of_the_documentation_is_there() -> None:
    page = (Path(__file__).parents[4] / "docs" / "endpoint.md").read_text("utf-8")
    told = set(re.findall(r"`((?:moot/ask-many|moot/consensus|moot/debate)?(?::\w+)?)`", page))
    assert all(name in told or name.partition("ask-many")[2] in told for name in PANELS)
    paths = {route.path for route in routes(list) if isinstance(route, Route)}  # type: ignore[arg-type]
    for path in ("/models", "/chat/completions", "/responses", "/messages", "/embeddings"):
        assert path in paths and f"/v1{path}" in page


_ODD: list[Any] = [
    None,
    True,
    7,
    -1,
    1e400,
    "",
    "x" * 2_000,
    [],
    [[]],
    [None],
    {},
    {"type": "text"},
    [{"type": "text"}],
]


@pytest.mark.parametrize(
    ("path", "good"),
    [
        ("chat/completions", {"model": "gpt", "messages": HI}),
        ("responses", {"model": "gpt", "input": "Hi"}),
        ("messages", {"model": "gpt", "messages": HI, "max_tokens": 9}),
        ("embeddings", {"model": "gpt", "input": "Hi"}),
    ],
)
async def test_no_odd_body_is_a_failure_of_the_endpoint(
    provider: FakeProvider, path: str, good: dict[str, Any]
) -> None:
    fields = ("model", "messages", "input", "tools", "tool_choice", "stop", "moot", "system", "instructions", "text")
    with anyio.fail_after(60):
        async with endpoint(provider.base_url, {"gpt": "tokens=1"}) as (url, _), httpx2.AsyncClient() as http:
            for field in fields:
                for value in _ODD:
                    body = json.dumps(good | {field: value})
                    reply = await http.post(f"{url}/{path}", content=body)
                    assert reply.status_code in (200, 400, 404), (field, value, reply.text)
                    assert "message" in reply.text or reply.status_code == 200
            for role in ("user", "assistant", "tool", "system", 7, None):
                for value in _ODD:
                    turns = [{"role": role, "content": value}, *HI]
                    body = json.dumps(good | {"messages" if "messages" in good else "input": turns})
                    reply = await http.post(f"{url}/{path}", content=body)
                    assert reply.status_code in (200, 400), (role, value, reply.text)
