"""What was taken of a server's tools, at its first use or by a person: whatever differs from it later is held back.

A file for each server in the data folder, for its owner alone. It is bound to how the server is reached: another
command, other arguments or another address make it another server, which a person has to accept.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from core.errors import ConfigError
from core.files.atomic import new_private_file, private_folder, put_in_place
from core.paths import data_dir
from core.redact import redact
from core.tooling import McpServerConfig
from server.mcp_client.canonical import digest
from server.mcp_client.definitions import Definition, Listing
from server.mcp_client.differences import differences
from server.mcp_client.names import looks

_VERSION = 1


@dataclass(frozen=True, slots=True)
class Pin:
    """A tool as it was taken; `accepted` by a person, or only by its first use."""

    digest: str
    told: Mapping[str, Any]
    accepted: bool = False


@dataclass(frozen=True, slots=True)
class Pins:
    """What is taken of one server."""

    identity: str
    reached: str
    """How it is reached, to show a person: without secrets."""
    tools: Mapping[str, Pin] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Held:
    """A tool that may not be used, in a sentence fit for a model, and line by line how it differs, for a person."""

    name: str
    why: str
    changes: Sequence[str] = ()
    acceptable: bool = True


@dataclass(frozen=True, slots=True)
class Verdict:
    """Which tools of a listing may be used, each with whether a person has accepted it; and which may not."""

    usable: Mapping[str, tuple[Definition, bool]]
    held: Sequence[Held]
    gone: Sequence[str] = ()
    """Names that were pinned and are not listed any more."""


def identity_of(row: McpServerConfig) -> tuple[str, str]:
    """What makes a row this server and no other, as a hash, and how it is reached, to show."""
    way = {"url": row.url} if row.url else {"command": row.command, "args": row.args, "cwd": row.cwd}
    return digest(way), redact(row.url or " ".join([row.command or "", *row.args]))


def read_pins(server: str) -> Pins | None:
    """What is pinned of *server*; None before its first use. Blocks.

    Raises:
        ConfigError: The file is there, and cannot be read: then nothing of the server may be used.
    """
    try:
        kept = json.loads(_path(server).read_text(encoding="utf-8"))
        if kept["version"] != _VERSION or kept["server"] != server:
            raise ValueError
        tools = {name: Pin(one["sha256"], one["as"], one["accepted"] is True) for name, one in kept["tools"].items()}
        return Pins(kept["identity"], kept["reached"], tools)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        again = f"Accept its tools again: moot tools accept {server}"
        raise ConfigError(f"What was pinned of the MCP server {server!r} cannot be read. {again}") from None


def pin_first(server: str, pins: Pins) -> bool:
    """Write the pins of a first use; False where another process was quicker. Blocks.

    Raises:
        ConfigError: They cannot be written.
    """
    return _written(server, pins, first=True)


def write_pins(server: str, pins: Pins) -> None:
    """Put what a person has accepted in place of what is pinned. Blocks; raises what `pin_first` does."""
    _written(server, pins, first=False)


def forget_pins(server: str) -> bool:
    """Take away what is pinned of *server*; False where nothing is. Blocks."""
    try:
        _path(server).unlink()
    except FileNotFoundError:
        return False
    except OSError as error:
        raise ConfigError(
            f"The pins of {server!r} cannot be deleted: {error.strerror}. Mend their permissions."
        ) from error
    return True


def first_pins(row: McpServerConfig, listing: Listing, *, accepted: bool = False) -> Pins:
    """All of *listing* that can be used, as it is now."""
    identity, reached = identity_of(row)
    good = [one for one in listing.tools if not one.problem]
    return Pins(identity, reached, {one.name: Pin(one.digest, one.told, accepted) for one in good})


def with_tool(pins: Pins, one: Definition) -> Pins:
    """*pins* with *one* as a person has accepted it."""
    return replace(pins, tools={**pins.tools, one.name: Pin(one.digest, one.told, True)})


def judged(row: McpServerConfig, pins: Pins, listing: Listing) -> Verdict:
    """What of *listing* is as it was taken."""
    identity, reached = identity_of(row)
    here = {one.name for one in listing.tools}
    gone = [name for name in pins.tools if name not in here]
    usable: dict[str, tuple[Definition, bool]] = {}
    held: list[Held] = []
    for one in listing.tools:
        pin = pins.tools.get(one.name)
        if one.problem:
            held.append(Held(one.name, one.problem, acceptable=False))
        elif identity != pins.identity:
            changes = [f"reached by: {pins.reached}", f"       now: {reached}", *_changes(pin, one)]
            held.append(Held(one.name, "its server is reached in another way than when it was taken", changes))
        elif pin is None:
            held.append(_new(one, pins, gone))
        elif pin.digest != one.digest:
            held.append(Held(one.name, "it is not as it was taken", _changes(pin, one)))
        else:
            usable[one.name] = one, pin.accepted
    return Verdict(usable, held, gone)


def _changes(pin: Pin | None, one: Definition) -> list[str]:
    if pin is None:
        return ["new"]
    return [] if pin.digest == one.digest else differences(pin.told, one.told)


def _new(one: Definition, pins: Pins, gone: Sequence[str]) -> Held:
    """Why a tool that was never taken is held back, with the one that it may be instead of."""
    bare = _without_name(one.told)
    for name in gone:
        if _without_name(pins.tools[name].told) == bare:
            return Held(one.name, f"it is {name!r} under another name", [f"name: {name!r} -> {one.name!r}"])
    for name, pin in pins.tools.items():
        if looks(name) == looks(one.name):
            why = f"it looks like {name!r}, and is another tool"
            return Held(one.name, why, differences(pin.told, one.told))
    return Held(one.name, "it is new", ["new"])


def _without_name(told: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in told.items() if key != "name"}


def _path(server: str) -> Path:
    mark = hashlib.sha256(server.encode()).hexdigest()[:8]  # two names may differ in case alone
    return data_dir() / "tool_pins" / f"{server}-{mark}.json"


def _written(server: str, pins: Pins, *, first: bool) -> bool:
    tools = {name: {"sha256": pin.digest, "accepted": pin.accepted, "as": pin.told} for name, pin in pins.tools.items()}
    kept = {"version": _VERSION, "server": server, "identity": pins.identity, "reached": pins.reached, "tools": tools}
    text = json.dumps(kept, indent=1, ensure_ascii=False)
    try:
        path = _path(server)
        private_folder(path.parent)
        (new_private_file if first else put_in_place)(path, text)
    except FileExistsError:
        return False
    except OSError as error:
        told = f"What is pinned of {server!r} cannot be written: {error.strerror}."
        raise ConfigError(f"{told} Mend the permissions of the data folder, or set MOOT_HOME.") from error
    return True
