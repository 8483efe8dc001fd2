"""Whom the bot answers, and as whom their questions are asked: each has an area, threads and a budget of their own."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

import anyio.to_thread

from core.messaging import TelegramConfig
from core.people.person import OWNER, Person
from server.telegram.members import Members
from server.telegram.values import Member

_TOLD_AGAIN_S = 3_600.0
_MOST_TOLD = 10_000
_KNOWN_S = 2.0
"""How long somebody is believed without looking: so long may one who was removed go on."""
_MOST_OF_BOTS = 3


def person_of(member: Member) -> Person:
    """*member* as the rest of Moot knows them; who paired with the bot owns the installation."""
    return OWNER if member.owner else Person(f"tg.{member.id}", member.ais, member.per_day_usd)


class Access:
    """Says who may, and how often those who may not are told so."""

    def __init__(self, members: Members, config: TelegramConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self.members = members
        self._config = config
        self._clock = clock
        self._told: OrderedDict[tuple[int, str], float] = OrderedDict()
        self._bots: dict[int, int] = {}
        self._known: OrderedDict[tuple[int, int], tuple[float, Person]] = OrderedDict()

    async def person(self, user: int, chat: int) -> Person | None:
        """As whom *user* asks in *chat*; None: they may not."""
        until, known = self._known.get((user, chat), (0.0, None))
        if known is not None and self._clock() < until:
            return known
        found = await anyio.to_thread.run_sync(self._person, user, chat)
        if found is not None:
            self._known[user, chat] = (self._clock() + _KNOWN_S, found)
            if len(self._known) > _MOST_TOLD:
                self._known.popitem(last=False)
        return found

    def _person(self, user: int, chat: int) -> Person | None:
        if chat < 0 and not self.members.allows(chat):
            return None
        if (member := self.members.of(user)) is not None:
            return person_of(member)
        guests = self._config.guests
        if chat < 0 and guests is not None:
            return Person(f"tg.{user}", tuple(guests.ais), guests.per_day_usd)
        return None

    def tell(self, chat: int, what: str) -> bool:
        """Whether *what* may be told in *chat* now: not again within the hour."""
        key, now = (chat, what), self._clock()
        if now - self._told.get(key, float("-inf")) < _TOLD_AGAIN_S:
            return False
        self._told[key] = now
        if len(self._told) > _MOST_TOLD:
            self._told.popitem(last=False)
        return True

    def hears(self, chat: int, *, bot: bool) -> bool:
        """Whether a message is heard by who wrote it: of other bots at most three in a row, and only where allowed."""
        if not bot:
            self._bots.pop(chat, None)
            return True
        self._bots[chat] = self._bots.get(chat, 0) + 1
        return self._config.bots and self._bots[chat] <= _MOST_OF_BOTS
