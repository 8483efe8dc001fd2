"""What the bot says by itself: one sentence, with buttons at times, sent once.

Where the outcome of a sending is not known it is not repeated: whoever misses a sentence asks again, which nobody can
with an answer.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from core.errors import StoreError
from server.telegram.bot_api import BotApi
from server.telegram.guests import GUEST, answer_guest
from server.telegram.refusals import (
    MarkupRefusedError,
    MigratedError,
    TelegramError,
    UnknownOutcomeError,
    UnreachableError,
)
from server.telegram.rich import Piece, markdown_pieces, packed, plain_piece
from server.telegram.speech import say
from server.telegram.store import TelegramStore
from server.telegram.unforeseen import ends_all, log_unforeseen
from server.telegram.values import NewTurn, Spot, Turn

log = logging.getLogger(__name__)

_AGAIN_S, _LONGEST_AGAIN_S = 1.0, 30.0
_MOST_WAITING = 5
"""Sentences to one person in one chat that wait to be sent; a group takes twenty messages a minute."""


class Teller:
    """Sends what is to be said; `tasks` is the group in which it does."""

    def __init__(self, api: BotApi, kept: TelegramStore, tasks: TaskGroup) -> None:
        self._api, self._kept, self._tasks = api, kept, tasks
        self._waiting = Counter[tuple[int, int]]()

    async def soon(self, turn: Turn, what: Mapping[str, Any]) -> None:
        """Have *what* be said where *turn* was asked: it is kept when this returns."""
        made = NewTurn(turn.spot, turn.user, turn.asked, turn.place, turn.thread, turn.language, "say", what)
        for one in await anyio.to_thread.run_sync(self._kept.handled, (), (made,)):
            self.start(one)

    def may_say(self, chat: int, user: int) -> bool:
        """Whether one sentence more to *user* may wait in *chat*: Telegram takes few, and others wait behind them."""
        return self._waiting[chat, user] < _MOST_WAITING

    def start(self, turn: Turn) -> None:
        """Say what *turn* holds: `text`, or `markdown`, with `keyboard`; with `private` to whoever asked alone."""
        self._waiting[turn.spot.chat, turn.user] += 1
        self._tasks.start_soon(self._told, turn)

    async def _told(self, turn: Turn) -> None:
        whose = turn.spot.chat, turn.user
        try:
            await self._surely_told(turn)
        finally:
            self._waiting[whose] -= 1
            if not self._waiting[whose]:
                del self._waiting[whose]

    async def _surely_told(self, turn: Turn) -> None:
        try:
            await self._tell(turn)
        except BaseException as error:  # a sentence that nobody foresaw ends nothing else
            if ends_all(error):
                raise
            log_unforeseen(log, "turn", turn.id, error)
        await self._close(turn)

    async def _tell(self, turn: Turn) -> None:
        what, spot = turn.what, turn.spot
        pieces = (
            markdown_pieces(what["markdown"]) if "markdown" in what else packed([plain_piece(what.get("text", ""))])
        )
        if turn.place.startswith(GUEST):
            await answer_guest(self._api, turn, pieces[0])
            return
        for number, piece in enumerate(pieces):
            more = _options(turn, number, last=number == len(pieces) - 1)
            if what.get("private") and spot.group:
                sent = await self._privately(turn, piece, more)
            else:
                sent = await self._surely(spot, piece, more)
            if not sent:
                break

    async def _privately(self, turn: Turn, piece: Piece, more: dict[str, Any]) -> bool:
        """Show *piece* in the group to whoever asked alone (Bot API 10.2); else write to them."""
        alone = {"receiver_user_id": turn.user}
        if query := turn.what.get("query"):
            alone["callback_query_id"] = query
        try:
            await self._once(turn.spot, piece, {**more, "ephemeral_message_parameters": alone})
        except UnknownOutcomeError:
            return True
        except TelegramError:
            more.pop("reply_parameters", None)
            if not await self._surely(Spot(turn.user), piece, more):
                await self._surely(turn.spot, plain_piece(say(turn.language, "write_me")), {})
                return False
        return True

    async def _surely(self, spot: Spot, piece: Piece, more: Mapping[str, Any]) -> bool:
        """Send it; whether it may have arrived."""
        wait_s = _AGAIN_S
        while True:
            try:
                await self._once(spot, piece, more)
                return True
            except UnknownOutcomeError:
                return True
            except UnreachableError:
                return False
            except MigratedError as error:
                spot = Spot(error.to, spot.topic)
            except TelegramError as error:
                if error.status:
                    log.warning("Telegram refused a message (%s).", error.status)
                    return False
                await anyio.sleep(wait_s)
                wait_s = min(_LONGEST_AGAIN_S, wait_s * 2)

    async def _once(self, spot: Spot, piece: Piece, more: Mapping[str, Any]) -> None:
        quiet: dict[str, Any] = {"link_preview_options": {"is_disabled": True}}
        try:
            await self._api.call("sendMessage", text=piece.html, parse_mode="HTML", **spot.address(), **quiet, **more)
        except TelegramError as error:
            if not isinstance(error, MarkupRefusedError):
                raise
            await self._api.call("sendMessage", text=piece.plain, **spot.address(), **quiet, **more)

    async def _close(self, turn: Turn) -> None:
        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._kept.over, turn.id)
        except StoreError as error:
            log.warning("What was said cannot be closed: %s", error)


def _options(turn: Turn, number: int, *, last: bool) -> dict[str, Any]:
    more: dict[str, Any] = {}
    if last and turn.what.get("keyboard"):
        more["reply_markup"] = {"inline_keyboard": turn.what["keyboard"]}
    if number == 0 and turn.asked > 0 and turn.spot.group:
        more["reply_parameters"] = {"message_id": turn.asked, "allow_sending_without_reply": True}
    return more
