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
from server.telegram.incoming import ALLOWED
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


async def keep(kept: TelegramStore, updates: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Keep *updates*; those that were new, in the order in which they happened.

    Raises:
        StoreError: They cannot be kept now.
    """
    rows = [(int(one["update_id"]), json.dumps(one, ensure_ascii=False)) for one in updates if _has_number(one)]
    new = set(await anyio.to_thread.run_sync(kept.keep, rows))
    fresh: dict[int, dict[str, Any]] = {
        int(one["update_id"]): one for one in updates if _has_number(one) and int(one["update_id"]) in new
    }
    return [fresh[number] for number in sorted(fresh)]


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
        self._told = ""

    async def run(self) -> None:
        """Read updates.

        Raises:
            TokenRefusedError: The token is no good any more.
        """
        await self._api.call("deleteWebhook", patience_s=float("inf"))
        offset, got_at, wait_s = None, anyio.current_time(), _AGAIN_S
        while True:
            if anyio.current_time() - got_at > _FORGET_OFFSET_S:
                offset = None
            try:
                updates = await self._api.call(
                    "getUpdates", patience_s=2 * POLL_S, offset=offset, timeout=POLL_S, allowed_updates=list(ALLOWED)
                )
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
                wait_s, self._told = _AGAIN_S, ""
                if updates:
                    offset, got_at = max(int(one["update_id"]) for one in updates) + 1, anyio.current_time()
                await self._take(new)
                continue
            self._say(str(problem))
            await anyio.sleep(wait_s)
            wait_s = min(_LONGEST_AGAIN_S, wait_s * 2)

    def _say(self, sentence: str) -> None:
        """Tell whoever runs the bot, once until it works again."""
        if sentence != self._told:
            self._told = sentence
            tell(sentence)


def _has_number(update: Any) -> bool:
    return isinstance(update, dict) and isinstance(update.get("update_id"), int)
