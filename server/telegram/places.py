"""Which conversation somebody is in."""

from __future__ import annotations

import anyio.to_thread

from server.telegram.store import TelegramStore
from server.telegram.values import Place, Spot


async def place_of(kept: TelegramStore, spot: Spot, user: int) -> Place:
    """The conversation of *user* at *spot*: in a group their own, unless it is everybody's."""
    return await anyio.to_thread.run_sync(_place_of, kept, spot, user)


def _place_of(kept: TelegramStore, spot: Spot, user: int) -> Place:
    base = f"{spot.chat}.{spot.topic}"
    thread = f"telegram.{base}"
    if not spot.group:
        return kept.place(base) or Place(base, spot.chat, thread)
    common = kept.place(base)
    if common is not None and common.shared:
        return common
    if common is not None:
        thread = ".".join(common.thread.split(".")[:3])
    key = f"{base}.{user}"
    return kept.place(key) or Place(key, spot.chat, thread)
