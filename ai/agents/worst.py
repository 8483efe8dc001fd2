"""The most that one turn can take, so that a budget can be held to before the request leaves."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Self

from ai.agents.allowance import Allowance
from ai.lazy import load
from core.values import Image, Message, Request, Text, ToolResult

if TYPE_CHECKING:
    from ai.roster.configured_ai import ConfiguredAI

LONG_ANSWER = 4_096
"""Tokens that an answer may take where nobody says, once money or tokens are limited."""
_SHORTEST = 256
_SHARE = 4
"""One answer takes at most this part of a budget, so that small ones allow more than one turn."""
_PER_MESSAGE = 32
_PER_IMAGE = 3_000


@dataclass(frozen=True, slots=True)
class Counted:
    """What the provider counted for the input of the turn before, and the messages that came after that."""

    tokens: int
    since: Sequence[Message]


@dataclass(frozen=True, slots=True)
class Worst:
    """A turn's request, which says how long its answer may be, and what it can take. `usd` None: nobody knows."""

    request: Request
    usd: float | None
    tokens: int

    @classmethod
    async def of(
        cls, seats: Sequence[ConfiguredAI], request: Request, allowance: Allowance, counted: Counted | None = None
    ) -> Self:
        """The worst case of *request* to the first of *seats*, which may fall back to the others.

        Where nothing is limited, nothing is counted.
        """
        if not allowance.counts:
            return cls(request, 0.0, 0)
        cost_usd = (await load("core.usage.prices")).cost_usd
        from core.values import Usage

        def price(outputs: int) -> float | None:
            usage = Usage(inputs, outputs)
            each = [cost_usd(usage, model=one.model, price_id=one.provider.price_id) for one in seats]
            return None if None in each else max(each)

        seat = seats[0]
        inputs = most_tokens(seat.filled(request))
        if counted is not None and len(seats) == 1:  # another AI counts in another way
            inputs = min(inputs, counted.tokens + _most_in(counted.since))
        longest = request.max_tokens or seat.row.max_tokens or seat.provider.max_tokens or LONG_ANSWER
        if (limit := allowance.smallest_tokens) is not None:
            longest = min(longest, max(_SHORTEST, limit // _SHARE))
        if (usd := allowance.smallest_usd) is not None and (most := price(longest)) is not None and most > usd / _SHARE:
            least = price(0) or 0.0
            part = (usd / _SHARE - least) / (most - least) if most > least else 1.0
            longest = min(longest, max(_SHORTEST, int(longest * part)))
        return cls(replace(request, max_tokens=longest), price(longest), inputs + longest)


def most_tokens(request: Request) -> int:
    """An upper bound of what *request* has, and not the likely figure of `core/usage/tokens.py`.

    A token for each byte: prose has four bytes a token and code three, but emoji, rare scripts and rows of digits one.
    """
    said = len((request.system or "").encode()) + sum(
        len(one.name) + len(one.description.encode()) + len(json.dumps(one.parameters, default=str)) + 100
        for one in request.tools
    )
    return said + _most_in(request.messages)


def _most_in(messages: Sequence[Message]) -> int:
    size = images = 0
    for message in messages:
        for part in message.parts:
            match part:
                case Text(text) | ToolResult(_, text):
                    size += len(text.encode())
                case Image():
                    images += 1
                case _:
                    size += len(str(part).encode("unicode_escape"))
    return size + len(messages) * _PER_MESSAGE + images * _PER_IMAGE
