"""The bot for tests: in this process, over real HTTP, against the fake Bot API, with scripted AIs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
from fake_bot_api import TOKEN, FakeBotApi
from scripted_ai import ScriptedApp, Step, scripted_app

from ai.runs.run import Materials
from core.config import Config, Defaults
from core.messaging import TelegramConfig
from server.jobs.worker import serving_jobs
from server.side_tasks import tasks_beside
from server.telegram.bot import AT_ONCE, OpenBot, open_bot, with_areas
from server.telegram.polling import Poller
from server.telegram.store import TelegramStore

OWNER, GUEST, GROUP = 7, 8, -1001


@dataclass
class Telegram:
    """A bot that is open, and what it talks to."""

    api: FakeBotApi
    bot: OpenBot
    app: ScriptedApp

    @property
    def asked(self) -> list[str]:
        """What the AIs were asked, whoever was."""
        return [
            "\n".join(m.text for m in request.messages) for one in self.app.clients.values() for request in one.requests
        ]


@asynccontextmanager
async def telegram(
    ais: dict[str, Sequence[Step]] | None = None,
    *,
    api: FakeBotApi | None = None,
    paired: bool = True,
    people: Sequence[int] = (),
    group: bool = False,
    config: Config | None = None,
    materials: Materials | None = None,
    **settings: Any,
) -> AsyncIterator[Telegram]:
    """A bot whose owner is the account OWNER, at work while the block runs."""
    kept = TelegramStore()
    async with (api or FakeBotApi()).served() as served:
        section = TelegramConfig(api_url=served.url, messages_per_second=1000, **settings)
        given = replace(config or Config(defaults=Defaults(drain_s=0.05)), telegram=section)
        async with scripted_app(ais or {"gpt": []}, config=given, materials=materials) as scripted:
            app = await with_areas(scripted)
            try:
                async with (
                    serving_jobs(app, at_once=AT_ONCE),
                    open_bot(app, TOKEN, kept) as bot,
                    tasks_beside() as tasks,
                ):
                    await anyio.to_thread.run_sync(_let_in, bot, paired, people, group)
                    tasks.start_soon(Poller(bot.api, kept, bot.take, bot.cannot_keep).run)
                    yield Telegram(served, bot, scripted)
            finally:
                await anyio.to_thread.run_sync(kept.close)


async def seen(wanted: Callable[[], Any]) -> Any:
    """What *wanted* gives, once it gives anything."""
    with anyio.fail_after(20):
        while not (found := wanted()):
            await anyio.lowlevel.checkpoint()
    return found


def _let_in(bot: OpenBot, paired: bool, people: Sequence[int], group: bool) -> None:
    members = bot.members
    if paired:
        members.redeem(members.pairing_code(), OWNER, "Owner")
    for one in people:
        members.redeem(members.invitation(f"P{one}"), one, f"P{one}")
    if group:
        members.allow_group(GROUP, "Team")
