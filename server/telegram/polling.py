"""Updates by long polling: kept first, and only then told to Telegram that they arrived."""

from __future__ import annotations

import json
import logging
import sys
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

import anyio
import anyio.to_thread

from core.errors import MootError, StoreError
from server.telegram.bot_api import POLL_S, BotApi
from server.telegram.incoming import ALLOWED, has_number
from server.telegram.refusals import SecondPollerError, TelegramError, TokenRefusedError
from server.telegram.store import TelegramStore

log = logging.getLogger(__name__)

_AGAIN_S, _LONGEST_AGAIN_S = 0.25, 30.0
_FORGET_OFFSET_S = 3 * 86_400.0
"""Telegram may number anew after a week without updates."""
Take = Callable[[Sequence[dict[str, Any]]], Awaitable[None]]
"""Takes updates that are kept."""


def tell(line: str) -> None:
    """Tell whoever runs the bot."""
    sys.stderr.write(f"moot: {line}\n")
    sys.stderr.flush()


class Once:
    """Tells whoever runs the bot what is wrong, once until it works again."""

    def __init__(self) -> None:
        self._told = ""

    def tell(self, line: str) -> None:
        """Tell *line*, unless it was told last."""
        if line != self._told:
            self._told = line
            tell(line)

    def works(self) -> None:
        """Whatever goes wrong from now on is news."""
        self._told = ""


async def keep(kept: TelegramStore, updates: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep *updates*; those that were new, in the order in which they happened.

    Raises:
        StoreError: They cannot be kept now.
    """
    known = {int(one["update_id"]): one for one in updates if has_number(one)}
    # As ASCII: what JSON carries of halves of characters no store takes
    new = await anyio.to_thread.run_sync(kept.keep, [(number, json.dumps(one)) for number, one in known.items()])
    return [known[number] for number in sorted(new)]


class Poller:
    """Reads updates until cancelled.

    Args:
        cannot: Told of updates that cannot be kept, and why; they come again.
    """

    def __init__(
        self,
        api: BotApi,
        kept: TelegramStore,
        take: Take,
        cannot: Callable[[Sequence[dict[str, Any]], StoreError], Awaitable[None]],
    ) -> None:
        self._api, self._kept, self._take, self._cannot = api, kept, take, cannot
        self._once = Once()

    async def run(self) -> None:
        """Read updates.

        Raises:
            TokenRefusedError: The token is no good any more.
        """
        await self._without_webhook()
        offset, got_at, wait_s = None, anyio.current_time(), _AGAIN_S
        while True:
            if anyio.current_time() - got_at > _FORGET_OFFSET_S:
                offset = None
            try:
                updates = await self._api.call(
                    "getUpdates", patience_s=2 * POLL_S, offset=offset, timeout=POLL_S, allowed_updates=list(ALLOWED)
                )
                numbers = _numbers(updates)
                new = await keep(self._kept, updates)
            except TokenRefusedError:
                raise
            except SecondPollerError as error:
                problem: MootError = error
            except StoreError as error:
                problem = error
                await self._cannot(updates, error)
            except TelegramError as error:
                problem = error
            else:
                wait_s = _AGAIN_S
                self._once.works()
                if numbers:
                    offset, got_at = max(numbers) + 1, anyio.current_time()
                await self._take(new)
                continue
            self._once.tell(str(problem))
            await anyio.sleep(wait_s)
            wait_s = min(_LONGEST_AGAIN_S, wait_s * 2)

    async def _without_webhook(self) -> None:
        """Have Telegram hold updates for whoever asks; one that is away is waited for."""
        while True:
            try:
                await self._api.call("deleteWebhook")
                return
            except TokenRefusedError:
                raise
            except TelegramError as error:
                self._once.tell(str(error))
                await anyio.sleep(_LONGEST_AGAIN_S)


def _numbers(updates: Any) -> list[int]:
    """The numbers of *updates*, by which Telegram hears that they arrived.

    Raises:
        TelegramError: They are no updates; asked for again at once, they would come again at once.
    """
    found = [int(one["update_id"]) for one in updates if has_number(one)] if isinstance(updates, list) else []
    if not found and updates != []:
        raise TelegramError("What Telegram sent are no updates. They are asked for again.")
    return found
