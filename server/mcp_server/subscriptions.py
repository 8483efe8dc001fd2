"""Subscriptions to jobs: a host is told when one changes, whichever process runs it, in both protocol eras.

A job is looked at once a second, while somebody is subscribed to it. A subscription ends when the host ends it or is
gone, and with the job, after a last update: at once for a job that was over already.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import TaskGroup
from mcp.server.context import ServerRequestContext
from mcp.server.mcpserver import MCPServer
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp.shared.exceptions import MCPError
from mcp.types import (
    INTERNAL_ERROR,
    INVALID_PARAMS,
    EmptyResult,
    SubscribeRequestParams,
    SubscriptionFilter,
    SubscriptionsListenRequestParams,
    SubscriptionsListenResult,
    UnsubscribeRequestParams,
)

from ai.runs.app import App
from core.errors import MootError, UnknownJobError
from core.jobs.jobs import Jobs
from core.jobs.states import OVER
from tools.jobs import JobView

Context = ServerRequestContext[App, Any]

_LOOK_S = 1.0
_MOST = 1_000
"""Subscriptions of all hosts of this process."""
_JOB = re.compile(r"moot://jobs/([A-Za-z0-9_-]{1,64})(?:/events)?")
_STATE = "moot.subscriptions"


class Subscriptions:
    """What hosts are subscribed to. `register` it with a server, which serves while `open` is entered."""

    def __init__(self) -> None:
        self._tasks: TaskGroup | None = None
        self._count = 0

    def register(self, server: MCPServer[App]) -> None:
        inner = server._lowlevel_server  # MCPServer takes no handlers for the old era
        inner.add_request_handler("resources/subscribe", SubscribeRequestParams, self._subscribe)
        inner.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, self._unsubscribe)
        inner.add_request_handler("subscriptions/listen", SubscriptionsListenRequestParams, self._listen)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[None]:
        """Follow jobs while the block runs, for hosts of the old era, whose subscriptions outlive their request."""
        async with anyio.create_task_group() as tasks:
            self._tasks = tasks
            yield
            tasks.cancel_scope.cancel()

    async def _subscribe(self, ctx: Context, params: SubscribeRequestParams) -> EmptyResult:
        uri, scopes = str(params.uri), _scopes(ctx)
        if uri in scopes:
            return EmptyResult()
        scopes[uri] = scope = anyio.CancelScope()  # before the first look, which may be overtaken by its end
        try:
            seen = await _look(ctx.lifespan_context.jobs, uri)
            if seen is None:
                raise MCPError(code=INVALID_PARAMS, message=_refusal(uri))
            self._reserve(1)
        except BaseException:
            _drop(scopes, uri, scope)
            raise

        async def follow() -> None:
            with scope:
                await _follow(ctx.lifespan_context.jobs, uri, seen, ctx.session.send_resource_updated)
            _drop(scopes, uri, scope)
            self._count -= 1

        assert self._tasks is not None, "the lifespan has been entered"
        self._tasks.start_soon(follow)
        return EmptyResult()

    async def _unsubscribe(self, ctx: Context, params: UnsubscribeRequestParams) -> EmptyResult:
        scope = _scopes(ctx).pop(str(params.uri), None)
        if scope is not None:
            scope.cancel()
        return EmptyResult()

    async def _listen(self, ctx: Context, params: SubscriptionsListenRequestParams) -> SubscriptionsListenResult:
        """Acknowledges only what there is."""
        wish = params.notifications
        uris = set(wish.resource_subscriptions or ())
        self._reserve(len(uris))
        try:
            found = {uri: await _look(ctx.lifespan_context.jobs, uri) for uri in sorted(uris)}
            return await _stream(ctx, params, {uri: seen for uri, seen in found.items() if seen is not None})
        finally:
            self._count -= len(uris)

    def _reserve(self, more: int) -> None:
        if self._count + more > _MOST:
            raise MCPError(
                code=INVALID_PARAMS, message=f"More than {_MOST:,} subscriptions are not followed. End some first."
            )
        self._count += more


async def _stream(
    ctx: Context, params: SubscriptionsListenRequestParams, known: Mapping[str, JobView]
) -> SubscriptionsListenResult:
    """One stream of the newest era, which tells of the jobs that are *known*, and ends when they are over."""
    wish = params.notifications
    bus = InMemorySubscriptionBus()
    stream = ListenHandler(bus)

    async def tell(uri: str) -> None:
        await bus.publish(ResourceUpdated(uri))

    async def follow_all() -> None:
        async with anyio.create_task_group() as tasks:
            for uri, seen in known.items():
                tasks.start_soon(_follow, ctx.lifespan_context.jobs, uri, seen, tell)
        if wish.resource_subscriptions and not _lists(wish):
            stream.close()

    honoured = wish.model_copy(update={"resource_subscriptions": list(known)})
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(follow_all)
        result = await stream(ctx, params.model_copy(update={"notifications": honoured}))
        tasks.cancel_scope.cancel()
    return result


async def _follow(jobs: Jobs, uri: str, seen: JobView, tell: Callable[[str], Awaitable[None]]) -> None:
    """Tell of every change of the job behind *uri* since it was *seen*, until it is over."""
    over = False
    while not over:
        await anyio.sleep(_LOOK_S)
        try:
            now = await _look(jobs, uri)
        except MCPError:
            continue  # the store is busy or away; what changed meanwhile is seen afterwards
        over = now is None or now.state in OVER
        if over or now != seen:
            await tell(uri)
        seen = now or seen


async def _look(jobs: Jobs, uri: str) -> JobView | None:
    """The job behind *uri* as hosts see it; None when there is none."""
    found = _JOB.fullmatch(uri)
    if found is None:
        return None
    try:
        return JobView.of(await jobs.get(found[1]))
    except UnknownJobError:
        return None
    except MootError as error:
        raise MCPError(code=INTERNAL_ERROR, message=str(error)) from error


def _refusal(uri: str) -> str:
    if found := _JOB.fullmatch(uri):
        return str(UnknownJobError(found[1]))
    return "Only moot://jobs/ID and moot://jobs/ID/events can be subscribed to. Read the other resources when needed."


def _scopes(ctx: Context) -> dict[str, anyio.CancelScope]:
    """What the host of *ctx* is subscribed to; all of it ends with its connection."""
    connection = ctx.session._connection  # of which a request's context tells nothing else
    scopes: dict[str, anyio.CancelScope] | None = connection.state.get(_STATE)
    if scopes is None:
        scopes = connection.state[_STATE] = {}
        connection.exit_stack.callback(_cancel_all, scopes)
    return scopes


def _drop(scopes: dict[str, anyio.CancelScope], uri: str, scope: anyio.CancelScope) -> None:
    if scopes.get(uri) is scope:  # and not that of a later subscription
        del scopes[uri]


def _cancel_all(scopes: dict[str, anyio.CancelScope]) -> None:
    for scope in scopes.values():
        scope.cancel()


def _lists(wish: SubscriptionFilter) -> bool:
    """Whether lists are listened to. They never change, but the stream stays open for them."""
    return bool(wish.tools_list_changed or wish.prompts_list_changed or wish.resources_list_changed)
