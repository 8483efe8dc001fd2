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
from typing import Any

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult, TextContent
from moot_program import ENTRY
from provider_process import provider_process

from server.toolbox import RECIPES

PAGE = (Path(__file__).parents[2] / "docs" / "extending.md").read_text()
BROKEN = """
[project.entry-points."moot.providers"]
openai = "moot_acme:acme"
other = "moot_acme:acme"
none = "moot_acme:count_words"

[project.entry-points."moot.recipes"]
ask_one = "moot_acme:loudest"
absent = "moot_acme:absent"
runless = "moot_acme:count_words"

[project.entry-points."moot.tools"]
missing = "moot_nowhere:missing"
wild = "moot_acme:wild"
untyped = "moot_acme:untyped"
raises = "moot_acme:raises"
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
    return installed(tmp_path_factory.mktemp("broken"), project + BROKEN, blocks("python") + MORE)


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
    ):
        assert sentence in told.stdout
    asked = moot(broken, home, "ask", "hi", "-a", "near")
    assert (asked.returncode, "so so" in asked.stdout, "printed at import" in asked.stdout) == (0, True, False)
    said = moot(broken, home, "missing", "x")
    assert said.returncode == 1 and "'missing' (moot.tools), which is left out: ModuleNotFoundError" in said.stderr


async def test_a_host_gets_the_others_and_status_says_what_is_left_out(broken: Path, home: Path) -> None:
    names, (status, raised) = await served(broken, home, {"status": {}, "raises": {"text": "x"}})
    assert names == [*(recipe.name for recipe in RECIPES), "raises"]
    assert raised.is_error and "raises failed (ZeroDivisionError: by nought)" in text(raised)
    for why in (
        "'ask_one' (moot.recipes), which is left out: Moot has a tool of that name",
        "'absent' (moot.recipes), which is left out: AttributeError",
        "'runless' (moot.recipes), which is left out: a recipe is an 'async def'",
        "'wild' (moot.tools), which is left out: it has no docstring",
        "'untyped' (moot.tools), which is left out: its argument 'text' has no type",
    ):
        assert why in text(status)
