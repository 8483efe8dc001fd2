"""What was said: conversations that go on, and runs that are kept."""

from __future__ import annotations

import re
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from ai.recall.forgetting import forget
from core.errors import InvalidInputError
from core.memory.history import Found, History, PastRun
from core.memory.scope import Scope
from core.memory.threads import Threads
from server.markdown import trees
from server.web.api.endpoint import Asked, Body, Endpoint, Query
from tools.recipe.result import shown

_WORD = re.compile(r"\w")


class ThreadsQuery(Query):
    q: Annotated[str, Field(max_length=500, description="Words that all stand in a turn.")] = ""
    limit: Annotated[int, Field(ge=1, le=200)] = 50


class ThreadQuery(Query):
    blocks: Annotated[bool, Field(description="Each turn also as blocks to draw.")] = False


class ThreadLine(BaseModel):
    name: str
    turns: int
    updated: str
    opening: str


class ThreadMatch(BaseModel):
    thread: str
    author: str
    at: str
    excerpt: str
    """Where the words stand, in double angle brackets."""


class ThreadList(BaseModel):
    threads: list[ThreadLine]
    matches: list[ThreadMatch]


class ForgottenThread(BaseModel):
    turns: int
    notes: list[str]
    """Sentences on what could not be forgotten yet, and when it will be."""


class TurnView(BaseModel):
    author: str
    at: str
    tool: str
    text: str
    blocks: list[Any] = []


class ThreadView(BaseModel):
    name: str
    turns: list[TurnView]


class RunLine(BaseModel):
    name: str
    at: str
    tool: str
    state: str
    question: str
    ais: list[str]
    usd: float | None
    excerpt: str


class KeptRun(BaseModel):
    name: str
    at: str
    tool: str
    state: str
    question: str
    answers: list[TurnView]
    usd: float | None


async def threads(asked: Asked[ThreadsQuery, Body]) -> ThreadList:
    """The conversations, latest first; with `q` the turns that hold these words."""
    kept, query = await _threads(asked), asked.query
    if query.q and not _WORD.search(query.q):
        return ThreadList(threads=[], matches=[])
    if query.q:
        found = await anyio.to_thread.run_sync(partial(kept.search, query.q, limit=query.limit))
        return ThreadList(
            threads=[],
            matches=[
                ThreadMatch(thread=one.thread, author=one.author, at=one.at, excerpt=shown(one.excerpt))
                for one in found
            ],
        )
    listed = await anyio.to_thread.run_sync(kept.all)
    lines = [
        ThreadLine(name=one.name, turns=one.turns, updated=one.updated, opening=shown(one.opening)) for one in listed
    ]
    return ThreadList(threads=lines[: query.limit], matches=[])


async def thread(asked: Asked[ThreadQuery, Body]) -> ThreadView:
    """One conversation, from its beginning."""
    name = asked.path["name"]
    kept = await _threads(asked)
    try:
        turns = await anyio.to_thread.run_sync(kept.history, name)
    except InvalidInputError:  # none can be called that
        turns = []
    if not turns:
        raise HTTPException(404, "There is no such thread.")
    views = [_turn(turn.author, turn.text, at=turn.at, tool=turn.tool, blocks=asked.query.blocks) for turn in turns]
    return ThreadView(name=name, turns=views)


async def export_thread(asked: Asked[Query, Body]) -> Response:
    """One conversation as Markdown, to keep."""
    name = asked.path["name"]
    kept = await _threads(asked)
    try:
        text = await anyio.to_thread.run_sync(kept.markdown, name)
    except InvalidInputError:
        raise HTTPException(404, "There is no such thread.") from None
    return Response(
        text, media_type="text/markdown", headers={"content-disposition": 'attachment; filename="thread.md"'}
    )


async def delete_thread(asked: Asked[Query, Body]) -> ForgottenThread:
    """Forget a conversation, for good, with its copies among jobs and past runs; and what could not be yet."""
    app = asked.house.app
    materials = await anyio.to_thread.run_sync(app.materials_of, asked.person)
    async with app.run("memory", materials=materials) as run:
        gone = await forget(run, Scope.of_thread(asked.path["name"]))
    if not gone.turns and not gone.jobs:
        raise HTTPException(404, "There is no such thread.")
    return ForgottenThread(turns=gone.turns, notes=list(gone.notes))


async def history(asked: Asked[ThreadsQuery, Body]) -> list[RunLine]:
    """What was asked at the command line, newest first; with `q` the runs that hold these words."""
    query = asked.query
    if query.q and not _WORD.search(query.q):
        return []

    def read(kept: History) -> list[Found]:
        return kept.search(query.q, limit=query.limit) if query.q else kept.latest(limit=query.limit)

    found = await anyio.to_thread.run_sync(_with_history, asked.person.folder() / "history.db", read)
    return [
        RunLine(
            name=one.name,
            at=one.at,
            tool=one.tool,
            state=one.state,
            question=shown(one.question),
            ais=list(one.ais),
            usd=one.usd,
            excerpt=shown(one.excerpt),
        )
        for one in found
    ]


async def past_run(asked: Asked[ThreadQuery, Body]) -> KeptRun:
    """One run that is kept, with its answers."""
    name = asked.path["name"]
    read = lambda kept: kept.get(name)  # noqa: E731 - one line, for a thread
    place = asked.person.folder() / "history.db"
    try:
        run: PastRun = await anyio.to_thread.run_sync(_with_history, place, read)
    except InvalidInputError as error:
        raise HTTPException(404, str(error)) from error
    answers = [_turn(author, text, at=run.at, blocks=asked.query.blocks) for author, text in run.answers]
    return KeptRun(
        name=run.name,
        at=run.at,
        tool=run.tool,
        state=run.state,
        question=shown(run.question),
        answers=answers,
        usd=run.usd,
    )


def _with_history(path: Any, read: Any) -> Any:
    kept = History(path)
    try:
        return read(kept)
    finally:
        kept.close()


async def _threads(asked: Asked[Any, Any]) -> Threads:
    materials = await anyio.to_thread.run_sync(asked.house.app.materials_of, asked.person)
    return materials.threads


def _turn(author: str, text: str, *, at: str, tool: str = "", blocks: bool) -> TurnView:
    said = shown(text)
    return TurnView(author=author, at=at, tool=tool, text=said, blocks=trees(said) if blocks else [])


_UNKNOWN = {404: "There is no such thread."}

ENDPOINTS = (
    Endpoint("GET", "/api/threads", threads, ThreadList, query=ThreadsQuery),
    Endpoint("GET", "/api/threads/{name}", thread, ThreadView, query=ThreadQuery, also=_UNKNOWN),
    Endpoint("GET", "/api/threads/{name}/export", export_thread, media="text/markdown", also=_UNKNOWN),
    Endpoint("DELETE", "/api/threads/{name}", delete_thread, ForgottenThread, also=_UNKNOWN),
    Endpoint("GET", "/api/history", history, list[RunLine], query=ThreadsQuery),
    Endpoint("GET", "/api/history/{name}", past_run, KeptRun, query=ThreadQuery, also={404: "There is no such run."}),
)
