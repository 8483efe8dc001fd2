from __future__ import annotations

import pytest

from core.usage.prices import cost_usd
from core.values import Usage


def test_a_current_model_has_a_price() -> None:
    assert cost_usd(Usage(1_000, 100), model="gpt-6.1-sol", price_id="openai") == pytest.approx(0.003)


def test_cached_input_is_cheaper_than_fresh_input() -> None:
    fresh = cost_usd(Usage(10_000, 10), model="claude-opus-5-5", price_id="anthropic")
    cached = cost_usd(Usage(10_000, 10, cached_tokens=9_000), model="claude-opus-5-5", price_id="anthropic")
    assert fresh is not None and cached is not None and cached < fresh


@pytest.mark.parametrize(
    ("usage", "model", "price_id"),
    [
        (Usage(1, 1), "no-such-model", "openai"),
        (Usage(1, 1), "gpt-6.1-sol", None),
        (Usage(None, 1), "gpt-6.1-sol", "openai"),
    ],
)
def test_an_unknown_price_or_count_is_null_and_never_zero(usage: Usage, model: str, price_id: str | None) -> None:
    assert cost_usd(usage, model=model, price_id=price_id) is None


def test_a_model_on_the_own_machine_is_free() -> None:
    assert cost_usd(Usage(1, 1), model="any", price_id="free") == 0.0
