"""Changing one entry in a host's file, and nothing else in it: read, change, compare, back up, replace."""

from __future__ import annotations

import difflib
import json
import os
import re
import shutil
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import Any

import tomlkit
from tomlkit.exceptions import TOMLKitError

from core.errors import MootError
from core.files.atomic import write_atomically
from server.setup.hosts import SERVER, Host

_LARGEST_FILE = 50_000_000


class HostFileError(MootError):
    """A host's file is left as it is. The message says why, and what to do."""


@dataclass(frozen=True, slots=True)
class Change:
    """What is to become of a file; the same text twice when nothing is."""

    path: Path
    before: str | None
    """None: there is no such file yet."""
    after: str

    @property
    def needed(self) -> bool:
        return self.after != self.before

    def diff(self) -> str:
        old, new = (self.before or "").splitlines(keepends=True), self.after.splitlines(keepends=True)
        return "".join(difflib.unified_diff(old, new, str(self.path), str(self.path), n=2))


def connecting(host: Host, path: Path, entry: Mapping[str, Any]) -> Change:
    """The change that makes *path* name Moot with *entry*; settings a person added to it stay.

    Raises:
        HostFileError: The file cannot be changed without harm.
    """
    before = _text(path)
    document, table = _table(host, path, before)
    known = table.get(SERVER)
    kept = dict(known) if isinstance(known, Mapping) else {}
    for key in host.other_way(entry):  # of the other way, by a command or by an address
        kept.pop(key, None)
    wanted = kept | {key: value for key, value in entry.items() if key not in host.extra or key not in kept}
    if kept == wanted:
        return Change(path, before, before or "")
    table[SERVER] = wanted
    return Change(path, before, _written(host, document, before))


def disconnecting(host: Host, path: Path) -> Change:
    """The change that takes Moot out of *path*.

    Raises:
        HostFileError: The file cannot be changed without harm.
    """
    before = _text(path)
    document, table = _table(host, path, before)
    if before is None or SERVER not in table:
        return Change(path, before, before or "")
    del table[SERVER]
    return Change(path, before, _written(host, document, before))


def servers_in(host: Host, path: Path) -> dict[str, Any]:
    """Every server that *path* names, as the host has it. Nothing is changed.

    Raises:
        HostFileError: The file cannot be read.
    """
    _, table = _table(host, path, _text(path, writing=False))
    found: dict[str, Any] = table.unwrap() if host.syntax == "toml" else table
    return found


def snippet(host: Host, entry: Mapping[str, Any]) -> str:
    """*entry* as a person would add it to the host's file."""
    document = {host.table: {SERVER: dict(entry)}}
    if host.syntax == "toml":
        return tomlkit.dumps(document)
    if host.syntax == "json":
        return json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    lines = [f"    {key}: {json.dumps(value)}" for key, value in entry.items()]  # JSON values are YAML
    return "\n".join([f"{host.table}:", f"  {SERVER}:", *lines]) + "\n"


def apply(change: Change) -> Path | None:
    """Write *change*; the path of the backup, or None when there was nothing to back up.

    Raises:
        HostFileError: It could not be written; the file is as it was.
    """
    path = change.path.resolve()
    try:
        if _text(change.path) != change.before:
            raise HostFileError(f"{change.path} was changed by another program just now. Run the command again.")
        backup = None
        if change.before is not None:
            backup = _free_name(path.with_name(f"{path.name}.{time.strftime('%Y%m%d-%H%M%S')}"))
            shutil.copy2(path, backup)
        write_atomically(path, change.after)
    except OSError as error:
        raise HostFileError(f"{change.path} cannot be written: {error.strerror}. Mend its permissions.") from error
    return backup


def _free_name(wanted: Path) -> Path:
    """A name beside *wanted* that no earlier backup has."""
    names = (wanted.with_name(f"{wanted.name}{f'-{n}' if n > 1 else ''}.bak") for n in count(1))
    return next(name for name in names if not name.exists())


def mentions(path: Path) -> bool:
    """Whether the file names Moot in any way; raises OSError when it cannot be read."""
    return re.search(rf"\b{SERVER}\b", path.read_text(encoding="utf-8", errors="replace")) is not None


def _text(path: Path, *, writing: bool = True) -> str | None:
    """What the file holds, byte for byte; None when there is none."""
    try:
        state = path.stat()
        if hasattr(os, "geteuid") and state.st_uid != os.geteuid():
            raise HostFileError(f"{path} belongs to another user and is left alone. Run this as its owner.")
        if state.st_size > _LARGEST_FILE or not path.is_file():
            raise HostFileError(f"{path} is no settings file and is left alone.")
        if writing and not os.access(path, os.W_OK):
            raise HostFileError(f"{path} is read-only and is left alone. Make it writable first.")
        return path.read_bytes().decode("utf-8")
    except FileNotFoundError:
        if path.is_symlink():
            raise HostFileError(f"{path} is a link to a file that does not exist. Mend or remove it.") from None
        return None
    except OSError as error:
        raise HostFileError(f"{path} cannot be read: {error.strerror}. Mend its permissions.") from error
    except UnicodeDecodeError:
        raise HostFileError(f"{path} is not UTF-8 text and is left alone.") from None


def _table(host: Host, path: Path, text: str | None) -> tuple[Any, Any]:
    """The parsed file and, in it, the table of servers, made if it is missing."""
    if host.syntax == "yaml":
        raise HostFileError(f"{path} is YAML, which Moot does not read or rewrite.")
    document: Any = _toml(path, text or "") if host.syntax == "toml" else _json(path, text or "")
    if not isinstance(document, dict):
        raise HostFileError(f"{path} does not hold an object and is left alone.")
    if host.table not in document:
        document[host.table] = tomlkit.table(is_super_table=True) if host.syntax == "toml" else {}
    table = document[host.table]
    if not isinstance(table, dict):
        raise HostFileError(f"{path}: {host.table!r} is not a table of servers; the file is left alone.")
    return document, table


def _toml(path: Path, text: str) -> Any:
    try:
        return tomlkit.parse(text)
    except TOMLKitError as error:
        raise HostFileError(f"{path} is not valid TOML and is left alone: {error}.") from None


def _json(path: Path, text: str) -> Any:
    try:
        return json.loads(text, object_pairs_hook=_without_doubles) if text.strip() else {}
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        raise HostFileError(f"{path} has comments or is not valid JSON ({where}) and is left alone.") from None
    except (ValueError, RecursionError) as error:
        raise HostFileError(f"{path} is left alone: {error}.") from None


def _without_doubles(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        raise ValueError("it has a key twice, and one would be lost")
    return found


def _written(host: Host, document: Any, before: str | None) -> str:
    if host.syntax == "toml":
        return tomlkit.dumps(document)
    text = json.dumps(document, indent=_indent(before or ""), ensure_ascii=False)
    text += "\n" if before is None or before.endswith("\n") else ""
    return text.replace("\n", "\r\n") if "\r\n" in (before or "") else text


def _indent(text: str) -> int | str:
    found = re.search(r"^[{\[]\s*?\n([ \t]+)", text)
    return found[1] if found else 2
