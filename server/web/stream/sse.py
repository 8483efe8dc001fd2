"""A subscription as a response of server-sent events."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import cast

import anyio
from sse_starlette import EventSourceResponse

from server.web.stream.hub import Hub
from server.web.stream.subscription import Wanted

HEARTBEAT_S = 15
_SEND_S = 30.0
"""How long one piece may wait for a client that does not read."""
_END_S = 2.0
"""How long streams may take to be told that the server ends."""
RETRY_MS = 1_500
_JOB = b'"type":"job"'


async def _goes_on() -> bytes:
    return b""


def event_stream(
    hub: Hub, wanted: Wanted, *, after: str = "", last: Callable[[], Awaitable[bytes]] = _goes_on
) -> EventSourceResponse:
    """The events that *wanted* names, behind the one called *after*.

    Args:
        last: Asked whenever a job may have changed: what the stream ends with, or nothing while it goes on.
    """

    async def frames() -> AsyncIterator[bytes]:
        yield f"retry: {RETRY_MS}\n\n".encode()
        with hub.subscribe(wanted, after=after) as events:
            while piece := await events.next():
                yield piece
                if _JOB in piece and (ending := await last()):
                    yield ending
                    return

    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return EventSourceResponse(
        frames(),
        ping=HEARTBEAT_S,
        send_timeout=_SEND_S,
        headers=headers,
        sep="\n",
        shutdown_event=cast("anyio.Event", _Ending(hub)),
        shutdown_grace_period=_END_S,
    )


class _Ending:
    """Told that the server ends: streams end as they should, so that who watches comes back to the next one."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def set(self) -> None:
        self._hub.close()
