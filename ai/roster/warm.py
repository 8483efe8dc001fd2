"""Imports what the configured AIs will need, one module at a time, while no call is under way."""

from __future__ import annotations

import anyio

from ai.lazy import load
from ai.roster.roster import Roster

_SHARED = ("aiohttp", "ai.roster.estimate", "core.usage.prices")
_OF_DIALECT = {"openai_chat": ("openai",), "anthropic": ("anthropic",), "gemini": ("google.genai",)}


async def warm(roster: Roster, pause_s: float) -> None:
    """Wait until nothing was asked for *pause_s* seconds before each import, so that no answer waits for one."""
    for name in wanted(roster):
        await anyio.sleep(pause_s)
        while any(seat.concurrency.in_flight for seat in roster.seats.values()):  # noqa: ASYNC110 - a pause, no event
            await anyio.sleep(pause_s)
        await load(name)


def wanted(roster: Roster) -> list[str]:
    """The modules the AIs of *roster* import with their first call, none of them twice."""
    dialects = dict.fromkeys(seat.provider.dialect for seat in roster.seats.values())
    own = [name for dialect in dialects for name in _OF_DIALECT.get(dialect, ())]
    return [*own, *_SHARED] if own else []
