from __future__ import annotations

import logging

from core.logs import RedactingFormatter
from core.redact import register_secret


def test_a_key_in_a_logged_traceback_is_removed() -> None:
    register_secret("super-secret-value")
    try:
        raise ValueError("401: super-secret-value")
    except ValueError as error:
        record = logging.LogRecord("x", logging.ERROR, "f", 1, "failed", (), (ValueError, error, error.__traceback__))
    line = RedactingFormatter("%(message)s").format(record)
    assert "super-secret-value" not in line
    assert "ValueError: 401: [redacted]" in line
