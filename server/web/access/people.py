"""Who a request comes from: a session in a browser, or a token. Wrong tokens are slowed down, then refused."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass

import anyio.to_thread
from starlette.datastructures import Headers

from core.people.person import OWNER, Person
from core.people.tokens import Tokens, hashed
from server.web.access.doors import Doors

_KNOWN_S = 5.0
"""How long a token is believed without looking: so long may one that was taken back go on."""
_MOST_KNOWN = 1_000
_FORGIVEN = 5
_WINDOW_S = 60.0
_MOST_WRONG = 20
_LONGEST_WAIT_S = 4.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of whom it comes from."""

    token: str = ""
    cookies: str = ""

    @classmethod
    def of(cls, headers: Headers) -> Credentials:
        """The token of `Authorization: Bearer` or of `x-api-key`, which Anthropic's SDK sends, and the cookies."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            token = headers.get("x-api-key", "")
        return cls(token.strip(), headers.get("cookie", ""))


class TooManyGuesses(Exception):  # noqa: N818 - a refusal
    """So many wrong tokens came from one place that no more are looked at for now."""


class People:
    """Finds out who asks."""

    def __init__(self, tokens: Tokens, doors: Doors, clock: Callable[[], float] = time.monotonic) -> None:
        self._tokens = tokens
        self._doors = doors
        self._clock = clock
        self._known: OrderedDict[str, tuple[float, Person]] = OrderedDict()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    async def who(self, credentials: Credentials, client: str) -> Person | None:
        """Who asks; None: nobody we know.

        Args:
            client: Where the request comes from, which is what wrong tokens are counted by.

        Raises:
            TooManyGuesses: There were too many wrong ones of late.
            StoreError: The tokens cannot be read.
        """
        if credentials.token:
            return await self._by_token(credentials.token, client)
        name = await anyio.to_thread.run_sync(self._doors.who, credentials.cookies) if credentials.cookies else None
        if name is None:
            return None
        return OWNER if not name else await self._named(name)

    def forget(self, name: str) -> None:
        """Believe no token of *name* any more without looking."""
        for key in [key for key, (_, person) in self._known.items() if person.name == name]:
            del self._known[key]

    async def _named(self, name: str) -> Person | None:
        return await self._believed(f"name {name}", lambda: self._tokens.named(name))

    async def _by_token(self, token: str, client: str) -> Person | None:
        wrong = [at for at in self._wrong.get(client, []) if self._clock() - at < _WINDOW_S]
        if len(wrong) >= _MOST_WRONG:
            raise TooManyGuesses
        person = await self._believed(hashed(token), lambda: self._tokens.who(token))
        if person is not None:
            return person
        self._wrong[client] = [*wrong, self._clock()]
        self._wrong.move_to_end(client)
        if len(self._wrong) > _MOST_KNOWN:
            self._wrong.popitem(last=False)
        if (again := len(wrong) + 1 - _FORGIVEN) > 0:
            await anyio.sleep(min(_LONGEST_WAIT_S, 0.1 * 2**again))
        return None

    async def _believed(self, key: str, look: Callable[[], Person | None]) -> Person | None:
        until, person = self._known.get(key, (0.0, None))
        if person is not None and self._clock() < until:
            return person
        self._known.pop(key, None)
        found = await anyio.to_thread.run_sync(look)
        if found is not None:
            self._known[key] = (self._clock() + _KNOWN_S, found)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return found
