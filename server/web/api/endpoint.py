"""One thing that can be asked below /api: its path, its types, and the function that answers.

The types are the contract: what comes in is checked against them, and `openapi.py` writes them down for programs.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from core.errors import (
    AIError,
    BudgetExceededError,
    ConfigError,
    InvalidInputError,
    MootError,
    RateLimitedError,
    StoreError,
    UnknownAIError,
    UnknownJobError,
)
from core.people.person import Person, acting
from server.web.house import House

log = logging.getLogger(__name__)

Method = Literal["GET", "POST", "PUT", "DELETE"]
_METHODS = ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD", "TRACE"]
Q = TypeVar("Q", bound=BaseModel)
B = TypeVar("B", bound=BaseModel)


class Query(BaseModel):
    """What may stand behind the question mark: nothing, unless a kind of it says so."""

    model_config = ConfigDict(extra="forbid")


class Body(BaseModel):
    """What is sent as JSON."""

    model_config = ConfigDict(extra="forbid")


class Problem(BaseModel):
    """Why something was not done: one sentence with the next step."""

    class Error(BaseModel):
        message: str
        type: str
        param: str | None = None
        code: str | None = None

    error: Error


@dataclass(frozen=True)
class Asked(Generic[Q, B]):
    """One request, checked."""

    house: House
    request: Request
    path: Mapping[str, str]
    query: Q
    body: B

    @property
    def person(self) -> Person:
        return acting()


Answer = Callable[[Asked[Any, Any]], Awaitable[Any]]


@dataclass(frozen=True)
class Endpoint:
    """What is asked with *method* at *path*, and who answers.

    Args:
        reply: The type of what comes back as JSON; None: nothing, or something that is no JSON (`media`).
        status: Of a reply that is what was asked for.
        also: Further statuses, with what they mean.
        headers: Request headers that are read, with their schemas.
        raw: Whether the body is a file instead of JSON.
    """

    method: Method
    path: str
    answer: Answer
    reply: Any = None
    status: int = 200
    query: type[Query] = Query
    body: type[BaseModel] | None = None
    media: str = "application/json"
    also: Mapping[int, str] = field(default_factory=dict)
    headers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    raw: bool = False

    @property
    def name(self) -> str:
        return self.answer.__name__

    @property
    def says(self) -> str:
        return " ".join((self.answer.__doc__ or "").split())

    async def handle(self, house: House, request: Request) -> Response:
        """Check *request* and have it answered from *house*."""
        try:
            return self._reply(await self.answer(await self._asked(house, request)))
        except HTTPException as refusal:
            return problem(refusal.status_code, refusal.detail, headers=refusal.headers)
        except ClientDisconnect:
            return Response(status_code=499)
        except MootError as error:
            return of_error(error)

    async def _asked(self, house: House, request: Request) -> Asked[Any, Any]:
        query = _checked(self.query, _said(request), "The address")
        body: BaseModel = Body()
        if self.body is not None:
            body = _checked(self.body, await _json(request), "The body")
        return Asked(house, request, request.path_params, query, body)

    def _reply(self, reply: Any) -> Response:
        if isinstance(reply, Response):
            return reply
        if reply is None:
            return Response(status_code=204)
        return json_response(reply, self.status)


def route_of(path: str, endpoints: Mapping[str, Endpoint], house: House) -> Route:
    """The one route of *path*, whose *endpoints* are known by their methods."""

    async def handle(request: Request) -> Response:
        endpoint = endpoints.get(request.method)
        if endpoint is None:
            allowed = ", ".join(sorted(endpoints))
            return problem(405, f"That cannot be done here; what can: {allowed}.", headers={"allow": allowed})
        return await endpoint.handle(house, request)

    return Route(path, handle, methods=_METHODS)


def json_response(reply: Any, status: int = 200) -> Response:
    """*reply*, a model or a list of them, as JSON."""
    if isinstance(reply, BaseModel):
        return Response(reply.model_dump_json(), status, media_type="application/json")
    values = [one.model_dump(mode="json") if isinstance(one, BaseModel) else one for one in reply]
    return JSONResponse(values, status)


def problem(
    status: int, message: str, *, param: str | None = None, code: str | None = None, headers: Any = None
) -> Response:
    """Why it is not done."""
    kind = "server_error" if status >= 500 else "invalid_request_error"
    told = Problem(error=Problem.Error(message=message, type=kind, param=param, code=code))
    return Response(told.model_dump_json(), status, headers=headers, media_type="application/json")


def of_error(error: MootError) -> Response:
    """*error* with the status that says whose fault it is."""
    headers = {}
    if isinstance(error, AIError) and error.retry_after:
        headers["retry-after"] = str(max(1, round(error.retry_after)))
    return problem(_status(error), str(error), code=error.code or error.kind, headers=headers)


def _status(error: MootError) -> int:
    match error:
        case UnknownJobError() | UnknownAIError():
            return 404
        case InvalidInputError():
            return 422
        case BudgetExceededError() | RateLimitedError():
            return 429
        case StoreError():
            return 503
        case ConfigError():
            return 409
        case _:
            return 502


def _said(request: Request) -> dict[str, Any]:
    """The query, each name once or as a list."""
    return {
        name: values[0] if len(values := request.query_params.getlist(name)) == 1 else values
        for name in request.query_params
    }


async def _json(request: Request) -> Any:
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().casefold()
    if kind != "application/json":
        raise HTTPException(415, "Send the body as JSON, with the header Content-Type: application/json.")
    body = await request.body()
    try:
        text = body.decode()
        told = json.loads(text, parse_constant=_no_number)
        if "\\u" in text:  # half of a character, such as \ud800, is nothing that can be kept or sent
            json.dumps(told, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        raise HTTPException(400, "The body is not valid JSON. Correct it and send it again.") from None
    return told


def _no_number(said: str) -> Any:
    raise ValueError(f"JSON has no {said}")


def _checked(kind: type[BaseModel], value: Any, where: str) -> BaseModel:
    try:
        return kind.model_validate(value)
    except ValidationError as error:
        raise HTTPException(400, _complaint(error, where)) from None


def _complaint(error: ValidationError, where: str) -> str:
    """One sentence for the first thing that is wrong: its name and what is expected, never the value."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    name = ".".join(map(str, first["loc"]))
    match first["type"]:
        case "missing":
            return f"{where} lacks {name!r}. Add it and send it again."
        case "extra_forbidden":
            return f"{where} has {name!r}, which is not known here. Remove it or check its spelling."
        case _ if name:
            return f"{name!r}: {first['msg']}. Correct it and send it again."
        case _:
            return f"{where} has the wrong form: {first['msg']}."
