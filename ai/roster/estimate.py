"""What a request may take before it is sent: tokens counted roughly, dollars from the price list."""

from __future__ import annotations

from typing import TYPE_CHECKING

from core.errors import AIError
from core.limits.budget_rows import Estimate
from core.usage.prices import cost_usd
from core.usage.tokens import input_tokens
from core.values import Request, Usage

if TYPE_CHECKING:
    from ai.roster.configured_ai import ConfiguredAI

_SHORT_ANSWER = 200
LONG_ANSWER = 4_096
"""Tokens assumed for the longest answer when neither the call nor the AI sets max_tokens."""


def estimate_or_none(seat: ConfiguredAI, request: Request) -> Estimate | None:
    """`estimate`, or None where *seat* will refuse *request* before anything is sent."""
    try:
        return estimate(seat, request)
    except AIError:
        return None


def estimate(seat: ConfiguredAI, request: Request) -> Estimate:
    """The estimate for asking *seat*, with its own defaults filled in. Import this late: it loads the price list."""
    request = seat.filled(request)
    inputs = input_tokens(request)
    longest = request.max_tokens or seat.provider.max_tokens or LONG_ANSWER
    model, price_id = seat.model, seat.provider.price_id
    return Estimate(
        ai=seat.name,
        model=model,
        input_tokens=inputs,
        output_tokens=longest,
        low_usd=cost_usd(Usage(inputs, min(_SHORT_ANSWER, longest)), model=model, price_id=price_id),
        high_usd=cost_usd(Usage(inputs, longest), model=model, price_id=price_id),
    )
