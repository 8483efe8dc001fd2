"""Logs go to stderr, one line each, without keys: a logged traceback may quote what a provider echoed."""

from __future__ import annotations

import logging

from core.redact import redact


class RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return redact(super().format(record))


def configure_logging(level: int = logging.WARNING) -> None:
    """Set up the root logger, unless the program that runs us already has."""
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("moot: %(levelname)s: %(message)s"))
    logging.basicConfig(level=level, handlers=[handler])
