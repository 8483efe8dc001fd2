"""Calls as OpenTelemetry metrics and spans, by the GenAI semantic conventions (2026, status Development).

A sink of the event bus that needs opentelemetry-api alone and does nothing until somebody in the process has imported
it: without that there is no exporter either. Prompts, answers and error messages are in no span.
"""

from __future__ import annotations

import importlib
import logging
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from core.events import (
    CallFailed,
    CallFellBack,
    CallFinished,
    CallRetrying,
    CallStarted,
    Event,
    RunFinished,
    RunStarted,
)
from core.values import Usage

if TYPE_CHECKING:
    from opentelemetry.metrics import Histogram, MeterProvider
    from opentelemetry.trace import Span, TracerProvider

log = logging.getLogger(__name__)

_NAME = "moot"
SECONDS = (0.01, 0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.28, 2.56, 5.12, 10.24, 20.48, 40.96, 81.92, 163.84, 327.68)
"""The convention's buckets, and two more for models that think."""
TOKENS = tuple(4**power for power in range(14))
_DOLLARS = tuple(10.0**power for power in range(-6, 3))

_PROVIDERS = {"gemini": "gcp.gemini", "mistral": "mistral_ai", "xai": "x_ai"}
"""Where the convention has another word for a provider than our catalogue."""

_TRACE, _METRICS = "opentelemetry.trace", "opentelemetry.metrics"
_ENDPOINT = "OTEL_EXPORTER_OTLP_ENDPOINT"
_NO_SDK = f"{_ENDPOINT} is set, but the exporter is not. Install Moot with it: uv tool install '.[otel]'"

Attributes = dict[str, str | int | float]


@dataclass(slots=True)
class _OpenRun:
    """A run that is under way."""

    span: Span
    attributes: Attributes
    started: float
    asks: bool = False
    """Whether it has called an AI; what has not is no work of one."""


class Metrics:
    """Feeds the process's OpenTelemetry providers, or those given."""

    def __init__(self, meters: MeterProvider | None = None, tracers: TracerProvider | None = None) -> None:
        self._meters = meters
        self._tracers = tracers
        self._instruments: _Instruments | None = None
        self._runs: dict[str, _OpenRun] = {}
        self._calls: dict[str, tuple[CallStarted, Span]] = {}
        self._hear: dict[type[Any], Callable[[_Instruments, Any], None]] = {
            RunStarted: self._run_started,
            RunFinished: self._run_finished,
            CallStarted: self._call_started,
            CallRetrying: self._retrying,
            CallFellBack: self._fell_back,
            CallFinished: self._call_finished,
            CallFailed: self._call_failed,
        }

    def __call__(self, event: Event) -> None:
        hear = self._hear.get(type(event))
        if hear is not None and (instruments := self._instruments or self._build()):
            hear(instruments, event)

    def _build(self) -> _Instruments | None:
        wanted = self._meters or self._tracers or _TRACE in sys.modules or _METRICS in sys.modules
        if wanted:
            self._instruments = _Instruments(self._meters, self._tracers)
        return self._instruments

    def _run_started(self, to: _Instruments, event: RunStarted) -> None:
        attributes: Attributes = {"gen_ai.operation.name": "invoke_workflow", "gen_ai.workflow.name": event.tool}
        span = to.start(f"invoke_workflow {event.tool}", attributes, None, client=False)
        self._runs[event.run] = _OpenRun(span, attributes, time.perf_counter())

    def _run_finished(self, to: _Instruments, event: RunFinished) -> None:
        run = self._runs.pop(event.run, None)
        if run is None:
            return
        attributes = run.attributes
        if event.outcome != "done":
            to.mark_failed(run.span, event.outcome)
            attributes = attributes | {"error.type": event.outcome}
        if run.asks:
            to.of_calls.workflow.record(time.perf_counter() - run.started, attributes)
        run.span.end()

    def _call_started(self, to: _Instruments, event: CallStarted) -> None:
        attributes = _request(event) | {"moot.ai": event.ai}
        if event.role:
            attributes["moot.role"] = event.role
        parent = self._runs.get(event.run)
        if parent:
            parent.asks = True
        span = to.start(f"chat {event.model}".rstrip(), attributes, parent.span if parent else None, client=True)
        self._calls[event.call] = event, span

    def _retrying(self, to: _Instruments, event: CallRetrying) -> None:
        if event.call in self._calls:
            attributes = {"moot.attempt": event.attempt, "moot.wait_s": event.wait_s}
            self._calls[event.call][1].add_event("retry", attributes)

    def _fell_back(self, to: _Instruments, event: CallFellBack) -> None:
        if event.call in self._calls:
            self._calls[event.call][1].add_event("fallback", {"moot.ai": event.to})

    def _call_finished(self, to: _Instruments, event: CallFinished) -> None:
        if event.call not in self._calls:
            return
        started, span = self._calls.pop(event.call)
        answer = event.answer
        about = _request(started) | {
            "gen_ai.provider.name": provider_name(answer.provider),
            "gen_ai.response.model": answer.model,
        }
        to.of_calls.duration.record(answer.latency_s, about)
        if answer.first_token_s is not None:
            to.of_calls.first_chunk.record(answer.first_token_s, about)
        if not answer.cached:
            for kind, count in (("input", answer.usage.input_tokens), ("output", answer.usage.output_tokens)):
                if count is not None:
                    to.of_calls.tokens.record(count, about | {"gen_ai.token.type": kind})
        if answer.cost_usd is not None:
            to.of_calls.cost.record(answer.cost_usd, about)
        if span.is_recording():
            span.set_attributes(about | _usage(answer.usage) | {"moot.cached": answer.cached})
            if answer.cost_usd is not None:
                span.set_attribute("moot.cost.usd", answer.cost_usd)
        span.end()

    def _call_failed(self, to: _Instruments, event: CallFailed) -> None:
        if event.call not in self._calls:
            return
        started, span = self._calls.pop(event.call)
        error = event.failure.error
        kind = "cancelled" if event.cancelled else error.kind
        about = _request(started) | {"error.type": kind}
        if error.provider:
            about["gen_ai.provider.name"] = provider_name(error.provider)
        to.of_calls.duration.record(event.failure.latency_s, about)
        span.set_attributes(about)
        to.mark_failed(span, kind)
        span.end()


class _Instruments:
    """What is recorded into; made once, when the API is there."""

    def __init__(self, meters: MeterProvider | None, tracers: TracerProvider | None) -> None:
        from opentelemetry import trace

        self._trace = trace
        self._tracer = trace.get_tracer(_NAME, tracer_provider=tracers)
        self._meters = meters

    @cached_property
    def of_calls(self) -> _Histograms:
        """Not made before a call has ended: a tool that asks nobody is not kept waiting for that part of the API."""
        return _Histograms(self._meters)

    def start(self, name: str, attributes: Mapping[str, Any], parent: Span | None, *, client: bool) -> Span:
        context = self._trace.set_span_in_context(parent) if parent else None
        kind = self._trace.SpanKind.CLIENT if client else self._trace.SpanKind.INTERNAL
        return self._tracer.start_span(name, context, kind, attributes)

    def mark_failed(self, span: Span, kind: str) -> None:
        span.set_attribute("error.type", kind)
        span.set_status(self._trace.Status(self._trace.StatusCode.ERROR, kind))


class _Histograms:
    def __init__(self, meters: MeterProvider | None) -> None:
        from opentelemetry import metrics

        meter = metrics.get_meter(_NAME, meter_provider=meters)

        def histogram(name: str, unit: str, description: str, buckets: tuple[float, ...]) -> Histogram:
            return meter.create_histogram(name, unit, description, explicit_bucket_boundaries_advisory=buckets)

        self.duration = histogram("gen_ai.client.operation.duration", "s", "How long a call took.", SECONDS)
        self.workflow = histogram("gen_ai.workflow.duration", "s", "How long a run took.", SECONDS)
        self.first_chunk = histogram(
            "gen_ai.client.operation.time_to_first_chunk", "s", "How long a model was silent at first.", SECONDS
        )
        self.tokens = histogram("gen_ai.client.token.usage", "{token}", "Tokens of a call, by kind.", TOKENS)
        self.cost = histogram("moot.cost.usd", "{USD}", "What a call cost, where the price is known.", _DOLLARS)


def set_up_exporter(environment: Mapping[str, str]) -> bool:
    """Send metrics and spans to OTEL_EXPORTER_OTLP_ENDPOINT, if it is set and the `otel` extra is installed.

    The SDK reads every further OTEL_* variable itself, and sends what is left when the process ends.
    """
    if not environment.get(_ENDPOINT) or environment.get("OTEL_SDK_DISABLED", "").lower() == "true":
        return False
    from opentelemetry import metrics, trace

    load: Callable[[str], Any] = importlib.import_module  # optional packages: not there when types are checked
    try:
        spans = load("opentelemetry.exporter.otlp.proto.http.trace_exporter").OTLPSpanExporter()
        points = load("opentelemetry.exporter.otlp.proto.http.metric_exporter").OTLPMetricExporter()
        sdk, export = load("opentelemetry.sdk.trace"), load("opentelemetry.sdk.trace.export")
        sdk_metrics, export_metrics = load("opentelemetry.sdk.metrics"), load("opentelemetry.sdk.metrics.export")
        resources = load("opentelemetry.sdk.resources")
    except ImportError:
        log.warning("%s", _NO_SDK)
        return False
    resource = resources.Resource.create({"service.name": environment.get("OTEL_SERVICE_NAME") or _NAME})
    tracers = sdk.TracerProvider(resource=resource)
    tracers.add_span_processor(export.BatchSpanProcessor(spans))
    trace.set_tracer_provider(tracers)
    reader = export_metrics.PeriodicExportingMetricReader(points)
    metrics.set_meter_provider(sdk_metrics.MeterProvider([reader], resource=resource))
    return True


def _request(event: CallStarted) -> Attributes:
    return {"gen_ai.operation.name": "chat", "gen_ai.request.model": event.model}


def provider_name(name: str) -> str:
    """What the convention calls the provider that our catalogue calls *name*."""
    return _PROVIDERS.get(name, name)


def _usage(usage: Usage) -> Attributes:
    counts = {
        "gen_ai.usage.input_tokens": usage.input_tokens,
        "gen_ai.usage.output_tokens": usage.output_tokens,
        "gen_ai.usage.cache_read.input_tokens": usage.cached_tokens,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning_tokens,
    }
    return {name: count for name, count in counts.items() if count is not None}
