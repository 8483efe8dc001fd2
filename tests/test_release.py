"""The built wheel, installed where nothing else is, driven by a real MCP client against the embedded model."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

CLIENT = """
import anyio, json, sys
from mcp import Client, StdioServerParameters

async def main():
    server = StdioServerParameters(command=sys.argv[1], args=["serve"], env=json.loads(sys.argv[2]))
    with anyio.fail_after(120):
        async with Client(server, mode=sys.argv[3]) as client:
            tools = await client.list_tools()
            result = await client.call_tool("ask_one", {"prompt": "Name the capital of France.", "ai": "local-plain"})
    print(json.dumps({"tools": [t.name for t in tools.tools], "result": result.model_dump(mode="json")}))

anyio.run(main)
"""


def run(*command: str, env: dict[str, str], cwd: Path) -> str:
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"
    return done.stdout


@pytest.mark.slow
def test_the_wheel_works_in_an_empty_environment(tmp_path: Path) -> None:

    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    venv = tmp_path / "venv"
    moot, python = str(venv / "bin" / "moot"), str(venv / "bin" / "python")
    env = {
        key: value for key, value in os.environ.items() if not key.startswith(("PYTHON", "UV_", "VIRTUAL_ENV", "MOOT"))
    } | {"MOOT_HOME": str(tmp_path / "home")}
    run(uv, "build", "--wheel", "--out-dir", str(tmp_path / "dist"), env=env, cwd=ROOT)
    (wheel,) = (tmp_path / "dist").glob("*.whl")
    run(uv, "venv", "--python", sys.executable, str(venv), env=env, cwd=tmp_path)
    run(uv, "pip", "install", "--python", python, str(wheel), env=env, cwd=tmp_path)

    assert "moot, version" in run(moot, "--version", env=env, cwd=tmp_path)
    run(moot, "local", "install", env=env, cwd=tmp_path)
    for mode in ("legacy", "auto"):
        found = json.loads(run(python, "-c", CLIENT, moot, json.dumps(env), mode, env=env, cwd=tmp_path))
        assert found["tools"] == ["ask_one", "ask_many", "debate", "status"]
        assert not found["result"]["is_error"], found
        assert found["result"]["structured_content"]["text"].strip()
        assert found["result"]["structured_content"]["cost_usd"] == 0
