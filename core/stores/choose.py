"""Where Moot keeps what its processes share: files in the data folder, or the database that MOOT_STORE names."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol, TypeVar

from core.errors import ConfigError, StoreError
from core.paths import data_dir
from core.stores.owners import Owner
from core.stores.sqlite import Durability, Store, now

T = TypeVar("T")
_SCHEMES = ("postgresql://", "postgres://")


class AnyStore(Protocol):
    """What the stores of `sqlite.py` and `postgres.py` have in common; their docstrings say what each does."""

    @property
    def problem(self) -> str | None: ...
    @property
    def lost(self) -> int: ...
    def exists(self) -> bool: ...
    def post(self, operation: Callable[[Any], Any], /) -> None: ...
    def submit(self, operation: Callable[[Any], T], /, *, patient: bool = False, hurried: bool = True) -> Future[T]: ...
    def read(self, operation: Callable[[Any], T], /) -> T: ...
    def clock(self) -> float: ...
    def close(self) -> None: ...


def store_url() -> str | None:
    """The database of a fleet; None for a single machine.

    Raises:
        ConfigError: MOOT_STORE names something else.
    """
    url = os.environ.get("MOOT_STORE", "").strip()
    if not url:
        return None
    if not url.startswith(_SCHEMES):
        raise ConfigError(
            "MOOT_STORE must begin with postgresql://. Correct it, or unset it to keep everything on this machine."
        )
    return url


def open_store(
    name: str,
    migrations: Sequence[str],
    *,
    folder: Path | None = None,
    durability: Durability = "FULL",
    spacing_s: float = 0.0,
    calm_s: float = 0.0,
    serial: bool = False,
) -> AnyStore:
    """The store called *name*. Opens nothing yet. Where MOOT_STORE is wrong its `problem` says so: calls go on without.

    Args:
        migrations: What makes the file `NAME.db`; for PostgreSQL it is in `core.stores.cluster_schema`.
        spacing_s: How far apart commits to the file are at least, as long as nobody waits for one.
        calm_s: How long after a commit to the file those who wait for the next one have others join it.
        folder: Where the file is, if not in the data folder.
        serial: Whether transactions must run one after the other; in a file they always do.
    """
    try:
        if (url := store_url()) is None:
            path = (folder or data_dir()) / f"{name}.db"
            return Store(path, migrations, durability=durability, spacing_s=spacing_s, calm_s=calm_s)
        require_extra()
        from core.stores.postgres import PostgresStore

        return PostgresStore(url, name, serial=serial, durable=durability == "FULL")
    except ConfigError as error:
        return _Unusable(str(error))


def is_shared(store: AnyStore) -> bool:
    """Whether other machines use *store* as well."""
    return not isinstance(store, Store | _Unusable)


class _Unusable:
    """What there is instead of a store that MOOT_STORE names wrongly."""

    lost = 0

    def __init__(self, problem: str) -> None:
        self.problem = problem
        self.clock = now

    def exists(self) -> bool:
        return True

    def post(self, operation: Callable[[Any], Any], /) -> None:
        """Nothing is recorded; `problem` says why."""

    def submit(self, operation: Callable[[Any], T], /, *, patient: bool = False, hurried: bool = True) -> Future[T]:
        refused: Future[T] = Future()
        refused.set_exception(StoreError(self.problem))
        return refused

    def read(self, operation: Callable[[Any], T], /) -> T:
        raise StoreError(self.problem)

    def close(self) -> None:
        """Nothing was opened."""


class Presence(Protocol):
    """This process, as the others that share a store see it."""

    name: str

    def register(self, connection: Any, /) -> bool:
        """Let the others know that we live; True when they did not. Inside a transaction of the store."""

    def alive(self, other: str, connection: Any, /) -> bool: ...
    def bury(self, other: str, /) -> None: ...
    def close(self) -> None: ...


class _Process:
    """On one machine: the operating system's lock."""

    def __init__(self, folder: Path) -> None:
        self._owner = Owner(folder)
        self.name = self._owner.name

    def register(self, connection: Any, /) -> bool:
        return self._owner.register()

    def alive(self, other: str, connection: Any, /) -> bool:
        return self._owner.alive(other)

    def bury(self, other: str, /) -> None:
        self._owner.bury(other)

    def close(self) -> None:
        self._owner.close()


def open_presence(store: AnyStore, folder: Path) -> Presence:
    """This process, among those that share *store*: of this machine, with files in *folder*, or of a fleet."""
    if not is_shared(store):
        return _Process(folder)
    from core.stores.postgres import Session

    return Session()


def require_extra() -> None:
    """Make sure that what PostgreSQL needs is installed.

    Raises:
        ConfigError: It is not.
    """
    if not all(find_spec(name) for name in ("procrastinate", "psycopg", "psycopg_pool")):
        raise ConfigError(
            "MOOT_STORE names a PostgreSQL database, and the extra for it is not installed. "
            "Install it: pip install 'moot-mcp[cluster]'"
        )
