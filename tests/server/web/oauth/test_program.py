"""Apps at the real program: the code on its standard error, and what outlives it."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest
from oauth_app import App, led_to, open_form, printed_code
from web_house import client, web_program

from core.errors import ConfigError
from core.paths import credentials_path
from core.people.apps import Apps
from server.web.assembly import Place
from server.web.serve import serve


async def test_an_app_stays_connected_when_the_program_is_killed(tmp_path: Path) -> None:
    with anyio.fail_after(60), web_program(tmp_path, "--oauth") as program:
        async with client(program.url) as http:
            app = App(http, program.url)
            assert (await app.register()).status_code == 201
            form = await open_form(http, app.address())
            _, answer = led_to(await form.post(printed_code(program)))
            tokens = (await app.exchange(answer["code"])).json()
        program.kill()
        with web_program(tmp_path, "--oauth", port=program.port) as again:
            async with client(again.url, authorization=f"Bearer {tokens['access_token']}") as http:
                assert (await http.get("/api/status")).status_code == 200
                app.http = http
                assert (await app.refresh(tokens["refresh_token"])).status_code == 200


def test_where_no_app_would_send_a_token_it_does_not_start() -> None:
    with pytest.raises(ConfigError, match="Apps connect by https alone"):
        serve(Place(port=0, oauth=True, public_url="http://moot.example.org"), browser=False)
    assert Apps().all() == []


def test_a_start_tells_of_a_bad_issuer(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    credentials_path().parent.mkdir(parents=True)
    credentials_path().write_text(json.dumps({"auth": {"issuer": "http://idp.example.org", "audience": "x"}}))
    monkeypatch.setattr("server.web.serve._run", lambda *_: 0)
    assert serve(Place(port=0), browser=False) == 0
    assert "auth.issuer: Input should be an address that begins with https://" in capsys.readouterr().err
    with pytest.raises(ConfigError, match="there is none"):
        serve(Place(host="0.0.0.0", port=0), browser=False)
    good = {"auth": {"issuer": "https://idp.example.org", "audience": "x"}}
    credentials_path().write_text(json.dumps(good))
    assert serve(Place(host="0.0.0.0", port=0), browser=False) == 0
