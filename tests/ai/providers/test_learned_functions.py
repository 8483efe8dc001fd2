"""How functions are offered to an endpoint is learned as any setting is; that it takes none is an error."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ai.providers.learned import lasting, step_down
from ai.wire.classify.failure import Who, status_error
from ai.wire.settings import Quirks


@pytest.mark.parametrize(
    ("words", "body", "changes"),
    [
        ("Encrypted content is not supported with this model.", {"include": ["x"]}, {"kept_reasoning": False}),
        (
            "property 'reasoning_content' is unsupported",
            {"messages": [{"role": "assistant", "reasoning_content": "x"}]},
            {"kept_reasoning": False},
        ),
        ("Tool call id was call_1 but must be a-z, A-Z, 0-9, with a length of 9.", {}, {"short_ids": True}),
        ("Invalid schema for function 'f': not permitted", {"tools": [{}]}, {"strict_tools": False}),
    ],
)
def test_the_way_that_functions_are_offered_is_learned(
    words: str, body: dict[str, Any], changes: dict[str, Any]
) -> None:
    quirks = Quirks(strict_tools=True)
    error = status_error(Who("x", "x"), 400, {"error": {"message": words}})
    assert step_down(quirks, error, body) == replace(quirks, **changes)


def test_a_refusal_of_functions_themselves_is_no_setting_that_could_be_left_out() -> None:
    error = status_error(Who("x", "x"), 400, {"error": {"message": "x does not support tools"}})
    assert error.code == "tools_refused"
    assert step_down(Quirks(strict_tools=True), error, {"tools": [{}], "reasoning_effort": "low"}) is None


def test_what_was_said_of_one_turn_s_reasoning_is_not_kept() -> None:
    words = "The encrypted content gAAA could not be verified."
    error = status_error(Who("x", "x"), 400, {"error": {"message": words, "code": "invalid_encrypted_content"}})
    lesser = step_down(Quirks(), error, {"include": ["x"]})
    assert lesser is not None and not lesser.kept_reasoning
    assert lasting(Quirks(), Quirks(), lesser, error) == Quirks()
