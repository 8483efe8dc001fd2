"""What Tab offers: names of AIs, roles, jobs, threads and saved prompts. Reads files itself, for speed: no pydantic."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from pathlib import Path

_ROLES = (
    "reviewer",
    "architect",
    "debugger",
    "security_auditor",
    "devils_advocate",
    "brainstormer",
    "tester",
    "explainer",
)
"""As `core.roles` has them: a test compares the two."""
_MOST = 50


def complete_ais(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    before, comma, word = begun.rpartition(",")
    settings = _settings()
    names = [*settings.get("ais", {}), *(f"@{group}" for group in settings.get("groups", {}))]
    return [f"{before}{comma}{name}" for name in _beginning(names, word)]


def complete_servers(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    return _beginning(_settings().get("mcp_servers", {}), begun)


def complete_roles(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    return _beginning([*_ROLES, *_settings().get("roles", {})], begun)


def complete_prompts(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    try:
        return _beginning((path.stem for path in sorted((_home() / "prompts").glob("*.md"))), begun)
    except OSError:
        return []


def complete_jobs(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    return _beginning(_column("jobs.db", "SELECT id FROM jobs ORDER BY created DESC"), begun)


def complete_runs(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    return _beginning(["last", *_column("history.db", "SELECT name FROM runs ORDER BY id DESC")], begun)


def complete_threads(context: click.Context, option: click.Parameter, begun: str) -> list[str]:
    return _beginning(_column("threads.db", "SELECT name FROM threads ORDER BY updated DESC"), begun)


def complete_names(command: str, begun: str) -> list[str]:
    """What may follow *command* of `moot chat`."""
    settings = _settings()
    if command == "/ai":
        return _beginning([*settings.get("ais", {}), *(f"@{group}" for group in settings.get("groups", {}))], begun)
    if command == "/role":
        return _beginning([*_ROLES, *settings.get("roles", {}), "off"], begun)
    if command == "/panel":
        return _beginning(["consensus", "debate", "off"], begun)
    if command in ("/file", "/save"):
        from glob import escape, glob

        return sorted(glob(f"{escape(begun)}*"))[:_MOST]
    return []


def _beginning(names: Iterable[str], begun: str) -> list[str]:
    return [name for name in names if name.startswith(begun)]


def _home() -> Path:
    from core.paths import data_dir

    return data_dir()


def _settings() -> dict[str, Any]:
    import json

    from core.paths import credentials_path

    path = credentials_path()
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return {key: value for key, value in found.items() if isinstance(value, dict)} if isinstance(found, dict) else {}


def _column(file: str, query: str) -> list[str]:
    """The first column of what *query* finds; nothing where there is no such file."""
    import sqlite3

    path = _home() / file
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=0.2)
    except sqlite3.Error:
        return []
    try:
        return [str(row[0]) for row in connection.execute(query).fetchmany(_MOST)]
    except sqlite3.Error:
        return []
    finally:
        connection.close()
