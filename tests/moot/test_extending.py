"""The package of docs/extending.md, built as its author would, through the command line, the server and a program."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from moot_program import ENTRY
from provider_process import provider_process
from pydantic import Field

from core.names import extensions
from server.added import _recipe
from server.mcp_server.adapter import as_tool
from server.mcp_server.reply import LongResults
from server.toolbox import RECIPES

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
BROKEN = """
[project.entry-points."moot.providers"]
openai = "moot_acme:acme"
other = "moot_acme:acme"
none = "moot_acme:count_words"
leaving = "moot_leaving:acme"
client = "moot_acme:leaving_client"

[project.entry-points."moot.recipes"]
ask_one = "moot_acme:loudest"
absent = "moot_acme:absent"
runless = "moot_acme:count_words"

[project.entry-points."moot.tools"]
missing = "moot_nowhere:missing"
wild = "moot_acme:wild"
untyped = "moot_acme:untyped"
raises = "moot_acme:raises"
leaves = "moot_acme:leaves"
exit = "moot_leaving:anything"
runless = "moot_acme:raises"
"größe" = "moot_acme:raises"
called = "moot_acme:called"
lone = "moot_acme:lone"
ctx = "moot_acme:ctx"
places = "moot_acme:places"
forecast = "moot_acme:forecast"
odd = "moot_acme:odd"
"""
MORE = '''
print("printed at import")


def wild(text: str) -> int:
    return 1


def untyped(text) -> int:
    """No types."""


def raises(text: str) -> dict[str, int]:
    """Raises."""
    raise ZeroDivisionError("by nought")


import sys
from collections.abc import Callable
from typing import Annotated, Any
from pydantic import Field

leaving_client = Provider("client", module="moot_leaving", base_url="http://localhost:9", model="m")


def leaves(text: str) -> str:
    """Leaves."""
    sys.exit(3)


def called(how: Callable[[], int]) -> int:
    """Takes what no JSON can hold."""
    return how()


def lone(text: Annotated[str, Field(description="\\ud800")] = "") -> str:
    """Half a character."""
    return text


def ctx(ctx: str) -> str:
    """A name of ours."""
    return ctx


def places(text: str, /) -> str:
    """By its place alone."""
    return text


def forecast(temperature: float, *, schema: Annotated[str, Field(description="Which one.")] = "") -> str:
    """Names that Moot has for its own \\ud800 \\x1b[31m."""
    return f"{temperature}{schema}"


def odd(text: str) -> Any:
    """Gives what is not JSON."""
    return {"object": object, "bytes": b"\\xff", "number": float("nan"), 3: {1}}
'''


def blocks(kind: str) -> str:
    return re.findall(rf"^```{kind}\n(.*?)^```", PAGE, re.M | re.S)[0]


def installed(folder: Path, project: str, module: str) -> Path:
    """The package, built by hatchling and unpacked into a folder of its own."""
    source, target = folder / "source", folder / "site"
    source.mkdir()
    (source / "pyproject.toml").write_text(project)
    (source / "moot_acme.py").write_text(module)
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=source, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    zipfile.ZipFile(wheel).extractall(target)
    return target


@pytest.fixture(scope="module")
def acme(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return installed(tmp_path_factory.mktemp("acme"), blocks("toml"), blocks("python"))


@pytest.fixture(scope="module")
def broken(tmp_path_factory: pytest.TempPathFactory) -> Path:
    project = blocks("toml").partition("[project.entry-points")[0]
    site = installed(tmp_path_factory.mktemp("broken"), project + BROKEN, blocks("python") + MORE)
    (site / "moot_leaving.py").write_text("raise SystemExit('by \\x1b]0;title\\x07\\u202eall means')\n")
    return site


@pytest.fixture
def home(isolated: Path) -> Iterator[Path]:
    """A home with an AI that answers."""
    folder = isolated / "home"
    folder.mkdir(exist_ok=True)
    with provider_process() as base_url:
        row = {"provider": "openai_compatible", "base_url": base_url, "model": "tokens=2,word=so"}
        (folder / "credentials.json").write_text(json.dumps({"ais": {"near": row, "a": row | {"enabled": False}}}))
        (folder / "credentials.json").chmod(0o600)
        yield folder


def environment(site: Path, home: Path, **more: str) -> dict[str, str]:
    return {**os.environ, "PYTHONPATH": str(site), "MOOT_HOME": str(home), **more}


def moot(site: Path, home: Path, *arguments: str, **more: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, ENTRY, *arguments]
    env = environment(site, home, **more)
    return subprocess.run(command, env=env, capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)


async def served(site: Path, home: Path, calls: dict[str, dict[str, Any]]) -> tuple[list[str], list[CallToolResult]]:
    """The names of all tools that a host is told of, and what becomes of *calls*."""
    server = StdioServerParameters(command=sys.executable, args=[ENTRY, "serve"], env=environment(site, home))
    with anyio.fail_after(120):
        async with Client(server, mode="legacy") as client:
            names = [tool.name for tool in (await client.list_tools()).tools]
            results = [await client.call_tool(name, arguments) for name, arguments in calls.items()]
    assert all(isinstance(result, CallToolResult) for result in results)
    return names, results  # type: ignore[return-value]


def text(result: CallToolResult) -> str:
    (content,) = result.content
    assert isinstance(content, TextContent)
    return content.text


def test_the_command_line_has_what_a_package_adds(acme: Path, home: Path) -> None:
    for line in blocks("sh").splitlines()[1:]:
        name, words, *options = re.findall(r'moot (\w+) "(.*)" (--\w+) (\d+)', line)[0]
        assert (moot(acme, home, name, words, *options).stdout) == "2\n"
    assert moot(acme, home, "loudest", "hi", "--ais", "near").stdout == "SO SO \n"
    assert json.loads(moot(acme, home, "count_words", "a b", "--json").stdout)["data"] == 2
    shown = moot(acme, home, "--help").stdout
    assert "loudest" in shown and "count_words" in shown and "Ask several AIs and return the longest" in shown
    assert "--least INTEGER" in moot(acme, home, "count_words", "--help").stdout
    wrong = moot(acme, home, "count_words", "a", "--least", "much")
    assert wrong.returncode == 2 and "not a valid integer" in wrong.stderr


def test_its_provider_is_one_like_any_other(acme: Path, home: Path) -> None:
    told = moot(acme, home, "status", ACME_API_KEY="k-of-the-user").stdout
    assert "- acme: acme-1 via acme, ready" in told
    assert "acme" not in moot(acme, home, "status").stdout


async def test_a_host_is_told_of_its_tools_and_calls_them(acme: Path, home: Path) -> None:
    calls = {"count_words": {"text": "a few words", "least": 2}, "loudest": {"prompt": "hi"}}
    names, (counted, loudest) = await served(acme, home, calls)
    assert names == [*(recipe.name for recipe in RECIPES), "loudest", "count_words"]
    assert (counted.structured_content or {})["data"] == 2
    assert text(loudest) == "SO SO "
    again, (refused,) = await served(acme, home, {"count_words": {"text": "a", "least": "much"}})
    assert again == names, "out of the snapshot that the first start left"
    assert refused.is_error and "'least': Input should be a valid integer" in text(refused)
    assert "loudest" not in (await served(home, home, {}))[0], "without the package its tools are gone"


def test_what_is_broken_is_said_and_stops_nothing(broken: Path, home: Path) -> None:
    told = moot(broken, home, "status")
    assert told.returncode == 0 and "- near: " in told.stdout
    for sentence in (
        "'openai' (moot.providers), which is left out: its entry point is called 'openai', and the provider 'acme'",
        "'none' (moot.providers), which is left out: it is no moot.Provider but a function",
        "'leaving' (moot.providers), which is left out: SystemExit: by all means.",
        "'client' (moot.providers), which is left out: its module 'moot_leaving' cannot be imported (SystemExit: by",
    ):
        assert sentence in told.stdout
    asked = moot(broken, home, "ask", "hi", "-a", "near")
    assert (asked.returncode, "so so" in asked.stdout, "printed at import" in asked.stdout) == (0, True, False)
    said = moot(broken, home, "missing", "x")
    assert said.returncode == 1 and "'missing' (moot.tools), which is left out: ModuleNotFoundError" in said.stderr


async def test_a_host_gets_the_others_and_status_says_what_is_left_out(broken: Path, home: Path) -> None:
    calls = {name: {"text": "x"} for name in ("status", "raises", "leaves", "odd")}
    calls = calls | {"status": {}, "forecast": {"temperature": 1.5}}
    names, (status, raised, left, odd, forecast) = await served(broken, home, calls)
    assert names == [*(recipe.name for recipe in RECIPES), "forecast", "leaves", "odd", "raises"]
    assert left.is_error and "leaves failed (SystemExit: 3)" in text(left)
    assert (odd.structured_content or {})["data"] == {
        "object": "<class 'object'>",
        "bytes": "_w==",
        "number": None,
        "3": [1],
    }
    assert text(forecast) == "1.5"
    assert raised.is_error and "raises failed (ZeroDivisionError: by nought)" in text(raised)
    for why in (
        "'ask_one' (moot.recipes), which is left out: Moot has a tool of that name",
        "'absent' (moot.recipes), which is left out: AttributeError",
        "'runless' (moot.recipes), which is left out: a recipe is an 'async def'",
        "'wild' (moot.tools), which is left out: it has no docstring",
        "'untyped' (moot.tools), which is left out: its argument 'text' has no type",
        "'exit' (moot.tools), which is left out: SystemExit: by all means",
        "'größe' (moot.tools), which is left out: its name is not one of up to 40 letters",
        "'called' (moot.tools), which is left out: its argument 'how' cannot be told of in JSON",
        "'lone' (moot.tools), which is left out: its argument 'text' cannot be told of in JSON",
        "'ctx' (moot.tools), which is left out: its argument 'ctx' has a name that no argument can have",
        "'places' (moot.tools), which is left out: its argument 'text' cannot be given by its name",
        "'runless' (moot.tools), which is left out: there is a recipe of that name",
    ):
        assert why in text(status)


def test_arguments_called_like_those_of_moots_tools_are_listed_as_they_are() -> None:
    def forecast(temperature: float, *, schema: Annotated[str, Field(description="Which.")] = "") -> str:
        """Names that Moot has for its own."""
        return ""

    recipe = _recipe(extensions.TOOLS, "forecast", forecast)
    schema = as_tool(recipe, LongResults()).parameters
    assert list(schema["properties"]) == ["temperature", "schema"]
    assert schema["properties"]["schema"]["description"] == "Which."


def test_of_two_entries_of_one_name_the_second_is_told_of(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
) -> None:
    for package in ("one", "two"):
        add(tmp_path, package, b"[moot.tools]\nboth = json:dumps\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert list(extensions.load(extensions.TOOLS)) == ["both"]
    (problem,) = extensions.problems()
    assert "The package 'two' adds 'both' (moot.tools), which is left out: another entry has that name" in problem


def test_entries_that_cannot_be_read_add_nothing_and_stop_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, forgotten: None
) -> None:
    add(tmp_path, "one", b"[moot.tools]\nboth = json:dumps\n")
    add(tmp_path, "two", b"[other]\n\xff = json:dumps\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert extensions.load(extensions.TOOLS) == {} and extensions.names(extensions.TOOLS) == []
    (problem,) = extensions.problems()
    assert "cannot be read (UnicodeDecodeError" in problem and problem.endswith("Mend them.")


def add(site: Path, package: str, entries: bytes) -> None:
    folder = site / f"{package}-1.dist-info"
    folder.mkdir()
    (folder / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1\n")
    (folder / "entry_points.txt").write_bytes(entries)


@pytest.fixture
def forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """What was found before."""
    monkeypatch.setattr(extensions, "_announced", None)
    monkeypatch.setattr(extensions, "_loaded", {})
    monkeypatch.setattr(extensions, "_problems", [])
