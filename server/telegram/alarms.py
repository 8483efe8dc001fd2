"""Tells the owner in private when the machine, the queue or the AIs have too much, and when that is over."""

from __future__ import annotations

import logging

import anyio
import anyio.to_thread

from ai.runs.app import App
from core.errors import StoreError
from server.monitoring.bounds import EVERY_S, watch
from server.monitoring.lag import LoopLag
from server.monitoring.recorder import Recorder
from server.telegram.bot_api import BotApi
from server.telegram.members import Members
from server.telegram.refusals import TelegramError

log = logging.getLogger(__name__)


async def warn_owner(app: App, api: BotApi, members: Members, *, every_s: float = EVERY_S) -> None:
    """Look after everything until cancelled. Without an owner, nobody is told."""

    async def tell(sentence: str) -> None:
        try:
            owner = await anyio.to_thread.run_sync(members.owner)
            if owner is not None:
                await api.call("sendMessage", chat_id=owner.id, text=sentence)
        except (StoreError, TelegramError) as error:
            log.warning("The owner could not be warned (%s): %s", sentence, error)

    lag = LoopLag()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lag.watch)
        while True:
            try:
                await watch(Recorder(app, lag), tell, every_s=every_s)
            except Exception:  # nobody is left without answers because a figure could not be read
                log.exception("The machine could not be looked at")
                await anyio.sleep(every_s)
