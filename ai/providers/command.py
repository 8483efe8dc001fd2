"""A command-line AI, such as `claude -p` or `codex exec -`: paid by subscription, no API key.

The program gets the conversation as plain text on stdin; what it writes to stdout is the answer. It has no
parameters: temperature, max_tokens and effort are set in its own configuration or in `command`. It runs in a process
group of its own, which is ended as a whole: these programs start others.
"""

from __future__ import annotations

import codecs
import contextlib
import json
import os
import queue
import random
import re
import shutil
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePath

import anyio
import anyio.abc
import anyio.to_thread

from ai.client import AIClient, AsyncAIClient, Emit, Signal
from ai.wire.classify.failure import Who
from ai.wire.response.fold import AnswerFold
from ai.wire.settings import ClientSettings
from ai.wire.transport import SharedHTTP
from core.errors import AIError, AITimeoutError, AnswerError, CommandFailedError, RequestRejectedError, TruncatedError
from core.programs import Group, basic_environment
from core.redact import redact
from core.untrusted import Fence
from core.values import Image, Message, Request, Response, Text, ToolCall, ToolResult

_MOST_OUTPUT = 64 * 1024 * 1024
"""Bytes, also of what is no text."""
_KEPT_OF_STDERR = 2_048
_LONGEST_QUOTE = 300
_LAST_WORDS_S = 2.0
"""For reading what is left in the pipe once the program has ended; a survivor could hold it open for ever."""
_POLL_S = 0.05

_VENDOR_ENV = {
    "claude": ("ANTHROPIC_", "CLAUDE_"),
    "codex": ("OPENAI_", "CODEX_"),
    "gemini": ("GEMINI_", "GOOGLE_"),
}
"""By program: what it may see besides. Another vendor's key is none of its business."""

_ESCAPE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: titles, links
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-~]"
)
_UNFINISHED_ESCAPE = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)\Z")
_LONGEST_ESCAPE = 4_096
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""All but tab and newline; a carriage return before a newline goes too."""


def build_prompt(request: Request, who: Who) -> str:
    """What the program reads: the system prompt, then the turns, fenced as soon as there is more than one.

    Raises:
        RequestRejectedError: The request holds what plain text cannot carry.
    """
    if any(isinstance(part, Image) for message in request.messages for part in message.parts):
        raise _unsuitable(who, "takes no images")
    if request.tools:
        raise _unsuitable(who, "cannot call tools")
    if request.stop:
        raise _unsuitable(who, "cannot be told where to stop")
    blocks = [request.system] if request.system else []
    if request.json_schema is not None:
        schema = json.dumps(request.json_schema)
        blocks.append(f"Answer with one JSON object that fits this JSON Schema, and nothing else: {schema}")
    if len(request.messages) == 1:
        blocks.append(_words(request.messages[0]))
    else:
        fence = Fence(random.SystemRandom())  # else an earlier answer could hold a turn of the user's
        blocks.append("The conversation so far; only the marks of a turn say who spoke. Answer the last one.")
        blocks += [fence.around("turn", _words(message), by=message.role) for message in request.messages]
    return "\n\n".join(blocks) + "\n"


def _unsuitable(who: Who, what: str) -> RequestRejectedError:
    text = f"{who.ai!r} is a command-line AI and {what}. Ask another AI."
    return RequestRejectedError(text, ai=who.ai, provider=who.provider)


def _words(message: Message) -> str:
    said = []
    for part in message.parts:
        match part:
            case Text():
                said.append(part.text)
            case ToolCall():
                said.append(f"[called {part.name} with {json.dumps(dict(part.arguments))}]")
            case ToolResult():
                said.append(f"[{part.name or 'the function'} gave: {part.content}]")
            case Image():
                raise AssertionError("refused by build_prompt")
    return "\n".join(said)


def build_env(program: str, named: tuple[str, ...], ambient: Mapping[str, str]) -> dict[str, str]:
    """The environment *program* sees: the basics, its own vendor's variables, and the ones *named* in its row."""
    prefixes = _VENDOR_ENV.get(PurePath(program).stem.lower(), ())
    seen = {name: value for name, value in ambient.items() if name.startswith(prefixes) or name in named}
    return basic_environment(ambient) | seen | {"NO_COLOR": "1"}


class PlainText:
    """Bytes from a terminal program to text, as they arrive: without escape sequences and control characters."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""

    def feed(self, chunk: bytes, *, final: bool = False) -> str:
        text = self._held + self._decoder.decode(chunk, final)
        unfinished = _UNFINISHED_ESCAPE.search(text)
        cut = unfinished.start() if unfinished and len(text) - unfinished.start() < _LONGEST_ESCAPE else len(text)
        text, self._held = text[:cut], text[cut:]
        return _CONTROL.sub("", _ESCAPE.sub("", text))


class CommandFold(AnswerFold):
    """Reads a program's stdout and stderr into one answer, or into the error that says why there is none."""

    def __init__(self, settings: ClientSettings, emit: Emit) -> None:
        super().__init__(settings.who, settings.model or _program(settings), emit)
        self.overflow: AnswerError | None = None
        self._left = _MOST_OUTPUT
        self._stdout = PlainText()
        self._space = ""
        self._began = False
        self._stderr = b""

    def feed(self, chunk: bytes) -> None:
        """Take in a piece of stdout. White space is held back until text follows, so that none ends the answer."""
        self._left -= len(chunk)
        try:
            if self._left < 0:
                raise self.too_long("wrote without end")
            self._add(self._stdout.feed(chunk))
        except TruncatedError as error:  # raised again once the program is stopped: a task group would wrap it
            self.overflow = error

    def feed_stderr(self, chunk: bytes) -> None:
        self._stderr = (self._stderr + chunk)[-_KEPT_OF_STDERR:]

    def ended(self, code: int) -> Response:
        """The answer of a program that ended with *code*.

        Raises:
            TruncatedError: It wrote without end.
            CommandFailedError: It failed.
            EmptyAnswerError: It wrote nothing.
        """
        if self.overflow:
            raise self.overflow
        self._add(self._stdout.feed(b"", final=True))
        if code != 0:
            raise self.failed(f"ended with exit code {code}{self._last_line()}. Run the program by hand to see why.")
        self.terminated = True
        return self.finish()

    def failed(self, rest: str) -> CommandFailedError:
        return CommandFailedError(
            f"{self.who.ai!r} {rest}", ai=self.who.ai, provider=self.who.provider, partial=self.text
        )

    def _add(self, text: str) -> None:
        text = self._space + text if self._began else text.lstrip()
        kept = text.rstrip()
        self._space = text[len(kept) :]
        if kept:
            self._began = True
            self.add_text(kept)

    def _last_line(self) -> str:
        """Its last words: from stderr, or from stdout where some programs write their errors."""
        said = PlainText().feed(self._stderr, final=True).strip() or self.text.strip()
        line = redact(said).splitlines()[-1].strip().rstrip(".") if said else ""
        return f": {line[:_LONGEST_QUOTE]}" if line else ""


class AsyncClient(AsyncAIClient):
    """Runs the program once per request. Cancelling ends it and everything it started."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings

    async def complete(self, request: Request, emit: Emit) -> Response:
        settings = self._settings
        prompt = build_prompt(request, settings.who).encode()
        fold = CommandFold(settings, emit)
        settings.instruct(fold, request)
        env = build_env(settings.command[0], settings.env, os.environ)
        program = await anyio.to_thread.run_sync(lambda: shutil.which(settings.command[0], path=env.get("PATH")))
        if program is None:
            name = repr(_program(settings))
            raise _cannot_start(settings, f'program {name} was not found; install it or correct "command"')
        try:
            process = await anyio.open_process([program, *settings.command[1:]], env=env, start_new_session=True)
        except OSError as error:
            reason = f'program {_program(settings)!r} cannot be started ({error.strerror}); correct "command"'
            raise _cannot_start(settings, reason) from error
        group = Group(process)
        try:
            await _converse(process, group, prompt, fold)
        finally:
            with anyio.CancelScope(shield=True):
                await group.end()
        return fold.ended(process.returncode or 0)

    async def list_models(self) -> list[str]:
        raise _unsuitable(self._settings.who, "cannot list its models")


class SyncClient(AIClient):
    """The asynchronous client on an event loop and a thread of its own; the caller's thread emits."""

    def __init__(self, settings: ClientSettings, http: SharedHTTP) -> None:
        self._settings = settings
        self._client = AsyncClient(settings, http)

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        signals: queue.SimpleQueue[Signal | None] = queue.SimpleQueue()
        left = threading.Event()
        with ThreadPoolExecutor(1, "command") as pool:
            running = pool.submit(anyio.run, self._attempt, request, signals.put, (cancelled, left))
            running.add_done_callback(lambda _: signals.put(None))
            try:
                while (signal := signals.get()) is not None:
                    emit(signal)
            finally:
                left.set()  # Ctrl-C: the program must not outlive it
            return running.result()

    async def _attempt(self, request: Request, emit: Emit, stops: tuple[threading.Event, ...]) -> Response:
        limit_s = (request.deadlines or self._settings.deadlines).total
        failure: AIError | None = None
        said: list[str] = []

        def heard(signal: Signal) -> None:
            if isinstance(signal, str):
                said.append(signal)
            emit(signal)

        with anyio.move_on_after(limit_s) as deadline:
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(_cancel_when, stops, tasks.cancel_scope)
                try:
                    return await self._client.complete(request, heard)
                except AIError as error:  # raised below: a task group would wrap it
                    failure = error
                finally:
                    tasks.cancel_scope.cancel()
        raise failure or self._broken_off(limit_s if deadline.cancelled_caught else None, "".join(said))

    def _broken_off(self, limit_s: float | None, partial: str) -> AIError:
        who = self._settings.who
        if limit_s is not None:
            text = f"{who.ai!r} did not finish within {limit_s:g} s. Ask again, or raise its 'timeout'."
            return AITimeoutError(text, phase="total", ai=who.ai, provider=who.provider, partial=partial)
        text = f"{who.ai!r} was stopped before it had finished. Ask again for a whole answer."
        return TruncatedError(text, ai=who.ai, provider=who.provider, partial=partial)


async def _cancel_when(stops: tuple[threading.Event, ...], scope: anyio.CancelScope) -> None:
    while not any(stop.is_set() for stop in stops):  # noqa: ASYNC110 - these are set by other threads
        await anyio.sleep(_POLL_S)
    scope.cancel()


async def _converse(process: anyio.abc.Process, group: Group, prompt: bytes, fold: CommandFold) -> None:
    """Write the prompt, read the answer. Over when stdout closes, or soon after the program has ended."""
    assert process.stdout is not None

    async def end_of_program() -> None:
        await process.wait()
        group.kill()  # whom it left behind
        tasks.cancel_scope.deadline = anyio.current_time() + _LAST_WORDS_S

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_write, process, prompt)
        tasks.start_soon(_read_stderr, process, fold)
        tasks.start_soon(end_of_program)
        async for chunk in process.stdout:
            fold.feed(chunk)
            if fold.overflow:
                tasks.cancel_scope.cancel()


async def _write(process: anyio.abc.Process, prompt: bytes) -> None:
    assert process.stdin is not None
    with contextlib.suppress(anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):  # it need not read it all
        await process.stdin.send(prompt)
        await process.stdin.aclose()


async def _read_stderr(process: anyio.abc.Process, fold: CommandFold) -> None:
    assert process.stderr is not None
    async for chunk in process.stderr:
        fold.feed_stderr(chunk)


def _program(settings: ClientSettings) -> str:
    return PurePath(settings.command[0]).name


def _cannot_start(settings: ClientSettings, reason: str) -> CommandFailedError:
    who = settings.who
    return CommandFailedError(f"{who.ai!r}: {reason} in credentials.json.", ai=who.ai, provider=who.provider)
