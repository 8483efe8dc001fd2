"""What keeps the door from opening, as one sentence instead of a traceback."""

from __future__ import annotations

import logging
from collections.abc import Callable

import anyio.to_thread
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from core.errors import ConfigError, MootError
from core.redact import redact
from core.stores.choose import require_extra, store_url
from core.untrusted import clean
from server.web.running.readiness import folder_problem

log = logging.getLogger(__name__)

_LONGEST = 300
_SERVERS_OWN = ("Application startup failed.", "failed to start, stopping the parent process")


def check_ground() -> None:
    """Make sure that what every start needs is there. Blocks for a moment.

    Raises:
        ConfigError: MOOT_STORE names no database, its extra is missing, or the data folder cannot be written.
    """
    if store_url() is not None:
        require_extra()
    if problem := folder_problem():
        raise ConfigError(problem)


class Starting:
    """Stands in front of *app* while it starts.

    Attributes:
        problem: Why it could not; the server then gives up.
        told: Called with that, in a thread, before it does.
    """

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self.problem: str | None = None
        self.told: Callable[[str], None] = lambda problem: None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "lifespan":
            await self._app(scope, receive, send)
            return
        started = False

        async def sent(message: Message) -> None:
            nonlocal started
            started = started or message["type"] == "lifespan.startup.complete"
            if message["type"] != "lifespan.startup.failed":  # that has a traceback, and ends everything at once
                await send(message)

        try:
            await self._app(scope, receive, sent)
        except Exception as error:
            if started:
                raise
            self.problem = _sentence(error)
            log.debug("The application cannot start", exc_info=error)
            say_nothing_of_it()
            await anyio.to_thread.run_sync(self.told, self.problem)
            await send({"type": "lifespan.startup.failed", "message": ""})


def say_nothing_of_it() -> None:
    """Have uvicorn leave it to us to tell that it cannot start."""
    logging.getLogger("uvicorn.error").addFilter(_not_of_starting)


def _not_of_starting(record: logging.LogRecord) -> bool:
    return not any(words in str(record.msg) for words in _SERVERS_OWN)


def _sentence(error: BaseException) -> str:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    if isinstance(error, MootError):
        return str(error)
    said = clean(redact(str(error))).partition("\n")[0][:_LONGEST]
    return f"It cannot start: {type(error).__name__}{f': {said}' if said else ''}. Run: moot doctor"
