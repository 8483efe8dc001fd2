"""Background chats over HTTP: their shapes, that each is one job, and that nobody hears of another's."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import httpx2
import pytest
from scripted_ai import Hold, Step, scripted_app
from web_house import Opened, open_house

from core.errors import ServerError

CHAT = "/api/chat/async"


@asynccontextmanager
async def served(ais: dict[str, list[Step]]) -> AsyncIterator[Opened]:
    with anyio.fail_after(30):
        async with open_house(partial(scripted_app, ais)) as house:
            yield house


async def ended(client: httpx2.AsyncClient, chat: str) -> dict[str, object]:
    """The chat's status once it is over, found out by the event stream."""
    async with client.stream("GET", "/api/events", params={"chat": chat}) as events:
        async for line in events.aiter_lines():
            told = json.loads(line[6:]) if line.startswith("data: ") else {}
            if told.get("type") == "job" and told["job"]["state"] in ("done", "failed", "cancelled"):
                break
    return (await client.get(f"{CHAT}/{chat}/status")).json()


def ask(agent: str = "gpt", message: str = "Hello?", **more: object) -> dict[str, object]:
    return {"agent_id": agent, "message": message, **more}


async def test_a_chat_is_accepted_at_once_and_ends_with_its_answer() -> None:
    async with served({"gpt": ["Good day."]}) as house:
        accepted = await house.owner.post(CHAT, json=ask())
        assert accepted.status_code == 202
        told = accepted.json()
        assert told["status"] in ("pending", "processing")
        status = await ended(house.owner, told["chat_id"])
        assert status["status"] == "completed"
        assert status["result"]["message"] == "Good day."
        assert status["result"]["success"] is True
        assert status["result"]["tool_calls"] == []
        assert status["error"] is None
        assert [one["type"] for one in status["progress"]] == ["accepted", "started", "answered", "completed"]
        assert all(one["timestamp"].endswith("Z") for one in status["progress"])


async def test_who_waits_gets_the_answer_in_the_same_shape() -> None:
    async with served({"gpt": ["Good day."]}) as house:
        reply = await house.owner.post("/api/chat", json=ask())
        assert reply.status_code == 200
        assert reply.json()["result"]["message"] == "Good day."


async def test_who_waits_too_long_is_told_how_far_it_is_and_the_job_goes_on() -> None:
    hold = Hold("Late.")
    async with served({"gpt": [hold]}) as house:
        reply = await house.owner.post("/api/chat", json=ask(timeout_s=0.05))
        assert reply.status_code == 202
        assert reply.json()["status"] in ("pending", "processing")
        hold.gate.set()
        assert (await ended(house.owner, reply.json()["chat_id"]))["result"]["message"] == "Late."


async def test_who_wants_it_cancelled_then_has_it_cancelled() -> None:
    hold = Hold("Never.")
    async with served({"gpt": [hold]}) as house:
        reply = await house.owner.post("/api/chat", json=ask(timeout_s=0.3, on_timeout="cancel"))
        status = await ended(house.owner, reply.json()["chat_id"])
        assert status["status"] == "cancelled"


async def test_a_stream_ends_with_the_result() -> None:
    async with served({"gpt": ["Good day to you."]}) as house:
        async with house.owner.stream("POST", "/api/chat", json=ask(), headers={"accept": "text/event-stream"}) as got:
            lines = [line async for line in got.aiter_lines()]
        events = [json.loads(line[6:]) for line in lines if line.startswith("data: ")]
        assert "".join(one["text"] for one in events if one.get("type") == "token").strip() == "Good day to you."
        assert "event: result" in lines
        assert events[-1]["result"]["message"] == "Good day to you."


async def test_the_same_key_is_the_same_chat_and_asks_once() -> None:
    async with served({"gpt": ["Once."]}) as house:
        headers = {"idempotency-key": "k1"}
        first = await house.owner.post(CHAT, json=ask(), headers=headers)
        again = await house.owner.post(CHAT, json=ask(), headers=headers)
        assert first.json()["chat_id"] == again.json()["chat_id"]
        await ended(house.owner, first.json()["chat_id"])
        other = await house.owner.post(CHAT, json=ask(message="Another?"), headers=headers)
        assert other.status_code == 422
        assert "Idempotency-Key" in other.json()["error"]["message"]


async def test_a_deleted_chat_is_forgotten() -> None:
    async with served({"gpt": [Hold("Never.")]}) as house:
        chat = (await house.owner.post(CHAT, json=ask())).json()["chat_id"]
        assert (await house.owner.delete(f"{CHAT}/{chat}")).status_code == 204
        assert (await house.owner.get(f"{CHAT}/{chat}/status")).status_code == 404
        assert (await house.owner.delete(f"{CHAT}/{chat}")).status_code == 404


async def test_a_failed_chat_says_why() -> None:
    async with served({"gpt": [ServerError("It is broken.", status=500)]}) as house:
        chat = (await house.owner.post(CHAT, json=ask())).json()["chat_id"]
        status = await ended(house.owner, chat)
        assert status["status"] == "failed"
        assert "It is broken." in str(status["error"])
        assert status["result"] is None


async def test_what_was_said_before_goes_along() -> None:
    def reply(request: object) -> str:
        roles = [message.role for message in request.messages]  # type: ignore[attr-defined]
        return f"{roles} {request.messages[0].text}"  # type: ignore[attr-defined]

    async with served({"gpt": [reply]}) as house:
        history = [{"role": "user", "content": "I am Ada."}, {"role": "assistant", "content": "Hello Ada."}]
        reply_ = await house.owner.post("/api/chat", json=ask(message="Who am I?", chat_history=history))
        assert reply_.json()["result"]["message"] == "['user', 'assistant', 'user'] I am Ada."


async def test_a_panel_answers_too() -> None:
    async with served({"a": ["Yes."], "b": ["No."]}) as house:
        reply = await house.owner.post("/api/chat", json=ask("moot/ask-many"))
        data = reply.json()["result"]["data"]
        assert sorted(one["text"] for one in data["replies"]) == ["No.", "Yes."]


@pytest.mark.parametrize(
    ("body", "status", "says"),
    [
        (ask("nobody"), 404, "No AI named 'nobody'"),
        (ask("moot/nothing"), 404, "There is no panel"),
        (ask(message=""), 400, "'message'"),
        ({"agent_id": "gpt"}, 400, "lacks 'message'"),
        (ask(extra=1), 400, "'extra', which is not known"),
        (ask(options={"rounds": 3}), 422, "'rounds' is not an option of ask_one. There are: role,"),
        (ask(options={"max_token": 3}), 422, "Did you mean 'max_tokens'?"),
        (ask(options={"ai": "another"}), 422, "'ai' is not an option"),
        (ask(options={"prompt": "something else"}), 422, "'prompt' is not an option"),
        (ask(options={"max_tokens": "many"}), 422, "'max_tokens'"),
        (ask(options={"ais": ["gpt"]}), 422, "'ais' is for panels"),
        (ask(chat_history=[{"role": "user", "content": "x"}] * 10_000), 422, "10,000 messages"),
        (ask(chat_history=[{"role": "boss", "content": "x"}]), 400, "chat_history.0.role"),
        ([1], 400, "The body"),
    ],
)
async def test_bad_input_is_one_sentence(body: object, status: int, says: str) -> None:
    async with served({"gpt": []}) as house:
        reply = await house.owner.post(CHAT, json=body)
        assert reply.status_code == status, reply.text
        assert says in reply.json()["error"]["message"]


@pytest.mark.parametrize("raw", [b"{", b"\xff", b"", b"[" * 100_000])
async def test_what_is_no_json_is_one_sentence(raw: bytes) -> None:
    async with served({"gpt": []}) as house:
        reply = await house.owner.post(CHAT, content=raw, headers={"content-type": "application/json"})
        assert reply.status_code == 400
        assert "not valid JSON" in reply.json()["error"]["message"]


async def test_nobody_hears_of_anothers_chat() -> None:
    hold = Hold("Secret.")
    async with served({"gpt": [hold]}) as house:
        async with await house.person("ada") as ada, await house.person("bob") as bob:
            chat = (await ada.post(CHAT, json=ask())).json()["chat_id"]
            await hold.reached.wait()
            for other in (bob, house.owner):
                assert (await other.get(f"{CHAT}/{chat}/status")).status_code == 404
                assert (await other.delete(f"{CHAT}/{chat}")).status_code == 404
                assert (await other.get("/api/jobs")).json() == []
                assert (await other.post(f"/api/jobs/{chat}/cancel", json={})).status_code == 404
            hold.gate.set()
            assert (await ended(ada, chat))["result"]["message"] == "Secret."
            for other in (bob, house.owner):
                assert (await other.get("/api/activities")).json()["activities"] == []
            assert (await ada.get("/api/activities")).json()["activities"]
