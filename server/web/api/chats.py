"""Chats in the background: each is a job, so it survives a restart, can be followed, and is never paid for twice."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException
from starlette.responses import Response

from core.errors import InvalidInputError
from core.jobs.states import OVER
from server.jobs.background import submit
from server.web.api.agents import Chat, Turn, answer_of, chat_of, same_request
from server.web.api.endpoint import Asked, Body, Endpoint, Query, json_response
from server.web.api.options import Described, check_options
from server.web.stream.sse import event_stream
from server.web.stream.subscription import Wanted
from tools.jobs import FinishedCall, is_told
from tools.recipe.kit import MOST_SAID

if TYPE_CHECKING:
    from ai.runs.app import App
    from core.jobs.values import Job, KeptCall

_CALLER_S = 90.0
_LONGEST_WAIT_S = 3_600.0
_LONGEST_MESSAGE = 4_000_000
_MOST_PROGRESS = 1_000
_FORGET_S = 5.0
_LONGEST_KEY = 255

Status = Literal["pending", "processing", "completed", "failed", "cancelled"]
_STATUS: Mapping[str, Status] = {
    "queued": "pending",
    "running": "processing",
    "paused": "pending",
    "done": "completed",
    "failed": "failed",
    "cancelled": "cancelled",
}


class Said(BaseModel):
    """One message of a conversation that the caller keeps."""

    role: Literal["user", "assistant"]
    content: Annotated[str, Field(max_length=_LONGEST_MESSAGE)]


class ChatAsk(Body):
    """A message for an AI, a panel or an agent.

    `options` are arguments of what answers: for an AI those of ask_one (`role`, `files`, `thread`, `max_tokens`,
    `effort`, ...), for a panel those of its tool (`ais`, `rounds`, `synthesize`, ...).
    """

    agent_id: Annotated[str, Field(min_length=1, max_length=200, description="An AI's name, or moot/consensus, ...")]
    message: Annotated[str, Field(min_length=1, max_length=_LONGEST_MESSAGE)]
    chat_history: Annotated[list[Said], Field(json_schema_extra={"maxItems": MOST_SAID})] = []
    options: Annotated[dict[str, Any], Described] = {}


class ChatWait(ChatAsk):
    """The same, for a caller who waits."""

    timeout_s: Annotated[float, Field(gt=0, le=_LONGEST_WAIT_S)] = _CALLER_S
    """Seconds after which the caller is told how far it is; the job goes on."""
    on_timeout: Literal["go_on", "cancel"] = "go_on"


class Accepted(BaseModel):
    chat_id: str
    status: Status
    message: str


class Progress(BaseModel):
    timestamp: str
    type: str
    message: str


class ChatResult(BaseModel):
    message: str
    tool_calls: list[dict[str, Any]]
    success: bool
    data: dict[str, Any]
    """What the tool returned, in its own form."""


class ChatStatus(BaseModel):
    chat_id: str
    status: Status
    progress: list[Progress]
    result: ChatResult | None
    error: str | None
    """Why it failed, or what it waits for."""
    created_at: str
    updated_at: str


async def start_chat(asked: Asked[Query, ChatAsk]) -> Response:
    """Start a chat in the background. With the header Idempotency-Key, the same request again is the same chat."""
    job = await _submitted(asked)
    told = Accepted(
        chat_id=job.id,
        status=_STATUS[job.state],
        message=f"Accepted. Follow it at /api/chat/async/{job.id}/status or /api/events?chat={job.id}",
    )
    return json_response(told, 202)


async def chat(asked: Asked[Query, ChatWait]) -> Any:
    """Ask, and wait for the answer, or with Accept: text/event-stream follow it. What takes longer goes on as a job."""
    job = await _submitted(asked)
    if "text/event-stream" in asked.request.headers.get("accept", ""):
        wanted = Wanted(asked.person.name, runs=frozenset({job.id}))
        return event_stream(asked.house.hub, wanted, last=_ending(asked.house.app, job.id))
    job = await asked.house.app.jobs.wait(job.id, asked.body.timeout_s)
    if not job.over and asked.body.on_timeout == "cancel":
        job = await asked.house.app.jobs.cancel(job.id)
    return json_response(await status_of(asked.house.app, job), 200 if job.over else 202)


def _ending(app: App, id: str) -> Callable[[], Awaitable[bytes]]:
    """What the stream of a chat ends with: its status, once it is over."""

    async def last() -> bytes:
        job = await app.jobs.get(id)
        if not job.over:
            return b""
        return f"event: result\ndata: {(await status_of(app, job)).model_dump_json()}\n\n".encode()

    return last


async def chat_status(asked: Asked[Query, Body]) -> ChatStatus:
    """How far a chat is, and what came of it."""
    app = asked.house.app
    return await status_of(app, await app.jobs.get(asked.path["chat_id"]))


async def forget_chat(asked: Asked[Query, Body]) -> Response | None:
    """Cancel a chat, whatever it is at, and delete it with its words. What it added to a thread stays in the thread."""
    jobs = asked.house.app.jobs
    job = await jobs.get(asked.path["chat_id"])
    if not job.over:
        await jobs.cancel(job.id)
        job = await jobs.wait(job.id, _FORGET_S)
    if job.state not in OVER:
        told = Accepted(chat_id=job.id, status=_STATUS[job.state], message="It is being cancelled. Delete it again.")
        return json_response(told, 202)
    await jobs.forget(job.id)
    return None


async def _submitted(asked: Asked[Query, Any]) -> Job:
    key = asked.request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= _LONGEST_KEY:
        raise HTTPException(400, f"'Idempotency-Key' must have 1 to {_LONGEST_KEY} characters.")
    app, body = asked.house.app, asked.body
    made = await chat_for(app, body)
    job = await submit(app, made.recipe, made.arguments, request_key=key)
    if key is not None and not await _is_same(app, job, made):
        raise HTTPException(
            422, "This Idempotency-Key was used for another request. Take a new one, or send that request again."
        )
    return job


async def _is_same(app: App, job: Job, made: Chat) -> bool:
    """Whether *job* is what *made* asks for, and not an earlier request of the same key."""
    told = (await app.jobs.asked([job.id])).get(job.id)
    if told is None:  # its words were deleted
        return job.kind == made.recipe.name
    given = {name: value for name, value in told.items() if not name.startswith("_")}
    return job.kind == made.recipe.name and same_request(given, made.arguments)


async def chat_for(app: App, body: ChatAsk) -> Chat:
    """The job that *body* asks for.

    Raises:
        MootError: Nobody can answer it, or not with these options.
    """
    if len(body.chat_history) > MOST_SAID:
        raise InvalidInputError(
            f"'chat_history' has {len(body.chat_history):,} messages; at most {MOST_SAID:,} are taken. "
            "Leave out the oldest, or keep the conversation here with options.thread."
        )
    before = [Turn(one.role, one.content) for one in body.chat_history]
    options = {name: value for name, value in body.options.items() if value is not None}
    made = chat_of(app.roster, body.agent_id, body.message, before, options)
    await made.recipe.load()
    check_options(made.recipe, options)
    return made


@dataclass(frozen=True)
class _Story:
    """What is told of a job's way: moments in order."""

    job: Job
    calls: list[KeptCall]

    def progress(self) -> list[Progress]:
        job = self.job
        told = [Progress(timestamp=stamp(job.created), type="accepted", message="Accepted.")]
        if job.started:
            told.append(Progress(timestamp=stamp(job.started), type="started", message="Started."))
        for call in self.calls:
            if is_told(call):
                told.append(_finished(call))
        if job.reason:
            kind = "failed" if job.state == "failed" else "waiting"
            told.append(Progress(timestamp=stamp(self.last), type=kind, message=job.reason))
        if job.finished and job.state != "failed":
            told.append(Progress(timestamp=stamp(job.finished), type=_STATUS[job.state], message=f"{job.state}."))
        return told

    @property
    def last(self) -> float:
        job = self.job
        return max([job.created, job.started or 0.0, job.finished or 0.0, *(call.at for call in self.calls)])


async def status_of(app: App, job: Job) -> ChatStatus:
    """*job* as a chat, from the store alone: so it is whole after a restart."""
    calls = await app.jobs.calls(job.id, limit=_MOST_PROGRESS) if job.calls else []
    story = _Story(job, calls)
    result = await app.jobs.result(job.id) if job.state == "done" else None
    told: ChatResult | None = None
    if result is not None:
        data = dict(result.structured)
        message, whole = answer_of(job.kind, data, result.markdown)
        told = ChatResult(message=message, tool_calls=data.get("tool_calls") or [], success=whole, data=data)
    return ChatStatus(
        chat_id=job.id,
        status=_STATUS[job.state],
        progress=story.progress(),
        result=told,
        error=job.reason or None,
        created_at=stamp(job.created),
        updated_at=stamp(story.last),
    )


def _finished(call: KeptCall) -> Progress:
    shown = FinishedCall.of(call)
    seconds = call.value.get("latency_s") if isinstance(call.value, dict) else None
    took = f" in {seconds:.1f} s" if isinstance(seconds, int | float) else ""
    known = isinstance(call.value, dict) and isinstance(call.value.get("ai"), str)
    message = f"{shown.name} answered{took}." if known else "A step is done."
    return Progress(timestamp=stamp(call.at), type="answered" if known else "step", message=message)


def stamp(at: float) -> str:
    """Seconds since the epoch as UTC in ISO 8601."""
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_KEY = {
    "Idempotency-Key": {
        "description": "The same key with the same request is the same chat, however often it is sent.",
        "minLength": 1,
        "maxLength": _LONGEST_KEY,
    }
}
_UNKNOWN = {404: "There is no such chat, or it is somebody else's."}
_REFUSED = {
    404: "There is no such agent.",
    409: "That AI cannot be used; the sentence says why.",
    422: "That agent does not take such an option or its value, or the Idempotency-Key belongs to another request.",
}

ENDPOINTS = (
    Endpoint("POST", "/api/chat/async", start_chat, Accepted, status=202, body=ChatAsk, also=_REFUSED, headers=_KEY),
    Endpoint(
        "POST",
        "/api/chat",
        chat,
        ChatStatus,
        body=ChatWait,
        also={**_REFUSED, 202: "It takes longer and goes on."},
        headers=_KEY,
    ),
    Endpoint("GET", "/api/chat/async/{chat_id}/status", chat_status, ChatStatus, also=_UNKNOWN),
    Endpoint(
        "DELETE",
        "/api/chat/async/{chat_id}",
        forget_chat,
        None,
        status=204,
        also={**_UNKNOWN, 202: "It is being cancelled; delete it again."},
    ),
)
