"""What an answer cost and whom it is from, and what that leaves of a budget's hold."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import anyio

from ai.lazy import load, loaded
from core.errors import AIError
from core.redact import redact, without_secrets
from core.usage.tokens import input_tokens
from core.values import Answer, Request, Response, Text, Usage

if TYPE_CHECKING:
    from ai.roster.configured_ai import ConfiguredAI
    from core.limits.budget import Budget
    from core.limits.budget_rows import Hold

_SEARCHED = 500_000
"""Tokens that a provider's own tools may add to what was sent."""
_DENSE = 8
"""How many times as many tokens as estimated a text may have, at most."""
_THOUGHT = 400_000
"""Tokens that a model may write and think where no limit was asked for."""
_OVER = 4
"""How many times max_tokens an answer may take: some do not count what they think."""

log = logging.getLogger(__name__)

Pricing = Callable[..., float | None]


def pricing() -> Pricing | None:
    """`core.usage.prices.cost_usd`, if the price list is loaded."""
    prices = loaded("core.usage.prices")
    return prices.cost_usd if prices else None


async def load_pricing(*, shielded: bool) -> Pricing:
    """`core.usage.prices.cost_usd`, once the price list is loaded; *shielded*, a cancellation waits until it is."""
    with anyio.CancelScope(shield=shielded):
        cost_usd: Pricing = (await load("core.usage.prices")).cost_usd
    return cost_usd


def attributed(
    seat: ConfiguredAI,
    really: ConfiguredAI,
    response: Response,
    latency_s: float,
    first_token_s: float | None,
    cost_usd: Pricing,
    request: Request | None = None,
) -> Answer:
    """What *seat* was asked and *really* answered, with its price; without our keys, whoever repeats them.

    *request* tells which figures can be true.
    """
    usage = believed(response.usage, request)
    try:
        cost = cost_usd(usage, model=response.model, price_id=really.provider.price_id)
    except Exception as error:  # an answer is not lost because its price cannot be told
        log.debug("%s: no price", seat.name, exc_info=error)
        cost = None
    return Answer(
        ai=seat.name,
        model=redact(response.model),
        text=without_secrets(response.text),
        latency_s=latency_s,
        usage=usage,
        cost_usd=0.0 if response.cached else cost,
        finish_reason=response.finish_reason,
        request_id=response.request_id and redact(response.request_id),
        answered_by=response.answered_by,
        fallback_reason=response.fallback_reason,
        provider=really.provider.name,
        tool_calls=response.tool_calls,
        first_token_s=first_token_s,
        key=response.key,
        cached=response.cached,
        parts=tuple(Text(without_secrets(part.text)) if isinstance(part, Text) else part for part in response.parts),
    )


def believed(usage: Usage, request: Request | None) -> Usage:
    """*usage* as far as it can be true: nobody is billed, and no budget emptied, by a figure that cannot be.

    Far above what was sent there is room for what a provider's own search reads, and for what a model thinks.
    """
    inputs, outputs = usage.input_tokens, usage.output_tokens
    if request is not None:
        inputs = _at_most(inputs, _SEARCHED + _DENSE * input_tokens(request))
        outputs = _at_most(outputs, _THOUGHT + _OVER * (request.max_tokens or 0))
    return Usage(inputs, outputs, _at_most(usage.cached_tokens, inputs), _at_most(usage.reasoning_tokens, outputs))


def _at_most(tokens: int | None, limit: int | None) -> int | None:
    known = tokens is not None and tokens >= 0 and (limit is None or tokens <= limit)
    return tokens if known else None


def settle(budget: Budget | None, hold: Hold, usd: float | None, usage: Usage) -> None:
    known = usage.input_tokens is not None and usage.output_tokens is not None
    tokens = (usage.input_tokens or 0) + (usage.output_tokens or 0) if known else None
    if budget is not None:
        budget.settle(hold, usd=usd, tokens=tokens)


def settle_failure(budget: Budget | None, hold: Hold, error: AIError) -> None:
    """The estimate stands where the call may be on the bill; else nothing was taken."""
    if budget is None:
        return
    if error.maybe_billed:
        budget.settle(hold, usd=None, tokens=sum(error.tokens) if error.tokens else None)
    else:
        budget.refund(hold)
