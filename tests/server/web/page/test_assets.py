"""What the browser gets: small, served as it lies, and free of what could turn text into code."""

from __future__ import annotations

import gzip
import re
from importlib.resources import files
from pathlib import Path

import pytest
from starlette.applications import Starlette
from starlette.testclient import TestClient

from core.names.naming import module_name
from core.people.tokens import Tokens
from server.web.access.address import Address
from server.web.access.doors import Doors
from server.web.house import House
from server.web.page import assets

PAGE = Path(str(files(module_name("server.web.page"))))
NAMES = sorted(one.name for one in PAGE.iterdir() if one.suffix in (".js", ".css", ".svg", ".html"))
MODULES = [name for name in NAMES if name.endswith(".js")]
MOST_START = 30 * 1024
MOST_LINES = 400
_IMPORT = re.compile(r'^import [^"]*"\./([\w-]+\.js)";', re.MULTILINE)
_LATER = re.compile(r'import\("\./([\w-]+\.js)"\)')
_BARRED = (
    "innerHTML",
    "outerHTML",
    "insertAdjacentHTML",
    "document.write",
    "eval(",
    "new Function",
    'setAttribute("style"',
    "style:",
    "http://" + "cdn",
    "https://",
)


def text(name: str) -> str:
    return (PAGE / name).read_text()


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    address = Address("127.0.0.1", 4747, base_path="/moot")
    house = House(address, Tokens(), Doors(tmp_path))
    return TestClient(Starlette(routes=assets.routes(house)))


@pytest.mark.parametrize("name", NAMES)
def test_every_file_is_served_compressed_and_once(client: TestClient, name: str) -> None:
    first = client.get(f"/page/{name}", headers={"accept-encoding": "gzip"})
    again = client.get(f"/page/{name}", headers={"if-none-match": first.headers["etag"]})

    assert first.status_code == 200
    assert first.headers["content-encoding"] == "gzip"
    assert first.text == (text(name).replace("{base}", "/moot") if name == "index.html" else text(name))
    assert again.status_code == 304
    assert again.content == b""


def test_a_file_that_is_not_there_is_not_found(client: TestClient) -> None:
    assert client.get("/page/other.js").status_code == 404


def test_what_a_page_loads_at_its_start_is_small() -> None:
    modules, waiting = set(), {"app.js"}
    while waiting:
        name = waiting.pop()
        modules.add(name)
        waiting |= set(_IMPORT.findall(text(name))) - modules
    start = ["index.html", "app.css", *sorted(modules)]

    assert len(start) <= 6, "with the AIs and the event stream these are eight requests"
    assert sum(len(gzip.compress(text(name).encode(), 9)) for name in start) <= MOST_START
    assert set(re.findall(r'modulepreload" href="{base}/page/([\w.]+)"', text("index.html"))) == modules - {"app.js"}


@pytest.mark.parametrize("name", MODULES)
def test_a_module_is_short_says_what_it_is_for_and_makes_no_code_of_text(name: str) -> None:
    source = text(name)

    assert source.startswith("// ")
    assert source.count("\n") < MOST_LINES
    assert [one for one in _BARRED if one in source] == []


def test_every_module_that_is_imported_is_there_and_every_one_is_imported() -> None:
    imported = {"app.js", "embedded.js"}  # the second begins what a host shows (MCP Apps)
    for name in MODULES:
        imported |= {*_IMPORT.findall(text(name)), *_LATER.findall(text(name))}

    assert imported == set(MODULES)


def test_the_page_has_no_script_and_no_style_of_its_own() -> None:
    page = text("index.html")

    assert re.findall(r"<script[^>]*>(.*?)</script>", page) == [""]
    assert "<style" not in page
    assert " style=" not in page
    assert re.findall(r"(?:src|href)=\"(?!{base}/page/|data:image/svg)", page) == []
