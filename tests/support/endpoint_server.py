"""The OpenAI-compatible endpoint over loopback, in the test's own event loop, before whatever AIs a test brings."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import openai
import uvicorn
from fake_provider import FakeProvider
from scripted_ai import ScriptedApp, Step, scripted_app
from starlette.applications import Starlette
from starlette.routing import Mount

from ai.runs.app import App, open_app
from core.config import AIConfig, Config
from server.side_tasks import tasks_beside
from server.web.openai_api.routes import routes


@asynccontextmanager
async def served(app: Callable[[], App], listener: socket.socket | None = None) -> AsyncIterator[str]:
    """The base URL of the endpoint, for as long as the block runs."""
    asgi = Starlette(routes=[Mount("/v1", routes=routes(app))])
    config = uvicorn.Config(asgi, lifespan="off", log_level="critical", ws="none", timeout_graceful_shutdown=1)
    server = uvicorn.Server(config)
    with listener or bound() as taken:
        async with tasks_beside(until_done=True) as tasks:
            tasks.start_soon(server.serve, [taken])
            try:
                yield f"http://127.0.0.1:{taken.getsockname()[1]}/v1"
            finally:
                server.should_exit = True


def bound() -> socket.socket:
    """A listening socket, for a server whose address has to be known before it runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.setblocking(False)
    return listener


def config_of(base_url: str, models: dict[str, str], **more: Any) -> Config:
    """AIs at the fake provider by name, each with the model that says how it behaves."""
    fields = {"provider": "openai_compatible", "base_url": base_url, "api_key": "none"}
    rows = {name: AIConfig.model_validate(fields | {"model": model}) for name, model in models.items()}
    return Config(rows=rows, **more)


@asynccontextmanager
async def endpoint(base_url: str, models: dict[str, str], **more: Any) -> AsyncIterator[tuple[str, App]]:
    """The endpoint in front of *models* at the fake provider, and the app behind it."""
    async with open_app(config_of(base_url, models, **more)) as app, served(lambda: app) as url:
        yield url, app


@asynccontextmanager
async def asked(**ais: list[Step]) -> AsyncIterator[tuple[openai.AsyncOpenAI, ScriptedApp]]:
    """The SDK at the endpoint, in front of scripted AIs."""
    with anyio.fail_after(20):
        async with scripted_app(ais) as app, served(lambda: app) as url:
            async with openai.AsyncOpenAI(base_url=url, api_key="t", max_retries=0) as client:
                yield client, app


@asynccontextmanager
async def through(provider: FakeProvider, **models: str) -> AsyncIterator[openai.AsyncOpenAI]:
    """The SDK at the endpoint, in front of the fake provider."""
    with anyio.fail_after(20):
        async with endpoint(provider.base_url, models) as (url, _):
            async with openai.AsyncOpenAI(base_url=url, api_key="t", max_retries=0) as client:
                yield client


def said(chunks: Sequence[Any]) -> str:
    """The text of Chat Completions' chunks."""
    return "".join(chunk.choices[0].delta.content or "" for chunk in chunks if chunk.choices)
