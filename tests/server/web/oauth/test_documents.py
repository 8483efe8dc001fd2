"""Apps that are called by the address of a document: what is read of it, and what is not believed."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from oauth_app import REDIRECT, App, Kept, led_to, open_form, sdk_client
from scripted_ai import scripted_app
from web_house import Opened, client, open_house

from core.errors import InvalidInputError
from core.files import links
from core.files.links import LinkRefusedError, Page, fetch
from core.people.apps import Apps
from server.web.assembly import Place
from server.web.oauth import documents
from server.web.oauth.clients import BadClientError
from server.web.oauth.documents import Documents, described, is_document

URL = "https://app.example/oauth/client.json"
TOLD = {"client_id": URL, "client_name": "An app", "redirect_uris": [REDIRECT, "http://localhost/callback"]}


class Site:
    """What is at an address; it counts who asks."""

    def __init__(self) -> None:
        self.text = json.dumps(TOLD)
        self.kind = "application/json"
        self.asked: list[str] = []
        self.gone = False

    def fetch(self, url: str, **bounds: int) -> Page:
        assert bounds == {"most": 16 * 1024, "redirects": 0}
        self.asked.append(url)
        if self.gone:
            raise LinkRefusedError("It is gone.")
        return Page(url, self.text, kind=self.kind)


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Site:
    made = Site()
    monkeypatch.setattr(documents, "fetch", made.fetch)
    return made


@asynccontextmanager
async def served() -> AsyncIterator[Opened]:
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, {"gpt": []}), Place(port=0, oauth=True)) as house:
            yield house


async def test_the_sdks_client_connects_by_its_document(site: Site, capsys: pytest.CaptureFixture[str]) -> None:
    kept = Kept()
    async with served() as house:

        async def consent(address: str) -> dict[str, str]:
            assert "client_id=https" in address
            async with client(house.url) as browser:
                form = await open_form(browser, address)
                assert f"It is described at {URL}" in form.page.text
                code = re.findall(r"type this code there: (\S+)", capsys.readouterr().err)[-1]
                return led_to(await form.post(code))[1]

        auth = sdk_client(f"{house.url}/mcp", kept, consent, client_metadata_url=URL)
        async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
            async with Client(streamable_http_client(f"{house.url}/mcp", http_client=http)) as mcp:
                assert (await mcp.list_tools()).tools
        assert kept.client is not None and kept.tokens is not None
        assert kept.client.client_id == URL
        app = App(house.owner, house.url, client_id=URL)
        site.gone = True
        assert (await app.refresh(kept.tokens.refresh_token or "")).status_code == 200
    assert site.asked == [URL]


@pytest.mark.parametrize(
    "other",
    [
        {"client_id": "https://app.example/oauth/other.json"},
        {"client_id": None},
        {"redirect_uris": ["http://evil.example/"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": "https://app.example/"},
        {"redirect_uris": [{}]},
        {"redirect_uris": []},
        {"grant_types": "authorization_code"},
        {"grant_types": ["client_credentials"]},
        {"token_endpoint_auth_method": "client_secret_post"},
        {"token_endpoint_auth_method": "private_key_jwt"},
        {"client_secret": "x"},
    ],
)
async def test_a_document_that_does_not_hold_is_not_believed(site: Site, other: dict[str, Any]) -> None:
    site.text = json.dumps({**TOLD, **other})
    with pytest.raises(BadClientError):
        await anyio.to_thread.run_sync(described, URL)
    async with served() as house, client(house.url) as http:
        app = App(http, house.url, client_id=URL)
        for _ in range(3):
            sent = await http.get(app.address(), follow_redirects=False)
            assert sent.status_code == 400
            assert "location" not in sent.headers
    assert len(site.asked) == 2


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("[]", "application/json"),
        ("x", "application/json"),
        ("[" * 15_000, "application/json"),
        (json.dumps(TOLD), "text/html"),
        (json.dumps(TOLD), "text/plain"),
    ],
)
def test_only_a_json_object_is_a_document(site: Site, text: str, kind: str) -> None:
    site.text, site.kind = text, kind
    with pytest.raises(BadClientError):
        described(URL)


@pytest.mark.parametrize(
    "url",
    [
        "http://app.example/client.json",
        "https://app.example",
        "https://app.example/",
        "https://app.example/a/../client.json",
        "https://app.example/client.json?x=1",
        "https://app.example/client.json#x",
        "https://user@app.example/client.json",
        "https://app.example\\@evil.example/client.json",
        "https:///client.json",
        "https://app.example/" + "a" * 500,
        "https://app.example/ü",
        "https://[/x",
    ],
)
async def test_what_can_be_no_address_of_a_document_is_not_asked_for(site: Site, url: str) -> None:
    assert not is_document(url)
    async with served() as house, client(house.url) as http:
        assert (await http.get(App(http, house.url, client_id=url).address())).status_code == 400
        reply = await App(http, house.url, client_id=url).refresh("x")
        assert reply.json()["error"] == "invalid_client"
    assert site.asked == []


async def test_a_document_is_read_again_by_the_hour_and_kept_while_it_cannot_be(site: Site) -> None:
    now = 1_000.0
    apps = await anyio.to_thread.run_sync(lambda: Apps(clock=lambda: now))
    found = Documents(apps, clock=lambda: now)
    try:
        first = await found.client(URL)
        assert first is not None and first.name == "An app"
        assert await found.client(URL) == first
        assert len(site.asked) == 1
        now += 3_601
        site.text = json.dumps({**TOLD, "client_name": "Another name"})
        again = await found.client(URL)
        assert again is not None and again.name == "Another name"
        now += 3_601
        site.gone = True
        assert await found.client(URL) == again
        assert await found.client(URL) == again
        assert len(site.asked) == 3
        now += 8 * 86_400
        assert await found.client(URL) is None
    finally:
        await anyio.to_thread.run_sync(apps.close)


async def test_so_many_documents_are_asked_for_in_a_minute_and_no_more(site: Site) -> None:
    site.gone = True
    apps = await anyio.to_thread.run_sync(Apps)
    found = Documents(apps, clock=lambda: 0.0)
    try:
        for number in range(1_000):
            assert await found.client(f"https://app{number}.example/client.json") is None
        assert len(site.asked) == 30
        assert len(found._bad) <= 500
    finally:
        await anyio.to_thread.run_sync(apps.close)


class _Pages(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(302 if self.path == "/away" else 200)
        self.send_header("location", "/there")
        self.send_header("content-type", "application/json")
        self.end_headers()
        self.wfile.write(b"x" * 20_000 if self.path == "/large" else b"{}")

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def pages(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Pages)
    monkeypatch.setattr(links, "_PORTS", {"http": server.server_port, "https": 443})
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.mark.parametrize(("path", "why"), [("/away", "redirects"), ("/large", "larger than 16 KB")])
def test_no_redirect_is_followed_and_little_is_read(pages: None, path: str, why: str) -> None:
    def look_up(host: str, port: int) -> list[str]:
        return ["127.0.0.1"]

    with pytest.raises(InvalidInputError, match=why):
        fetch(f"http://app.example{path}", look_up=look_up, allowed=lambda _: True, most=16 * 1024, redirects=0)
    assert (
        fetch("http://app.example/x", look_up=look_up, allowed=lambda _: True, redirects=0).kind == "application/json"
    )


def test_no_address_of_this_machine_or_its_network_is_a_document() -> None:
    for host in ("127.0.0.1", "localhost", "10.0.0.1", "169.254.169.254"):
        with pytest.raises(InvalidInputError, match="no public address"):
            described(f"https://{host}/client.json")
