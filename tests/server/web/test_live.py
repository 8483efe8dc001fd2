"""The page beside a stdio server: the first progress note has a link, by which a person watches the run."""

from __future__ import annotations

import json
from functools import partial

import anyio
import httpx2
import pytest
from mcp import Client
from scripted_ai import Hold, scripted_app

from server.mcp_server.app import create_mcp_server
from server.web import live as live_module
from server.web.live import LiveView


@pytest.mark.parametrize("mode", ["legacy", "2026-07-28"])
async def test_the_first_note_of_a_run_leads_to_its_page(mode: str) -> None:
    hold = Hold("Seen by all.")
    notes: list[str] = []
    told = anyio.Event()

    async def show(progress: float, total: float | None, message: str | None) -> None:
        notes.append(message or "")
        told.set()

    server = create_mcp_server(partial(scripted_app, {"gpt": [hold]}), live=LiveView())
    with anyio.fail_after(30):
        async with Client(server, mode=mode) as client, anyio.create_task_group() as tasks:
            tasks.start_soon(partial(client.call_tool, "ask_one", {"prompt": "Hello?"}, progress_callback=show))
            await told.wait()
            link = notes[0].removeprefix("Watch it: ")
            async with httpx2.AsyncClient() as browser:
                opened = await browser.get(link)
                base, _, run = opened.headers["location"].partition("/#/watch/")
                assert (opened.status_code, base) == (303, "")
                url = link.partition("/open/")[0]
                browser.cookies.update(opened.cookies)
                async with browser.stream("GET", f"{url}/api/events", params={"chat": run}) as events:
                    hold.gate.set()
                    async for line in events.aiter_lines():
                        event = json.loads(line[6:]) if line.startswith("data: ") else {}
                        if event.get("type") == "call_finished":
                            assert event["text"] == "Seen by all."
                            break
                assert (await browser.get(f"{url}/api/status")).json()["person"] == ""
            async with httpx2.AsyncClient() as nobody:
                assert (await nobody.get(f"{url}/api/status")).status_code == 401


async def test_where_no_page_can_be_served_the_run_goes_on_without(monkeypatch: pytest.MonkeyPatch) -> None:
    def refused(place: object) -> None:
        raise OSError("no sockets here")

    notes: list[str] = []

    async def show(progress: float, total: float | None, message: str | None) -> None:
        notes.append(message or "")

    monkeypatch.setattr(live_module, "listen", refused)
    server = create_mcp_server(partial(scripted_app, {"gpt": ["Yes."]}), live=LiveView())
    with anyio.fail_after(30):
        async with Client(server) as client:
            result = await client.call_tool("ask_one", {"prompt": "Hello?"}, progress_callback=show)
    assert result.structured_content["text"] == "Yes."
    assert not any("Watch it" in note for note in notes)
