"""What /metrics tells, whom, and that neither people nor prompts nor endless names are in it."""

from __future__ import annotations

import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import httpx2
import pytest
from figures import Figures, figure, read
from scripted_ai import Hold, Step, scripted_app
from web_house import Opened, client, open_house

from core.config import AIConfig, Config, Defaults
from core.errors import ServerError
from core.events import CallFailed, CallFinished, CallStarted
from core.values import Answer, Failure, Usage
from server.web.assembly import Place
from server.web.running.labels import OTHER, Names, Pairs
from server.web.running.metrics import Metrics


@asynccontextmanager
async def served(ais: dict[str, list[Step]], place: Place | None = None, **more: object) -> AsyncIterator[Opened]:
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, ais, **more), place or Place(port=0)) as house:
            yield house


async def scraped(owner: httpx2.AsyncClient) -> Figures:
    reply = await owner.get("/metrics")
    assert reply.status_code == 200, reply.text
    return read(reply.text)


async def test_calls_runs_jobs_and_requests_are_counted() -> None:
    async with served({"gpt": ["Good day.", ServerError("Broken.", status=500)]}) as house:
        for _ in range(2):
            await house.owner.post("/api/chat", json={"agent_id": "gpt", "message": "A secret question?"})
        reply = await house.owner.get("/metrics")
        figures = read(reply.text)
    assert "secret" not in reply.text
    assert figure(figures, "gen_ai_client_operation_duration_seconds_count", error_type="") == 1
    assert figure(figures, "gen_ai_client_operation_duration_seconds_count", error_type="server") == 1
    assert figure(figures, "gen_ai_client_token_usage_sum", gen_ai_token_type="input") == 10
    assert figure(figures, "gen_ai_workflow_duration_seconds_count", gen_ai_workflow_name="ask_one") == 2
    assert figure(figures, "gen_ai_client_operation_duration_seconds_bucket", le="327.68", error_type="") == 1
    assert figure(figures, "moot_jobs", state="done") == 1
    assert figure(figures, "moot_jobs", state="failed") == 1
    assert figure(figures, "moot_calls_in_flight", ai="gpt") == 0
    assert figure(figures, "moot_ai_concurrency", ai="gpt") == 10
    assert figure(figures, "moot_ai_concurrency_ceiling", ai="gpt") == 10
    assert figure(figures, "moot_http_requests_total", route="/api/chat", method="POST", status="200") == 2
    assert figure(figures, "moot_processes") == 1
    for name in ("process_cpu_seconds_total", "process_resident_memory_bytes", "process_open_fds"):
        assert figure(figures, name) > 0, name


async def test_what_is_under_way_and_what_waits_is_told() -> None:
    hold = Hold("There.")
    config = Config(rows={"gpt": AIConfig(concurrency=1)}, defaults=Defaults(drain_s=0.05))
    async with served({"gpt": [hold, "Two."]}, config=config) as house:
        for _ in range(2):
            await house.owner.post("/api/chat/async", json={"agent_id": "gpt", "message": "Hello?"})
        await hold.reached.wait()
        async with house.owner.stream("GET", "/api/events") as stream:
            lines = stream.aiter_lines()
            await anext(lines)
            while True:
                figures = await scraped(house.owner)
                if figure(figures, "moot_calls_waiting") == 1 == figure(figures, "moot_event_streams"):
                    break
            assert figure(figures, "moot_calls_in_flight", ai="gpt") == 2
        hold.gate.set()
        while figure(await scraped(house.owner), "moot_jobs", state="done") != 2:
            pass


async def test_only_administrators_may_read_it() -> None:
    async with served({"gpt": []}) as house:
        async with client(house.url) as nobody:
            reply = await nobody.get("/metrics")
            assert (reply.status_code, reply.headers["www-authenticate"]) == (401, "Bearer")
            assert "moot tokens add" in reply.text
        async with await house.person("ada") as ada, await house.person("boss", admin=True) as boss:
            assert (await ada.get("/metrics")).status_code == 403
            assert (await boss.get("/metrics")).status_code == 200
            await boss.get("/api/status")
            assert "boss" not in (await house.owner.get("/metrics")).text


async def test_it_may_be_open_to_this_machine_and_not_to_what_comes_through_a_proxy() -> None:
    async with served({"gpt": []}, Place(port=0, metrics_open=True)) as house:
        async with client(house.url) as nobody:
            assert (await nobody.get("/metrics")).status_code == 200
            for header in ("x-forwarded-for", "forwarded", "via", "x-real-ip"):
                assert (await nobody.get("/metrics", headers={header: "192.0.2.1"})).status_code == 401


async def test_without_the_extra_it_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def hidden(name: str, package: str | None = None) -> object:
        return None if name == "prometheus_client" else found(name, package)

    monkeypatch.setattr("server.web.running.metrics.find_spec", hidden)
    async with served({"gpt": []}) as house:
        reply = await house.owner.get("/metrics")
        assert reply.status_code == 501
        assert "pip install 'moot-mcp[prometheus]'" in reply.json()["error"]["message"]


async def test_an_address_that_is_nobodys_makes_no_series() -> None:
    async with served({"gpt": []}) as house:
        for number in range(5):
            await house.owner.get(f"/nothing-{number}")
            await house.owner.request(f"ODD{number}", f"/api/jobs/{number}")
        figures = await scraped(house.owner)
    routes = {dict(labels)["route"] for (name, labels) in figures if name == "moot_http_requests_total"}
    methods = {dict(labels)["method"] for (name, labels) in figures if name == "moot_http_requests_total"}
    assert not any("nothing-" in route for route in routes)
    assert methods <= {"GET", OTHER}


def call(metrics: Metrics, ai: str, model: str, *, answered: bool = True) -> None:
    metrics(CallStarted("r", "c", ai, model))
    if answered:
        answer = Answer(ai, model, "Yes.", 0.1, Usage(1, 1), None)
        metrics(CallFinished("r", "c", answer))
    else:
        metrics(CallFailed("r", "c", Failure(ai, ServerError("Broken."), latency_s=0.1)))


def models(metrics: Metrics) -> set[str]:
    from prometheus_client import CollectorRegistry

    text, _ = metrics.text(CollectorRegistry())
    named = [dict(labels).get("gen_ai_request_model") for _, labels in read(text.decode())]
    return {name for name in named if name is not None}


def test_however_many_models_are_named_there_are_only_so_many_series() -> None:
    metrics = Metrics()
    metrics.expect(["gpt"], ["configured"])
    for number in range(1_000):
        call(metrics, f"gpt/m{number}", f"m{number}")
    call(metrics, "gpt", "configured")
    found = models(metrics)
    assert len(found) <= 102
    assert {"configured", OTHER} <= found


def test_a_model_that_never_answered_may_be_anything_that_was_typed_and_is_not_named() -> None:
    metrics = Metrics()
    call(metrics, "gpt/my-prompt", "my-prompt", answered=False)
    assert models(metrics) == {OTHER}


def test_labels_are_clean_short_and_bounded() -> None:
    names = Names(2)
    names.expect(["known"])
    assert [names(name) for name in ("a", "b", "c", "a", "known")] == ["a", "b", OTHER, "a", "known"]
    assert len(Names(1)("x" * 500)) == 100
    assert Names(1)("a\x1b[31mb") == "ab"
    pairs = Pairs(2)
    pairs.first.expect("abcdef")
    pairs.second.expect("uvwxyz")
    told = {pairs(first, second) for first in "abcdef" for second in "uvwxyz"}
    assert len(told) <= 4 + 6
