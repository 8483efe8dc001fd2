"""One line for each request: routes, people and ids; no addresses, tokens, cookies or words."""

from __future__ import annotations

import json
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest
from scripted_ai import Step, scripted_app
from web_house import Opened, client, open_house

from server.web.assembly import Place
from server.web.running.access_log import AccessLog, Seen, as_json, as_text
from server.web.running.requests import request_id


@asynccontextmanager
async def served(form: str, steps: list[Step], **where: object) -> AsyncIterator[Opened]:
    place = Place(port=0, access_log=form, **where)  # type: ignore[arg-type]
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, {"gpt": steps}), place) as house:
            yield house


async def test_a_line_has_the_route_the_person_and_the_id_and_nothing_that_was_said(
    capfd: pytest.CaptureFixture[str],
) -> None:
    async with served("json", ["A hidden answer."]) as house, await house.person("ada") as ada:
        reply = await ada.post("/api/chat", json={"agent_id": "gpt", "message": "A hidden question?"})
        job = reply.json()["chat_id"]
        told = await ada.get(f"/api/jobs/{job}", headers={"x-request-id": "mine-1"})
        await house.owner.get("/api/activities", params={"chat": "hidden-query"})
        async with client(house.url, authorization="Bearer moot_hidden-token") as nobody:
            await nobody.get("/api/hidden-path?q=hidden")
            await nobody.get("/open/hidden-code")
    text = capfd.readouterr().err
    lines = [json.loads(line) for line in text.splitlines() if line.startswith("{")]
    assert "hidden" not in text and job not in text and "moot_session" not in text
    routes = [(line["method"], line["route"], line["status"], line["person"]) for line in lines]
    assert routes == [
        ("POST", "/api/chat", 200, "ada"),
        ("GET", "/api/jobs/{job_id}", 200, "ada"),
        ("GET", "/api/activities", 200, ""),
        ("GET", "", 401, None),
        ("GET", "/open/{code}", 410, None),
    ]
    assert lines[1]["request"] == told.headers["x-request-id"] == "mine-1"
    assert lines[1]["bytes"] > 0
    assert all(line["seconds"] >= 0 and line["time"].endswith("Z") for line in lines)


async def test_every_reply_has_an_id_also_without_a_log(capfd: pytest.CaptureFixture[str]) -> None:
    async with served("off", []) as house, client(house.url) as nobody:
        ids = [
            (await one.get(path)).headers["x-request-id"]
            for one in (house.owner, nobody)
            for path in ("/health", "/api/status", "/nothing")
        ]
    assert len(set(ids)) == len(ids)
    assert "GET" not in capfd.readouterr().err


async def test_below_a_base_path_the_routes_are_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    async with served("text", [], base_path="/moot") as house:
        await house.owner.get("/moot/api/status")
        await house.owner.get("/moot/v1/models")
    lines = [line.split() for line in capfd.readouterr().err.splitlines() if " GET " in line]
    assert [line[1:4] for line in lines] == [["GET", "/api/status", "200"], ["GET", "/v1/models", "200"]]
    assert {line[6] for line in lines} == {"person=(owner)"}


@pytest.mark.parametrize(
    ("said", "taken"),
    [
        ("abc-1.2_X", "abc-1.2_X"),
        ("a b\r\nevil: 1", "abevil1"),
        ("x" * 500, "x" * 64),
        ("\x1b[31mred", "31mred"),
    ],
)
def test_an_id_that_is_sent_is_cleaned_and_bounded(said: str, taken: str) -> None:
    assert request_id(said) == taken


def test_an_id_that_is_none_is_made_anew() -> None:
    made = {request_id(""), request_id("\u2028"), request_id("\u00e9\u00e9")}
    assert len(made) == 3 and all(len(one) == 16 for one in made)


SEEN = Seen(0.0, "GET", "/api/jobs", 200, 0.0123, 532, None, "a1")


def test_both_forms() -> None:
    assert as_text(SEEN) == "1970-01-01T00:00:00.000Z GET /api/jobs 200 0.012s 532B person=- id=a1"
    assert json.loads(as_json(SEEN))["person"] is None


def test_who_does_not_read_holds_up_nobody_and_what_is_lost_is_counted() -> None:
    reached, gate = threading.Event(), threading.Event()

    def stuck(line: str) -> None:
        reached.set()
        gate.wait(30)

    log = AccessLog("text", stuck)
    log(SEEN)
    assert reached.wait(30)
    for _ in range(10_100):
        log(SEEN)
    assert log.lost == 100
    gate.set()
    log.close()


def test_a_closed_stderr_ends_nothing() -> None:
    def closed(line: str) -> None:
        raise ValueError("I/O operation on closed file")

    log = AccessLog("text", closed)
    log(SEEN)
    log.close()
    assert log.lost == 1
