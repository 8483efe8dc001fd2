from __future__ import annotations

import logging
from collections.abc import Iterator

import pytest

from core.logs import RedactingFormatter, configure_logging
from core.names.naming import module_name
from core.redact import register_secret

OURS = tuple(map(module_name, ("ai", "core", "server", "tools")))


@pytest.fixture
def restored() -> Iterator[None]:
    before = [(name, logging.getLogger(name).level) for name in OURS]
    yield
    for name, level in before:
        logging.getLogger(name).setLevel(level)


def test_a_key_in_a_logged_traceback_is_removed() -> None:
    register_secret("super-secret-value")
    try:
        raise ValueError("401: super-secret-value")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), (ValueError, error, error.__traceback__))
    line = RedactingFormatter("%(message)s").format(record)
    assert "super-secret-value" not in line
    assert "ValueError: 401: [redacted]" in line


@pytest.mark.parametrize(
    ("said", "ours"), [("debug", logging.DEBUG), ("", logging.WARNING), ("nonsense", logging.WARNING)]
)
def test_moot_log_opens_our_own_loggers_and_nobody_else_s(
    said: str, ours: int, monkeypatch: pytest.MonkeyPatch, restored: None
) -> None:
    monkeypatch.setenv("MOOT_LOG", said)
    configure_logging()
    assert logging.getLogger(module_name("ai.caller")).getEffectiveLevel() == ours
    assert logging.getLogger("openai").getEffectiveLevel() >= logging.WARNING
