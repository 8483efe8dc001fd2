"""A key that a program gives, such as `az account get-access-token` or `gcloud auth print-access-token`.

The program is the user's own, from credentials.json, run without a shell. What it prints is kept until shortly before
it ends, so that a thousand calls do not run it a thousand times.
"""

from __future__ import annotations

import json
import subprocess
import threading
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import PurePath
from typing import Any

from core.errors import NotUsableError
from core.redact import redact, register_secret
from core.secrecy.config_row import bare_key
from core.untrusted import one_line

_LONGEST_S = 60.0
_KEPT_S = 300.0
"""Where the program does not say how long its key is good for."""
_MARGIN_S = 60.0
_TOKENS = ("accessToken", "access_token", "token", "id_token", "key", "api_key")
_ENDS = ("expires_on", "expiresOn", "expires_at", "expiration", "expiry", "token_expiry")


class KeyCommand:
    """The key of the AI called *ai*, from *command*. Blocks: call it in a thread."""

    def __init__(self, ai: str, provider: str, command: Sequence[str]) -> None:
        self._ai = ai
        self._provider = provider
        self._command = list(command)
        self._lock = threading.Lock()
        self._key = ""
        self._until = 0.0

    def key(self) -> str:
        """The key, fresh from the program when the last one is about to end.

        Raises:
            NotUsableError: The program cannot be run, fails, or prints no key.
        """
        with self._lock:
            if time.time() >= self._until:
                self._key, seconds = self._parsed(self._printed())
                self._until = time.time() + seconds
                register_secret(self._key)
            return self._key

    def _printed(self) -> str:
        try:
            done = subprocess.run(
                self._command, stdin=subprocess.DEVNULL, capture_output=True, timeout=_LONGEST_S, check=False
            )
        except FileNotFoundError:
            raise self._failed("was not found; install it or correct the command") from None
        except subprocess.TimeoutExpired:
            raise self._failed(f"took more than {_LONGEST_S:.0f} s") from None
        except OSError as error:
            raise self._failed(f"cannot be started ({error.strerror})") from None
        if done.returncode:
            said = done.stderr.decode("utf-8", "replace").strip().splitlines()
            last = f": {one_line(redact(said[-1]), 200)}" if said else ""
            raise self._failed(f"ended with exit code {done.returncode}{last}")
        return done.stdout.decode("utf-8", "replace").strip()

    def _parsed(self, printed: str) -> tuple[str, float]:
        """The key and the seconds for which it may be used."""
        try:
            value = json.loads(printed)
        except (ValueError, RecursionError):
            value = None
        said: Mapping[str, Any] = value if isinstance(value, dict) else {}
        given = next((said[name] for name in _TOKENS if isinstance(said.get(name), str)), None)
        if given is None:
            given = "" if isinstance(value, dict | list) else printed.partition("\n")[0]
        try:
            key = bare_key(given)
        except ValueError as error:
            raise self._failed(f"printed what cannot be a key: it {error}") from None
        if not key:
            raise self._failed("printed no key")
        return key, max(0.0, _left_s(said) - _MARGIN_S) if said else _KEPT_S

    def _failed(self, why: str) -> NotUsableError:
        program = PurePath(self._command[0]).name
        text = f'The program {program!r} that gives {self._ai!r} its key {why}. Run it by hand, or see "key_command".'
        return NotUsableError(text, ai=self._ai, provider=self._provider, code="key_command")


def _left_s(said: Mapping[str, Any]) -> float:
    if isinstance(seconds := said.get("expires_in"), int | float):
        return float(seconds)
    for name in _ENDS:
        if (end := _time(said.get(name))) is not None:
            return end - time.time()
    return _KEPT_S + _MARGIN_S


def _time(value: object) -> float | None:
    """A moment in seconds since 1970, from a number, or from what ISO 8601 or `az` write (local time, without zone)."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return float(value) / (1000 if value > 1e11 else 1)
    if not isinstance(value, str):
        return None
    if value.strip().isdigit():
        return _time(int(value))
    try:
        return datetime.fromisoformat(value.strip().replace("Z", "+00:00")).timestamp()
    except ValueError:
        return None
