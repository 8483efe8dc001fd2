"""The one abstraction: an AI is something that completes a request and tells about it as it goes.

A provider overrides one method, `complete(request, emit) -> Response`. Text goes out through `emit` as it arrives;
the answer is the return value. So streaming is not a second code path: `generate` and `stream` are built on it here,
once, for everybody.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncIterator, Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass
from functools import partial
from types import TracebackType
from typing import Any, Self, Unpack

import anyio
import anyio.abc

from core.errors import InvalidInputError, NotUsableError
from core.values import Request, RequestOptions, Response, Usage


@dataclass(frozen=True, slots=True)
class Embedded:
    """What an endpoint made of texts: its own reply, word for word, and what is known of its price."""

    body: bytes
    model: str
    usage: Usage


@dataclass(frozen=True, slots=True)
class Sound:
    """A recording; its ending tells endpoints what it is."""

    data: bytes
    name: str
    media_type: str


@dataclass(frozen=True, slots=True)
class Transcribed:
    """What was said in a recording: as one text, or in pieces with the seconds from and to where they are told."""

    text: str
    model: str
    usage: Usage
    pieces: tuple[tuple[float, float, str], ...] = ()
    whole: bool = True


@dataclass(frozen=True, slots=True)
class Thinking:
    """Reasoning text. It proves that the model is alive and is not part of the answer."""

    text: str


@dataclass(frozen=True, slots=True)
class Sent:
    """The request goes out now: from here on it may be on the bill."""


@dataclass(frozen=True, slots=True)
class Retrying:
    attempt: int
    wait_s: float
    reason: str


@dataclass(frozen=True, slots=True)
class FellBack:
    to: str
    reason: str


@dataclass(frozen=True, slots=True)
class Waiting:
    """The call stands in a queue, such as a rate limit's, and goes on after *seconds*."""

    seconds: float
    reason: str


Signal = str | Thinking | Sent | Retrying | FellBack | Waiting
"""What can be told on the way: a piece of the answer, or a notice about the call."""

Emit = Callable[[Signal], None]
"""Never blocks and never raises; called on the event loop's thread (or the caller's, for synchronous clients)."""


def ignore(signal: Signal) -> None:
    """The `emit` of somebody who only wants the answer."""


class AsyncAIClient(ABC):
    """An AI, asynchronously. Use it as an async context manager; whoever opens it closes it, in the same task.

    To implement a provider, subclass and override `complete`; override `aclose` when something must be released,
    and `list_models` when the endpoint can be asked what it offers.
    """

    _tasks: anyio.abc.TaskGroup | None = None

    @abstractmethod
    async def complete(self, request: Request, emit: Emit) -> Response:
        """Answer *request*.

        Raises:
            AIError: There is no answer; the subclass says why.
        """

    async def prepare(self) -> None:
        """Get ready, such as by importing an SDK, so that a request leaves when its turn comes and not later."""
        return

    async def list_models(self) -> list[str]:
        """The model ids the endpoint itself offers."""
        raise InvalidInputError("This AI cannot list models.")

    async def embed(self, fields: Mapping[str, Any]) -> Embedded:
        """What the endpoint makes of *fields*: `input`, and whatever else its protocol knows.

        Raises:
            AIError: It gave none; the subclass says why.
        """
        raise NotUsableError("This AI makes no embeddings: only OpenAI-compatible endpoints do. Name another one.")

    async def transcribe(self, sound: Sound) -> Transcribed:
        """What is said in *sound*.

        Raises:
            AIError: It gave nothing; the subclass says why.
        """
        raise NotUsableError("This AI hears nothing: OpenAI-compatible endpoints and Gemini do. Name another one.")

    async def aclose(self) -> None:
        """Release what `complete` opened."""
        return

    async def generate(self, prompt: str, **options: Unpack[RequestOptions]) -> str:
        """The whole answer to *prompt*.

        Args:
            options: Fields of `Request` such as `temperature`; in `extra` what goes to the provider as it is.

        Raises:
            AIError: There is no answer; the subclass says why.
        """
        return (await self.complete(Request.of(prompt, **options), ignore)).text

    def stream(self, prompt: str, **options: Unpack[RequestOptions]) -> TextStream:
        """The answer to *prompt* as it is written: await the result for the whole text, or iterate it for tokens."""
        return TextStream(self, Request.of(prompt, **options))

    async def __aenter__(self) -> Self:
        tasks = anyio.create_task_group()
        await tasks.__aenter__()
        self._tasks = tasks
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> bool | None:
        tasks, self._tasks = self._tasks, None
        try:
            if tasks is not None:
                tasks.cancel_scope.cancel()
                await tasks.__aexit__(None, None, None)
        finally:
            with anyio.CancelScope(shield=True):
                await self.aclose()
        return None


class TextStream:
    """One answer on its way: awaited it is the whole text, iterated its pieces. Once; a second use raises.

    A piece is a token, or the tokens that arrived together.

    `async with client.stream(...) as stream` cancels the request when the block is left early. So does dropping
    the last reference, a moment later.
    """

    def __init__(self, client: AsyncAIClient, request: Request) -> None:
        self._client = client
        self._request = request
        self._scope = anyio.CancelScope()
        self._used = False

    def __await__(self) -> Generator[Any, Any, str]:
        self._use()
        return self._whole().__await__()

    def __aiter__(self) -> AsyncIterator[str]:
        self._use()
        tokens = _Tokens()
        self._begin(partial(_pump, self._client, self._request, tokens, self._scope))
        return _TokenIterator(tokens, self)

    def cancel(self) -> None:
        """End the request; the connection is closed, nothing more is written."""
        self._scope.cancel()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.cancel()

    def _begin(self, pump: Callable[[], Coroutine[Any, Any, None]]) -> None:
        """Have the answer be written beside its reader, in a task that the client owns."""
        if self._client._tasks is None:
            raise InvalidInputError("Iterate a stream inside 'async with client', or await it for the whole text.")
        self._client._tasks.start_soon(pump)

    async def _whole(self) -> str:
        return (await self._client.complete(self._request, ignore)).text

    def _use(self) -> None:
        if self._used:
            raise InvalidInputError("This stream was already used; call client.stream(...) again for a new answer.")
        self._used = True


class _Tokens:
    """What the pump wrote and the reader has not taken yet."""

    def __init__(self) -> None:
        self.pending: deque[str] = deque()
        self.wake = anyio.Event()
        self.ended = False
        self.error: BaseException | None = None

    def put(self, signal: Signal) -> None:
        match signal:
            case str():
                self.pending.append(signal)
                self.wake.set()
            case Retrying() | FellBack():
                self.pending.clear()
            case Thinking() | Waiting():
                pass

    def end(self, error: BaseException | None) -> None:
        self.ended, self.error = True, error
        self.wake.set()


async def _pump(client: AsyncAIClient, request: Request, tokens: _Tokens, scope: anyio.CancelScope) -> None:
    error: BaseException | None = None
    try:
        with scope:
            await client.complete(request, tokens.put)
    except Exception as failure:  # delivered to the reader, who is the one waiting for it
        error = failure
    finally:
        tokens.end(error)


class _TokenIterator(AsyncIterator[str]):
    def __init__(self, tokens: _Tokens, stream: TextStream) -> None:
        self._tokens = tokens
        self._stream = stream

    async def __anext__(self) -> str:
        while not self._tokens.pending:
            if self._tokens.ended:
                if error := self._tokens.error:
                    self._tokens.error = None
                    raise error
                raise StopAsyncIteration
            self._tokens.wake = anyio.Event()
            await self._tokens.wake.wait()
        return self._tokens.pending.popleft()

    def __del__(self) -> None:
        if not self._tokens.ended:
            self._stream.cancel()


class AIClient(ABC):
    """An AI, synchronously, over the vendor's synchronous SDK: the fallback when the event loop cannot be used."""

    @abstractmethod
    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        """Answer *request*; stop reading soon after *cancelled* is set."""

    def generate(self, prompt: str, **options: Unpack[RequestOptions]) -> str:
        """The whole answer to *prompt*."""
        return self.complete(Request.of(prompt, **options), ignore, threading.Event()).text

    def close(self) -> None:
        """Release what `complete` opened."""
        return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()
