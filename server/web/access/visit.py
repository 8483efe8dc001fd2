"""One request on its way through the application: what it is refused late, and whether its person may stay."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

import anyio
import anyio.lowlevel
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_LOOK_S = 5.0
"""How often it is looked whether who follows a stream may still do so."""


class Visit:
    """Sends what the application answers, unless something else has to be said.

    Whatever a room makes of a body that is refused while it is read, the refusal is what is told. Whoever follows a
    stream is cut off once their token is taken back.

    Args:
        still: Whether who asks may stay.
    """

    def __init__(
        self, send: Send, still: Callable[[], Awaitable[bool]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.refusal: HTTPException | None = None
        self._send = send
        self._still = still
        self._clock = clock
        self._looked = clock()
        self._scope = anyio.CancelScope()
        self._begun = False

    async def run(self, app: ASGIApp, scope: Scope, receive: Receive) -> None:
        """Have *app* answer.

        Raises:
            HTTPException: The request is refused, and nothing of an answer was sent.
        """
        try:
            with self._scope:
                await app(scope, receive, self._sent)
        except Exception:
            if self._untold is None:
                raise
        if (refusal := self._untold) is not None:
            raise refusal
        if self._scope.cancelled_caught:
            await self._send({"type": "http.response.body", "body": b"", "more_body": False})

    @property
    def _untold(self) -> HTTPException | None:
        return None if self._begun else self.refusal

    async def _sent(self, message: Message) -> None:
        if self._untold is not None:
            return
        self._begun = True
        if message.get("more_body", False) and self._clock() - self._looked >= _LOOK_S:
            self._looked = self._clock()
            if not await self._still():
                self._scope.cancel()
                await anyio.lowlevel.checkpoint()
        await self._send(message)
