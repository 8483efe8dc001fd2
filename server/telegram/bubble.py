"""One answer in a chat: shown while it is written, and at last as it is, always in the same message.

The message is sent as nothing but a sign that an answer comes, and what is said is written into it by editing, which
may be done twice. So where the outcome of a sending is not known, or a kill comes in between, it is at worst the sign
that stands there twice, never an answer, and none is lost. In private chats a draft may show what is being written.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread

from core.errors import StoreError
from core.events import CallFellBack, CallRetrying, Event, Thought, Token
from core.view import RunView
from server.telegram.answers import Drawn, Keyboard, stop_button
from server.telegram.bot_api import BotApi
from server.telegram.refusals import (
    MessageGoneError,
    MigratedError,
    NothingChangedError,
    TelegramError,
    TokenRefusedError,
    UnknownOutcomeError,
    UnreachableError,
)
from server.telegram.rich import Piece, markdown_pieces, plain_piece, tail
from server.telegram.speech import say
from server.telegram.store import TelegramStore
from server.telegram.unforeseen import ends_all, log_unforeseen
from server.telegram.values import Spot, Turn

log = logging.getLogger(__name__)

_DRAFT_EVERY_S, _EDIT_EVERY_S, _GROUP_EVERY_S = 0.6, 1.2, 4.0
"""How often what is written so far is shown: see `flood.py` for what Telegram takes."""
_TYPING_S = 4.0
"""How long it is seen that the bot is typing, nearly: https://core.telegram.org/bots/api#sendchataction"""
_SHOWN = 3_500
_AGAIN_S, _LONGEST_AGAIN_S = 1.0, 30.0
_LARGEST_DRAFT = 2**31 - 1


class Live:
    """What a job has come to, as its events tell."""

    def __init__(self, language: str) -> None:
        self.panel = False
        """Whether several answer, so that who has is shown, and not what they say."""
        self._view = RunView()
        self._language = language
        self._call = ""
        self._chunks: list[str] = []
        self.told = anyio.Event()

    def hear(self, event: Event | Thought) -> None:
        """Take note of *event*."""
        if isinstance(event, Token):
            if event.call != self._call:
                self._call, self._chunks = event.call, []
            self._chunks.append(event.text)
        elif isinstance(event, CallRetrying | CallFellBack):
            self._chunks = []
        if self.panel and not isinstance(event, Token | Thought):
            self._view.apply(event)
        self.told.set()

    @property
    def text(self) -> str:
        """What is to be shown now."""
        if not self.panel:
            return "".join(self._chunks)
        calls = self._view.calls.values()
        if not calls:
            return ""
        lines = [f"{'✓' if call.state == 'done' else '✗' if call.over else '…'} {call.ai}" for call in calls]
        done = say(self._language, "answered_of", done=self._view.finished, all=len(calls))
        return "\n\n".join([done, *lines[-12:]])


class Bubble:
    """The message, or messages, of one turn.

    Args:
        moved: Called when the group turns out to have become another one.
        crowd: How many times slower than usual it is shown what is written, since many are.
    """

    def __init__(
        self,
        api: BotApi,
        kept: TelegramStore,
        turn: Turn,
        *,
        drafts: bool,
        moved: Callable[[int, int], Any],
        crowd: Callable[[], float] = lambda: 1.0,
    ) -> None:
        self._api = api
        self._kept = kept
        self._turn = turn
        self.spot = turn.spot
        self._sent = list(turn.sent)
        self._drafts = drafts and not turn.spot.group and not turn.sent
        self._moved = moved
        self._crowd = crowd

    async def show(self, live: Live) -> None:
        """Show what *live* has, again and again, until cancelled. What cannot be shown is left out."""
        try:
            await self._show(live)
        except BaseException as error:
            if ends_all(error):
                raise
            log_unforeseen(log, "preview of turn", self._turn.id, error)

    async def _show(self, live: Live) -> None:
        shown = None
        if not self._drafts:
            await self._open()
        elif self._crowd() > 1.0:  # most answers are there before a draft would help
            await anyio.sleep(min(_TYPING_S, self._pace * self._crowd()))
        while True:
            text = live.text
            if text != shown and await self._preview(text):
                shown = text
            await anyio.sleep(self._pace * self._crowd())
            if live.text == shown:
                live.told = anyio.Event()
                with anyio.move_on_after(20.0 if self._drafts else 3_600.0):  # a draft fades after half a minute
                    await live.told.wait()
                shown = None if self._drafts else shown

    async def finish(self, drawn: Drawn) -> None:
        """Show *drawn*, whatever it takes.

        Raises:
            UnreachableError: This chat takes nothing from the bot any more.
            TokenRefusedError: The bot's token is no good any more.
            TelegramError: It takes some things, and this not.
        """
        for number, piece in enumerate(drawn.pieces):
            last = number == len(drawn.pieces) - 1
            await self._surely(self._put, number, piece, drawn.keyboard if last else [])

    async def _surely(self, operation: Callable[..., Any], *arguments: Any) -> None:
        wait_s = _AGAIN_S
        while True:
            try:
                await operation(*arguments)
                return
            except (UnreachableError, TokenRefusedError):
                raise
            except MigratedError as error:
                await self._move(error.to)
            except MessageGoneError:
                self._sent = self._sent[: arguments[0]]
            except TelegramError as error:
                if error.status and not error.retry_after:
                    raise
                await anyio.sleep(wait_s)
                wait_s = min(_LONGEST_AGAIN_S, wait_s * 2)

    async def _put(self, number: int, piece: Piece, keyboard: Keyboard) -> None:
        if number >= len(self._sent):
            await self._send_sign(number)
        await self._edit(self._sent[number], piece, keyboard)

    async def _edit(self, message: int, piece: Piece, keyboard: Keyboard) -> None:
        where: dict[str, Any] = {
            "chat_id": self.spot.chat,
            "message_id": message,
            "reply_markup": {"inline_keyboard": keyboard},
        }
        quiet: dict[str, Any] = {"link_preview_options": {"is_disabled": True}}
        try:
            await self._api.call("editMessageText", text=piece.html, parse_mode="HTML", **where, **quiet)
        except NothingChangedError:
            return
        except TelegramError as error:
            if error.status != 400 or isinstance(error, MessageGoneError | MigratedError):
                raise
            try:  # the markup is not what Telegram takes
                await self._api.call("editMessageText", text=piece.plain, **where, **quiet)
            except NothingChangedError:
                return

    async def _open(self) -> None:
        """Have a message to write into."""
        if self._sent:
            return
        try:
            await self._send_sign(0)
        except MigratedError as error:
            await self._move(error.to)
        except TelegramError:  # it is tried again when there is something to be said
            return

    async def _send_sign(self, number: int) -> None:
        """Send a message that only says that an answer comes, and remember it."""
        text, language = say(self._turn.language, "thinking"), self._turn.language
        more: dict[str, Any] = {}
        if number == 0 and self._turn.asked > 0:
            more["reply_parameters"] = {"message_id": self._turn.asked, "allow_sending_without_reply": True}
        if number == 0:
            more["reply_markup"] = {"inline_keyboard": stop_button(self._turn.id, language)}
        if not self.spot.group:
            more.pop("reply_parameters", None)
        made, wait_s = None, _AGAIN_S
        while made is None:
            try:
                made = await self._api.call("sendMessage", text=text, **self.spot.address(), **more)
            except UnknownOutcomeError:  # at worst two signs stand there; none says anything
                await anyio.sleep(wait_s)
                wait_s = min(_LONGEST_AGAIN_S, wait_s * 2)
        self._sent.append(int(made["message_id"]))
        try:
            with anyio.CancelScope(shield=True):
                await anyio.to_thread.run_sync(self._kept.sent, self._turn.id, tuple(self._sent))
        except StoreError as error:  # at worst, after a kill, a second sign
            log.warning("What shows turn %d cannot be noted: %s", self._turn.id, error)

    async def _preview(self, text: str) -> bool:
        if self._drafts:
            return await self._draft(text)
        if not self._sent or not text.strip():
            return not text.strip()
        piece = _end_of(text)
        keyboard = stop_button(self._turn.id, self._turn.language)
        made = await self._api.attempt(
            "editMessageText",
            chat_id=self.spot.chat,
            message_id=self._sent[0],
            text=f"{piece.html} …",
            parse_mode="HTML",
            reply_markup={"inline_keyboard": keyboard},
            link_preview_options={"is_disabled": True},
        )
        return made is not None

    async def _draft(self, text: str) -> bool:
        piece = _end_of(text)
        number = self._turn.id % _LARGEST_DRAFT or 1
        if self._api.flood.waits(self.spot.chat):
            return False
        try:
            await self._api.call(
                "sendMessageDraft",
                patience_s=5.0,
                draft_id=number,
                text=piece.html,
                parse_mode="HTML",
                can_stop=True,
                **self.spot.address(),
            )
        except TelegramError as error:
            if error.status in (400, 404):  # drafts do not work here: an older server, or this chat
                self._drafts = False
                await self._open()
            return False
        return True

    @property
    def _pace(self) -> float:
        if self._drafts:
            return _DRAFT_EVERY_S
        return _GROUP_EVERY_S if self.spot.group else _EDIT_EVERY_S

    async def _move(self, to: int) -> None:
        old, self.spot = self.spot.chat, Spot(to, self.spot.topic)
        self._sent = []
        await self._moved(old, to)


def _end_of(text: str) -> Piece:
    """What fits of *text* while it is written, whose end is news."""
    return next(iter(reversed(markdown_pieces(tail(text, _SHOWN)))), plain_piece(""))
