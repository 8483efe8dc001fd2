"""How a call blocks: in an event loop of its own, in this thread or, where one runs here already, in another."""

from __future__ import annotations

import inspect
import os
from collections.abc import Awaitable, Callable, Coroutine
from contextlib import ExitStack
from functools import cache, partial
from types import MethodType, TracebackType
from typing import Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import anyio
from anyio.from_thread import BlockingPortal, start_blocking_portal
from anyio.lowlevel import current_token

from ai.runs.run import Run
from core.errors import InvalidInputError
from moot import client, offered
from moot.arguments import dressed

P = ParamSpec("P")
R = TypeVar("R")


def block(function: Callable[P, Coroutine[Any, Any, R]], *args: P.args, **options: P.kwargs) -> R:
    """What *function* gives, once it is there."""
    call = partial(function, *args, **options)
    result: R
    if not _in_a_loop():
        result = anyio.run(call)
        return result
    with start_blocking_portal() as portal:  # whatever breaks off the waiting ends the call, too
        result = portal.call(call)
    return result


def _in_a_loop() -> bool:
    try:
        current_token()
    except RuntimeError:
        return False
    return True


def as_blocking(function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    """*function* of `moot` as it is in `moot.sync`."""

    def call(*args: Any, **options: Any) -> Any:
        return block(function, *args, **options)

    return _like(call, function)


class Method(Generic[P, R]):
    """A recipe as a method of `BlockingMoot`; imported when it is first looked at."""

    def __init__(self, recipe: Callable[Concatenate[Run, P], Awaitable[R]]) -> None:
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, moot: None, owner: type[BlockingMoot]) -> Callable[Concatenate[BlockingMoot, P], R]: ...
    @overload
    def __get__(self, moot: BlockingMoot, owner: type[BlockingMoot]) -> Callable[P, R]: ...
    def __get__(self, moot: BlockingMoot | None, owner: type[BlockingMoot]) -> Any:
        function = _method(self.name)
        return function if moot is None else MethodType(function, moot)


def _like(call: Any, function: Callable[..., Any]) -> Callable[..., Any]:
    """*call* with the name, the words and the arguments of *function*."""
    seen: Callable[..., Any] = dressed(
        call,
        name=function.__name__,
        module="moot.sync",
        doc=function.__doc__,
        signature=inspect.signature(function),
    )
    return seen


@cache
def _method(name: str) -> Callable[..., Any]:
    asynchronous = getattr(client.Moot, name)

    def call(self: BlockingMoot, *args: Any, **options: Any) -> Any:
        return self.portal.call(partial(getattr(self.moot, name), *args, **options))

    return _like(call, asynchronous)


class BlockingMoot:
    """An open Moot whose methods block. Made by `moot.sync.open()`; its calls may come from many threads at once."""

    agent = Method(offered.agent)
    ask = Method(offered.ask)
    ask_many = Method(offered.ask_many)
    batch = Method(offered.batch)
    consensus = Method(offered.consensus)
    debate = Method(offered.debate)
    judge = Method(offered.judge)
    review = Method(offered.review)

    def __init__(self, moot: client.Moot) -> None:
        self.moot = moot
        self._stack = ExitStack()
        self._portal: BlockingPortal | None = None
        self._process = 0

    @property
    def portal(self) -> BlockingPortal:
        """The way into the event loop in which it is open.

        Raises:
            InvalidInputError: It is not open.
        """
        if self._portal is None:
            raise InvalidInputError("This Moot is not open. Use it inside 'with moot.sync.open() as m'.")
        if self._process != os.getpid():  # its event loop runs in a thread, and a fork has none of those
            raise InvalidInputError("This Moot was opened before the process was forked. Open one here.")
        return self._portal

    @property
    def ais(self) -> list[str]:
        """The names of the AIs that can be asked."""
        return self.moot.ais

    @property
    def warnings(self) -> list[str]:
        """What should be mended though nothing stops for it; a sentence for each."""
        return self.moot.warnings

    def __enter__(self) -> Self:
        if self._portal is not None:
            raise InvalidInputError("This Moot is open already. Use the one that 'with' gave.")
        with ExitStack() as stack:
            portal = stack.enter_context(start_blocking_portal())
            stack.enter_context(portal.wrap_async_context_manager(self.moot))
            self._stack, self._portal = stack.pop_all(), portal
            self._process = os.getpid()
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._portal = None
        if self._process == os.getpid():
            self._stack.__exit__(exc_type, exc, traceback)
