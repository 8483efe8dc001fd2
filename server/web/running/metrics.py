"""Calls, runs and requests for Prometheus, under the names of the GenAI semantic conventions and some of our own.

A sink of the event bus, without prompts, answers, keys and people: labels are AIs, models, tools and kinds of errors,
each within bounds (`labels.py`). Several processes of one server write into files of one folder
(`PROMETHEUS_MULTIPROC_DIR`, as the client library has it), so that whichever is asked tells the sums, and a process
that dies takes nothing of what it has counted with it. Nothing here imports the library before `open_metrics`.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any, Literal

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
from core.usage.metrics import SECONDS, TOKENS, provider_name
from server.web.running.labels import OTHER, Names, Pairs

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

SHARED_FOLDER = "PROMETHEUS_MULTIPROC_DIR"
_MOST = 100
"""Models, and AIs, that are told apart beside those that are configured."""
_REQUEST_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 120.0, 300.0)
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
_CALL = ("gen_ai_operation_name", "gen_ai_provider_name", "gen_ai_request_model", "gen_ai_response_model", "error_type")
_CHAT = "chat"
_Mode = Literal["livesum", "livemax", "livemin"]


def open_metrics() -> Metrics | None:
    """The metrics of this process; None where the extra is not installed."""
    return Metrics() if find_spec("prometheus_client") else None


@dataclass(slots=True)
class _OpenRun:
    tool: str
    started: float
    asks: bool = False
    """Whether it has called an AI; what has not is no work of one."""


class Metrics:
    """Counts what it hears. `text` is all of it, of all processes of this server."""

    def __init__(self) -> None:
        from prometheus_client import CollectorRegistry, disable_created_metrics

        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        self._folder = os.environ.get(SHARED_FOLDER, "")
        self._runs: dict[str, _OpenRun] = {}
        self._calls: dict[str, CallStarted] = {}
        self._models, self._ais = Pairs(_MOST), Names(_MOST)
        self._tools, self._providers = Names(_MOST), Names(_MOST)
        self._hear: dict[type[Any], Callable[[Any], None]] = {
            RunStarted: self._run_started,
            RunFinished: self._run_finished,
            CallStarted: self._call_started,
            CallRetrying: self._retrying,
            CallFellBack: self._fell_back,
            CallFinished: self._call_finished,
            CallFailed: self._call_failed,
        }
        self._make_of_calls()
        self._make_of_the_server()

    def _make_of_calls(self) -> None:
        self._duration = self._histogram("gen_ai_client_operation_duration_seconds", "How long a call took.", _CALL)
        self._first_chunk = self._histogram(
            "gen_ai_client_operation_time_to_first_chunk_seconds", "How long a model was silent at first.", _CALL
        )
        self._tokens = self._histogram(
            "gen_ai_client_token_usage", "Tokens of a call, by kind.", (*_CALL, "gen_ai_token_type"), TOKENS
        )
        self._workflow = self._histogram(
            "gen_ai_workflow_duration_seconds", "How long a run took.", ("gen_ai_workflow_name", "error_type")
        )
        self._cost = self._counter(
            "moot_cost_usd_total", "What calls cost, where the price is known.", ("ai", "gen_ai_request_model")
        )
        self._retries = self._counter("moot_retries_total", "Calls that were tried again.", ("ai",))
        self._fallbacks = self._counter("moot_fallbacks_total", "Calls that another AI took over.", ("ai",))
        self._in_flight = self.gauge("moot_calls_in_flight", "Calls under way.", ("ai",))

    def _make_of_the_server(self) -> None:
        self._requests = self._counter(
            "moot_http_requests_total", "Requests that were answered.", ("route", "method", "status")
        )
        self._request_duration = self._histogram(
            "moot_http_request_duration_seconds",
            "How long requests took; of event streams until they began.",
            ("route", "method"),
            _REQUEST_SECONDS,
        )
        self.cpu = self._counter("process_cpu_seconds_total", "Seconds of CPU that the server's processes used.")

    def expect(self, ais: Iterable[str], models: Iterable[str]) -> None:
        """Have these be told apart, however many others are named."""
        self._ais.expect(ais)
        models = tuple(models)
        self._models.first.expect(models)
        self._models.second.expect(models)

    def __call__(self, event: Event) -> None:
        if (hear := self._hear.get(type(event))) is not None:
            hear(event)

    @property
    def under_way(self) -> int:
        """Calls of this process that have begun and are not over."""
        return len(self._calls)

    def requested(self, route: str, method: str, status: int, seconds: float) -> None:
        """A request was answered. *route* is a template of ours, never what somebody typed."""
        method = method if method in _METHODS else OTHER
        self._requests.labels(route, method, str(status)).inc()
        self._request_duration.labels(route, method).observe(seconds)

    def gauge(self, name: str, says: str, labels: tuple[str, ...] = (), mode: _Mode = "livesum") -> Gauge:
        """A figure that goes up and down; of several processes that live, their sum, or what *mode* says."""
        from prometheus_client import Gauge

        return Gauge(name, says, labels, registry=self._registry, multiprocess_mode=mode)

    def text(self, further: CollectorRegistry) -> tuple[bytes, str]:
        """All figures, with those of *further*, and what kind of text that is. Blocks."""
        from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

        return generate_latest(self._of_all_processes()) + generate_latest(further), CONTENT_TYPE_LATEST

    def _of_all_processes(self) -> CollectorRegistry:
        if not self._folder:
            return self._registry
        from prometheus_client import CollectorRegistry
        from prometheus_client.multiprocess import MultiProcessCollector

        _forget_the_dead(self._folder)
        everybody = CollectorRegistry()
        MultiProcessCollector(everybody, self._folder)  # type: ignore[no-untyped-call]
        return everybody

    def _histogram(
        self, name: str, says: str, labels: tuple[str, ...], buckets: tuple[float, ...] = SECONDS
    ) -> Histogram:
        from prometheus_client import Histogram

        return Histogram(name, says, labels, registry=self._registry, buckets=buckets)

    def _counter(self, name: str, says: str, labels: tuple[str, ...] = ()) -> Counter:
        from prometheus_client import Counter

        return Counter(name, says, labels, registry=self._registry)

    def _run_started(self, event: RunStarted) -> None:
        self._runs[event.run] = _OpenRun(event.tool, time.perf_counter())

    def _run_finished(self, event: RunFinished) -> None:
        run = self._runs.pop(event.run, None)
        if run is not None and run.asks:
            error = "" if event.outcome == "done" else event.outcome
            self._workflow.labels(self._tools(run.tool), error).observe(time.perf_counter() - run.started)

    def _call_started(self, event: CallStarted) -> None:
        self._calls[event.call] = event
        self._in_flight.labels(self._ai(event)).inc()
        if event.run in self._runs:
            self._runs[event.run].asks = True

    def _retrying(self, event: CallRetrying) -> None:
        if (started := self._calls.get(event.call)) is not None:
            self._retries.labels(self._ai(started)).inc()

    def _fell_back(self, event: CallFellBack) -> None:
        if (started := self._calls.get(event.call)) is not None:
            self._fallbacks.labels(self._ai(started)).inc()

    def _call_finished(self, event: CallFinished) -> None:
        started = self._over(event.call)
        if started is None:
            return
        answer = event.answer
        asked, answered = self._models(started.model, answer.model)
        about = _CHAT, self._providers(provider_name(answer.provider)), asked, answered, ""
        self._duration.labels(*about).observe(answer.latency_s)
        if answer.first_token_s is not None:
            self._first_chunk.labels(*about).observe(answer.first_token_s)
        if not answer.cached:
            for kind, count in (("input", answer.usage.input_tokens), ("output", answer.usage.output_tokens)):
                if count is not None:
                    self._tokens.labels(*about, kind).observe(count)
        if answer.cost_usd:
            self._cost.labels(self._ai(started), asked).inc(answer.cost_usd)

    def _call_failed(self, event: CallFailed) -> None:
        started = self._over(event.call)
        if started is not None:
            error = event.failure.error
            kind = "cancelled" if event.cancelled else error.kind
            asked = self._models.first.known(started.model)  # what never answered may be anything that somebody typed
            about = _CHAT, self._providers(provider_name(error.provider)), asked, "", kind
            self._duration.labels(*about).observe(event.failure.latency_s)

    def _over(self, call: str) -> CallStarted | None:
        started = self._calls.pop(call, None)
        if started is not None:
            self._in_flight.labels(self._ai(started)).dec()
        return started

    def _ai(self, event: CallStarted) -> str:
        """The AI whose row is used: another model of one, such as `gpt/gpt-6-mini`, counts as that one."""
        return self._ais(event.ai.partition("/")[0])


def _forget_the_dead(folder: str) -> None:
    """Take from *folder* how things stood in processes that are gone; what they counted stays."""
    from prometheus_client.multiprocess import mark_process_dead

    for name in os.listdir(folder):
        kind, _, number = name.removesuffix(".db").rpartition("_")
        if kind.startswith("gauge_live") and number.isdecimal() and not _lives(int(number)):
            mark_process_dead(int(number), folder)  # type: ignore[no-untyped-call]


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except OSError:
        return True
    return True
