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
class Remote:
    """How a host writes a server that it reaches over HTTP: by the names of its keys, and what else it wants."""

    url: str = "url"
    headers: str = "headers"
    extra: Mapping[str, Any] = field(default_factory=dict)

    def entry(self, address: str, headers: Mapping[str, str]) -> dict[str, Any]:
        return dict(self.extra) | {self.url: address} | ({self.headers: dict(headers)} if headers else {})


_BY_TYPE = Remote(extra={"type": "http"})
_OPENCODE = Remote(extra={"type": "remote", "enabled": True})


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
    remote: Remote | None = Remote()
    """How it reaches a server over HTTP; None: its file has no such form."""

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

    def other_way(self, entry: Mapping[str, Any]) -> set[str]:
        """The keys that *entry* must not have beside its own: those by which Moot is reached the other way."""
        local, remote = set(self.entry(["moot"], {"": ""})), set(self.remote_entry("", {"": ""}) or ())
        other = local if self.remote is not None and self.remote.url in entry else remote
        return other - entry.keys() - set(self.extra)

    def remote_entry(self, address: str, headers: Mapping[str, str]) -> dict[str, Any] | None:
        """What the host's file says about a server at *address*; None where it can say nothing of the kind."""
        return None if self.remote is None else self.remote.entry(address, headers) | dict(self.extra)


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
        Host(
            "claude-desktop",
            "Claude Desktop",
            "CONFIG/Claude/claude_desktop_config.json",
            "claude-desktop",
            remote=None,
        ),
        Host("claude-code", "Claude Code", "~/.claude.json", "claude", ".mcp.json", shape="typed", remote=_BY_TYPE),
        Host("cursor", "Cursor", "~/.cursor/mcp.json", "cursor", ".cursor/mcp.json"),
        Host(
            "vscode",
            "VS Code",
            "CONFIG/Code/User/mcp.json",
            "code",
            ".vscode/mcp.json",
            table="servers",
            shape="typed",
            remote=_BY_TYPE,
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
            remote=Remote(headers="http_headers"),
        ),
        Host(
            "gemini-cli",
            "Gemini CLI",
            "~/.gemini/settings.json",
            "gemini",
            ".gemini/settings.json",
            remote=Remote("httpUrl"),
        ),
        Host("windsurf", "Windsurf", "~/.codeium/windsurf/mcp_config.json", "windsurf", remote=Remote("serverUrl")),
        Host(
            "zed",
            "Zed",
            "~/.config/zed/settings.json",
            "zed",
            ".zed/settings.json",
            "CONFIG/Zed/settings.json",
            table="context_servers",
            remote=Remote(extra={"source": "custom", "type": "http"}),
        ),
        Host(
            "opencode",
            "OpenCode",
            "~/.config/opencode/opencode.json",
            "opencode",
            "opencode.json",
            table="mcp",
            shape="opencode",
            remote=_OPENCODE,
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
            remote=Remote("uri", extra={"name": SERVER, "type": "streamable_http", "enabled": True}),
        ),
        Host(
            "antigravity", "Antigravity", "~/.gemini/config/mcp_config.json", "antigravity", remote=Remote("serverUrl")
        ),
        Host(
            "copilot-cli",
            "GitHub Copilot CLI",
            "~/.copilot/mcp-config.json",
            "copilot",
            shape="typed",
            extra={"tools": ["*"]},
            remote=_BY_TYPE,
        ),
        Host("kiro", "Kiro", "~/.kiro/settings/mcp.json", "kiro-cli", ".kiro/settings/mcp.json"),
        Host(
            "cline",
            "Cline",
            "CONFIG/Code/User/globalStorage/saoudrizwan.claude-dev/settings/cline_mcp_settings.json",
            "cline",
            extra={"disabled": False, "timeout": 600},
            remote=Remote(extra={"type": "streamableHttp"}),
        ),
        Host(
            "kilo-code",
            "Kilo Code",
            "~/.config/kilo/kilo.json",
            "kilo",
            "kilo.json",
            table="mcp",
            shape="opencode",
            remote=_OPENCODE,
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
            remote=Remote(extra={"transport": "http"}),
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
            remote=_BY_TYPE,
        ),
    )
}


def host_files() -> list[tuple[Host, Path]]:
    """Every file, of the user and of the project we are in, in which a host may know Moot."""
    places = [(host, host.path(project=project)) for host in HOSTS.values() for project in (False, True)]
    once = {path.absolute(): (host, path) for host, path in reversed(places) if path is not None}
    return list(once.values())[::-1]
