"""Sends a run on in a wire shape, as it comes or whole, and ends it as soon as nobody is there to read.

A streamed reply begins with its first piece, so that what fails before that has an HTTP status; after some seconds of
silence it begins all the same, with a comment, which keeps the connection open for panels that take minutes.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Protocol

import anyio
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from server.web.openai_api.errors import Problem, problem_of
from server.web.openai_api.flow import Ending, Flow

KEEP_ALIVE_S = 5.0
_COMMENT = b": keep-alive\n\n"
_STREAM = {"content-type": "text/event-stream; charset=utf-8", "cache-control": "no-store", "x-accel-buffering": "no"}


class Shape(Protocol):
    """One protocol's way of writing a reply: the events of a stream, and the whole of it."""

    def begin(self) -> bytes: ...
    def thought(self, text: str) -> bytes: ...
    def text(self, text: str) -> bytes: ...
    def end(self, ending: Ending) -> bytes: ...
    def fail(self, problem: Problem) -> bytes:
        """The end of a stream in whose middle something went wrong."""

    def whole(self, ending: Ending) -> Mapping[str, Any]: ...
    def refusal(self, problem: Problem) -> Mapping[str, Any]:
        """The body of a reply that is nothing but an error."""


def event(data: Mapping[str, Any], name: str = "") -> bytes:
    """One server-sent event."""
    head = f"event: {name}\n" if name else ""
    return f"{head}data: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


def whole_reply(data: Mapping[str, Any], status: int = 200, headers: Mapping[str, str] | None = None) -> Response:
    """*data* as JSON; escaped, since what a model wrote may hold halves of characters, which no encoding takes."""
    return Response(json.dumps(data, separators=(",", ":")), status, headers, "application/json")


class Reply(Response):
    """The response to a request that is answered by a run."""

    def __init__(self, flow: Flow, shape: Shape, *, streamed: bool) -> None:
        self.status_code = 200
        self.background = None
        self._flow = flow
        self._shape = shape
        self._streamed = streamed
        self._silent = True
        self.init_headers({"x-moot-run": flow.id, **(_STREAM if streamed else {})})

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(_until_gone, receive, tasks.cancel_scope)
            if self._streamed:
                tasks.start_soon(self._flow.run)
                tasks.start_soon(self._nudge_when_silent)
                await self._stream(scope, receive, send)
            else:
                await self._flow.run()
                await self._whole()(scope, receive, send)
            tasks.cancel_scope.cancel()

    async def _stream(self, scope: Scope, receive: Receive, send: Send) -> None:
        flow, shape, begun = self._flow, self._shape, False
        while True:
            await flow.wait()
            over = flow.over
            thoughts, text = flow.take()
            if flow.error is not None and not (begun or thoughts or text):
                await self._failed()(scope, receive, send)
                return
            pieces = [] if begun else [shape.begin()]
            if not begun:
                await send({"type": "http.response.start", "status": 200, "headers": self.raw_headers})
                begun = True
            pieces += [shape.thought(thoughts)] if thoughts else []
            pieces += [shape.text(text)] if text else []
            if not (thoughts or text or over):
                pieces.append(_COMMENT)
            if over:
                pieces.append(self._last())
            self._silent = False
            await send({"type": "http.response.body", "body": b"".join(pieces), "more_body": not over})
            if over:
                return

    def _last(self) -> bytes:
        if self._flow.ending is not None:
            return self._shape.end(self._flow.ending)
        return self._shape.fail(self._problem())

    async def _nudge_when_silent(self) -> None:
        """Have something sent whenever nothing was for a while."""
        while True:
            self._silent = True
            await anyio.sleep(KEEP_ALIVE_S)
            if self._silent:
                self._flow.nudge()

    def _whole(self) -> Response:
        ending = self._flow.ending
        if ending is None:
            return self._failed()
        cost = {} if ending.cost_usd is None else {"x-moot-cost-usd": f"{ending.cost_usd:.6f}"}
        return whole_reply(self._shape.whole(ending), headers={"x-moot-run": self._flow.id, **cost})

    def _failed(self) -> Response:
        problem = self._problem()
        headers = {"x-moot-run": self._flow.id, **problem.headers()}
        return whole_reply(self._shape.refusal(problem), problem.status, headers)

    def _problem(self) -> Problem:
        assert self._flow.error is not None, "only a run without an answer has one"
        return problem_of(self._flow.error, self._flow.failures)


async def _until_gone(receive: Receive, scope: anyio.CancelScope) -> None:
    """End *scope* when the client hangs up."""
    while (await receive())["type"] != "http.disconnect":
        pass
    scope.cancel()
