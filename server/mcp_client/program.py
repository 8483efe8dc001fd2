"""A server that is a program: started in a session of its own, spoken to by its stdin and stdout.

The transport of the official client reads lines of any length and leaves stderr to ours; this one bounds the first,
drains the second, and ends everything the program started.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

import anyio
import anyio.abc
import anyio.to_thread
from anyio.streams.memory import MemoryObjectReceiveStream, MemoryObjectSendStream
from mcp.shared.message import SessionMessage

from core.programs import Group, basic_environment
from server.mcp_client.guard import Guard
from server.mcp_client.lines import Lines, TooLong
from server.mcp_client.messages import message_of

_KEPT_OF_STDERR = 4_096
_LEAVE_S = 2.0
"""How long a program may take to end by itself once its stdin is closed."""
_LAST_WORDS_S = 1.0
_READ_BESIDE = 262_144
"""Bytes of a message from which on reading it would hold up everybody else."""
_MOST_GARBAGE = 10_000
"""Lines that are no message, one after the other, after which a program is no MCP server."""

Streams = tuple[MemoryObjectReceiveStream[SessionMessage | Exception], MemoryObjectSendStream[SessionMessage]]


class NotStartedError(Exception):
    """A program cannot be started; the text is half a sentence that says why."""


@dataclass
class Said:
    """What is known of a program beside its messages."""

    stderr: bytes = b""
    garbage: int = 0
    """Lines on stdout that are no message, one after the other."""
    code: int | None = None
    """With what it ended."""
    gone: anyio.Event = field(default_factory=anyio.Event)
    """Set when it has ended, or writes no messages any more."""

    @property
    def babbles(self) -> bool:
        """Whether it is ended because what it writes is no MCP."""
        return self.garbage > _MOST_GARBAGE


@asynccontextmanager
async def program(
    command: Sequence[str], said: Said, *, env: Mapping[str, str], cwd: str | None, guard: Guard
) -> AsyncIterator[Streams]:
    """Start *command* and give the client its streams; end the whole group in the end, also when cancelled.

    The *guard* ends it where we are killed.

    Raises:
        NotStartedError: There is no such program, or the system does not start it.
    """
    await guard.open()
    process = await _started(command, env, cwd)
    group = Group(process)
    to_client, from_server = anyio.create_memory_object_stream[SessionMessage | Exception](0)
    to_server, from_client = anyio.create_memory_object_stream[SessionMessage](0)
    try:
        guard.watch(process.pid)
        async with anyio.create_task_group() as tasks, to_client, from_server, to_server, from_client:
            tasks.start_soon(_read, process, to_client, said)
            tasks.start_soon(_read_stderr, process, said)
            tasks.start_soon(_write, process, from_client, to_client)
            tasks.start_soon(_look_for_its_end, process, group, to_client, said)
            yield from_server, to_server
            tasks.cancel_scope.cancel()
    finally:
        with anyio.CancelScope(shield=True):
            await _leave(process, group)
        guard.forget(process.pid)
        said.code = process.returncode
        said.gone.set()


async def _started(command: Sequence[str], env: Mapping[str, str], cwd: str | None) -> anyio.abc.Process:
    seen = basic_environment(os.environ) | dict(env)
    named = await anyio.to_thread.run_sync(os.path.expanduser, command[0])
    name = os.path.basename(named)
    if cwd is not None:
        cwd = await anyio.to_thread.run_sync(os.path.expanduser, cwd)
        if not await anyio.to_thread.run_sync(os.path.isdir, cwd):
            raise NotStartedError("its 'cwd' is no folder")
    program = await anyio.to_thread.run_sync(lambda: shutil.which(named, path=seen.get("PATH")))
    if program is None and cwd is not None:
        program = await anyio.to_thread.run_sync(shutil.which, os.path.join(cwd, named))
    if program is None:
        raise NotStartedError(f"the program {name!r} was not found")
    try:
        return await anyio.open_process([program, *command[1:]], env=seen, cwd=cwd, start_new_session=True)
    except OSError as error:
        raise NotStartedError(f"the program {name!r} cannot be started ({error.strerror})") from error
    except ValueError:
        raise NotStartedError("a NUL is in its command, its arguments or its environment") from None


async def _leave(process: anyio.abc.Process, group: Group) -> None:
    """Close its stdin, by which a server knows that it is over; then end whoever is still there."""
    if process.stdin is not None:
        with suppress(OSError, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.BusyResourceError):
            await process.stdin.aclose()
    async with anyio.create_task_group() as tasks:
        for pipe in (process.stdout, process.stderr):  # one that is full would keep it from ending
            if pipe is not None:
                tasks.start_soon(_throw_away, pipe)
        await group.gone(_LEAVE_S)
        tasks.cancel_scope.cancel()
    await group.end()


async def _throw_away(pipe: anyio.abc.ByteReceiveStream) -> None:
    with suppress(anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError, anyio.BusyResourceError):
        while True:
            await pipe.receive()


async def _look_for_its_end(
    process: anyio.abc.Process,
    group: Group,
    to_client: MemoryObjectSendStream[SessionMessage | Exception],
    said: Said,
) -> None:
    """Once the program is gone, whoever it left behind goes too, and holds its pipes no longer than for a moment."""
    await group.gone(float("inf"))
    said.code = process.returncode
    group.kill()
    await anyio.sleep(_LAST_WORDS_S)
    await to_client.aclose()
    said.gone.set()


async def _read(
    process: anyio.abc.Process, to_client: MemoryObjectSendStream[SessionMessage | Exception], said: Said
) -> None:
    assert process.stdout is not None
    lines = Lines()
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async with to_client:
            async for chunk in process.stdout:
                for line in lines.feed(chunk):
                    message = await _message(line)
                    said.garbage = said.garbage + 1 if message is None else 0
                    if message is not None:
                        await to_client.send(message)
                if said.babbles:
                    break
    said.gone.set()


async def _message(line: bytes | TooLong) -> SessionMessage | None:
    if isinstance(line, TooLong) or len(line) < _READ_BESIDE:
        return message_of(line)
    return await anyio.to_thread.run_sync(message_of, line, abandon_on_cancel=True)


async def _read_stderr(process: anyio.abc.Process, said: Said) -> None:
    assert process.stderr is not None
    with suppress(anyio.BrokenResourceError, anyio.ClosedResourceError):
        async for chunk in process.stderr:
            said.stderr = (said.stderr + chunk)[-_KEPT_OF_STDERR:]


async def _write(
    process: anyio.abc.Process,
    from_client: MemoryObjectReceiveStream[SessionMessage],
    to_client: MemoryObjectSendStream[SessionMessage | Exception],
) -> None:
    assert process.stdin is not None
    try:
        async with from_client:
            async for item in from_client:
                text = item.message.model_dump_json(by_alias=True, exclude_unset=True)
                await process.stdin.send(text.encode() + b"\n")
    except (anyio.BrokenResourceError, anyio.ClosedResourceError, OSError):
        await to_client.aclose()  # the client then sees that nobody answers any more
