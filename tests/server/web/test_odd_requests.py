"""Requests that nobody sends by accident: each is refused in one sentence, and nobody hears or spends more by one."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import httpx2
import pytest
from scripted_ai import Hold, Step, scripted_app
from web_house import Opened, client, open_house

from core.people.person import Person
from server.web.access import people, visit
from server.web.stream.event_ids import number_of

JSON = {"content-type": "application/json"}
CHAT = "/api/chat/async"


@asynccontextmanager
async def served(ais: dict[str, list[Step]]) -> AsyncIterator[Opened]:
    with anyio.fail_after(30):
        async with open_house(partial(scripted_app, ais)) as house:
            yield house


def is_sentence(reply: httpx2.Response) -> bool:
    return reply.json()["error"]["message"].endswith((".", "openapi.json"))


@pytest.mark.parametrize(
    "raw",
    [
        rb'{"agent_id": "gpt", "message": "x", "options": {"system": "\ud800"}}',
        rb'{"agent_id": "gpt", "message": "x", "options": {"schema": {"\ud800": 1}}}',
        b'{"agent_id": "gpt", "message": "x", "options": {"system": "\xed\xa0\x80"}}',
        b'{"agent_id": "gpt", "message": "x", "options": {"temperature": NaN}}',
        b'{"agent_id": "gpt", "message": "x", "options": {"temperature": -Infinity}}',
    ],
)
@pytest.mark.parametrize("path", [CHAT, "/api/chat", "/api/plan"])
async def test_what_could_not_be_kept_is_refused(path: str, raw: bytes) -> None:
    async with served({"gpt": []}) as house:
        reply = await house.owner.post(path, content=raw, headers=JSON)
        assert reply.status_code == 400
        assert is_sentence(reply)


async def test_a_pair_of_halves_is_a_character() -> None:
    async with served({"gpt": ["Nice."]}) as house:
        raw = rb'{"agent_id": "gpt", "message": "\ud83d\ude00"}'
        reply = await house.owner.post("/api/chat", content=raw, headers=JSON)
        assert reply.json()["status"] == "completed"


@pytest.mark.parametrize("moment", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
@pytest.mark.parametrize("name", ["since", "until"])
async def test_a_moment_that_is_none_in_utc_is_refused(name: str, moment: str) -> None:
    async with served({"gpt": []}) as house:
        reply = await house.owner.get("/api/activities", params={name: moment})
        assert reply.status_code == 400
        assert repr(name) in reply.json()["error"]["message"]


@pytest.mark.parametrize("said", ["", "x", "-1", "1e3", "²", "٣", "9" * 19, "9" * 5_000])
def test_what_is_no_number_of_ours_is_none(said: str) -> None:
    assert number_of(said) is None
    assert number_of("42") == 42


async def test_an_id_that_is_too_long_begins_anew() -> None:
    async with served({"gpt": []}) as house:
        last = f"{house.house.hub.name}-{'9' * 5_000}"
        async with house.owner.stream("GET", "/api/events", headers={"last-event-id": last}) as events:
            async for line in events.aiter_lines():
                if line.startswith("data: "):
                    assert json.loads(line[6:])["type"] == "reset"
                    break


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/nothing", 404),
        ("DELETE", "/api/threads/a/b", 405),
        ("PUT", "/enter", 405),
        ("PUT", "/mcp", 405),
        ("GET", "/mcp", 400),
        ("DELETE", "/mcp", 400),
    ],
)
async def test_what_there_is_not_is_said_in_one_shape(method: str, path: str, status: int) -> None:
    async with served({"gpt": []}) as house:
        reply = await house.owner.request(method, path)
        assert reply.status_code == status
        assert is_sentence(reply)
        assert "mcp-session-id" not in reply.headers


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages", "/api/chat", "/api/files?name=x"])
async def test_a_body_without_end_is_refused_as_one_by_every_room(path: str) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(40):
            yield b"x" * 1_000_000

    async with served({"gpt": []}) as house:
        reply = await house.owner.post(path, content=endless(), headers=JSON)
        assert reply.status_code == 413
        assert is_sentence(reply)


@pytest.mark.parametrize("agent", ["gpt", "moot/ask-many", "moot/consensus"])
async def test_the_same_key_is_the_same_chat_also_with_a_history(agent: str) -> None:
    asked = {"agent_id": agent, "message": "And now?", "chat_history": [{"role": "user", "content": "Before."}]}
    async with served({"gpt": [Hold("x")], "b": [Hold("x")]}) as house:
        first = await house.owner.post(CHAT, json=asked, headers={"idempotency-key": "k"})
        again = await house.owner.post(CHAT, json=asked, headers={"idempotency-key": "k"})
        assert (first.status_code, again.status_code) == (202, 202)
        assert first.json()["chat_id"] == again.json()["chat_id"]
        asked["chat_history"] = [{"role": "user", "content": "Else."}]
        assert (await house.owner.post(CHAT, json=asked, headers={"idempotency-key": "k"})).status_code == 422


async def test_a_job_that_goes_on_is_not_said_to_be_forgotten() -> None:
    async with served({"gpt": [Hold("x")]}) as house:
        chat = (await house.owner.post(CHAT, json={"agent_id": "gpt", "message": "x"})).json()["chat_id"]
        reply = await house.owner.delete(f"/api/jobs/{chat}")
        assert reply.status_code == 409
        assert "Cancel it first" in reply.json()["error"]["message"]
        assert (await house.owner.delete(f"{CHAT}/{chat}")).status_code == 204


async def test_who_only_looks_at_a_link_does_not_use_it_up() -> None:
    async with served({"gpt": []}) as house, client(house.url) as browser:
        code = await anyio.to_thread.run_sync(house.house.doors.link)
        assert (await browser.head(f"/open/{code}")).status_code == 405
        assert (await browser.get(f"/open/{code}", follow_redirects=False)).status_code == 303


async def test_a_new_token_of_the_same_name_ends_the_sessions_of_the_old_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_KNOWN_S", 0.0)
    tokens = []
    async with served({"gpt": []}) as house, client(house.url) as old, client(house.url) as new:
        for browser in (old, new):
            await anyio.to_thread.run_sync(house.house.tokens.revoke, "ada")
            tokens.append(await anyio.to_thread.run_sync(house.house.tokens.add, Person("ada")))
            await browser.post("/enter", data={"token": tokens[-1]})
            assert (await browser.get("/api/status")).json()["person"] == "ada"
        assert (await old.get("/api/status")).status_code == 401
        assert (await new.get("/api/status")).status_code == 200


async def test_a_stream_ends_once_its_token_is_taken_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(people, "_KNOWN_S", 0.0)
    monkeypatch.setattr(visit, "_LOOK_S", 0.0)
    async with served({"gpt": []}) as house, await house.person("ada") as ada, await house.person("bob") as bob:
        hub = house.house.hub
        async with ada.stream("GET", "/api/events") as hers, bob.stream("GET", "/api/events") as his:
            while hub.watching < 2:
                await anyio.lowlevel.checkpoint()
            await anyio.to_thread.run_sync(house.house.tokens.revoke, "ada")
            for whose in ("ada", "bob"):
                hub.publish("step", "r1", {"text": "secret"}, person=whose)
            assert "secret" not in "".join([line async for line in hers.aiter_lines()])
            async for line in his.aiter_lines():
                if "secret" in line:
                    break


async def test_other_models_that_somebody_named_are_shown_to_nobody_else() -> None:
    async with served({"gpt": ["Hi."]}) as house, await house.person("ada") as ada:
        house.house.app.roster.unlisted["gpt"] = None
        try:
            assert [one["name"] for one in (await ada.get("/api/ais")).json()["ais"]] == []
            assert [one["name"] for one in (await house.owner.get("/api/ais")).json()["ais"]] == ["gpt"]
        finally:
            del house.house.app.roster.unlisted["gpt"]
