"""Logs go to stderr, one line each, without keys and terminal codes: a traceback may quote what a provider echoed."""

from __future__ import annotations

import logging
import os

from core.names.naming import module_name
from core.redact import redact
from core.untrusted import clean


class RedactingFormatter(logging.Formatter):
    def format(self, record: logging.LogRecord) -> str:
        return clean(redact(super().format(record)))


_LEVELS = {"debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "error": logging.ERROR}


def configure_logging(level: int | None = None) -> None:
    """Set up the root logger at *level*, else at the one MOOT_LOG names, unless the program that runs us already has.

    Only our own loggers go below `warning`: what an SDK logs holds whole requests.
    """
    wanted = _LEVELS.get(os.environ.get("MOOT_LOG", "").lower(), logging.WARNING) if level is None else level
    handler = logging.StreamHandler()
    handler.setFormatter(RedactingFormatter("moot: %(levelname)s: %(message)s"))
    logging.basicConfig(level=max(wanted, logging.WARNING), handlers=[handler])
    for name in ("ai", "core", "server", "tools"):
        logging.getLogger(module_name(name)).setLevel(wanted)
