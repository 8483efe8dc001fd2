"""What happens, as one stream of server-sent events."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import Field
from starlette.exceptions import HTTPException

from server.web.api.endpoint import Asked, Body, Endpoint, Query
from server.web.stream.frames import TYPES
from server.web.stream.sse import event_stream
from server.web.stream.subscription import Wanted

_Names = Annotated[list[str] | str, Field(description="One, or several; by comma or repeated.")]


class EventsQuery(Query):
    chat: _Names = []
    run: _Names = []
    type: _Names = []
    blocks: Annotated[bool, Field(description="Text as blocks to draw instead of as written.")] = False
    under_way: Annotated[bool, Field(description="Begin with how far the runs are that go on now.")] = False
    after: Annotated[str, Field(max_length=64, description="As the header Last-Event-ID.")] = ""


async def events(asked: Asked[EventsQuery, Body]) -> Any:
    """What happens to whoever asks: text, steps, retries, costs, and how each run and job ends.

    `Last-Event-ID` goes on behind that event, without a gap and without a double; where that cannot be done, the first
    event has the type `reset`. With `chat` or `run` alone the run is told from its start.
    """
    query = asked.query
    types = _names(query.type)
    if unknown := types - set(TYPES):
        raise HTTPException(400, f"There is no event type {min(unknown)[:40]!r}. There are: {', '.join(TYPES)}.")
    runs = _names(query.chat) | _names(query.run)
    wanted = Wanted(asked.person.name, runs, types | {"reset"} if types else types, query.blocks, query.under_way)
    after = asked.request.headers.get("last-event-id", "") or query.after
    asked.house.hub.follow(runs)
    return event_stream(asked.house.hub, wanted, after=after)


def _names(said: list[str] | str) -> frozenset[str]:
    several = [said] if isinstance(said, str) else said
    return frozenset(name for one in several for name in one.split(",") if name)


ENDPOINTS = (
    Endpoint(
        "GET",
        "/api/events",
        events,
        query=EventsQuery,
        media="text/event-stream",
        headers={"Last-Event-ID": {"description": "The id of the last event that arrived."}},
    ),
)
