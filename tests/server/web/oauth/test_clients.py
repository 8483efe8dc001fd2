"""Which apps may ask, for what, and where they may have a person sent."""

from __future__ import annotations

from typing import Any

import pytest
from oauth_app import REDIRECT, App, asking, led_to, open_form, served
from web_house import client


@pytest.mark.parametrize(
    ("other", "error"),
    [
        ({"code_challenge_method": "plain"}, "invalid_request"),
        ({"code_challenge": None}, "invalid_request"),
        ({"code_challenge": "short"}, "invalid_request"),
        ({"response_type": "token"}, "unsupported_response_type"),
        ({"resource": "https://other.example/mcp"}, "invalid_target"),
        ({"resource": "nonsense"}, "invalid_target"),
        ({"state": "x" * 2_001}, "invalid_request"),
    ],
)
async def test_what_an_app_may_not_ask_for_is_told_to_it(other: dict[str, str | None], error: str) -> None:
    async with served() as house, asking(house) as app:
        sent = await app.http.get(app.address(**other), follow_redirects=False)
        assert sent.status_code == 302
        assert sent.headers["location"].startswith(REDIRECT)
        assert f"error={error}" in sent.headers["location"]


@pytest.mark.parametrize(
    "redirect",
    [
        "https://evil.example/callback",
        "http://127.0.0.1:8765/other",
        "http://127.0.0.1:8765/callback?x=1",
        "http://127.0.0.1:8765/callback#x",
        "http://localhost:8765/callback",
        "http://127.0.0.1.evil.example:8765/callback",
        "http://user@127.0.0.1:8765/callback",
        "javascript:alert(1)",
        "//evil.example",
    ],
)
async def test_nobody_is_sent_where_an_app_did_not_say(redirect: str) -> None:
    async with served() as house, asking(house) as app:
        sent = await app.http.get(app.address(redirect_uri=redirect), follow_redirects=False)
        assert sent.status_code == 400
        assert "location" not in sent.headers


async def test_on_this_machine_any_port_will_do() -> None:
    async with served() as house, asking(house) as app:
        app.redirect = "http://127.0.0.1:9999/callback"
        form = await open_form(app.http, app.address())
        assert led_to(await form.post(say="refuse"))[0].startswith(app.redirect)


@pytest.mark.parametrize(
    "told",
    [
        {"redirect_uris": ["http://evil.example/callback"]},
        {"redirect_uris": ["https://x.example/a#b"]},
        {"redirect_uris": ["javascript:alert(1)"]},
        {"redirect_uris": ["data:text/html,x"]},
        {"redirect_uris": ["myapp://callback"]},
        {"redirect_uris": ["https://a:b@x.example/"]},
        {"redirect_uris": ["https://x.example/" + "a" * 500]},
        {"redirect_uris": [f"https://x.example/{number}" for number in range(11)]},
        {"redirect_uris": []},
        {"grant_types": ["refresh_token"]},
        {"response_types": ["token"]},
        {"token_endpoint_auth_method": "private_key_jwt"},
    ],
)
async def test_what_cannot_be_an_app_is_not_registered(told: dict[str, Any]) -> None:
    async with served() as house, client(house.url) as http:
        reply = await App(http, house.url).register(**told)
        assert reply.status_code == 400, reply.text
        assert reply.json()["error"] in ("invalid_redirect_uri", "invalid_client_metadata")


async def test_an_app_that_wants_a_secret_is_told_that_there_is_none() -> None:
    async with served() as house, asking(house, token_endpoint_auth_method="client_secret_post") as app:
        assert app.registered["token_endpoint_auth_method"] == "none"
        assert "client_secret" not in app.registered


async def test_a_name_is_held_to_a_length_and_a_body_too() -> None:
    async with served() as house, asking(house, client_name="x" * 10_000) as app:
        assert len(app.registered["client_name"]) == 80
        assert (await app.register(software_id="x" * 70_000)).status_code == 413


async def test_too_many_requests_of_one_are_refused() -> None:
    async with served() as house, client(house.url) as http:
        app = App(http, house.url)
        replies = [(await app.register()).status_code for _ in range(21)]
        assert replies == [201] * 20 + [429]
