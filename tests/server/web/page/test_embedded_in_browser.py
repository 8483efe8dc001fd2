"""A panel's result as a page inside a host (MCP Apps), drawn in a real browser by messages alone."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

import anyio
import pytest
from mcp import Client
from mcp.client.extension import advertise
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID
from scripted_ai import scripted_app

from server.mcp_server.app import create_mcp_server
from server.mcp_server.apps import BLOCKS, page

pytestmark = pytest.mark.browser
HOST = """
const told = [];
const frame = document.createElement("iframe");
frame.sandbox = "allow-scripts";
frame.srcdoc = PAGE;
const send = (message) => frame.contentWindow.postMessage({ jsonrpc: "2.0", ...message }, "*");
addEventListener("message", ({ data }) => {
  told.push(data);
  if (data.method === "ui/initialize") send({ id: data.id, result: { hostContext: { theme: "dark" } } });
  if (data.method === "ui/notifications/initialized") send({ method: "ui/notifications/tool-result", params: RESULT });
  if (data.method === "ui/open-link") send({ id: data.id, result: {} });
});
document.body.append(frame);
window.told = told;
"""


def result_of(tool: str, arguments: dict[str, Any], **ais: Any) -> dict[str, Any]:
    """What a host that draws gets of *tool*; made in a thread, since the browser has a loop in this one."""
    with ThreadPoolExecutor(1) as apart:
        return apart.submit(anyio.run, partial(_result_of, tool, arguments, **ais)).result()


async def _result_of(tool: str, arguments: dict[str, Any], **ais: Any) -> dict[str, Any]:
    server = create_mcp_server(partial(scripted_app, ais))
    drawing = [advertise(EXTENSION_ID, {"mimeTypes": [APP_MIME_TYPE]})]
    async with Client(server, extensions=drawing) as host:
        result = await host.call_tool(tool, arguments)
    assert result.meta and BLOCKS in result.meta
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


PAGE = page()  # read before there is a loop


def drawn(chromium: Any, result: dict[str, Any]) -> Any:
    """The page, in a frame of a host that hands it *result*."""
    tab = chromium.new_page()
    requests: list[str] = []
    tab.on("request", lambda request: requests.append(request.url))
    tab.set_content("<!doctype html><title>Host</title><body></body>")
    tab.evaluate(HOST.replace("PAGE", json.dumps(PAGE)).replace("RESULT", json.dumps(result)))
    frame = tab.frames[-1]
    frame.wait_for_selector(".embedded .by")
    assert [url for url in requests if not url.startswith(("about:", "data:"))] == []
    return tab, frame


def test_several_answers_are_drawn_from_messages_alone(chromium: Any) -> None:
    hostile = "**Yes.** [go](https://evil.example/x) <img src=x onerror=alert(1)> ![p](https://evil.example/p.png)"
    result = result_of("ask_many", {"prompt": "Is it?"}, a=[hostile], b=["No.\n\n- one\n- two"])
    tab, frame = drawn(chromium, result)
    assert frame.locator(".embedded strong", has_text="Yes.").count() == 1
    assert frame.locator(".embedded li").count() == 2
    assert frame.locator(".embedded img, .embedded script").count() == 0
    assert frame.evaluate("document.documentElement.dataset.theme") == "dark"
    frame.locator("a", has_text="go").click()
    asked = [one for one in tab.evaluate("told") if one.get("method") == "ui/open-link"]
    assert asked[0]["params"] == {"url": "https://evil.example/x"}
    sizes = [one for one in tab.evaluate("told") if one.get("method") == "ui/notifications/size-changed"]
    assert sizes[-1]["params"]["height"] > 100
    tab.close()


def test_a_debate_is_drawn_with_its_verdict_first(chromium: Any) -> None:
    opening = "I hold that it is.\nPOSITION: yes"
    steps = {"a": [opening, opening], "b": [opening, opening], "c": ["They agree.\nVERDICT: yes"]}
    arguments = {"question": "Is it?", "ais": ["a", "b"], "judge": "c"}
    tab, frame = drawn(chromium, result_of("debate", arguments, **steps))
    first = frame.locator(".embedded section").first
    assert "verdict" in (first.get_attribute("class") or "")
    tab.close()
