"""What a call cost, from prices that ship with genai-prices; nothing is fetched.

Import it late: the price list takes 25 ms to load.
"""

from __future__ import annotations

import logging
from datetime import date

import genai_prices

from core.values import Usage

log = logging.getLogger(__name__)

AS_OF = date(2026, 11, 10)
"""When the prices that ship with genai-prices 0.2.3, the version in the lock file, were published."""


def cost_usd(usage: Usage, *, model: str, price_id: str | None) -> float | None:
    """US dollars for *usage*, or None when tokens or price are unknown. Never a guessed 0.

    Args:
        price_id: The provider as genai-prices calls it; "free" for models that run on the user's own machine.
    """
    if price_id == "free":
        return 0.0
    if price_id is None or usage.input_tokens is None or usage.output_tokens is None:
        return None
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=usage.cached_tokens or 0,
    )
    try:
        return float(genai_prices.calc_price(counted, model, provider_id=price_id).total_price)
    except LookupError:
        return None
    except ValueError as error:  # inconsistent counts, such as more cached than input tokens
        log.debug("No price for %s: %s", model, error)
        return None


def context_window(model: str, *, price_id: str | None) -> int | None:
    """Tokens of prompt and answer together that *model* takes; None when the price list does not say."""
    if price_id is None or price_id == "free":
        return None
    try:
        return genai_prices.calc_price(
            genai_prices.Usage(input_tokens=0, output_tokens=0), model, provider_id=price_id
        ).model.context_window
    except (LookupError, ValueError):
        return None
