"""A conversation that outgrows its model: what tools returned long ago is left out of it, the oldest first.

What is left out depends on the conversation and the model alone, so that a resumed run sends the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ai.lazy import load
from core.usage.tokens import input_tokens, text_tokens
from core.values import Message, Request, ToolResult

if TYPE_CHECKING:
    from ai.roster.configured_ai import ConfiguredAI

LEFT_OUT = "[left out: the conversation has grown too long for it; call the tool again if it is needed]"
_UNKNOWN_WINDOW = 128_000
"""Tokens, where nobody says how many a model takes."""
_ROOM = 0.75
"""The part of the window that a request may fill by our count, which is rough; the rest is for the answer."""
_FEWEST = 200
"""Tokens of a result that is worth leaving out."""


async def fitted(seat: ConfiguredAI, request: Request) -> Request:
    """*request* within what *seat* takes, as far as leaving out old results brings it there."""
    size = input_tokens(request)
    if size <= _ROOM * _UNKNOWN_WINDOW / 4:  # any model takes that, and the price list need not be asked
        return request
    over = size - int(_ROOM * await _window(seat))
    return replace(request, messages=_without(request.messages, over)) if over > 0 else request


async def _window(seat: ConfiguredAI) -> int:
    known = seat.row.context_window or seat.provider.context_window
    if known:
        return known
    prices = await load("core.usage.prices")
    priced: int | None = prices.context_window(seat.model, price_id=seat.provider.price_id)
    return priced or _UNKNOWN_WINDOW


def _without(messages: Sequence[Message], over: int) -> tuple[Message, ...]:
    """*messages* with results left out, oldest first, until *over* tokens are gone; those of the last turn stay."""
    kept = list(messages)
    for number, message in enumerate(kept[:-1]):
        parts = list(message.parts)
        for place, part in enumerate(parts):
            if over <= 0:
                break
            if isinstance(part, ToolResult) and (size := text_tokens(part.content)) > _FEWEST:
                parts[place] = replace(part, content=LEFT_OUT)
                over -= size
        kept[number] = replace(message, parts=tuple(parts))
    return tuple(kept)
