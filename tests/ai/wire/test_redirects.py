"""Nothing of a request goes to another origin, in no dialect, by no client, for no status."""

from __future__ import annotations

import threading
from collections.abc import Callable
from types import ModuleType

import anyio.to_thread
import httpx2
import pytest

from ai.batch.endpoints.openai import Batches
from ai.client import ignore
from ai.providers import anthropic, gemini, openai_chat
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint
from ai.wire.transport import SharedHTTP
from core.errors import AIError, RequestRejectedError
from core.values import Request

DIALECTS = {"openai": openai_chat, "anthropic": anthropic, "gemini": gemini}
STATUSES = [301, 302, 303, 307, 308]
Handler = Callable[[httpx2.Request], httpx2.Response]


def settings(dialect: str) -> ClientSettings:
    headers = {"x-custom-key": "c-1234567890"}
    who, endpoint = Who("it", dialect), Endpoint("http://one.invalid:8080/v1", "k-1234567890")
    return ClientSettings(who, "m", endpoint, headers=headers)


async def ask(module: ModuleType, dialect: str, way: str, handler: Handler) -> None:
    transport = httpx2.MockTransport(handler)
    http = SharedHTTP(transport, transport)
    try:
        if way == "sync":
            client = module.SyncClient(settings(dialect), http)
            await anyio.to_thread.run_sync(client.complete, Request.of("hi"), ignore, threading.Event())
        else:
            await module.AsyncClient(settings(dialect), http).complete(Request.of("hi"), ignore)
    finally:
        await http.aclose()


def to(status: int, place: str, seen: list[httpx2.Request]) -> Handler:
    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(status, headers={"location": place})

    return handler


@pytest.mark.parametrize("way", ["async", "sync"])
@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_another_origin_gets_nothing_and_is_named(dialect: str, status: int, way: str) -> None:
    seen: list[httpx2.Request] = []
    login = "u:pw-secret"
    place = f"https://{login}@two.invalid/steal?key=q-secret"
    with pytest.raises(RequestRejectedError) as caught:
        await ask(DIALECTS[dialect], dialect, way, to(status, place, seen))
    assert [request.url.host for request in seen] == ["one.invalid"]
    assert f"redirect ({status}) to 'https://two.invalid/steal'" in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    "place",
    [
        "https://one.invalid:8080/v1/x",
        "http://one.invalid/v1/x",
        "http://one.invalid:9/x",
        "//two.invalid/x",
        "http://[::1",
        "",
    ],
)
async def test_another_scheme_or_port_is_another_origin_and_nonsense_is_refused(place: str) -> None:
    seen: list[httpx2.Request] = []
    with pytest.raises(AIError):
        await ask(openai_chat, "openai", "async", to(307, place, seen))
    assert {(request.url.scheme, request.url.host, request.url.port) for request in seen} == {
        ("http", "one.invalid", 8080)
    }


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("dialect", DIALECTS)
async def test_within_one_origin_a_request_stays_the_one_it_was(dialect: str, status: int) -> None:
    seen: list[httpx2.Request] = []

    def handler(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        if len(seen) == 1:
            return httpx2.Response(status, headers={"location": "/elsewhere"})
        return httpx2.Response(400, json={"error": {"message": "arrived"}})

    with pytest.raises(AIError) as caught:
        await ask(DIALECTS[dialect], dialect, "async", handler)
    assert {request.method for request in seen} == {"POST"}
    if status in (307, 308):
        assert seen[1].content == seen[0].content
        assert "arrived" in str(caught.value)
    else:
        assert len(seen) == 1


async def test_a_batch_endpoint_that_points_elsewhere_is_not_followed_either() -> None:
    seen: list[httpx2.Request] = []
    transport = httpx2.MockTransport(to(302, "https://two.invalid/x", seen))
    http = SharedHTTP(transport, transport)
    with pytest.raises(RequestRejectedError, match=r"to 'https://two\.invalid/x'"):
        await Batches(settings("openai"), http).status("b1")
    await http.aclose()
    assert len(seen) == 1


def test_the_synchronous_client_of_everything_else_follows_none_either() -> None:
    seen: list[httpx2.Request] = []
    transport = httpx2.MockTransport(to(301, "https://two.invalid/x", seen))
    http = SharedHTTP(transport, transport)
    with pytest.raises(httpx2.HTTPError, match="redirected"):
        http.sync_client.get("http://one.invalid/")
    http.close()
