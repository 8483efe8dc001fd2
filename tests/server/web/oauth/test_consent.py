"""The page on which a person allows an app: what it shows, and who can answer it."""

from __future__ import annotations

from typing import Any

import anyio
import anyio.to_thread
import pytest
from oauth_app import REDIRECT, asking, bearer, led_to, open_form, served
from web_house import client

from core.people import apps as apps_module
from core.people.apps import Apps
from core.people.person import Person


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
