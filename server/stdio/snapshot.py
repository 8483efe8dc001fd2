"""What a host asks first, with the answers: read from a snapshot, by nothing but a few cheap modules of Python.

`snapshot.json` belongs to the release; a newer SDK or a configuration that changes what is listed makes the server
write one of its own into the user's data folder. Each is used only for what it was taken from.
"""

from __future__ import annotations

import json
import os
import sys

from core.names.extensions import announced

TYPE_CHECKING = False  # `typing` alone costs a third of a bare interpreter
if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

FORMAT = 2
BUILT_IN = os.path.join(os.path.dirname(os.path.realpath(__file__)), "snapshot.json")
UNLISTED_SETTINGS = frozenset({"agents", "ais", "auth", "defaults", "files", "mcp_servers", "memory", "telegram"})
"""Settings of credentials.json that change nothing in any list. Every other one makes a snapshot of its own."""


class Answers:
    """The answers of one server: for each protocol version and method the text of its result or error."""

    def __init__(self, raw: Mapping[str, Any]) -> None:
        """Raises KeyError, TypeError or ValueError when *raw* is no snapshot."""
        self.handshake: tuple[str, ...] = tuple(raw["handshake"])
        self.modern: tuple[str, ...] = tuple(raw["modern"])
        texts = [str(text) for text in raw["texts"]]
        self._texts = {
            version: {method: texts[number] for method, number in methods.items()}
            for version, methods in raw["answers"].items()
        }
        if raw["format"] != FORMAT or set(self._texts) != {*self.handshake, *self.modern}:
            raise ValueError("a snapshot of another kind")

    def text(self, version: str, method: str) -> str | None:
        """What follows the id in the response: `"result":{...}` or `"error":{...}`; None when that is not known.

        Of a subscription it is the `"method":"..."` of the notification that acknowledges it.
        """
        return self._texts[version].get(method)


def read_answers() -> Answers | None:
    """The snapshot that fits this installation and its configuration; None when there is none."""
    settings = listed_settings()
    candidates = [(user_snapshot(), _stamp(BUILT_IN))]
    if not settings:
        candidates.append((BUILT_IN, None))
    for path, base in candidates:
        try:
            with open(path, encoding="utf-8") as file:
                raw = json.load(file)
            if raw["settings"] == settings and raw["base"] == base and _installed(raw["packages"]):
                return Answers(raw)
        except (OSError, ValueError, KeyError, TypeError, IndexError, AttributeError):
            continue  # missing, damaged, or of another version: the real server answers
    return None


def data_dir() -> str:
    """The same folder as `core.paths.data_dir()`, without importing platformdirs."""
    if home := os.environ.get("MOOT_HOME"):
        return os.path.expanduser(home)
    if sys.platform == "win32":
        return os.path.join(os.environ.get("LOCALAPPDATA", os.path.expanduser("~\\AppData\\Local")), "moot")
    if sys.platform == "darwin":
        return os.path.expanduser("~/Library/Application Support/moot")
    return os.path.join(os.environ.get("XDG_DATA_HOME", "").strip() or os.path.expanduser("~/.local/share"), "moot")


def user_snapshot() -> str:
    return os.path.join(data_dir(), "snapshot.json")


def base_stamp() -> list[int] | None:
    """What the user's own snapshot remembers of the release it was taken beside."""
    return _stamp(BUILT_IN)


def listed_settings() -> str:
    """A digest of the settings, and of the packages, that change what is listed; empty when there are none."""
    named = os.environ.get("MOOT_CREDENTIALS")
    path = os.path.expanduser(named) if named else os.path.join(data_dir(), "credentials.json")
    try:
        with open(path, encoding="utf-8") as file:
            raw = json.load(file)
    except (OSError, ValueError):
        raw = {}
    listed = {key: raw[key] for key in raw if key not in UNLISTED_SETTINGS} if isinstance(raw, dict) else {}
    if added := announced():
        listed["added by packages"] = added
    if not listed:
        return ""
    import hashlib

    return hashlib.sha256(json.dumps(listed, sort_keys=True).encode()).hexdigest()


def _stamp(path: str) -> list[int] | None:
    try:
        state = os.stat(path)
    except OSError:
        return None
    return [state.st_size, state.st_mtime_ns]


def _installed(packages: Mapping[str, str]) -> bool:
    """Whether exactly these versions are installed; `importlib.metadata` would cost four bare interpreters."""
    return all(
        any(os.path.isdir(os.path.join(folder, f"{name}-{version}.dist-info")) for folder in sys.path)
        for name, version in packages.items()
    )
