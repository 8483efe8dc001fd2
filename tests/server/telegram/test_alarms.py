"""The owner is told when something is too much, and the bot lives through whatever cannot be looked at."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from open_telegram import GUEST, Telegram, telegram

from server.monitoring import bounds
from server.monitoring.recorder import Recorder, Vitals
from server.side_tasks import tasks_beside
from server.telegram.alarms import warn_owner

FULL = Vitals(0.0, 1.0, 0.1, 0.1, 0.99, 1, 1, 0.0)


async def told(bot: Telegram, monkeypatch: pytest.MonkeyPatch, look: Callable[[], Vitals]) -> None:
    """Wait until the owner is warned of a machine that is found as *look* says."""

    async def found(self: Recorder) -> Vitals:
        return look()

    monkeypatch.setattr(Recorder, "look", found)
    monkeypatch.setattr(bounds, "_LOOKS", 1)
    async with tasks_beside() as tasks:
        tasks.start_soon(lambda: warn_owner(bot.app, bot.bot.api, bot.bot.members, every_s=0))
        await bot.api.answer("The disk is 99% full.")


async def test_the_owner_alone_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async with telegram(people=[GUEST]) as bot:
        await told(bot, monkeypatch, lambda: FULL)
        assert len(bot.api.said()) == 1 and not bot.api.said(GUEST)


async def test_a_look_that_fails_in_a_way_nobody_foresaw_is_taken_again(monkeypatch: pytest.MonkeyPatch) -> None:
    taken: list[int] = []

    def look() -> Vitals:
        taken.append(1)
        if len(taken) == 1:
            raise RuntimeError("no such figure")
        return FULL

    async with telegram() as bot:
        await told(bot, monkeypatch, look)


async def test_without_an_owner_nobody_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    looks: list[int] = []

    async def found(self: Recorder) -> Vitals:
        looks.append(1)
        return FULL

    async with telegram(paired=False, people=[GUEST]) as bot:
        monkeypatch.setattr(Recorder, "look", found)
        monkeypatch.setattr(bounds, "_LOOKS", 1)
        async with tasks_beside() as tasks:
            tasks.start_soon(lambda: warn_owner(bot.app, bot.bot.api, bot.bot.members, every_s=0))
            bot.api.write("/start", user=GUEST, chat=GUEST)
            await bot.api.answer("", chat=GUEST)
        assert looks and not bot.api.said()
