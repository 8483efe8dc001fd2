"""Who a request comes from: a session in a browser, or a token. Wrong tokens are slowed down, then told to wait."""

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
    """So many wrong tokens came from one place that the next one is told to wait."""


@dataclass(frozen=True, slots=True)
class Entry:
    """Who came in.

    Args:
        stands: Whether what they came in by was not taken back since.
    """

    person: Person
    stands: Callable[[], Awaitable[bool]]

    async def may_stay(self) -> bool:
        """Whether they may go on with what they began; what cannot be looked up ends nothing."""
        try:
            return await self.stands()
        except StoreError:  # it is known again when the store is back
            return True


Look = Callable[[str], Awaitable[Entry | None]]
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
        self._known: OrderedDict[str, tuple[float, Entry]] = OrderedDict()
        self._wrong: OrderedDict[str, list[float]] = OrderedDict()

    async def who(self, credentials: Credentials, client: str) -> Person | None:
        """Who asks; None: nobody we know. Raises what `enter` does."""
        entry = await self.enter(credentials, client)
        return entry.person if entry else None

    async def enter(self, credentials: Credentials, client: str) -> Entry | None:
        """Who comes in by *credentials*; None: nobody we know.

        Args:
            client: Where the request comes from, which is what wrong tokens are counted by.

        Raises:
            TooManyGuesses: The token is wrong, and so were too many of late.
            StoreError: The tokens cannot be read.
        """
        if credentials.token:
            return await self._by_token(credentials, client)
        return await self._by_session(credentials.cookies) if credentials.cookies else None

    def forget(self, name: str) -> None:
        """Believe no token of *name* any more without looking."""
        for key in [key for key, (_, entry) in self._known.items() if entry.person.name == name]:
            del self._known[key]

    async def _by_session(self, cookies: str) -> Entry | None:
        found = await anyio.to_thread.run_sync(self._doors.who, cookies)
        if found is None:
            return None

        async def stands() -> bool:
            return await self._by_session(cookies) is not None

        return await self._of_session(found, stands) if found.name else Entry(OWNER, stands)

    async def _of_session(self, session: Session, stands: Callable[[], Awaitable[bool]]) -> Entry | None:
        """Who came in by *session*, while the token lasts by which they did."""

        def look() -> Person | None:
            marked = hmac.compare_digest(self._tokens.mark(session.name).encode(), session.mark.encode())
            return self._tokens.named(session.name) if marked else None

        async def find() -> Entry | None:
            person = await anyio.to_thread.run_sync(look)
            return Entry(person, stands) if person else None

        return await self._believed(f"session {session.name} {session.mark}", find)

    async def _by_token(self, credentials: Credentials, client: str) -> Entry | None:
        entry = await self._of_token(credentials.token, () if credentials.lasting else self._looks)
        if entry is None:
            await self._hold_up(client)
        return entry

    async def _hold_up(self, client: str) -> None:
        """Slow *client* down. A good token is looked at all the same: many may come from the address of one proxy."""
        wrong = [at for at in self._wrong.get(client, []) if self._clock() - at < _WINDOW_S]
        if len(wrong) >= _MOST_WRONG:
            raise TooManyGuesses
        self._wrong[client] = [*wrong, self._clock()]
        self._wrong.move_to_end(client)
        if len(self._wrong) > _MOST_KNOWN:
            self._wrong.popitem(last=False)
        if (again := len(wrong) + 1 - _FORGIVEN) > 0:
            await anyio.sleep(min(_LONGEST_WAIT_S, 0.1 * 2**again))

    async def _of_token(self, token: str, looks: Sequence[Look]) -> Entry | None:
        find = partial(self._ours, token) if token.startswith(PREFIX) else partial(_of_others, token, looks)
        return await self._believed(f"{len(looks)} {hashed(token)}", find)

    async def _ours(self, token: str) -> Entry | None:
        async def stands() -> bool:
            return await self._of_token(token, ()) is not None

        person = await anyio.to_thread.run_sync(self._tokens.who, token)
        return Entry(person, stands) if person else None

    async def _believed(self, key: str, find: Callable[[], Awaitable[Entry | None]]) -> Entry | None:
        until, entry = self._known.get(key, (0.0, None))
        if entry is not None and self._clock() < until:
            return entry
        self._known.pop(key, None)
        found = await find()
        if found is not None:
            self._known[key] = (self._clock() + _KNOWN_S, found)
            if len(self._known) > _MOST_KNOWN:
                self._known.popitem(last=False)
        return found


async def _of_others(token: str, looks: Sequence[Look]) -> Entry | None:
    """Whose *token* is, by the first of *looks* that knows it."""
    for look in looks:
        if (found := await look(token)) is not None:
            return found
    return None
