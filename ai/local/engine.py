"""Runs an embedded model in one child process, for all its seats: started by the first request, stopped when idle.

Synchronous and thread-safe, so that asynchronous clients (through a worker thread) and synchronous ones use the same
engine. A client calls `locate` before each request and nothing after it: whether a request is still running is asked
of the server itself before it is stopped.
"""

from __future__ import annotations

import http.client
import json
import logging
import os
import re
import secrets
import subprocess
import sys
import sysconfig
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from ai.local.weights import TINY, Model, damaged, find_weights, package_dir
from ai.wire.settings import Endpoint
from core.errors import LocalModelError
from core.paths import weights_dir
from core.redact import register_secret

log = logging.getLogger(__name__)

ENGINE_PACKAGE = "xllamacpp"
ENGINE_VERSION = "2026.10.11549"

_SLOTS = 3
"""Requests answered at the same time; more wait."""
_CONTEXT_TOKENS = 8192
_KEPT_OF_STDERR = 4_000
_GRACE_S = 2.0
_ASK_S = 5.0

_INHERITED = ("PATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LANG", "TMPDIR", "TEMP", "TMP", "SYSTEMROOT")
"""All the child sees of the environment: the library paths it may need, and nobody's keys."""

_NO_DEBUGGER = {"GGML_NO_BACKTRACE": "1"}
"""llama.cpp would run gdb on itself when it crashes."""

_NO_ENGINE = "The local model's engine (xllamacpp) is not installed. Run: moot local install"
_CLOSED = "The local model was closed. Open the app again to use it."
_OLD_PROCESSOR = "The local model's engine does not support this processor. Use another AI."


def _no_memory(model: Model) -> str:
    return f"{model.title} ran out of memory while it started. Free about {model.memory_mb} MB, or use another AI."


_CAUSES: tuple[tuple[re.Pattern[str], str | Callable[[Model], str]], ...] = (
    (
        re.compile(r"libgomp"),
        "The local model needs the system library libgomp. On Debian or Ubuntu run: apt-get install libgomp1; "
        "on Fedora: dnf install libgomp (Alpine is not supported).",
    ),
    (
        re.compile(
            r"MemoryError|bad_alloc|failed to (map|allocate)|cannot allocate|mem_buffer|temporarily unavailable",
            re.IGNORECASE,
        ),
        _no_memory,
    ),
    (
        re.compile(r"ImportError|ModuleNotFoundError|DLL load failed"),
        "The local model's engine (xllamacpp) cannot be loaded on this system. "
        "Reinstall it with: pip install --force-reinstall xllamacpp; or use another AI.",
    ),
    (re.compile(r"[Ff]ailed to load model|invalid magic"), damaged),
)
"""What the child wrote when it failed, and what it means. The first that fits is told."""


def engine_dir() -> Path:
    """Where `moot local install` puts xllamacpp; it is built per platform, and data folders may be shared."""
    return weights_dir() / f"{ENGINE_PACKAGE}-{ENGINE_VERSION}-{sysconfig.get_platform()}"


def find_engine() -> Path:
    """The folder to import xllamacpp from.

    Raises:
        LocalModelError: It is not installed.
    """
    installed = package_dir(ENGINE_PACKAGE)
    if installed:
        return installed.parent
    if (engine_dir() / ENGINE_PACKAGE / "__init__.py").is_file():
        return engine_dir()
    raise LocalModelError(_NO_ENGINE)


def available_reason(model: Model = TINY) -> str | None:
    """Why an embedded model cannot run here, with the next step; None when its files are in place."""
    try:
        find_engine()
        find_weights(model)
    except LocalModelError as error:
        return str(error)
    return None


class LocalEngine:
    """An embedded model behind an OpenAI-compatible endpoint. Close it in the end.

    Args:
        model: Which one.
        idle_s: After this long without a request the child is stopped; the next request starts it again.
        start_s: How long loading the model may take.
    """

    def __init__(self, model: Model = TINY, *, idle_s: float = 300.0, start_s: float = 60.0) -> None:
        self._model = model
        self._idle_s = idle_s
        self._start_s = start_s
        self._key = secrets.token_urlsafe(24)
        self._lock = threading.Lock()
        self._child: _Child | None = None
        self._used = 0.0
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The child's process id while one runs."""
        child = self._child
        return child.pid if child and child.alive else None

    def locate(self) -> Endpoint:
        """Where the model is served, started if need be. Blocks while it loads; call it before each request.

        Raises:
            LocalModelError: It cannot run here; the message says why and what to do.
        """
        with self._lock:
            if self._child is None or not self._child.alive:
                self._start()
            assert self._child is not None
            self._used = time.monotonic()
            return Endpoint(self._child.base_url, self._key)

    def close(self) -> None:
        """Stop the model, even while it loads. The engine cannot be used again."""
        self._closed = True
        child = self._child
        if child:
            child.end()  # before the lock: whoever waits for it to load holds that
        with self._lock:
            self._end()

    def _start(self) -> None:
        self._end()
        if self._closed:
            raise LocalModelError(_CLOSED)
        register_secret(self._key)
        self._child = child = _Child(self._model, self._key, find_engine(), find_weights(self._model))
        try:
            child.wait_until_ready(self._start_s)
        except BaseException:
            self._end()
            raise
        threading.Thread(target=self._stop_when_idle, args=(child,), name="local-model-idle", daemon=True).start()

    def _end(self) -> None:
        child, self._child = self._child, None
        if child:
            child.end()

    def _stop_when_idle(self, child: _Child) -> None:
        wait = self._idle_s
        while not child.over.wait(wait):
            used = self._used
            wait = used + self._idle_s - time.monotonic()
            if wait > 0:
                continue
            wait = self._idle_s
            if child.busy():
                continue
            with self._lock:
                if self._child is child and self._used == used:  # else somebody located it just now
                    self._end()


class _Child:
    """One running server process."""

    def __init__(self, model: Model, key: str, engine: Path, weights: Path) -> None:
        script = str(Path(__file__).with_name("serve.py"))
        options = {"packages": engine, "model": weights, "alias": model.name, "ctx": _CONTEXT_TOKENS, "slots": _SLOTS}
        arguments = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        self.over = threading.Event()
        self.base_url = ""
        self._model = model
        self._key = key
        self._ending = threading.Lock()
        self._said = b""
        try:
            # -I -S: nothing of the workspace, of PYTHONPATH or of site-packages is imported, see serve.py
            self._process = subprocess.Popen(
                [sys.executable, "-I", "-S", script, *arguments],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env={name: os.environ[name] for name in _INHERITED if name in os.environ} | _NO_DEBUGGER,
                creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
            )
        except OSError as error:
            raise LocalModelError(f"The local model cannot be started ({error.strerror}). Use another AI.") from error
        self._listener = threading.Thread(target=self._listen, name="local-model-stderr", daemon=True)
        self._listener.start()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def wait_until_ready(self, limit_s: float) -> None:
        """Block until the model is loaded.

        Raises:
            LocalModelError: It failed, or took too long.
        """
        late = threading.Event()
        timer = threading.Timer(limit_s, self._give_up, args=(late,))
        timer.daemon = True
        timer.start()
        try:
            line = self._talk()
            if line.endswith(b"\n"):
                self.base_url = json.loads(line)["base_url"]
                return
            code = self._process.wait()
        finally:
            timer.cancel()
        self._listener.join(_GRACE_S)
        said = self._said.decode("utf-8", "replace")
        log.info("The local model did not start (exit code %s): %s", code, said)
        if self.over.is_set():
            raise LocalModelError(_CLOSED)
        if late.is_set():
            text = f"The local model did not start within {limit_s:g} s. Try again when the machine is less busy."
            raise LocalModelError(text)
        raise LocalModelError(_explain(self._model, code, said))

    def busy(self) -> bool:
        """Whether the server is working on a request; one that does not say counts as busy."""
        connection = http.client.HTTPConnection(urlsplit(self.base_url).netloc, timeout=_ASK_S)
        try:
            connection.request("GET", "/slots", headers={"Authorization": f"Bearer {self._key}"})
            return any(slot["is_processing"] for slot in json.loads(connection.getresponse().read()))
        except (OSError, http.client.HTTPException, ValueError, LookupError, TypeError):
            return self.alive
        finally:
            connection.close()

    def end(self) -> None:
        """Stop the process: politely, then by signal. Safe to call twice and from several threads."""
        with self._ending:
            self.over.set()
            _close(self._process.stdin)
            if not self.base_url:
                self._process.terminate()  # it reads stdin only once it has loaded
            for force in (self._process.terminate, self._process.kill):
                try:
                    self._process.wait(_GRACE_S)
                    break
                except subprocess.TimeoutExpired:
                    force()
            self._process.wait()

    def _talk(self) -> bytes:
        """Hand over the key and read the line that says the model is ready; empty when the child ended instead."""
        stdin, stdout = self._process.stdin, self._process.stdout
        assert stdin is not None
        assert stdout is not None
        try:
            stdin.write(self._key.encode() + b"\n")
            stdin.flush()
            return stdout.readline()
        except (OSError, ValueError):  # it died at once, or was closed meanwhile
            return b""
        finally:
            stdout.close()

    def _give_up(self, late: threading.Event) -> None:
        late.set()
        self._process.kill()

    def _listen(self) -> None:
        stderr = self._process.stderr
        assert stderr is not None
        with stderr:
            while chunk := os.read(stderr.fileno(), 65_536):
                self._said = (self._said + chunk)[-_KEPT_OF_STDERR:]


def _close(pipe: IO[bytes] | None) -> None:
    try:
        if pipe:
            pipe.close()
    except OSError:
        pass  # unsent bytes for a process that is gone


def _explain(model: Model, code: int, said: str) -> str:
    """One sentence for a child that ended before it was ready, with the next step."""
    for pattern, sentence in _CAUSES:
        if pattern.search(said):
            return sentence if isinstance(sentence, str) else sentence(model)
    match code:
        case -9 | 137:
            return _no_memory(model)
        case -4 | 132:
            return _OLD_PROCESSOR
        case _:
            how = f"ended while it started (exit code {code})"
            return f"{model.title} {how}. Run: {model.command}; or use another AI."
