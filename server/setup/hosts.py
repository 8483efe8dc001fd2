"""The programs Moot can be added to, as data: one row each. Where they keep their MCP servers, and in what shape."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

SERVER = "moot"
"""The name under which hosts know Moot."""

Syntax = Literal["json", "toml", "yaml"]
Shape = Literal["plain", "typed", "opencode", "goose", "transport"]


@dataclass(frozen=True, slots=True)
class Host:
    """One row. Paths begin with `~`, or with `CONFIG`: where the platform's programs keep their settings."""

    name: str
    title: str
    user_file: str
    program: str
    """Its command, by which it is found when it has no settings yet."""
    project_file: str | None = None
    windows_file: str | None = None
    mac_file: str | None = None
    table: str = "mcpServers"
    shape: Shape = "plain"
    syntax: Syntax = "json"
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further settings of a new entry: a debate takes longer than some hosts wait by themselves."""

    def path(self, *, project: bool = False) -> Path | None:
        """The file to write; None when the host has none for a project."""
        if project:
            return Path(self.project_file) if self.project_file else None
        elsewhere = {"win32": self.windows_file, "darwin": self.mac_file}.get(sys.platform)
        chosen = elsewhere or self.user_file
        return settings_folder() / chosen[7:] if chosen.startswith("CONFIG/") else Path(chosen).expanduser()

    def installed(self) -> bool:
        """Whether its file, its folder or its command is there."""
        path = self.path()
        assert path is not None
        folder_is_its_own = path.parent not in (Path.home(), settings_folder())
        return path.exists() or (folder_is_its_own and path.parent.exists()) or shutil.which(self.program) is not None

    def entry(self, command: Sequence[str], env: Mapping[str, str]) -> dict[str, Any]:
        """What the host's file says about a server that *command* starts."""
        program, *arguments = command
        match self.shape:
            case "opencode":
                entry: dict[str, Any] = {"type": "local", "command": list(command), "enabled": True}
            case "goose":
                entry = {"name": SERVER, "type": "stdio", "enabled": True, "cmd": program, "args": arguments}
            case "typed":
                entry = {"type": "stdio", "command": program, "args": arguments}
            case "transport":
                entry = {"transport": "stdio", "command": program, "args": arguments}
            case "plain":
                entry = {"command": program, "args": arguments}
        variables = {"opencode": "environment", "goose": "envs"}.get(self.shape, "env")
        return entry | dict(self.extra) | ({variables: dict(env)} if env else {})


def settings_folder() -> Path:
    """Where programs of this platform keep their settings."""
    if sys.platform == "win32":
        return Path(os.environ.get("APPDATA") or Path.home() / "AppData" / "Roaming")
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Application Support"
    return Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")


HOSTS = {
    host.name: host
    for host in (
        Host("claude-desktop", "Claude Desktop", "CONFIG/Claude/claude_desktop_config.json", "claude-desktop"),
        Host("claude-code", "Claude Code", "~/.claude.json", "claude", ".mcp.json", shape="typed"),
        Host("cursor", "Cursor", "~/.cursor/mcp.json", "cursor", ".cursor/mcp.json"),
        Host(
            "vscode",
            "VS Code",
            "CONFIG/Code/User/mcp.json",
            "code",
            ".vscode/mcp.json",
            table="servers",
            shape="typed",
        ),
        Host(
            "codex",
            "Codex",
            "~/.codex/config.toml",
            "codex",
            ".codex/config.toml",
            table="mcp_servers",
            syntax="toml",
            extra={"tool_timeout_sec": 600},
        ),
        Host("gemini-cli", "Gemini CLI", "~/.gemini/settings.json", "gemini", ".gemini/settings.json"),
        Host("windsurf", "Windsurf", "~/.codeium/windsurf/mcp_config.json", "windsurf"),
        Host(
            "zed",
            "Zed",
            "~/.config/zed/settings.json",
            "zed",
            ".zed/settings.json",
            "CONFIG/Zed/settings.json",
            table="context_servers",
        ),
        Host(
            "opencode",
            "OpenCode",
            "~/.config/opencode/opencode.json",
            "opencode",
            "opencode.json",
            table="mcp",
            shape="opencode",
        ),
        Host(
            "goose",
            "Goose",
            "~/.config/goose/config.yaml",
            "goose",
            windows_file="CONFIG/Block/goose/config/config.yaml",
            table="extensions",
            shape="goose",
            syntax="yaml",
            extra={"timeout": 600},
        ),
        Host("antigravity", "Antigravity", "~/.gemini/config/mcp_config.json", "antigravity"),
        Host(
            "copilot-cli",
            "GitHub Copilot CLI",
            "~/.copilot/mcp-config.json",
            "copilot",
            shape="typed",
            extra={"tools": ["*"]},
        ),
        Host("kiro", "Kiro", "~/.kiro/settings/mcp.json", "kiro-cli", ".kiro/settings/mcp.json"),
        Host(
            "cline",
            "Cline",
            "CONFIG/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
            "cline",
            extra={"disabled": False, "timeout": 600},
        ),
        Host(
            "kilo-code",
            "Kilo Code",
            "~/.config/kilo/kilo.json",
            "kilo",
            "kilo.json",
            table="mcp",
            shape="opencode",
        ),
        Host("junie", "Junie", "~/.junie/mcp/mcp.json", "junie", ".junie/mcp/mcp.json"),
        Host(
            "grok-build",
            "Grok Build",
            "~/.grok/config.toml",
            "grok",
            ".grok/config.toml",
            table="mcp_servers",
            syntax="toml",
            extra={"tool_timeout_sec": 600},
        ),
        Host(
            "kimi",
            "Kimi Code",
            "~/.kimi-code/mcp.json",
            "kimi",
            ".kimi-code/mcp.json",
            shape="transport",
            extra={"toolTimeoutMs": 600_000},
        ),
        Host("pi", "Pi", "~/.pi/agent/mcp.json", "pi", ".pi/mcp.json", extra={"requestTimeoutMs": 600_000}),
        Host("lm-studio", "LM Studio", "~/.lmstudio/mcp.json", "lms"),
        Host(
            "jan",
            "Jan",
            "~/.local/share/Jan/data/mcp_config.json",
            "jan",
            windows_file="CONFIG/Jan/data/mcp_config.json",
            mac_file="CONFIG/Jan/data/mcp_config.json",
            extra={"active": True},
        ),
    )
}


def host_files() -> list[tuple[Host, Path]]:
    """Every file, of the user and of the project we are in, in which a host may know Moot."""
    places = [(host, host.path(project=project)) for host in HOSTS.values() for project in (False, True)]
    once = {path.absolute(): (host, path) for host, path in reversed(places) if path is not None}
    return list(once.values())[::-1]
