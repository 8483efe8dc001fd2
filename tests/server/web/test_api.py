"""The rest of /api: jobs, activities, usage, threads, files, AIs, and its description."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import anyio.to_thread
import pytest
from openapi_spec_validator import validate
from pydantic import SecretStr
from scripted_ai import Hold, Step, scripted_app
from web_house import Opened, open_house

from ai.runs.app import open_app
from core.config import AIConfig, Config, FilesConfig
from core.errors import ServerError
from core.usage.activity import Wish
from server.web.api.catalog import ENDPOINTS
from server.web.api.openapi import describe


@asynccontextmanager
async def served(ais: dict[str, list[Step]]) -> AsyncIterator[Opened]:
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, ais)) as house:
            yield house


@asynccontextmanager
async def real(base_url: str, *names: str) -> AsyncIterator[Opened]:
    """With AIs that are asked over the wire, and all that is recorded of that."""
    key = SecretStr("k")
    rows = {name: AIConfig(provider="openai", base_url=base_url, model=f"word={name}", api_key=key) for name in names}
    rows["broken"] = AIConfig(provider="openai", base_url=base_url, model="status=400", api_key=key)
    with anyio.fail_after(60):
        async with open_house(partial(open_app, Config(rows=rows, files=FilesConfig(roots=[])))) as house:
            yield house


def ask(agent: str = "gpt", message: str = "Hello?", **more: object) -> dict[str, object]:
    return {"agent_id": agent, "message": message, **more}


async def test_the_description_is_valid_and_has_every_endpoint() -> None:
    async with served({"gpt": []}) as house:
        document = (await house.owner.get("/openapi.json")).json()
    validate(document)
    assert {(m.upper(), p) for p, found in document["paths"].items() for m in found} == {
        (one.method, one.path) for one in ENDPOINTS
    }


def test_every_endpoint_says_what_it_does() -> None:
    for endpoint in ENDPOINTS:
        assert endpoint.says.endswith("."), endpoint.path
    names = [endpoint.name for endpoint in ENDPOINTS]
    assert len(names) == len(set(names))


def test_the_options_of_a_chat_are_described_by_name_and_type() -> None:
    described = describe(ENDPOINTS)["components"]["schemas"]["ChatAsk"]["properties"]["options"]
    assert described["additionalProperties"] is False
    assert {"role", "max_tokens", "ais", "rounds", "judges", "staged", "dry_run"} <= set(described["properties"])
    assert not {"run", "ai", "prompt", "question", "focus", "history"} & set(described["properties"])
    assert described["properties"]["rounds"]["anyOf"][0]["type"] == "integer"


async def test_a_plan_refuses_what_its_agent_does_not_take() -> None:
    async with served({"gpt": []}) as house:
        for options in ({"\x10": {}}, {"rounds": 2}, {"prompt": "Something else?"}, {"max_tokens": {}}):
            reply = await house.owner.post("/api/plan", json=ask(options=options))
            assert reply.status_code == 422, options


def test_a_base_path_is_in_the_description() -> None:
    assert describe(ENDPOINTS, "/moot")["servers"] == [{"url": "/moot"}]


async def test_a_job_is_listed_with_its_question_and_read_with_its_result() -> None:
    async with served({"gpt": ["Good day."]}) as house:
        chat = (await house.owner.post("/api/chat", json=ask())).json()["chat_id"]
        (listed,) = (await house.owner.get("/api/jobs")).json()
        assert (listed["id"], listed["question"], listed["ais"], listed["state"]) == (chat, "Hello?", ["gpt"], "done")
        told = (await house.owner.get(f"/api/jobs/{chat[:4]}")).json()
        assert told["result"]["text"] == "Good day."
        assert told["calls"][0]["name"] == "gpt"
        assert (await house.owner.get("/api/jobs", params={"state": "failed"})).json() == []
        assert (await house.owner.delete(f"/api/jobs/{chat}")).status_code == 204
        assert (await house.owner.get("/api/jobs")).json() == []


async def test_a_job_is_cancelled_resumed_and_retried() -> None:
    hold = Hold("Never.")
    steps: list[Step] = [hold, ServerError("Broken.", status=500), "There."]
    async with served({"gpt": steps}) as house:
        chat = (await house.owner.post("/api/chat/async", json=ask())).json()["chat_id"]
        await hold.reached.wait()
        await house.owner.post(f"/api/jobs/{chat}/cancel", json={"mode": "abort"})
        jobs = house.house.app.jobs
        assert (await jobs.wait(chat, 10)).state == "cancelled"
        assert (await house.owner.post(f"/api/jobs/{chat}/resume")).status_code == 200
        assert (await jobs.wait(chat, 10)).state == "failed"
        assert (await house.owner.post(f"/api/jobs/{chat}/retry")).status_code == 200
        assert (await jobs.wait(chat, 10)).state == "done"


async def test_activities_are_paged_filtered_and_told_once(base_url: str) -> None:
    async with real(base_url, "gpt") as house:
        asked = [await house.owner.post("/api/chat", json=ask(ai)) for ai in ("gpt", "broken", "gpt")]
        chats = [reply.json()["chat_id"] for reply in asked]
        await anyio.to_thread.run_sync(house.house.app.ledger.flush)
        got, cursor = [], None
        while True:
            page = (
                await house.owner.get("/api/activities", params={"limit": 2} | ({"cursor": cursor} if cursor else {}))
            ).json()
            got += page["activities"]
            cursor = page["next"]
            if cursor is None:
                break
        ids = [one["id"] for one in got]
        assert len(ids) == len(set(ids)) == 9
        kinds = sorted(one["type"] for one in got)
        assert kinds == sorted(["agent_execution"] * 3 + ["tool_invocation"] * 3 + ["ai_call"] * 2 + ["error"])
        assert [one["at"] for one in got] == sorted((one["at"] for one in got), reverse=True)
        only = (await house.owner.get("/api/activities", params={"chat": chats[0]})).json()["activities"]
        assert {one["chat"] for one in only} == {chats[0]}
        errors = (await house.owner.get("/api/activities", params={"type": "error"})).json()["activities"]
        assert [(one["ai"], one["chat"]) for one in errors] == [("broken", chats[1])]
        assert (await house.owner.get("/api/activities", params={"ai": "nobody"})).json()["activities"] == []
        assert (await house.owner.get("/api/activities", params={"cursor": "x"})).status_code == 400


async def test_usage_is_each_persons_own_and_all_of_it_for_administrators(base_url: str) -> None:
    async with real(base_url, "gpt") as house:
        async with await house.person("ada") as ada, await house.person("boss", admin=True) as boss:
            await ada.post("/api/chat", json=ask())
            await house.owner.post("/api/chat", json=ask())
            await anyio.to_thread.run_sync(house.house.app.ledger.flush)
            assert [row["calls"] for row in (await ada.get("/api/usage")).json()["rows"]] == [1]
            assert (await boss.get("/api/usage")).json()["rows"] == []
            by = (await boss.get("/api/usage", params={"by": "person"})).json()["rows"]
            assert {row["person"]: row["calls"] for row in by} == {"": 1, "ada": 1}
            assert (await ada.get("/api/usage", params={"by": "person"})).status_code == 403
            assert (await ada.get("/api/usage", params={"everybody": "true"})).status_code == 403


async def test_a_person_asks_only_whom_they_may() -> None:
    async with served({"gpt": [], "claude": ["Yes."]}) as house:
        async with await house.person("ada", ais=("claude",)) as ada:
            agents = [one["id"] for one in (await ada.get("/api/ais")).json()["agents"] if one["kind"] == "ai"]
            assert agents == ["claude"]
            assert (await ada.post("/api/chat/async", json=ask("gpt"))).status_code == 404
            told = (await ada.post("/api/chat", json=ask("moot/ask-many"))).json()
            assert [one["ai"] for one in told["result"]["data"]["replies"]] == ["claude"]


async def test_threads_are_kept_found_exported_and_forgotten_for_each_alone() -> None:
    async with served({"gpt": ["Blue whales.", "Red foxes."]}) as house, await house.person("ada") as ada:
        for who in (house.owner, ada):
            await who.post("/api/chat", json=ask(options={"thread": "animals"}))
        (line,) = (await house.owner.get("/api/threads")).json()["threads"]
        assert (line["name"], line["turns"]) == ("animals", 2)
        (found,) = (await house.owner.get("/api/threads", params={"q": "whales"})).json()["matches"]
        assert found["excerpt"] == "Blue <<whales>>."
        assert (await house.owner.get("/api/threads", params={"q": "foxes"})).json()["matches"] == []
        thread = (await house.owner.get("/api/threads/animals", params={"blocks": "true"})).json()
        assert thread["turns"][1]["blocks"] == [["p", "Blue whales."]]
        export = await house.owner.get("/api/threads/animals/export")
        assert "Blue whales." in export.text
        assert export.headers["content-disposition"].startswith("attachment")
        assert (await house.owner.delete("/api/threads/animals")).json() == {"turns": 2, "notes": []}
        assert (await house.owner.get("/api/threads/animals")).status_code == 404
        assert "Red foxes." in (await ada.get("/api/threads/animals")).text


async def test_an_uploaded_file_goes_along_and_nobody_elses_does() -> None:
    def told(request: object) -> str:
        return request.messages[-1].text  # type: ignore[attr-defined,no-any-return]

    async with served({"gpt": [told, told]}) as house, await house.person("ada") as ada:
        up = await house.owner.post("/api/files", params={"name": "../../notes.txt"}, content=b"The code is 42.")
        assert up.status_code == 201
        path = up.json()["path"]
        assert path.endswith("-notes.txt")
        reply = (await house.owner.post("/api/chat", json=ask(options={"files": [path]}))).json()
        assert "The code is 42." in reply["result"]["message"]
        assert reply["result"]["data"]["sent_along"][0].startswith(path)
        refused = (await ada.post("/api/chat", json=ask(options={"files": [path]}))).json()
        assert refused["status"] == "failed"
        hers = (await ada.post("/api/files", params={"name": "a.txt"}, content=b"Hers.")).json()["path"]
        assert "Hers." in (await ada.post("/api/chat", json=ask(options={"files": [hers]}))).json()["result"]["message"]
        assert [one["path"] for one in (await ada.get("/api/files")).json()] == [hers]
        assert (await ada.delete(f"/api/files/{path}")).status_code == 404
        assert (await ada.delete(f"/api/files/{hers}")).status_code == 204
        assert (await ada.get("/api/files")).json() == []


@pytest.mark.parametrize("name", ["..", "a/b", "....//x", "x\\y", "", "é" * 400])
async def test_the_name_of_an_upload_leads_nowhere(name: str) -> None:
    async with served({"gpt": []}) as house:
        up = await house.owner.post("/api/files", params={"name": name}, content=b"x")
        if up.status_code == 201:
            assert "/" not in up.json()["path"]
            assert "\\" not in up.json()["path"]
        else:
            assert up.status_code == 400
        assert (await house.owner.delete("/api/files/..%2F..%2Fcredentials.json")).status_code in (404, 405)


@pytest.mark.parametrize("name", ["a" * 290 + ".txt", "\u540d" * 290 + ".txt", "\U0001d482" * 200 + ".txt"])
async def test_an_upload_with_a_long_name_keeps_its_end_and_can_be_deleted(name: str) -> None:
    async with served({"gpt": []}) as house:
        up = await house.owner.post("/api/files", params={"name": name}, content=b"x")
        path = up.json()["path"]
        assert up.status_code == 201 and path.endswith(f"{name[-9]}.txt") and len(path.encode()) <= 255
        assert (await house.owner.delete(f"/api/files/{path}")).status_code == 204


async def test_moots_own_files_are_not_sent() -> None:
    async with served({"gpt": []}) as house:
        for name in ("../people.db", "session.key", "../session.key"):
            told = (await house.owner.post("/api/chat", json=ask(options={"files": [name]}))).json()
            assert told["status"] == "failed", name


async def test_a_plan_sends_nothing_and_tells_the_price(base_url: str) -> None:
    async with real(base_url, "gpt", "claude") as house:
        told = (await house.owner.post("/api/plan", json=ask("moot/ask-many"))).json()
        assert "nothing was sent" in told["text"].lower()


async def test_a_person_spends_no_more_than_they_may(base_url: str) -> None:
    async with real(base_url, "gpt") as house, await house.person("ada", per_day_usd=0.0) as ada:
        told = (await ada.post("/api/chat", json=ask())).json()
        assert told["status"] in ("pending", "failed")
        assert "'ada'" in told["error"]
        assert (await house.owner.post("/api/chat", json=ask())).json()["status"] == "completed"


async def test_what_is_not_there_is_said_in_the_same_shape() -> None:
    async with served({"gpt": []}) as house:
        for path in ("/api/nothing", "/api/jobs/unknown-unknown", "/api/threads/none", "/api/history/zzzzz"):
            reply = await house.owner.get(path)
            assert reply.status_code in (400, 404), path
            assert reply.json()["error"]["message"]
        assert (await house.owner.put("/api/status")).status_code == 405


async def test_the_ledgers_activities_are_bounded(base_url: str) -> None:
    async with real(base_url, "gpt") as house:
        for _ in range(2):
            await house.owner.post("/api/chat", json=ask())
        ledger = house.house.app.ledger
        await anyio.to_thread.run_sync(ledger.flush)
        found = await anyio.to_thread.run_sync(ledger.activities, Wish("", "ai_call", limit=1))
        assert len(found) == 1


async def test_administrators_are_told_how_the_server_is() -> None:
    async with served({"gpt": ["Good day."]}) as house:
        await house.owner.post("/api/chat", json=ask())
        async with await house.person("ada") as ada, await house.person("boss", admin=True) as boss:
            assert (await ada.get("/api/status")).json()["server"] is None
            told = (await boss.get("/api/status")).json()["server"]
        assert told["jobs"] == {"queued": 0, "running": 0, "paused": 0, "done": 1, "failed": 0, "cancelled": 0}
        assert (told["workers"], told["problem"]) == (1, None)
        assert told["uptime_s"] >= 0 and told["disk_free_bytes"] > 0 and told["memory_bytes"] > 0


async def test_markdown_is_drawn_as_trees_in_the_order_it_came() -> None:
    async with served({"gpt": []}) as house:
        reply = await house.owner.post("/api/blocks", json={"texts": ["A **b**.", "", "<i>c</i>\u202e"]})
        many = await house.owner.post("/api/blocks", json={"texts": ["a"] * 201})

    assert reply.json() == {"blocks": [[["p", "A ", ["strong", "b"], "."]], [], [["p", "<i>c</i>"]]]}
    assert many.status_code == 400
