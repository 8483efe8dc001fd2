"""The addresses, below `/v1`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from ai.runs.app import App
from server.web.openai_api import chat_completions, embeddings, messages, models, responses
from server.web.openai_api.asking import Door
from server.web.openai_api.errors import Problem, RefusedRequestError, problem_of
from server.web.openai_api.reply import whole_reply

Handler = Callable[[Door, Request], Awaitable[Response]]


def routes(app: Callable[[], App]) -> list[BaseRoute]:
    """What is to be mounted below `/v1`; *app* gives the running Moot. Who may ask is not decided here."""
    door = Door(app)
    return [
        Route("/models", _endpoint(door, models.list_models), methods=["GET"]),
        Route("/models/{id:path}", _endpoint(door, models.show_model), methods=["GET"]),
        Route("/chat/completions", _endpoint(door, chat_completions.answer), methods=["POST"]),
        Route("/responses", _endpoint(door, responses.answer), methods=["POST"]),
        Route("/messages", _endpoint(door, messages.answer, Problem.anthropic), methods=["POST"]),
        Route("/messages/count_tokens", _endpoint(door, messages.count_tokens, Problem.anthropic), methods=["POST"]),
        Route("/embeddings", _endpoint(door, embeddings.embed), methods=["POST"]),
        Route("/{rest:path}", _endpoint(door, _nothing_here), methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
    ]


def _endpoint(
    door: Door, handle: Handler, shape: Callable[[Problem], Mapping[str, Any]] = Problem.openai
) -> Callable[[Request], Awaitable[Response]]:
    """*handle* for Starlette: what it raises becomes an error in *shape*."""

    async def endpoint(request: Request) -> Response:
        try:
            return await handle(door, request)
        except HTTPException:  # what the gate refuses of a body, in its own words
            raise
        except ClientDisconnect:
            return Response(status_code=499)
        except Exception as error:  # the outermost edge: whoever asked is told in their protocol's words
            problem = problem_of(error)
            return whole_reply(shape(problem), problem.status, problem.headers())

    return endpoint


async def _nothing_here(door: Door, request: Request) -> Response:
    text = (
        f"There is no {request.method} {request.url.path[:100]} here. There are: GET /v1/models, and POST "
        "/v1/chat/completions, /v1/responses, /v1/messages and /v1/embeddings."
    )
    raise RefusedRequestError(text, status=404, code="unknown_url")
