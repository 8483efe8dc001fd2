"""The built wheel, installed where nothing else is, by each line of the README, and driven by a real MCP client."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, Literal

import anyio
import pytest
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

from server.toolbox import RECIPES

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
PIPX = "pipx==1.18.4"
README = (ROOT / "README.md").read_text()
SECTION = README[README.index("## Install") : README.index("## Ask")]
LINES = [line for block in re.findall(r"^```sh\n(.*?)^```", SECTION, re.M | re.S) for line in block.splitlines()]
CLONE = re.compile(r"(?<= )\.(?= |$)")
"""The clone, in a line that installs it. Here the wheel takes its place."""
INSTALLING = [line for line in LINES if CLONE.search(line) and not line.startswith("docker")]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    subprocess.run([UV, "build", "--wheel", "--out-dir", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture
def env(tmp_path: Path) -> dict[str, str]:
    """An empty home, in which programs are found where uv and pipx put them; only uv's cache is the machine's."""
    home = tmp_path / "user"
    programs = home / ".local" / "bin"
    programs.mkdir(parents=True)
    cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    unwanted = ("PYTHON", "UV_", "VIRTUAL_ENV", "MOOT", "XDG_", "PIPX_")
    kept = {name: value for name, value in os.environ.items() if not name.startswith(unwanted)}
    if not shutil.which("pipx"):
        (programs / "pipx").write_text(f'#!/bin/sh\nexec uv tool run {PIPX} "$@"\n')
        (programs / "pipx").chmod(0o755)
    path = os.pathsep.join([str(programs), str(Path(UV).parent), kept["PATH"]])
    return kept | {"HOME": str(home), "PATH": path, "UV_CACHE_DIR": cache, "UV_PYTHON": sys.executable}


def run(command: str, env: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(
        ["bash", "-c", command], cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


async def listed(command: str, env: dict[str, str], cwd: Path) -> list[str]:
    """The tools of the server that *command* starts."""
    server = StdioServerParameters(command="bash", args=["-c", f"exec {command}"], env=env, cwd=str(cwd))
    with anyio.fail_after(60):
        async with Client(server, mode="legacy") as client:
            return [tool.name for tool in (await client.list_tools()).tools]


def test_the_readme_has_a_line_for_each_way_to_install() -> None:
    assert [line.split()[0] for line in INSTALLING] == ["uv", "pipx", "uvx"]


@pytest.mark.slow
@pytest.mark.parametrize("line", INSTALLING)
async def test_each_line_that_installs_gives_a_moot_that_serves(
    line: str, wheel: Path, env: dict[str, str], tmp_path: Path
) -> None:
    command = CLONE.sub(str(wheel), line)
    printed = run(command, env, tmp_path)
    if line.startswith("uvx"):
        started = command.removesuffix("moot --version")
        assert started != command
        servers = [f"{started}moot serve", f"{started}moot-mcp serve"]  # the second is what the registry's entry says
    else:
        found = run("command -v moot", env, tmp_path).strip()
        assert found.startswith(env["HOME"]), "another Moot would be tested"
        printed, servers = run("moot --version", env, tmp_path), ["moot serve"]
    assert re.fullmatch(r"moot, version \d+\.\d+\.\d+\n", printed)
    for server in servers:
        assert await listed(server, env, tmp_path) == [recipe.name for recipe in RECIPES]


@pytest.mark.slow
async def test_the_wheel_answers_in_both_eras_with_the_embedded_model_it_fetched(
    wheel: Path, env: dict[str, str], tmp_path: Path
) -> None:
    venv = tmp_path / "venv"
    moot = str(venv / "bin" / "moot")
    run(f"uv venv --python {sys.executable} {venv}", env, tmp_path)
    run(f"uv pip install --python {venv / 'bin' / 'python'} {wheel}", env, tmp_path)
    (fetch,) = [line for line in LINES if line.startswith("moot local")]
    run(str(venv / "bin" / fetch), env, tmp_path)
    assert "12" in run(f"{moot} ask -a local-plain 'What is 7+5?'", env, tmp_path)
    for mode in ("legacy", "auto"):
        assert await asked(moot, env, mode) == 0


async def asked(moot: str, env: dict[str, str], mode: Literal["legacy", "auto"]) -> Any:
    """What an answer of the embedded model costs."""
    server = StdioServerParameters(command=moot, args=["serve"], env=env)
    with anyio.fail_after(120):
        async with Client(server, mode=mode) as client:
            result = await client.call_tool("ask_one", {"prompt": "Name the capital of France.", "ai": "local-plain"})
    assert isinstance(result, CallToolResult)
    assert not result.is_error, result
    assert result.structured_content and result.structured_content["text"].strip()
    return result.structured_content["cost_usd"]
