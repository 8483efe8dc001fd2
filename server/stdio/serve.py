"""`moot serve`: answers from a snapshot at once, imports the real server meanwhile, and hands the connection over.

The real server is imported in the background as soon as the host pauses. When no call comes within seconds, and no job
waits that nobody works on, the process starts over in place, so that a server nobody uses costs no more memory than a
bare interpreter, and looks for such a job now and then. It imports nothing but a few cheap modules until then.
"""

from __future__ import annotations

import os
import sys
from functools import partial

from server.stdio.early_answers import Front, kept_in, repeated
from server.stdio.snapshot import read_answers

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from threading import Thread
    from typing import Any

    from server.stdio.orphans import Orphans

_CHUNK = 65_536
_PAUSE_S = 0.05
"""A host that has been silent for so long has what it wanted: the imports may have the processor."""
_IDLE_S = 10.0
"""How long the real server is kept ready for a first call."""
_LOOK_S = 10.0
"""How often a server that nobody calls looks for a job whose process is gone."""
_SESSION = "MOOT_SESSION"
_LONGEST_SESSION = 65_536
_PUZZLED = (
    "moot serve was sent something that is no MCP message: it expects one JSON object on each line. "
    "Let a host start it: moot connect"
)


def serve() -> None:
    """Serve MCP on stdin and stdout until the host hangs up or asks us to stop."""
    session = os.environ.pop(_SESSION, None)
    if os.isatty(0):
        _say("moot serve speaks MCP on stdin and stdout and is started by a host. Stop it with Ctrl-C.")
    _leave_on_signal()
    answers = read_answers()
    if answers is None:
        _Real().run(*repeated(kept_in(session or "[]")), renew=True)
        return
    front = Front(answers)
    if session:
        front.resume(session)
    real = _Real()
    if _converse(front, real, patient=session is not None):
        real.run(*front.handed())
    else:
        os._exit(0)  # a thread that is still importing would be torn down half-way


def _converse(front: Front, real: _Real, *, patient: bool) -> bool:
    """Answer the host until the real server is needed and there; False when the host hung up before that.

    A *patient* front imports nothing until it has to: it was here before, and no call came.
    """
    listening = True
    while not _taken_over(front, real):
        if front.wanted and not real.started:
            real.import_here(partial(_go_on, front, real))
            return True
        if front.answered and not patient and sys.platform == "win32":
            real.start()
        heard, silent = _wait(real, listening and not front.full, _limit(front, real, patient))
        if heard:
            data = os.read(0, _CHUNK)
            listening = bool(data)
            if not _tell(front.hear(data) if data else front.end()) or not (listening or front.wanted):
                return False
            if front.puzzled:
                front.puzzled = False
                _say(_PUZZLED)
        elif silent and patient:
            front.wanted = real.left_behind()
        elif silent and real.ready:
            _start_over(front)
            patient = True  # that was not possible: stay as we are
        elif silent:
            real.start()
    return True


def _taken_over(front: Front, real: _Real) -> bool:
    """Whether the real server is there, and wanted by the host or for a job that waits."""
    front.wanted = front.wanted or real.work_waits
    return front.wanted and real.ready


def _go_on(front: Front, real: _Real) -> None:
    """Answer what the snapshot can until the imports have ended."""
    if sys.platform != "win32" and not _converse(front, real, patient=True):
        os._exit(0)


def _limit(front: Front, real: _Real, patient: bool) -> float | None:
    """Seconds of silence after which something is to be done."""
    if patient and not front.wanted and not real.started:
        return _LOOK_S
    if front.wanted or patient or not front.answered:
        return None
    if real.ready:
        return _IDLE_S
    return None if real.started else _PAUSE_S


def _wait(real: _Real, listening: bool, limit: float | None) -> tuple[bool, bool]:
    """Whether the host sent something, and whether *limit* passed in silence; neither when the imports ended."""
    if sys.platform == "win32":  # no pipe can be waited for there: read, or wait for the imports
        if real.started and not real.ready:
            real.join()
            return False, False
        return True, False
    from select import POLLERR, POLLIN, poll

    sources = poll()
    sources.register(1, 0)  # nothing but the end of whoever reads it
    if listening:
        sources.register(0, POLLIN)
    if real.started and not real.ready:
        sources.register(real.done, POLLIN)
    found = dict(sources.poll(None if limit is None else limit * 1_000))
    if found.get(1, 0) & POLLERR:
        os._exit(0)
    if real.done in found:
        real.join()
    return 0 in found, not found


def _tell(answer: bytes) -> bool:
    """Write *answer*; False when nobody reads it any more."""
    try:
        while answer:
            answer = answer[os.write(1, answer) :]
    except OSError:
        return False
    return True


def _say(sentence: str) -> None:
    os.write(2, f"{sentence}\n".encode())


def _leave_on_signal() -> None:
    """Nothing is open yet that would have to be closed."""
    import signal

    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: os._exit(0))


def _start_over(front: Front) -> None:
    """Become a fresh interpreter that goes on where this one is; the input that was not read stays in its pipe."""
    session = front.session()
    if sys.platform == "win32" or not sys.executable or session is None or len(session) > _LONGEST_SESSION:
        return
    os.environ[_SESSION] = session
    try:
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])  # noqa: S606 - there is no shell to avoid
    except OSError:
        del os.environ[_SESSION]


class _Real:
    """The real server, imported in a thread so that the host is answered meanwhile."""

    def __init__(self) -> None:
        self.started = self.ready = False
        self.done = -1
        """Becomes readable when the imports have ended."""
        self.work_waits = False
        """Whether there is something to do for which no host will ask: a job whose process is gone."""
        self._finds_work = False
        self._orphans: Orphans | None = None
        self._thread: Thread | None = None
        self._server: Any = None
        self._error: BaseException | None = None

    def left_behind(self) -> bool:
        """Whether a job waits of a process that died since this was asked last."""
        if self._orphans is None:
            from server.stdio.orphans import Orphans

            self._orphans = Orphans()
        return self._orphans.found()

    def start(self) -> None:
        if not self.started:
            self._thread = self._beside(self._import)

    def import_here(self, meanwhile: Callable[[], None]) -> None:
        """Import in this thread, where it costs a twentieth less, while *meanwhile* runs in another one."""
        other = self._beside(meanwhile)
        self._import()
        other.join()
        self.ready = True

    def _beside(self, work: Callable[[], None]) -> Thread:
        import threading

        self.started = True
        self.done, self._writer = os.pipe()
        thread = threading.Thread(target=work, name="moot-start", daemon=True)
        thread.start()
        return thread

    def join(self) -> None:
        if self._thread is not None:
            self._thread.join()
        self.ready, self.work_waits = True, self._finds_work

    def run(self, heard: bytes, repeated: list[str | int], *, renew: bool = False) -> None:
        """Let the real server read *heard* and then the rest; what it answers to *repeated* is dropped.

        With *renew* it leaves a snapshot for the next start.
        """
        if not self.started:
            self._import()
        if self._error is not None:
            raise self._error
        import anyio

        from core.usage.metrics import set_up_exporter
        from server.stdio.connection import serve_stdio

        set_up_exporter(os.environ)
        anyio.run(partial(serve_stdio, self._server, heard, repeated, renew=renew))

    def _import(self) -> None:
        import gc

        gc.disable()  # nothing that is imported becomes garbage: a sixth of the time
        try:
            from core.logs import configure_logging
            from server.stdio.imports import built_when_used, left_out

            configure_logging()  # before the SDK sets up a handler of its own, which would print keys
            with built_when_used():
                from server.jobs.left_work import work_waits
                from server.stdio.connection import create_stdio_server
            with left_out("rich.console"):  # for that handler, which is not used
                self._server = create_stdio_server()
            self._finds_work = work_waits()
        except BaseException as error:  # raised again where the server is needed
            self._error = error
        finally:
            gc.freeze()
            gc.enable()
            if self.started:
                os.write(self._writer, b"!")
