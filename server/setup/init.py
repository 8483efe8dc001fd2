"""`moot init`: looks for keys and local models, proposes a credentials.json, and offers to connect what is there."""

from __future__ import annotations

import json
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import Any
from urllib.error import URLError
from urllib.request import ProxyHandler, Request, build_opener

import click

from ai.providers.catalog import PROVIDERS
from core.errors import ConfigError
from core.keys import environment_key
from core.paths import credentials_path
from core.sections import FILE
from server.setup.connect import Wish, connect
from server.setup.credentials_file import change_rows, rows
from server.setup.hosts import HOSTS
from server.streams import is_terminal

_LOOK_S = 1.0
_LARGEST_LIST = 1_000_000
_LOCAL: dict[str, tuple[str, dict[str, Any]]] = {
    "ollama": ("http://127.0.0.1:11434/v1", {}),
    "lmstudio": ("http://127.0.0.1:1234/v1", {}),
    "llama.cpp": (
        "http://127.0.0.1:8080/v1",
        {"provider": "openai_compatible", "base_url": "http://127.0.0.1:8080/v1"},
    ),
}
"""Servers of local models: where each listens by itself, and the row it needs."""


def init(*, yes: bool) -> int:
    """Propose, ask, write, connect. 1: nothing was written for want of an answer, or it could not be."""
    try:
        known = rows()
    except ConfigError as error:
        click.echo(str(error), err=True)
        return 1
    used = {row.get("provider") for row in known.values() if isinstance(row, dict)} | set(known)
    found = {name: row for name, row in {**_keys(), **_local_models()}.items() if name not in used}
    for name in found:
        told = "answers on this machine" if name in _LOCAL else "its key is in the environment"
        click.echo(f"Found {name}: {told}.", err=True)
    if not found:
        here = f"{FILE} has {len(known)} AIs" if known else "no key and no local model was found"
        click.echo(f"Nothing to add: {here}. To add one: moot keys set openai (or another provider)", err=True)
    elif not _write(found, yes=yes):
        return 1
    return _offer_hosts(yes=yes)


def _keys() -> dict[str, dict[str, Any]]:
    """A row for every provider whose key is in the environment; the key itself, since hosts may not pass it on."""
    keys = {row.name: environment_key(row.env_keys) for row in PROVIDERS.values() if row.needs_key}
    return {name: {"api_key": key} for name, key in keys.items() if key}


def _local_models() -> dict[str, dict[str, Any]]:
    """A row for every server of local models that answers."""
    with ThreadPoolExecutor(len(_LOCAL)) as pool:
        there = pool.map(answers, [base_url for base_url, _ in _LOCAL.values()])
        return {name: dict(row) for (name, (_, row)), is_there in zip(_LOCAL.items(), there, strict=True) if is_there}


def answers(base_url: str) -> bool:
    """Whether an OpenAI-compatible server at *base_url* lists a model; no proxy is asked."""
    request = Request(f"{base_url}/models", headers={"Accept": "application/json"})  # noqa: S310 - loopback, from a table
    try:
        with build_opener(ProxyHandler({})).open(request, timeout=_LOOK_S) as reply:
            listed = json.loads(reply.read(_LARGEST_LIST))
    except (URLError, OSError, ValueError):
        return False
    return isinstance(listed, dict) and isinstance(listed.get("data"), list) and bool(listed["data"])


def _write(found: dict[str, dict[str, Any]], *, yes: bool) -> bool:
    shown = {name: row | ({"api_key": "..."} if "api_key" in row else {}) for name, row in found.items()}
    click.echo(f"To add to {credentials_path()}:", err=True)
    click.echo(json.dumps({"ais": shown}, indent=2))
    if not (yes or _agreed("Write it, with the keys, readable by you alone?")):
        click.echo("Nothing was written. Run it in a terminal, or add --yes.", err=True)
        return False
    try:
        change_rows(lambda ais: ais.update(found))
    except ConfigError as error:
        click.echo(str(error), err=True)
        return False
    click.echo(f"{FILE} is written. See: moot status", err=True)
    return True


def _offer_hosts(*, yes: bool) -> int:
    installed = [host for host in HOSTS.values() if host.installed()]
    if not installed:
        click.echo("No program to connect was found. Later: moot connect", err=True)
        return 0
    names = ", ".join(host.title for host in installed)
    if yes or _agreed(f"Connect Moot to {names}? Every change is shown first."):
        return connect([host.name for host in installed], Wish(yes=yes))
    click.echo(f"To connect {names}: moot connect", err=True)
    return 0


def _agreed(question: str) -> bool:
    return is_terminal(sys.stdin) and click.confirm(question, default=True, err=True)
