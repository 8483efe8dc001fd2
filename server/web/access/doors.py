"""The one-time link a person opens, and the session it turns into, as Jupyter does it.

A link has a code that works once and for a few minutes; what is kept of it is a file named by its hash, which whoever
opens it takes away. It turns into a signed cookie that no script reads and no other page can send. The key it is signed
with lies in the data folder, so a session outlives a restart, and holds for all processes of one server. Blocks.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import os
import secrets
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from pathlib import Path
from typing import Any

from core.errors import NO_ROOM, StoreError
from core.files.atomic import new_private_file, private_folder, put_in_place

COOKIE = "moot_session"
_LINK_S = 600.0
_SESSION_S = 30 * 86_400.0
_MOST_LINKS = 100
_LONGEST = 400
_KEY_LETTERS = 64


@dataclass(frozen=True, slots=True)
class Session:
    """Who comes by a session: their name, and the mark of the token by which they came in."""

    name: str
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Opened:
    """Who came in by a link, by their name, and where it leads."""

    name: str
    to: str


class Doors:
    """The links and sessions of the installation in *folder*."""

    def __init__(self, folder: Path, clock: Callable[[], float] = time.time) -> None:
        self._links = folder / "links"
        self._key_file = folder / "session.key"
        self._clock = clock
        self._key = b""

    def link(self, name: str = "", to: str = "/") -> str:
        """A code that lets the person called *name*, or the owner, in once and leads them to the path *to*."""
        code = secrets.token_urlsafe(24)
        told = {"name": name, "to": to, "until": self._clock() + _LINK_S}
        with _kept():
            private_folder(self._links)
            self._forget_old()
            new_private_file(self._links / _hashed(code), json.dumps(told))
        return code

    def open(self, code: str) -> Opened | None:
        """For whom the link of *code* was made; None: there is none, it was opened before, or it is too old."""
        place = self._links / _hashed(code)
        taken = place.with_suffix(f".{secrets.token_hex(4)}")
        try:
            os.rename(place, taken)  # of two that open it at once, one finds it
            told = json.loads(taken.read_bytes())
            taken.unlink()
        except (OSError, ValueError):
            return None
        return Opened(str(told["name"]), str(told["to"])) if self._clock() < told["until"] else None

    def session(self, name: str, mark: str = "") -> str:
        """What is kept in the browser of the person called *name*, who has shown who they are.

        Args:
            mark: That of their token (`Tokens.mark`), with which the session ends.

        Raises:
            StoreError: There is no key to sign it with, and none can be kept.
        """
        told = {"name": name, "mark": mark, "until": self._clock() + _SESSION_S}
        body = base64.urlsafe_b64encode(json.dumps(told).encode()).decode().rstrip("=")
        return f"{body}.{self._signed(body)}"

    def who(self, cookies: str) -> Session | None:
        """The session that the header Cookie tells of; None where there is none that we signed.

        Raises:
            StoreError: There is no key, and none can be kept.
        """
        body, _, signature = _cookie(cookies).partition(".")
        if not body or not hmac.compare_digest(signature.encode(), self._signed(body).encode()):
            return None
        told: dict[str, Any] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
        return Session(str(told["name"]), str(told.get("mark", ""))) if self._clock() < told["until"] else None

    def _signed(self, body: str) -> str:
        return hmac.new(self._secret(), body.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()

    def _secret(self) -> bytes:
        """The key of this installation, made by whoever needs it first, and anew where what is there is none.

        With an empty or a shortened one anybody could sign what they like.
        """
        if not self._key:
            with _kept():
                private_folder(self._key_file.parent)
                with suppress(FileExistsError):
                    new_private_file(self._key_file, secrets.token_hex(_KEY_LETTERS // 2))
                if len(self._key_file.read_bytes()) < _KEY_LETTERS:
                    put_in_place(self._key_file, secrets.token_hex(_KEY_LETTERS // 2))
                self._key = self._key_file.read_bytes()
        return self._key

    def _forget_old(self) -> None:
        links = sorted(self._links.iterdir(), key=lambda one: one.stat().st_mtime)
        old = [one for one in links if one.stat().st_mtime < time.time() - _LINK_S]
        for one in {*old, *links[: max(0, len(links) - _MOST_LINKS)]}:
            one.unlink(missing_ok=True)


@contextmanager
def _kept() -> Iterator[None]:
    """Have it said in a sentence where links or keys cannot be kept."""
    try:
        yield
    except OSError as error:
        if error.errno in NO_ROOM:
            raise StoreError("The disk is full, so nobody can be let in by a link. Free some space.") from error
        raise StoreError("The data folder cannot be used, so nobody can be let in. Check its permissions.") from error


def set_cookie(session: str, *, secure: bool, path: str) -> str:
    """The header Set-Cookie that keeps *session* in a browser; an empty one ends it."""
    lasts = int(_SESSION_S) if session else 0
    kept = f"{COOKIE}={session}; Path={path or '/'}; Max-Age={lasts}; HttpOnly; SameSite=Strict"
    return f"{kept}; Secure" if secure else kept


def _cookie(header: str) -> str:
    if COOKIE not in header:
        return ""
    try:
        found = SimpleCookie(header).get(COOKIE)
    except CookieError:
        return ""
    return found.value if found and len(found.value) <= _LONGEST else ""


def _hashed(code: str) -> str:
    return hashlib.sha256(code.encode("utf-8", "surrogatepass")).hexdigest()
