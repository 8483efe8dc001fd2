"""An open Moot for many calls, and the one that a single call uses: the same, opened for it alone.

async with moot.open() as m:
    answer = await m.ask("What is 2+2?", ai="gpt")
    verdict = await m.debate("Tabs or spaces?")
"""

from __future__ import annotations

import inspect
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import ContextVar
from functools import cache, partial
from pathlib import Path
from types import MethodType, TracebackType
from typing import TYPE_CHECKING, Any, Concatenate, Generic, ParamSpec, Self, TypeVar, overload

import anyio.to_thread
from anyio.lowlevel import current_token

from ai.client import AsyncAIClient
from ai.lazy import load
from ai.roster.stand_ins import scripted_ais, seat_ais
from ai.runs.app import App
from ai.runs.run import Run
from core.config import Config, load_config
from core.errors import InvalidInputError
from core.events import Sink
from core.paths import credentials_path
from core.values import Outcome, Request
from moot import offered
from moot.arguments import checked, described, dressed, shown_signature
from server.mcp_client.borrowed import open_lending_app

if TYPE_CHECKING:
    from ai.agents.world import Approver
    from server.toolbox import Recipe

P = ParamSpec("P")
R = TypeVar("R")

_current: ContextVar[Moot | None] = ContextVar("current_moot", default=None)


class Method(Generic[P, R]):
    """A recipe as a method of `Moot`. Of an open one it is imported by the first call, beside the event loop."""

    def __init__(self, recipe: Callable[Concatenate[Run, P], Awaitable[R]]) -> None:
        self._recipe: Any = recipe  # what it is while the program runs: the recipe of the toolbox
        self.name = ""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, moot: None, owner: type[Moot]) -> Callable[Concatenate[Moot, P], Coroutine[Any, Any, R]]: ...
    @overload
    def __get__(self, moot: Moot, owner: type[Moot]) -> Callable[P, Coroutine[Any, Any, R]]: ...
    def __get__(self, moot: Moot | None, owner: type[Moot]) -> Any:
        if moot is None:
            return _method(self.name, self._recipe)
        return MethodType(_called(self.name, self._recipe), moot)


class Moot:
    """All configured AIs, open. Made by `moot.open()`; whoever opens it closes it, in the same task."""

    agent = Method(offered.agent)
    ask = Method(offered.ask)
    ask_many = Method(offered.ask_many)
    batch = Method(offered.batch)
    consensus = Method(offered.consensus)
    debate = Method(offered.debate)
    judge = Method(offered.judge)
    review = Method(offered.review)

    def __init__(
        self, opening: Callable[[], Awaitable[tuple[App, AsyncExitStack]]], *, approve: Approver | None = None
    ) -> None:
        self._opening = opening
        self.approve = approve
        self._stack: AsyncExitStack | None = None
        self._app: App | None = None
        self._loop: object = None
        self._before: Moot | None = None

    async def __aenter__(self) -> Self:
        if self._app is not None:
            raise InvalidInputError("This Moot is open already. Use the one that 'async with' gave.")
        self._app, self._stack = await self._opening()
        self._loop, self._before = current_token(), _current.get()
        _current.set(self)
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        _current.set(self._before)
        await self.aclose()

    async def aclose(self) -> None:
        """Close every connection; harmless when nothing is open."""
        stack, self._stack, self._app = self._stack, None, None
        if stack is not None:
            await stack.aclose()

    @property
    def app(self) -> App:
        """What stands behind it: the configuration, the roster of AIs, the bus of events.

        Raises:
            InvalidInputError: It is not open.
        """
        if self._app is None:
            raise InvalidInputError("This Moot is not open. Use it inside 'async with moot.open() as m'.")
        return self._app

    @property
    def app_here(self) -> App:
        """`app`, for a call.

        Raises:
            InvalidInputError: It is not open, or in another event loop, to which its connections belong.
        """
        app = self.app
        if self._loop != current_token():
            raise InvalidInputError(
                "This Moot was opened in another event loop. Open one here, or use moot.sync.open()."
            )
        return app

    @property
    def ais(self) -> list[str]:
        """The names of the AIs that can be asked."""
        return self.app.roster.names

    @property
    def warnings(self) -> list[str]:
        """What should be mended though nothing stops for it; a sentence for each."""
        return self.app.warnings()

    def usable_here(self) -> bool:
        """Whether it is open, in the event loop that runs now."""
        return self._app is not None and self._loop == current_token()

    async def outcomes(self, asks: list[tuple[str, Request]]) -> list[Outcome]:
        """What becomes of each of *asks*, pairs of an AI's name and a request, in their order; all at once."""
        return await self.app_here.caller.call_many(asks)


def open(  # noqa: A001 - read as moot.open
    *,
    credentials: str | Path | None = None,
    on_event: Sink | None = None,
    tokens: bool = True,
    ais: Mapping[str, AsyncAIClient] | None = None,
    send_secrets: bool = False,
    approve: Approver | None = None,
) -> Moot:
    """A Moot for many calls, which share connections, limits and budgets. Use it with `async with`.

    Inside the block the functions of this package, such as `moot.ask`, use it too.

    Args:
        credentials: The file with the AIs; by default the user's credentials.json.
        on_event: Called with every event as it happens, on the event loop: it must not block.
        tokens: Whether *on_event* hears every piece of text as it arrives, too.
        ais: Clients of your own by name, in place of all configured AIs.
        send_secrets: Also send files that look like secrets.
        approve: Says whether an agent may call a tool that changes things; without it, such calls are not made.
    """
    clients = ais if ais is not None else scripted_ais()
    return Moot(partial(_open, credentials, on_event, tokens, clients, send_secrets), approve=approve)


@asynccontextmanager
async def here() -> AsyncIterator[Moot]:
    """The Moot that is open around this call, or one that lives for it alone."""
    current = _current.get()
    if current is not None and current.usable_here():
        yield current
        return
    async with open() as moot:
        yield moot


def alone(name: str, recipe: Recipe) -> Callable[..., Coroutine[Any, Any, Any]]:
    """*recipe* as a function of this package, called *name*. Imports it."""

    async def call(*args: Any, **options: Any) -> Any:
        arguments = checked(name, recipe.run, args, options)
        async with here() as moot:
            return await _run(moot, recipe, arguments)

    return _dressed(call, name, recipe, shown_signature(recipe.run))


@cache
def _called(name: str, recipe: Recipe) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(self: Moot, *args: Any, **options: Any) -> Any:
        await recipe.load()
        return await _run(self, recipe, checked(name, recipe.run, args, options))

    call.__name__ = call.__qualname__ = name
    call.__doc__ = f"See help(moot.{name})."
    return call


@cache
def _method(name: str, recipe: Recipe) -> Callable[..., Coroutine[Any, Any, Any]]:
    async def call(self: Moot, *args: Any, **options: Any) -> Any:
        return await _called(name, recipe)(self, *args, **options)

    seen = shown_signature(recipe.run)
    itself = inspect.Parameter("self", inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return _dressed(call, name, recipe, seen.replace(parameters=[itself, *seen.parameters.values()]))


def _dressed(
    call: Any, name: str, recipe: Recipe, signature: inspect.Signature
) -> Callable[..., Coroutine[Any, Any, Any]]:
    seen: Callable[..., Coroutine[Any, Any, Any]] = dressed(
        call, name=name, module="moot", doc=described(name, recipe.run), signature=signature
    )
    return seen


async def _run(moot: Moot, recipe: Recipe, arguments: dict[str, Any]) -> Any:
    app = moot.app_here
    if recipe.name == "batch":
        return await (await load("moot.batches")).run_batch(app, recipe, arguments)
    async with app.run(recipe.name) as run:
        run.approve = moot.approve
        return await recipe.run(run, **arguments)


async def _open(
    credentials: str | Path | None,
    on_event: Sink | None,
    tokens: bool,
    ais: Mapping[str, AsyncAIClient] | None,
    send_secrets: bool,
) -> tuple[App, AsyncExitStack]:
    config = Config() if ais is not None else await anyio.to_thread.run_sync(_config, credentials)
    async with AsyncExitStack() as stack:
        app = await stack.enter_async_context(open_lending_app(config, by_hand=True, send_secrets=send_secrets))
        if ais is not None:
            seat_ais(app.roster, ais)
        if on_event is not None:
            app.bus.add_sink(on_event, tokens=tokens)
        return app, stack.pop_all()


def _config(credentials: str | Path | None) -> Config:
    """In a thread: what the file says."""
    if credentials is None:
        return load_config(credentials_path())
    path = Path(credentials).expanduser()
    if not path.is_file():
        raise InvalidInputError(f"credentials: there is no file {path.name!r}. Correct the path.")
    return load_config(path)
