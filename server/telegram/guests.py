"""Guest mode: people call the bot into chats it is not in, where it may say one thing, once, to each of their calls."""

from __future__ import annotations

import logging

from server.telegram.bot_api import BotApi
from server.telegram.refusals import MarkupRefusedError, TelegramError
from server.telegram.rich import Piece
from server.telegram.values import Turn

log = logging.getLogger(__name__)

GUEST = "guest:"
"""How the place of what comes from a chat begins that the bot is not in; behind it is what is answered."""


async def answer_guest(api: BotApi, turn: Turn, piece: Piece) -> None:
    """Answer the call that *turn* came of: in one message, and where its outcome is not known without a second try."""
    try:
        try:
            await _once(api, turn, {"message_text": piece.html, "parse_mode": "HTML"})
        except MarkupRefusedError:
            await _once(api, turn, {"message_text": piece.plain})
    except TelegramError as error:
        log.warning("A guest's question could not be answered (%s).", error.status)


async def _once(api: BotApi, turn: Turn, content: dict[str, str]) -> None:
    result = {"type": "article", "id": str(turn.id), "title": "Moot", "input_message_content": content}
    await api.call("answerGuestQuery", guest_query_id=turn.place.removeprefix(GUEST), result=result)
