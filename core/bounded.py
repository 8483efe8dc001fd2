"""Reading what anybody may have sent, in a process of bounded time and memory that answers in any case.

`command()` starts this very file as a program, and `order()` is what it is told: which reader (a file with a function
`read(data, asked)`), within which limits, and the data. The reader is found by its path and imports nothing of this
package but what stands beside it (`from .name import`), so it does not matter where and under which name the package
stands. What it raises is its answer, too: the error's attribute `problem`, where it has one, else the error's name.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import contextmanager
from contextvars import ContextVar
from functools import cache

MOST_ANSWER = 64 * 1024 * 1024
"""Characters of what is found: whoever asked has to hold them, too."""

AT_ONCE = max(2, min(8, os.cpu_count() or 1))
"""Processes that read at the same time: each may take its memory, and its time on the clock as if it were alone."""
_WAITING = 40
"""Threads that wait for them, so that those of everything else stay free."""
_LOOK_S = 0.05
"""Between two looks whether anybody still waits for a process that has not begun."""
_NEEDED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR")

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path
    from subprocess import Popen
    from threading import BoundedSemaphore
    from types import ModuleType
    from typing import Any, TypeVar

    from anyio import CapacityLimiter
    from anyio.lowlevel import RunVar

    T = TypeVar("T")


def command() -> list[str]:
    """The program that reads, for a subprocess. It writes one JSON object: what was found, or `problem`."""
    return [sys.executable, "-I", __file__]


def environment() -> dict[str, str]:
    """What that program may know of ours: where things are, and no key."""
    return {name: value for name, value in os.environ.items() if name.upper() in _NEEDED}


def order(reader: Path, data: bytes, *, memory_bytes: int, cpu_s: int, **limits: Any) -> bytes:
    """The standard input of that program: what *reader* is to find in *data*, within *limits* of its own."""
    bounds = {"memory_bytes": memory_bytes, "cpu_s": cpu_s}
    found_in = [entry for entry in sys.path if entry]
    return json.dumps({"reader": str(reader), "path": found_in, **bounds, **limits}).encode() + b"\n" + data


class OutOfBoundsError(Exception):
    """The process took more time or memory than it may, and is no more."""


class GivenUpError(Exception):
    """Nobody waits for what is read any more."""


class Leash:
    """What ends the process that a thread waits for, and every further one of it, from outside of that thread."""

    def __init__(self) -> None:
        self._cut = False
        self._held: Popen[bytes] | None = None

    def hold(self, process: Popen[bytes]) -> None:
        """Take *process*, which is ended at once where nobody waits any more."""
        self._held = process
        if self._cut:
            process.kill()

    def check(self) -> None:
        """Go on where somebody waits.

        Raises:
            GivenUpError: Nobody does.
        """
        if self._cut:
            raise GivenUpError

    def cut(self) -> None:
        """End what is held and whatever comes."""
        self._cut = True
        if self._held is not None:
            self._held.kill()


_leash: ContextVar[Leash | None] = ContextVar("leash", default=None)


async def in_thread(reads: Callable[[], T], *, limiter: CapacityLimiter | None = None) -> T:
    """What *reads* gives, in a thread; cancelling this ends the process that it waits for, and so the thread."""
    from anyio.to_thread import run_sync

    leash = Leash()
    token = _leash.set(leash)  # a thread takes the context along
    try:
        return await run_sync(reads, limiter=limiter or _threads(), abandon_on_cancel=True)
    finally:
        leash.cut()
        _leash.reset(token)


def _threads() -> CapacityLimiter:
    from anyio import CapacityLimiter

    kept = _of_each_loop()
    limiter = kept.get(None)
    if limiter is None:
        limiter = CapacityLimiter(_WAITING)
        kept.set(limiter)
    return limiter


@cache
def _of_each_loop() -> RunVar[CapacityLimiter | None]:
    from anyio.lowlevel import RunVar

    return RunVar("threads")


@cache
def _slots() -> BoundedSemaphore:
    from threading import BoundedSemaphore

    return BoundedSemaphore(AT_ONCE)


@contextmanager
def _slot(leash: Leash) -> Iterator[None]:
    """A place among the processes that read.

    Raises:
        GivenUpError: Nobody waits any more.
    """
    slots = _slots()
    while not slots.acquire(timeout=_LOOK_S):
        leash.check()
    try:
        leash.check()
        yield
    finally:
        slots.release()


def found_by(reader: Path, data: bytes, *, memory_bytes: int, seconds: int, **limits: Any) -> dict[str, Any]:
    """What *reader* finds in *data* in *seconds* of processor time, and half as much again on the clock. Blocks.

    Of such processes no more than AT_ONCE run at a time; the others wait for their turn.

    Raises:
        OutOfBoundsError: It takes more than it may.
        GivenUpError: Whoever called `in_thread` has been cancelled.
        OSError: No process can be started.
    """
    import subprocess

    told = order(reader, data, memory_bytes=memory_bytes, cpu_s=seconds, **limits)
    pipe, null = subprocess.PIPE, subprocess.DEVNULL
    leash = _leash.get() or Leash()
    with (
        _slot(leash),
        subprocess.Popen(command(), stdin=pipe, stdout=pipe, stderr=null, env=environment()) as process,
    ):
        leash.hold(process)
        try:
            said, _ = process.communicate(told, timeout=seconds * 1.5)
        except subprocess.TimeoutExpired:
            raise OutOfBoundsError from None
        finally:
            process.kill()
    leash.check()
    if process.returncode:
        raise OutOfBoundsError
    answer: dict[str, Any] = json.loads(said)
    return answer


def main() -> None:
    """Answer on standard output, whatever happens short of being killed."""
    answers = os.fdopen(os.dup(1), "w", encoding="ascii")
    os.dup2(2, 1)  # what a parser prints is no answer
    asked = json.loads(sys.stdin.buffer.readline())
    sys.path[:] = asked["path"]
    reader = _loaded(asked["reader"])
    _bound(asked["memory_bytes"], asked["cpu_s"])
    try:
        found = reader.read(sys.stdin.buffer.read(), asked)
    except BaseException as error:  # a parser raises nearly anything for a broken file, MemoryError among it
        found = {"problem": str(getattr(error, "problem", type(error).__name__))[:100]}
    answer = json.dumps(found)
    answers.write(answer if len(answer) <= MOST_ANSWER else json.dumps({"problem": "MemoryError"}))
    answers.close()


def _loaded(path: str) -> ModuleType:
    """The reader at *path*, as part of a room without a name of ours: what stands beside it is `.name` to it."""
    from importlib import import_module
    from types import ModuleType as Room

    folder, file = os.path.split(path)
    room = sys.modules["readers"] = Room("readers")
    room.__path__ = [folder]
    return import_module(f"readers.{file.removesuffix('.py')}")


def _bound(memory: int, seconds: int) -> None:
    if sys.platform == "win32":  # has no such limits; the parent's clock still ends it
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


if __name__ == "__main__":
    main()
    os._exit(0)  # a library's own threads may not let the interpreter end in order, and nothing is left to be done
