"""AIs that say what a test tells them to, and nothing else.

Strict on purpose: a call without a step fails, and so does a step without a call.
"""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio

from ai.caller import Caller
from ai.client import AIClient, AsyncAIClient, Emit
from ai.providers.catalog import PROVIDERS
from ai.roster.build import build_ai
from ai.roster.configured_ai import ConfiguredAI
from ai.roster.key_lane import Key
from ai.roster.roster import Roster
from ai.runs.app import App
from ai.runs.run import Materials
from core.config import AIConfig, Config, Defaults
from core.errors import AIError
from core.events import Event, EventBus
from core.limits.buckets import Buckets, key_id, open_buckets
from core.values import Request, Response, Usage


@dataclass
class Hold:
    """A step that says `text` only after `gate` is set; `reached` tells that the call is under way."""

    text: str
    gate: anyio.Event = field(default_factory=anyio.Event)
    reached: anyio.Event = field(default_factory=anyio.Event)


Step = str | AIError | Response | Hold | Callable[[Request], str]


class ScriptedClient(AsyncAIClient):
    def __init__(self, *steps: Step) -> None:
        self._steps = list(steps)
        self.requests: list[Request] = []
        self.cancelled = 0
        self.closed = False

    async def complete(self, request: Request, emit: Emit) -> Response:
        self.requests.append(request)
        assert self._steps, f"unexpected call: {request.messages[-1].text[:200]}"
        step = self._steps.pop(0)
        if isinstance(step, AIError):
            if step.partial:
                emit(step.partial)
            raise step
        if isinstance(step, Hold):
            step.reached.set()
            try:
                await step.gate.wait()
            except anyio.get_cancelled_exc_class():
                self.cancelled += 1
                raise
            step = step.text
        if isinstance(step, Response):
            emit(step.text)
            return step
        text = step if isinstance(step, str) else step(request)
        for word in text.split(" "):
            emit(word + " ")
        return Response(text, "scripted-1", usage=Usage(10, len(text.split())), request_id="r1")

    async def aclose(self) -> None:
        self.closed = True

    def check(self) -> None:
        assert not self._steps, f"steps never asked for: {self._steps}"


class NoSync(AIClient):
    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        raise AssertionError("the synchronous client must not be used")


def scripted_seat(
    name: str, client: AsyncAIClient, sync: AIClient | None = None, *, buckets: Buckets | None = None, **row: object
) -> ConfiguredAI:
    config = AIConfig.model_validate(row)

    def find(other: str) -> object:
        raise AssertionError(f"no fallback to {other} expected")

    return build_ai(
        name,
        config,
        PROVIDERS["openai"],
        [Key("", key_id(name), client, sync or NoSync())],
        buckets=buckets or open_buckets(),
        defaults=Defaults(attempts=1),
        find=find,  # type: ignore[arg-type]
    )


@asynccontextmanager
async def scripted_app(
    ais: dict[str, Sequence[Step]],
    *,
    materials: Materials | None = None,
    config: Config | None = None,
    **defaults: object,
) -> AsyncIterator[ScriptedApp]:
    """An app whose AIs follow their scripts; it checks in the end that every step was asked for."""
    quick = {"drain_s": 0.05}  # calls that are held are held for ever
    config = config or Config(defaults=Defaults.model_validate(quick | defaults))
    roster = Roster(config)
    clients = {name: ScriptedClient(*steps) for name, steps in ais.items()}
    rows = config.rows
    roster.seats.update(
        {
            name: scripted_seat(
                name,
                client,
                buckets=roster.buckets,
                **(rows[name].model_dump(exclude_unset=True) if name in rows else {}),
            )
            for name, client in clients.items()
        }
    )
    bus = EventBus()
    events: list[Event] = []
    bus.add_sink(events.append)
    app = ScriptedApp(config, roster, bus, Caller(roster, bus), clients, events, materials=materials or Materials())
    try:
        yield app
    finally:
        with anyio.CancelScope(shield=True):
            await app.jobs.aclose()
    for client in clients.values():
        client.check()


@dataclass(frozen=True)
class ScriptedApp(App):
    clients: dict[str, ScriptedClient]
    events: list[Event]
