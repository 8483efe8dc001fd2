"""Metrics and spans, recorded by the smallest providers the OpenTelemetry API accepts."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from opentelemetry import trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider
from scripted_ai import Hold, ScriptedApp, scripted_app

from core.errors import RateLimitedError
from core.events import CallFellBack, CallFinished, CallRetrying, CallStarted, EventBus
from core.usage.metrics import Metrics, set_up_exporter
from core.values import Answer, Request, Response, Usage

ROOT = Path(__file__).parents[3]


class Meters(MeterProvider):
    """A meter provider that is its own meter and keeps every point."""

    def __init__(self) -> None:
        self.points: list[tuple[str, float, Mapping[str, Any]]] = []
        self.units: dict[str, str] = {}

    def get_meter(self, *args: Any, **more: Any) -> Any:
        return self

    def create_histogram(self, name: str, unit: str, description: str, **more: Any) -> Any:
        self.units[name] = unit
        return Point(self, name)

    def named(self, name: str) -> list[tuple[float, Mapping[str, Any]]]:
        return [(value, attributes) for found, value, attributes in self.points if found == name]


@dataclass
class Point:
    meters: Meters
    name: str

    def record(self, value: float, attributes: Mapping[str, Any]) -> None:
        self.meters.points.append((self.name, value, attributes))


@dataclass
class Span(trace.NonRecordingSpan):
    name: str
    parent: Any
    kind: trace.SpanKind
    attributes: dict[str, Any]
    events: list[tuple[str, Any]] = field(default_factory=list)
    status: Any = None
    ended: int = 0

    def is_recording(self) -> bool:
        return True

    def set_attribute(self, key: str, value: Any) -> None:
        self.attributes[key] = value

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        self.attributes.update(attributes)

    def add_event(self, name: str, attributes: Any = None, timestamp: int | None = None) -> None:
        self.events.append((name, attributes))

    def set_status(self, status: Any, description: str | None = None) -> None:
        self.status = status

    def end(self, end_time: int | None = None) -> None:
        self.ended += 1


class Tracers(TracerProvider):
    """A tracer provider that is its own tracer and keeps every span."""

    def __init__(self) -> None:
        self.spans: list[Span] = []

    def get_tracer(self, *args: Any, **more: Any) -> Any:
        return self

    def start_span(self, name: str, context: Any, kind: trace.SpanKind, attributes: Mapping[str, Any]) -> Span:
        parent = trace.get_current_span(context) if context is not None else None
        self.spans.append(Span(name, parent, kind, dict(attributes)))
        return self.spans[-1]


def observed(app: ScriptedApp | None = None) -> tuple[Meters, Tracers, EventBus]:
    meters, tracers = Meters(), Tracers()
    bus = app.bus if app else EventBus()
    bus.add_sink(Metrics(meters, tracers))
    return meters, tracers, bus


async def test_a_call_is_measured_by_the_names_of_the_convention() -> None:
    response = Response("Yes.", "gpt-6.1-sol-2026", usage=Usage(1_000, 100, 600, 50))
    async with scripted_app({"a": [response]}) as app:
        meters, _, _ = observed(app)
        answer = await app.caller.call("a", Request.of("Well?"))
    assert isinstance(answer, Answer)
    about = {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-6.1-sol",
        "gen_ai.response.model": "gpt-6.1-sol-2026",
    }
    assert meters.points == [
        ("gen_ai.client.operation.duration", answer.latency_s, about),
        ("gen_ai.client.operation.time_to_first_chunk", answer.first_token_s, about),
        ("gen_ai.client.token.usage", 1_000, about | {"gen_ai.token.type": "input"}),
        ("gen_ai.client.token.usage", 100, about | {"gen_ai.token.type": "output"}),
        *([("moot.cost.usd", answer.cost_usd, about)] if answer.cost_usd is not None else []),
    ]
    assert meters.units["gen_ai.client.operation.duration"] == "s"


def finish(answer: Answer) -> tuple[Meters, Tracers]:
    meters, tracers, bus = observed()
    bus.publish(CallStarted("", "c1", "a", "some-model"))
    bus.publish(CallRetrying("", "c1", 2, 0.5, "the provider said: SECRET"))
    bus.publish(CallFellBack("", "c1", "b", "the provider said: SECRET"))
    bus.publish(CallFinished("", "c1", answer))
    return meters, tracers


def test_a_cost_is_recorded_only_where_it_is_known() -> None:
    known, _ = finish(Answer("a", "m", "Hi.", 1.0, Usage(1, 1), 0.25, provider="gemini"))
    assert [value for value, _ in known.named("moot.cost.usd")] == [0.25]
    assert known.named("moot.cost.usd")[0][1]["gen_ai.provider.name"] == "gcp.gemini"
    unknown, _ = finish(Answer("a", "m", "Hi.", 1.0, Usage(), None))
    assert [name for name, _, _ in unknown.points] == ["gen_ai.client.operation.duration"]


def test_an_answer_from_the_cache_uses_no_tokens() -> None:
    meters, _ = finish(Answer("a", "m", "Hi.", 0.0, Usage(1_000, 100), 0.0, cached=True))
    assert meters.named("gen_ai.client.token.usage") == []


async def test_a_failure_has_its_kind_and_no_tokens() -> None:
    async with scripted_app({"a": [RateLimitedError("SECRET", provider="mistral")]}) as app:
        meters, tracers, _ = observed(app)
        await app.caller.call("a", Request.of("Well?"))
    ((name, _, attributes),) = meters.points
    assert name == "gen_ai.client.operation.duration"
    assert (attributes["error.type"], attributes["gen_ai.provider.name"]) == ("rate_limited", "mistral_ai")
    (span,) = tracers.spans
    assert span.status.status_code is trace.StatusCode.ERROR and span.ended == 1
    assert "SECRET" not in repr((span, span.status.description))


async def test_a_run_is_a_span_and_its_calls_are_children_without_prompts_and_answers() -> None:
    async with scripted_app({"a": ["PRIVATE answer"], "b": [RateLimitedError("no")]}) as app:
        _, tracers, _ = observed(app)
        async with app.run("ask_many") as run:
            await run.ask_many([("a", Request.of("PRIVATE question")), ("b", Request.of("PRIVATE question"))], role="x")
    workflow, a, b = tracers.spans
    assert (workflow.name, workflow.kind) == ("invoke_workflow ask_many", trace.SpanKind.INTERNAL)
    assert (a.name, a.kind) == ("chat gpt-6.1-sol", trace.SpanKind.CLIENT)
    assert a.parent is workflow and b.parent is workflow and workflow.parent is None
    assert [span.ended for span in tracers.spans] == [1, 1, 1]
    assert (a.attributes["moot.ai"], a.attributes["moot.role"], a.attributes["gen_ai.usage.input_tokens"]) == (
        "a",
        "x",
        10,
    )
    assert "PRIVATE" not in repr([(span.attributes, span.events, span.name) for span in tracers.spans])


def test_attempts_are_events_of_the_span_without_their_messages() -> None:
    _, tracers = finish(Answer("a", "m", "Hi.", 1.0, Usage(), None))
    (span,) = tracers.spans
    assert span.events == [("retry", {"moot.attempt": 2, "moot.wait_s": 0.5}), ("fallback", {"moot.ai": "b"})]


async def test_a_cancelled_call_and_its_run_end_their_spans() -> None:
    hold = Hold("never")
    async with scripted_app({"a": [hold]}) as app:
        _, tracers, _ = observed(app)

        async def ask() -> None:
            async with app.run("ask_one") as run:
                await run.ask("a", Request.of("Well?"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(ask)
            await hold.reached.wait()
            tasks.cancel_scope.cancel()
    assert [(span.attributes["error.type"], span.ended) for span in tracers.spans] == [("cancelled", 1)] * 2


def test_an_event_it_does_not_know_and_a_call_it_did_not_see_start_are_ignored() -> None:
    meters, tracers = Meters(), Tracers()
    metrics = Metrics(meters, tracers)
    metrics(object())  # type: ignore[arg-type]
    metrics(CallFinished("", "c9", Answer("a", "m", "Hi.", 1.0, Usage(), None)))
    assert (meters.points, tracers.spans) == ([], [])


def test_where_nobody_uses_opentelemetry_it_is_not_even_imported() -> None:
    program = (
        "import sys\n"
        "from core.usage.metrics import Metrics\nfrom core.events import CallStarted\n"
        "Metrics()(CallStarted('', 'c1', 'a', 'm'))\n"
        "print([name for name in sys.modules if name.startswith('opentelemetry')])"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_running_app_feeds_the_providers_of_its_process() -> None:
    """In a process of its own, since they can be set only once."""
    program = (
        "import anyio\n"
        "from opentelemetry import trace\n"
        "class Tracers(trace.TracerProvider):\n"
        "    def get_tracer(self, *a, **k): return self\n"
        "    def start_span(self, name, *a, **k):\n"
        "        print(name)\n"
        "        return trace.INVALID_SPAN\n"
        "trace.set_tracer_provider(Tracers())\n"
        "from core.config import Config\nfrom ai.runs.app import open_app\n"
        "async def main():\n"
        "    async with open_app(Config()) as app, app.run('debate'): pass\n"
        "anyio.run(main)"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "invoke_workflow debate"


def test_the_exporter_is_set_up_only_when_an_endpoint_is_named(caplog: pytest.LogCaptureFixture) -> None:
    assert set_up_exporter({}) is False
    assert set_up_exporter({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://x", "OTEL_SDK_DISABLED": "true"}) is False
    assert caplog.text == ""


def test_an_endpoint_without_the_extra_is_told_with_the_next_step() -> None:
    """In a process of its own where the extra cannot be found, whatever is installed here."""
    program = (
        "import sys\n"
        "class Hide:\n"
        "    def find_spec(self, name, path=None, target=None):\n"
        "        if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter')): raise ImportError(name)\n"
        "sys.meta_path.insert(0, Hide())\n"
        "from core.usage.metrics import set_up_exporter\n"
        "print(set_up_exporter({'OTEL_EXPORTER_OTLP_ENDPOINT': 'http://127.0.0.1:9'}))"
    )
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
    assert "uv tool install '.[otel]'" in done.stderr


async def test_a_run_is_measured_as_a_workflow_and_a_failed_one_says_so() -> None:
    meters = Meters()
    async with scripted_app({"a": ["Hi.", "Hi."]}) as app:
        app.bus.add_sink(Metrics(meters))
        async with app.run("ask_one") as run:
            await run.ask("a", Request.of("hi"))
        with pytest.raises(ValueError, match="no good"):
            async with app.run("debate") as run:
                await run.ask("a", Request.of("hi"))
                raise ValueError("no good")
        async with app.run("status"):
            pass  # nobody is asked
    assert meters.units["gen_ai.workflow.duration"] == "s"
    (_, done), (_, failed) = meters.named("gen_ai.workflow.duration")
    assert done == {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": "ask_one"}
    assert failed["gen_ai.workflow.name"] == "debate" and failed["error.type"] == "failed"
    assert all(0 <= seconds < 10 for seconds, _ in meters.named("gen_ai.workflow.duration"))
