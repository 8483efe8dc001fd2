"""Who a request comes from: a session in a browser, or a token. Wrong tokens are slowed down, then refused."""

from __future__ import annotations

import hmac
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from functools import partial

import anyio.to_thread
from starlette.datastructures import Headers

from core.errors import StoreError
from core.people.person import OWNER, Person
from core.people.tokens import PREFIX, Tokens, hashed
from server.web.access.doors import Doors, Session

_KNOWN_S = 5.0
"""How long a token is believed without looking: so long may one that was taken back go on."""
_MOST_KNOWN = 1_000
_FORGIVEN = 5
_WINDOW_S = 60.0
_MOST_WRONG = 20
_LONGEST_WAIT_S = 4.0


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a request says of whom it comes from.

    Args:
        lasting: Whether only a token of ours will do, since what it opens lasts longer than others may.
    """

    token: str = ""
    cookies: str = ""
    lasting: bool = False

    @classmethod
    def of(cls, headers: Headers) -> Credentials:
        """The token of `Authorization: Bearer` or of `x-api-key`, which Anthropic's SDK sends, and the cookies."""
        scheme, _, token = headers.get("authorization", "").partition(" ")
        if scheme.casefold() != "bearer":
            token = headers.get("x-api-key", "")
        return cls(token.strip(), headers.get("cookie", ""))


class TooManyGuesses(Exception):  # noqa: N818 - a refusal
    """So many wrong tokens came from one place that no more are looked at for now."""


Look = Callable[[str], Awaitable[Person | None]]
"""Finds out whose a token is, that others gave out."""


class People:
    """Finds out who asks.

    Args:
        looks: Asked, one after the other, whose a token is that is none of ours.
    """

    def __init__(
        self,
        tokens: Tokens,
        doors: Doors,
        clock: Callable[[], float] = time.monotonic,
        looks: Sequence[Look] = (),
    ) -> None:
        self._tokens = tokens
        self._doors = doors
        self._clock = clock
        self._looks = looks
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
            return await self._by_token(credentials, client)
        found = await anyio.to_thread.run_sync(self._doors.who, credentials.cookies) if credentials.cookies else None
        if found is None:
            return None
        return await self._of_session(found) if found.name else OWNER

    async def still(self, credentials: Credentials) -> bool:
        """Whether who came in by *credentials* may stay: a token of ours was not taken back, a session not ended.

        What others gave out is not looked at again: that it ran out ends nothing that was begun with it.
        """
        try:
            if not credentials.token:
                return await self.who(credentials, "") is not None
            ours = credentials.token.startswith(PREFIX)
            return not ours or await self._token(credentials.token, ()) is not None
        except StoreError:  # it is known again when the store is back
            return True

    def forget(self, name: str) -> None:
        """Believe no token of *name* any more without looking."""
        for key in [key for key, (_, person) in self._known.items() if person.name == name]:
            del self._known[key]

    async def _of_session(self, session: Session) -> Person | None:
        """Who came in by *session*, while the token lasts by which they did."""

        def look() -> Person | None:
            marked = hmac.compare_digest(self._tokens.mark(session.name).encode(), session.mark.encode())
            return self._tokens.named(session.name) if marked else None

        key = f"session {session.name} {session.mark}"
        return await self._believed(key, partial(anyio.to_thread.run_sync, look))

    async def _by_token(self, credentials: Credentials, client: str) -> Person | None:
        wrong = [at for at in self._wrong.get(client, []) if self._clock() - at < _WINDOW_S]
        if len(wrong) >= _MOST_WRONG:
            raise TooManyGuesses
        token = credentials.token
        looks = () if credentials.lasting else self._looks
        person = await self._token(token, looks)
        if person is not None:
            return person
        self._wrong[client] = [*wrong, self._clock()]
        self._wrong.move_to_end(client)
        if len(self._wrong) > _MOST_KNOWN:
            self._wrong.popitem(last=False)
        if (again := len(wrong) + 1 - _FORGIVEN) > 0:
            await anyio.sleep(min(_LONGEST_WAIT_S, 0.1 * 2**again))
        return None

    async def _token(self, token: str, looks: Sequence[Look]) -> Person | None:
        return await self._believed(f"{len(looks)} {hashed(token)}", partial(self._whose, token, looks))

    async def _whose(self, token: str, looks: Sequence[Look]) -> Person | None:
        found = await anyio.to_thread.run_sync(self._tokens.who, token)
        for look in looks if not token.startswith(PREFIX) else ():
            found = found or await look(token)
        return found

    async def _believed(self, key: str, look: Callable[[], Awaitable[Person | None]]) -> Person | None:
        until, person = self._known.get(key, (0.0, None))
        if person is not None and self._clock() < until:
            return person
        self._known.pop(key, None)
        found = await look()
        if found is not None:
            self._known[key] = (self._clock() + _KNOWN_S, found)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return found
