"""Connecting an app, from its first request without a token to the last: with the SDK's client, and step by step."""

from __future__ import annotations

import re
from functools import partial
from typing import Any

import anyio
import anyio.to_thread
import httpx2
import pytest
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.types import TextContent
from oauth_app import REDIRECT, App, Kept, asking, bearer, connected, led_to, open_form, sdk_client, served, status
from web_house import client

from core.errors import ConfigError, StoreError
from core.people import apps as apps_module
from core.people.apps import Apps
from core.people.person import Person
from server.setup.tokens import list_tokens, print_codes, revoke_token
from server.web.access import people, visit
from server.web.access.address import Address
from server.web.assembly import Place
from server.web.oauth.metadata import resource_routes, server_routes
from server.web.oauth.room import check_address


@pytest.mark.parametrize("base", ["", "/moot", "/a/b"])
async def test_the_sdks_client_connects_calls_renews_and_is_taken_back(base: str, code_of: Any) -> None:
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


def test_below_the_path_of_a_proxy_the_metadata_lie_where_they_are_looked_for() -> None:
    routes = [
        *resource_routes("https://h.example/x", ["https://h.example/x"])[1],
        *server_routes("https://h.example/x")[1],
    ]
    assert [str(getattr(route, "path", "")) for route in routes] == [
        "/.well-known/oauth-protected-resource/x/mcp",
        "/.well-known/oauth-authorization-server/x",
        "/.well-known/openid-configuration/x",
    ]


async def test_without_oauth_there_is_none_of_it() -> None:
    async with served(Place(port=0)) as house, client(house.url) as http:
        assert (await http.post("/mcp", json={})).headers["www-authenticate"] == "Bearer"
        for path in ("/register", "/authorize", "/token", "/oauth/consent", "/.well-known/oauth-protected-resource"):
            assert (await http.get(path)).status_code == 401


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


async def test_a_store_that_does_not_answer_is_told_of(code_of: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    async with served() as house, asking(house) as app:
        form = await open_form(app.http, app.address())
        code = code_of()

        def away(*_: Any) -> None:
            raise StoreError("people.db is locked. Try again.")

        for name in ("client", "asked", "allow", "by_access"):
            monkeypatch.setattr(Apps, name, away)
        told = await app.refresh("mootr_x")
        assert (told.status_code, told.json()["error"]) == (503, "temporarily_unavailable")
        assert (await form.post(code)).status_code == 503
        assert (await app.http.get(form.at)).status_code == 503
        assert await status(house, "moota_x") == 503


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


def test_apps_connect_by_https_or_on_this_machine() -> None:
    assert check_address(Address("0.0.0.0", 1, public_url="https://moot.example.org")) == ""
    assert "--public-url" in check_address(Address("127.0.0.1", 4747))
    for address in (Address("10.0.0.1", 4747), Address("127.0.0.1", 1, public_url="http://moot.example.org")):
        with pytest.raises(ConfigError, match="https"):
            check_address(address)


async def test_a_stream_outlives_new_tokens_and_ends_once_its_app_is_taken_back(
    code_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "_KNOWN_S", 0.0)
    monkeypatch.setattr(visit, "_LOOK_S", 0.0)
    async with served() as house, asking(house) as app:
        hub, tokens = house.house.hub, await connected(app, code_of)
        async with (
            client(house.url, **bearer(tokens["access_token"])) as http,
            http.stream("GET", "/api/events") as events,
        ):
            lines = events.aiter_lines()
            while not hub.watching:
                await anyio.lowlevel.checkpoint()
            renewed = (await app.refresh(tokens["refresh_token"])).json()
            assert await status(house, tokens["access_token"]) == 401
            hub.publish("step", "r1", {"text": "goes on"}, person="")
            async for line in lines:
                if "goes on" in line:
                    break
            await app.http.post("/revoke", data={"client_id": app.client_id, "token": renewed["access_token"]})
            hub.publish("step", "r1", {"text": "secret"}, person="")
            assert "secret" not in "".join([line async for line in lines])


async def test_what_an_app_reads_ends_with_the_person_it_acts_for(
    code_of: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(people, "_KNOWN_S", 0.0)
    monkeypatch.setattr(visit, "_LOOK_S", 0.0)
    async with served() as house, client(house.url) as ada, asking(house) as app:
        token = await anyio.to_thread.run_sync(house.house.tokens.add, Person("ada"))
        await ada.post("/enter", data={"token": token})
        _, answer = led_to(await (await open_form(ada, app.address())).post())
        tokens = (await app.exchange(answer["code"])).json()
        hub = house.house.hub
        async with client(house.url, **bearer(tokens["access_token"])) as http:
            assert (await http.get("/api/status")).json()["person"] == "ada"
            async with http.stream("GET", "/api/events") as events:
                while not hub.watching:
                    await anyio.lowlevel.checkpoint()
                await anyio.to_thread.run_sync(house.house.tokens.revoke, "ada")
                hub.publish("step", "r1", {"text": "secret"}, person="ada")
                assert "secret" not in "".join([line async for line in events.aiter_lines()])
