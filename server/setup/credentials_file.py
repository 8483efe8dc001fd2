"""Changing credentials.json: rows of one section, old or new, and nothing else in it."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from core.errors import NO_ROOM, ConfigError
from core.files.atomic import write_atomically
from core.paths import credentials_path
from core.sections import FILE

AIS, SERVERS = "ais", "mcp_servers"


def rows(section: str = AIS) -> dict[str, Any]:
    """The rows of *section* as they are written.

    Raises:
        ConfigError: The file is there, but is no JSON object with one in the section.
    """
    found: dict[str, Any] = _read(section)[section]
    return found


def change_rows(change: Callable[[dict[str, Any]], None], section: str = AIS) -> None:
    """Let *change* edit the rows of *section*, and write the file so that only its owner can read it.

    Raises:
        ConfigError: The file cannot be read as JSON, or cannot be written; it is as it was.
    """
    document = _read(section)
    change(document[section])
    text = json.dumps(document, indent=2, ensure_ascii=False) + "\n"
    try:
        write_atomically(credentials_path(), text, private=True)
    except OSError as error:
        fix = "Free some space" if error.errno in NO_ROOM else "Mend its permissions"
        raise ConfigError(f"{FILE} cannot be written: {error.strerror}. {fix} or set MOOT_HOME.") from error


def _read(section: str) -> dict[str, Any]:
    try:
        document = json.loads(credentials_path().read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {section: {}}
    except OSError as error:
        raise ConfigError(f"{FILE} cannot be read: {error.strerror}. Mend its permissions.") from error
    except ValueError:
        raise ConfigError(f"{FILE} is not valid JSON. Mend it first: moot doctor says where.") from None
    if not isinstance(document, dict) or not isinstance(document.setdefault(section, {}), dict):
        raise ConfigError(f"{FILE} must hold an object with {section!r}, an object, in it. Mend it first.")
    return document
