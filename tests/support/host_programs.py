"""Programs from npm, among them hosts, each with the one command that has its model take a turn on loopback.

They are installed once into a folder of their own: $MOOT_TEST_HOSTS, or the user's cache.
"""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import platformdirs

from server.setup.hosts import HOSTS

_INSTALL_S = 600
_NODE_NEEDED = 22
_NODE = "24.21.0"
_DEAD_END = "http://127.0.0.1:9"
"""A proxy nobody answers at: what a host sends past the loopback model goes nowhere."""


@dataclass(frozen=True, slots=True)
class Program:
    """One row. `URL` in a value stands for the address of the scripted model."""

    host: str
    """Its name in `server/setup/hosts.py`, which knows its command and its file."""
    package: str
    version: str
    arguments: tuple[str, ...]
    environment: dict[str, str]
    settings: dict[str, object] = field(default_factory=dict)
    """What its own file says before Moot is added to it."""
    limit_s: float = 120.0

    def installed(self) -> Path:
        """Its command, installed by npm if it is not there yet.

        Raises:
            FileNotFoundError: npm, or the package, is not to be had here.
        """
        return npm_command(self.package, self.version, HOSTS[self.host].program)

    def variables(self, home: Path, url: str) -> dict[str, str]:
        """All that its process sees: itself on PATH, where Moot finds it, a home of its own, and only loopback."""
        given = {name: value.replace("URL", url) for name, value in self.environment.items()}
        no_way_out = {"HTTPS_PROXY": _DEAD_END, "HTTP_PROXY": _DEAD_END, "NO_PROXY": "127.0.0.1,localhost"}
        path = f"{self.installed().parent}{os.pathsep}{os.environ['PATH']}"
        return {"PATH": path, "HOME": str(home), "TERM": "dumb"} | no_way_out | given

    def command(self, url: str) -> list[str]:
        return [str(self.installed()), *(argument.replace("URL", url) for argument in self.arguments)]

    def prepare(self, home: Path) -> None:
        """Write its settings, if it needs any."""
        if self.settings:
            file = home / HOSTS[self.host].user_file.removeprefix("~/")
            file.parent.mkdir(parents=True)
            file.write_text(json.dumps(self.settings))


def npm_command(package: str, version: str, name: str) -> Path:
    """The command *name* of an npm package, which is installed if it is not there yet.

    Raises:
        FileNotFoundError: npm, or the package, is not to be had here.
    """
    folder = _folder() / f"{name}-{version}"
    command = folder / "node_modules" / ".bin" / name
    if not command.exists():
        _npm_install(f"{package}@{version}", folder)
    if not command.exists():
        raise FileNotFoundError(f"{package} {version} has no command {name} on this machine.")
    return command


def node_command() -> Path:
    """Node.js 22 or later: the one on PATH, or else npm's own.

    Raises:
        FileNotFoundError: Neither is to be had here.
    """
    if (found := shutil.which("node")) and _node_version(found) >= _NODE_NEEDED:
        return Path(found)
    system = {"linux": "linux", "darwin": "darwin", "win32": "win"}[sys.platform]
    chip = {"x86_64": "x64", "AMD64": "x64", "aarch64": "arm64", "arm64": "arm64"}[platform.machine()]
    return npm_command(f"node-{system}-{chip}", _NODE, "node")


def _node_version(node: str) -> int:
    said = subprocess.run([node, "--version"], capture_output=True, text=True, timeout=30, check=False).stdout
    major = said.removeprefix("v").partition(".")[0]
    return int(major) if major.isdigit() else 0


def _folder() -> Path:
    named = os.environ.get("MOOT_TEST_HOSTS")
    return Path(named) if named else platformdirs.user_cache_path("moot-test-hosts", appauthor=False)


def _npm_install(package: str, folder: Path) -> None:
    npm = shutil.which("npm")
    if npm is None:
        raise FileNotFoundError("npm is not on PATH.")
    folder.mkdir(parents=True, exist_ok=True)
    done = subprocess.run(
        [npm, "install", "--prefix", str(folder), "--no-fund", "--no-audit", package],
        capture_output=True,
        text=True,
        timeout=_INSTALL_S,
        check=False,
    )
    if done.returncode:
        raise FileNotFoundError(f"npm cannot install {package}: {done.stderr.strip().splitlines()[-1:]}")


_SCRIPTED = '{name="scripted", base_url="URL/v1", wire_api="responses", env_key="SCRIPTED_KEY"}'
QUESTION = "Ask the others."

PROGRAMS = (
    Program(
        "codex",
        "@openai/codex",
        "0.169.0",
        (
            "exec",
            "--skip-git-repo-check",
            "--dangerously-bypass-approvals-and-sandbox",
            *("-c", 'model="scripted"', "-c", 'model_provider="scripted"'),
            *("-c", f"model_providers.scripted={_SCRIPTED}"),
            QUESTION,
        ),
        {"SCRIPTED_KEY": "dummy"},
    ),
    Program(
        "claude-code",
        "@anthropic-ai/claude-code",
        "2.1.329",
        ("-p", QUESTION, "--allowedTools", "mcp__moot__ask_many"),
        {
            "ANTHROPIC_BASE_URL": "URL",
            "ANTHROPIC_API_KEY": "dummy",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC": "1",
            "DISABLE_AUTOUPDATER": "1",
        },
    ),
    Program(
        "gemini-cli",
        "@google/gemini-cli",
        "0.61.0",
        ("-p", QUESTION, "--yolo", "-m", "gemini-2.5-flash"),
        {"GOOGLE_GEMINI_BASE_URL": "URL", "GEMINI_API_KEY": "dummy", "GEMINI_CLI_TRUST_WORKSPACE": "true"},
        settings={
            "security": {"auth": {"selectedType": "gemini-api-key"}},
            "privacy": {"usageStatisticsEnabled": False},
            "general": {"enableAutoUpdate": False},
        },
    ),
)
