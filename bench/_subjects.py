"""The things that are compared: Moot from its caller inwards, and the vendor SDK as everybody uses it.

A subject is an async context manager that gives `ask(model) -> text`. Each imports what it needs when it is opened,
so that a worker process that measures one holds nothing of the other.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

if TYPE_CHECKING:
    from core.config import Config
    from core.events import Subscription

PROMPT = "What is the capital of France? Answer in one sentence."
PLENTY = 10_000
"""A concurrency that is never the limit."""

Ask = Callable[[str], Coroutine[Any, Any, str]]
Subject = Callable[[str, Sequence[str]], AbstractAsyncContextManager[Ask]]


def moot_config(base_url: str, models: Sequence[str]) -> Config:
    """One AI for each of *models*, called `ai0`, `ai1` and so on."""
    from core.config import AIConfig, Config

    fields = {"provider": "openai_compatible", "base_url": base_url, "api_key": "none", "concurrency": PLENTY}
    return Config(rows={f"ai{n}": AIConfig.model_validate(fields | {"model": model}) for n, model in enumerate(models)})


@asynccontextmanager
async def moot(base_url: str, models: Sequence[str]) -> AsyncIterator[Ask]:
    """`Caller.call`, all layers, and one subscriber that reads every event."""
    from ai.runs.app import open_app
    from core.values import Failure, Request

    names = {model: f"ai{n}" for n, model in enumerate(models)}
    async with open_app(moot_config(base_url, models)) as app:

        async def ask(model: str) -> str:
            outcome = await app.caller.call(names[model], Request.of(PROMPT))
            if isinstance(outcome, Failure):
                raise outcome.error
            return outcome.text

        with app.bus.subscribe() as events:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_read, events)
                yield ask
                events.close()


async def _read(events: Subscription) -> None:
    async for _ in events:
        pass


@asynccontextmanager
async def sdk(base_url: str, models: Sequence[str]) -> AsyncIterator[Ask]:
    """The SDK's plain call."""
    import openai

    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def ask(model: str) -> str:
            reply = await client.chat.completions.create(model=model, messages=[{"role": "user", "content": PROMPT}])
            return reply.choices[0].message.content or ""

        yield ask


@asynccontextmanager
async def sdk_stream(base_url: str, models: Sequence[str]) -> AsyncIterator[Ask]:
    """The SDK's streaming call."""
    import openai

    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def ask(model: str) -> str:
            pieces = []
            messages: list[Any] = [{"role": "user", "content": PROMPT}]
            async for chunk in await client.chat.completions.create(model=model, messages=messages, stream=True):
                if chunk.choices:
                    pieces.append(chunk.choices[0].delta.content or "")
            return "".join(pieces)

        yield ask


SUBJECTS: dict[str, Subject] = {"moot": moot, "sdk": sdk, "sdk_stream": sdk_stream}
