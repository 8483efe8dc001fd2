"""Connecting an app, from its first request without a token to the last: with the SDK's client, and step by step."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent
from oauth_app import REDIRECT, App, Kept, led_to, open_form, sdk_client
from scripted_ai import scripted_app
from web_house import Opened, client, open_house

from core.errors import ConfigError
from core.people import apps as apps_module
from core.people.apps import Apps
from core.people.person import Person
from server.setup.tokens import list_tokens, print_codes, revoke_token
from server.web.access.address import Address
from server.web.oauth.room import check_address
from server.web.serve import Place

CODE = re.compile(r"type this code there: (\S+)")


@asynccontextmanager
async def served(place: Place | None = None, **ais: list[Any]) -> AsyncIterator[Opened]:
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, ais or {"gpt": []}), place or Place(port=0, oauth=True)) as house:
            yield house


@pytest.fixture
def code_of(capsys: pytest.CaptureFixture[str]) -> Any:
    """The code that the server printed last."""

    def last() -> str:
        found = CODE.findall(capsys.readouterr().err)
        assert found
        return str(found[-1])

    return last


@asynccontextmanager
async def asking(house: Opened, **metadata: Any) -> AsyncIterator[App]:
    """An app that is registered."""
    async with client(house.url) as http:
        app = App(http, house.url)
        assert (await app.register(**metadata)).status_code == 201
        yield app


async def connected(app: App, code_of: Any) -> dict[str, Any]:
    form = await open_form(app.http, app.address())
    _, answer = led_to(await form.post(code_of()))
    reply = await app.exchange(answer["code"])
    assert reply.status_code == 200, reply.text
    return reply.json()


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def status(house: Opened, token: str) -> int:
    async with client(house.url, **bearer(token)) as http:
        return (await http.get("/api/status")).status_code


@pytest.mark.parametrize(("base", "public"), [("", ""), ("/moot", ""), ("", "http://127.0.0.1:{port}"), ("/a/b", "")])
async def test_the_sdks_client_connects_calls_renews_and_is_taken_back(base: str, public: str, code_of: Any) -> None:
    async with served(Place(port=0, oauth=True, base_path=base), gpt=["Good day.", "Again.", "Never."]) as house:
        url = f"{house.url}{base}/mcp"
        kept = Kept()

        async def consent(address: str) -> dict[str, str]:
            async with client(house.url) as browser:
                form = await open_form(browser, address)
                assert "Test app" in form.page.text
                address, answer = led_to(await form.post(code_of().lower()))
            assert address.startswith(REDIRECT)
            return answer

        async def asked() -> str:
            auth = sdk_client(url, kept, consent)
            async with httpx2.AsyncClient(auth=auth, timeout=30) as http:
                async with Client(streamable_http_client(url, http_client=http)) as mcp:
                    result = await mcp.call_tool("ask_one", {"prompt": "Hello?"})
                    return "".join(block.text for block in result.content if isinstance(block, TextContent))

        assert "Good day." in await asked()
        first = kept.tokens
        assert first is not None
        assert first.expires_in == 3600
        assert first.scope == "moot"
        kept.tokens = first.model_copy(update={"access_token": "moota_" + "x" * 43})
        app = App(house.owner, house.url, base, kept.client.client_id if kept.client else "")
        renewed = await app.refresh(first.refresh_token or "", resource=f"{house.url}{base}/mcp")
        assert renewed.status_code == 200
        kept.tokens = first.model_copy(update=renewed.json())
        assert "Again." in await asked()
        token = kept.tokens.access_token
        reply = await house.owner.post(f"{base}/revoke", data={"client_id": app.client_id, "token": token})
        assert reply.status_code == 200
        async with client(house.url, **bearer(token)) as http:
            # What was believed a moment ago is believed for some seconds.
            house_reply = await http.get(f"{base}/api/status")
            assert house_reply.status_code in (200, 401)
        assert (await app.refresh(kept.tokens.refresh_token or "")).json()["error"] == "invalid_grant"


@pytest.mark.parametrize("base", ["", "/moot"])
async def test_an_app_finds_what_it_needs(base: str) -> None:
    async with served(Place(port=0, oauth=True, base_path=base)) as house, client(house.url) as http:
        reply = await http.post(f"{base}/mcp", json={})
        assert reply.status_code == 401
        found = re.search(r'resource_metadata="([^"]+)"', reply.headers["www-authenticate"])
        assert found
        for place in (found[1], f"/.well-known/oauth-protected-resource{base}/mcp"):
            told = (await http.get(place)).json()
            assert told["resource"] == f"{house.url}{base}/mcp"
            assert told["authorization_servers"] == [f"{house.url}{base}"]
        server = (await http.get(f"/.well-known/oauth-authorization-server{base}")).json()
        assert server["issuer"] == f"{house.url}{base}"
        assert server["token_endpoint"] == f"{house.url}{base}/token"
        assert server["code_challenge_methods_supported"] == ["S256"]
        assert server["client_id_metadata_document_supported"] is True
        assert server["token_endpoint_auth_methods_supported"] == ["none"]
        assert (await http.get(f"{base}/.well-known/openid-configuration")).json() == server
        for other in ("/api/status", "/v1/models"):
            assert (await http.get(f"{base}{other}")).headers["www-authenticate"] == "Bearer"


async def test_without_oauth_there_is_none_of_it() -> None:
    async with served(Place(port=0)) as house, client(house.url) as http:
        assert (await http.post("/mcp", json={})).headers["www-authenticate"] == "Bearer"
        for path in ("/register", "/authorize", "/token", "/oauth/consent", "/.well-known/oauth-protected-resource"):
            assert (await http.get(path)).status_code == 401


async def test_what_is_asked_is_shown_as_what_it_is(code_of: Any) -> None:
    evil = '<script>alert(1)</script>"><img src=x>\x1b[31m\u202e'
    async with served() as house, asking(house, client_name=evil) as app:
        form = await open_form(app.http, app.address())
        assert "<script" not in form.page.text
        assert "<img" not in form.page.text
        assert "&lt;script&gt;" in form.page.text
        assert "127.0.0.1:8765" in form.page.text
        assert " style=" not in form.page.text
        assert "default-src 'none'" in form.page.headers["content-security-policy"]
        assert form.page.headers["x-frame-options"] == "DENY"
        assert form.page.headers["referrer-policy"] == "same-origin"
        assert form.page.headers["cache-control"] == "no-store"


async def test_a_terminal_is_told_nothing_odd(capsys: pytest.CaptureFixture[str]) -> None:
    async with served() as house, asking(house, client_name="A\x1b[31m\nB\rC") as app:
        await open_form(app.http, app.address())
        told = capsys.readouterr().err
        assert "\x1b" not in told and "\r" not in told
        assert told.count("asks to use Moot") == 1 and len(told.splitlines()) == 1


async def test_five_wrong_codes_end_a_request(code_of: Any) -> None:
    async with served() as house, asking(house) as app:
        form = await open_form(app.http, app.address())
        right = code_of()
        for left in ("4 tries are", "3 tries are", "2 tries are", "1 try is"):
            form.page = await form.post("AAAA-AAAA")
            assert form.page.status_code == 403
            assert f"{left} left" in form.page.text
        assert (await form.post("AAAA-AAAA")).status_code == 410
        assert (await form.post(right)).status_code == 410


async def test_a_code_is_for_one_request_and_works_once(code_of: Any) -> None:
    async with served() as house, asking(house) as app:
        first = await open_form(app.http, app.address())
        code = code_of()
        async with client(house.url) as browser:
            second = await open_form(browser, app.address())
            assert (await second.post(code)).status_code == 403
        first = await open_form(app.http, app.address())
        assert led_to(await first.post(code_of()))[1]["code"]
        assert (await first.post(code)).status_code == 410


async def test_a_request_and_its_code_end_after_ten_minutes(code_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as house, asking(house) as app:
        form = await open_form(app.http, app.address())
        code = code_of()
        monkeypatch.setattr(apps_module, "REQUEST_S", -1.0)
        assert (await form.post(code)).status_code == 410
        assert (await app.http.get(form.at, params={"request": form.fields["request"]})).status_code == 410


async def test_a_person_may_refuse() -> None:
    async with served() as house, asking(house) as app:
        form = await open_form(app.http, app.address())
        address, answer = led_to(await form.post(say="refuse"))
        assert address.startswith(REDIRECT)
        assert answer == {"error": "access_denied", "state": "s t&te", "iss": house.url}
        assert (await form.post(say="refuse")).status_code == 410


async def test_another_page_cannot_answer_for_a_person(code_of: Any) -> None:
    async with served() as house, asking(house) as app:
        form = await open_form(app.http, app.address())
        code = code_of()
        for headers in ({"origin": "https://evil.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}):
            assert (await form.post(code, headers=headers)).status_code == 403
        assert (await form.post(code, proof="x")).status_code == 403
        async with client(house.url) as elsewhere:
            data = {**form.fields, "code": code, "say": "allow"}
            assert (await elsewhere.post(form.at, data=data)).status_code == 403
            wrong = await open_form(elsewhere, app.address())
            assert (await wrong.post(code, request=form.fields["request"])).status_code == 403
        ours = {"origin": house.url, "sec-fetch-site": "same-origin"}
        assert led_to(await form.post(code, headers=ours))[1]["code"]


async def test_whoever_has_a_token_of_their_own_allows_for_themselves(code_of: Any) -> None:
    async with served() as house, asking(house) as app:
        async with client(house.url) as browser:
            token = await anyio.to_thread.run_sync(house.house.tokens.add, Person("ada", ("gpt",), 2.0, admin=True))
            assert (await browser.post("/enter", data={"token": token}, follow_redirects=False)).status_code == 303
            form = await open_form(browser, app.address())
            assert (await form.post("", headers=bearer(token))).status_code == 400
            _, answer = led_to(await form.post(""))
        tokens = (await app.exchange(answer["code"])).json()
        async with client(house.url, **bearer(tokens["access_token"])) as http:
            told = (await http.get("/api/status")).json()
            assert (told["person"], told["admin"]) == ("ada", False)
        await anyio.to_thread.run_sync(house.house.tokens.revoke, "ada")
        assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"
        await anyio.to_thread.run_sync(house.house.tokens.add, Person("ada"))
        assert await anyio.to_thread.run_sync(Apps().by_access, tokens["access_token"]) is None


async def test_an_app_acts_for_the_owner_and_administrates_nothing(code_of: Any) -> None:
    async with served() as house, asking(house) as app:
        tokens = await connected(app, code_of)
        async with client(house.url, **bearer(tokens["access_token"])) as http:
            told = (await http.get("/api/status")).json()
            assert (told["person"], told["admin"]) == ("", False)
            assert (await http.get("/api/usage", params={"everybody": "true"})).status_code == 403
        async with client(house.url) as browser:
            typed = {"token": tokens["access_token"]}
            assert (await browser.post("/enter", data=typed, follow_redirects=False)).status_code == 401


async def test_a_code_of_an_app_is_good_once_for_it_alone_with_its_proof(code_of: Any) -> None:
    async with served() as house, asking(house) as app:
        form = await open_form(app.http, app.address())
        _, answer = led_to(await form.post(code_of()))
        code, verifier = answer["code"], app.verifier
        assert answer["state"] == "s t&te" and answer["iss"] == house.url
        wrong = await app.exchange(code, code_verifier="x" * 43)
        assert wrong.json()["error"] == "invalid_grant"
        elsewhere = await app.exchange(code, redirect_uri="http://127.0.0.1:8765/other")
        assert elsewhere.json()["error"] == "invalid_request"
        resource = await app.exchange(code, resource="https://other.example/mcp")
        assert resource.json()["error"] == "invalid_target"
        async with asking(house) as thief:
            thief.verifier = verifier
            assert (await thief.exchange(code)).json()["error"] == "invalid_grant"
        tokens = (await app.exchange(code, resource=f"{house.url}/mcp/")).json()
        assert await status(house, tokens["access_token"]) == 200
        again = await app.exchange(code)
        assert again.json()["error"] == "invalid_grant"
        assert (await app.refresh(tokens["refresh_token"])).json()["error"] == "invalid_grant"


async def test_a_code_of_an_app_ends(code_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as house, asking(house) as app:
        form = await open_form(app.http, app.address())
        _, answer = led_to(await form.post(code_of()))
        monkeypatch.setattr(apps_module, "CODE_S", -1.0)
        assert (await app.exchange(answer["code"])).json()["error"] == "invalid_grant"


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


async def test_a_refresh_token_that_was_used_ends_all_of_it(code_of: Any) -> None:
    async with served() as house, asking(house) as app:
        first = await connected(app, code_of)
        second = (await app.refresh(first["refresh_token"])).json()
        assert second["refresh_token"] != first["refresh_token"]
        assert await status(house, first["access_token"]) == 401
        assert await status(house, second["access_token"]) == 200
        assert (await app.refresh(first["refresh_token"])).json()["error"] == "invalid_grant"
        assert (await app.refresh(second["refresh_token"])).json()["error"] == "invalid_grant"
        async with asking(house) as other:
            third = await connected(app, code_of)
            assert (await other.refresh(third["refresh_token"])).json()["error"] == "invalid_grant"
            assert (await app.refresh(third["refresh_token"], resource="https://x.example/")).status_code == 400
        assert (await app.refresh(third["refresh_token"])).status_code == 200


async def test_an_access_token_ends(code_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(apps_module, "ACCESS_S", -1)
    async with served() as house, asking(house) as app:
        tokens = await connected(app, code_of)
        assert await status(house, tokens["access_token"]) == 401
        monkeypatch.setattr(apps_module, "REFRESH_S", -1)
        again = (await app.refresh(tokens["refresh_token"])).json()
        assert (await app.refresh(again["refresh_token"])).json()["error"] == "invalid_grant"


async def test_connections_outlive_a_restart_and_another_address_ends_them(code_of: Any) -> None:
    async with served() as house, asking(house) as app:
        tokens = await connected(app, code_of)
        port = house.house.address.port
    async with served(Place(port=port, oauth=True)) as house:
        assert await status(house, tokens["access_token"]) == 200
    async with served(Place(port=port, oauth=True, public_url="https://moot.example.org")) as house:
        assert await status(house, tokens["access_token"]) == 401
    async with served(Place(port=port)) as house:
        assert await status(house, tokens["access_token"]) == 401


async def test_wrong_tokens_of_apps_are_slowed_down_too() -> None:
    async with served() as house:
        for number in range(5):
            assert await status(house, f"moota_{number}") == 401
        assert (await anyio.to_thread.run_sync(lambda: Apps().by_access("moota_" + "x" * 500))) is None


async def test_apps_are_listed_and_taken_back_on_the_command_line(
    code_of: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    async with served() as house, asking(house) as app:
        tokens = await connected(app, code_of)
        await anyio.to_thread.run_sync(partial(list_tokens, as_json=False))
        line = capsys.readouterr().out
        assert "Test app (127.0.0.1:8765), for you" in line
        await anyio.to_thread.run_sync(partial(list_tokens, as_json=True))
        assert '"app": "Test app"' in capsys.readouterr().out
        label = line.split()[0]
        assert label.startswith("app:")
        await anyio.to_thread.run_sync(revoke_token, label)
        assert await status(house, tokens["access_token"]) == 401
        assert (await app.refresh(tokens["refresh_token"])).status_code == 400
        form = await open_form(app.http, app.address())
        capsys.readouterr()
        await anyio.to_thread.run_sync(print_codes)
        code = capsys.readouterr().out.split()[0]
        assert led_to(await form.post(code))[1]["code"]
        await anyio.to_thread.run_sync(print_codes)
        assert "No app asks" in capsys.readouterr().err


async def test_too_many_requests_of_one_are_refused() -> None:
    async with served() as house, client(house.url) as http:
        app = App(http, house.url)
        replies = [(await app.register()).status_code for _ in range(21)]
        assert replies == [201] * 20 + [429]


def test_apps_connect_by_https_or_on_this_machine() -> None:
    assert check_address(Address("0.0.0.0", 1, public_url="https://moot.example.org")) == ""
    assert "--public-url" in check_address(Address("127.0.0.1", 4747))
    for address in (Address("10.0.0.1", 4747), Address("127.0.0.1", 1, public_url="http://moot.example.org")):
        with pytest.raises(ConfigError, match="https"):
            check_address(address)
