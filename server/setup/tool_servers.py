"""`moot tools import` and `remove`: rows of `mcp_servers`, taken over from the file of a program people work in."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from pydantic import ValidationError

from ai.roster.names import closest
from core.errors import ConfigError
from core.redact import register_secret
from core.sections import FILE, Named
from core.tooling import BUILT_IN_TOOLS, McpServerConfig
from core.untrusted import one_line
from server.entry import ENTRY
from server.setup.credentials_file import SERVERS, change_rows, rows
from server.setup.host_file import HostFileError, servers_in
from server.setup.hosts import SERVER, Host

_ILLEGAL = re.compile(r"[^A-Za-z0-9_.-]+")
_FILLED_IN = re.compile(r"\$\{[^}]{1,200}\}")
"""What a host puts something else in place of: `${env:TOKEN}`, `${input:key}`."""
_URLS = ("url", "serverUrl", "httpUrl", "uri")
_HEADERS = ("headers", "http_headers")
_ENVS = ("env", "environment", "envs")
_OLD_TRANSPORTS = ("sse", "ws", "websocket")
_OURS = ("moot", "moot-mcp", "moot.exe")


@dataclass(frozen=True, slots=True)
class Taken:
    """What became of one server of a host's file: in credentials.json under `name`, or why not."""

    known_as: str
    name: str = ""
    why_not: str = ""
    secrets: int = 0
    """How many variables and headers were taken over with it; they may be keys."""


def take_over(host: Host, *, project: bool = False) -> list[Taken]:
    """Take the servers of *host* over into credentials.json, but for Moot itself; no row is changed that is there.

    Raises:
        HostFileError: The host's file cannot be read, or there is none.
        ConfigError: credentials.json cannot be read or written.
    """
    path = host.path(project=project)
    if path is None:
        raise HostFileError(f"{host.title} keeps no servers in a project. Leave out --project.")
    if not path.exists():
        raise HostFileError(f"{host.title} has no file here ({path}), so there is nothing to take over.")
    known = rows(SERVERS)
    new: dict[str, Any] = {}
    told = [_taken(host, str(name), entry, {**known, **new}, new) for name, entry in servers_in(host, path).items()]
    if new:
        change_rows(lambda servers: servers.update(new), SERVERS)
    return told


def check_server(name: str) -> None:
    """Complain where no row of `mcp_servers` is called *name*.

    Raises:
        ConfigError: There is none.
    """
    known = rows(SERVERS)
    if name not in known:
        near = closest(name, known)
        hint = f" Did you mean {near!r}?" if near else ""
        raise ConfigError(f"{FILE} has no MCP server {name!r}.{hint} It has: {', '.join(known) or 'none'}.")


def remove_server(name: str) -> str:
    """Take the row called *name* out, and say so."""
    check_server(name)
    change_rows(lambda servers: servers.pop(name), SERVERS)
    return f"{name} is removed from {FILE}."


def _taken(host: Host, known_as: str, entry: object, known: Mapping[str, Any], new: dict[str, Any]) -> Taken:
    """Put the row that *entry* makes into *new*, or say why it makes none."""
    name = _ILLEGAL.sub("-", known_as).strip("-._")[:64]
    if name in BUILT_IN_TOOLS:
        name = f"{name}-server"
    if not isinstance(entry, Mapping):
        return Taken(known_as, why_not="it is no object")
    if _is_moot(known_as, entry):
        return Taken(known_as, why_not="it is Moot itself")
    if name in known:
        return Taken(known_as, why_not=f"{FILE} has a server {name!r} already")
    if (kind := str(entry.get("type", entry.get("transport", "")))).lower() in _OLD_TRANSPORTS:
        return Taken(known_as, why_not=f"it speaks {one_line(kind, 20)}, an old transport that Moot has not")
    row = _row(entry)
    if _FILLED_IN.search(repr(row)):
        return Taken(known_as, why_not=f"{host.title} fills in ${{...}} in it. Add it by hand, with the values")
    try:
        Named(name=name)
        McpServerConfig.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        return Taken(known_as, why_not=f"it makes no row: {first['msg']}")
    new[name] = row
    secrets = [*row.get("env", {}).values(), *row.get("headers", {}).values()]
    for secret in secrets:
        register_secret(secret)
    return Taken(known_as, name, secrets=len(secrets))


def _row(entry: Mapping[str, Any]) -> dict[str, Any]:
    """*entry* as a row of ours: what both have; what only the host knows is left behind."""
    row: dict[str, Any] = {}
    command = entry.get("command", entry.get("cmd"))
    if isinstance(command, list):
        row["command"], row["args"] = (str(command[0]) if command else ""), [str(one) for one in command[1:]]
    elif command is not None:
        row["command"] = command
        if entry.get("args"):
            row["args"] = entry["args"]
    row |= {"cwd": entry["cwd"]} if entry.get("cwd") and "command" in row else {}
    row |= {"url": url} if "command" not in row and (url := _first(entry, _URLS)) else {}
    for field, names in (("env", _ENVS), ("headers", _HEADERS)):
        given = _first(entry, names)
        if isinstance(given, Mapping) and given and (field == "env") == ("command" in row):
            row[field] = {str(name): str(value) for name, value in given.items()}
    if entry.get("disabled") is True or entry.get("enabled") is False:
        row["enabled"] = False
    return row


def _first(entry: Mapping[str, Any], names: tuple[str, ...]) -> Any:
    return next((entry[name] for name in names if entry.get(name)), None)


def _is_moot(name: str, entry: Mapping[str, Any]) -> bool:
    row = _row(entry)
    words = [str(row.get("command", "")), *map(str, row.get("args", []))]
    ours = any(PurePath(word).name in _OURS or word == os.fspath(ENTRY) for word in words)
    return name == SERVER or (ours and ("serve" in words or "moot-mcp" in words))
