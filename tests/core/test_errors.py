from __future__ import annotations

import inspect
import pickle

import pytest

from core import errors
from core.redact import register_secret

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if issubclass(kind, errors.MootError)]


@pytest.mark.parametrize("kind", ALL)
def test_every_error_stands_in_the_tree_of_the_docstring(kind: type[errors.MootError]) -> None:
    assert kind.__name__ in (errors.__doc__ or "")


def test_an_unknown_ai_is_a_value_error_and_a_timeout_a_timeout_error() -> None:
    assert issubclass(errors.UnknownAIError, ValueError)
    assert issubclass(errors.AITimeoutError, TimeoutError)


def test_a_known_key_never_survives_in_a_message() -> None:
    register_secret("super-secret-value")
    assert str(errors.AIError("refused super-secret-value")) == "refused [redacted]"


@pytest.mark.parametrize(
    "key", ["sk-proj-abc123DEF456", "xai-0123456789abcdef", "AIzaSyA1234567890abcdefghijk", "gsk_abcdefgh12345678"]
)
def test_what_looks_like_a_key_never_survives_in_a_message(key: str) -> None:
    assert key not in str(errors.AIError(f"Incorrect API key provided: {key}."))


def test_a_bearer_token_never_survives_in_a_message() -> None:
    assert "abcdef123456" not in str(errors.AIError("header was: Bearer abcdef123456"))


def test_a_short_placeholder_key_does_not_garble_words() -> None:
    register_secret("none")
    assert str(errors.AIError("none of them")) == "none of them"


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (errors.RateLimitedError("x"), "rate_limited"),
        (errors.AITimeoutError("x", phase="idle"), "timeout"),
        (errors.ConnectionFailedError("x", sent=True), "connection_failed"),
        (errors.UnknownAIError("x"), "unknown_ai"),
    ],
)
def test_the_kind_is_a_stable_word(error: errors.MootError, kind: str) -> None:
    assert error.kind == kind


def test_only_what_was_not_accepted_may_be_retried() -> None:
    assert not errors.ConnectionFailedError("x", sent=True).retryable
    assert errors.ConnectionFailedError("x", sent=False).retryable
    assert errors.AITimeoutError("x", phase="connect").retryable
    assert not errors.AITimeoutError("x", phase="first token").retryable
    assert not errors.TruncatedError("x").retryable


def test_every_error_has_a_code_which_is_its_kind_unless_something_finer_is_known() -> None:
    assert errors.QuotaExceededError("x", code="daily_limit").code == "daily_limit"
    assert errors.QuotaExceededError("x").code == errors.QuotaExceededError("x").kind == "quota_exceeded"
    assert errors.MissingKeyError("x").code == "missing_key"
    assert errors.NoAnswerError("x", ["region", "region"]).code == "region"
    assert errors.NoAnswerError("x", ["region", "gateway"]).code == "no_answer"


def test_what_was_accepted_is_not_sent_again() -> None:
    error = errors.OverloadedError("x")
    assert error.retryable and not error.accepted and not error.maybe_billed
    error.mark_accepted()
    assert not error.retryable and error.accepted and error.maybe_billed
    assert errors.BadResponseError("x").accepted and errors.ConnectionFailedError("x", sent=True).accepted


def test_every_error_goes_from_one_process_to_another_as_it_is() -> None:
    made = [
        errors.AITimeoutError("It was silent. Ask again.", phase="idle", ai="gpt", partial="so far"),
        errors.ConnectionFailedError("Cut off. Ask again.", sent=True, provider="openai"),
        errors.NoAnswerError("No answer.", ["timeout"]),
        errors.UnknownJobError("42"),
        errors.RateLimitedError("Too many. Wait.", status=429, retry_after=3.0),
    ]
    for error in made:
        again = pickle.loads(pickle.dumps(error))
        assert (type(again), str(again), vars(again)) == (type(error), str(error), vars(error))
