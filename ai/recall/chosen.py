"""Which embedder and which index are configured, opened once for a process."""

from __future__ import annotations

import os
import struct
import threading
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary

from ai.local.vectors import MINILM as MINILM_MODEL
from ai.local.vectors import STATIC as STATIC_MODEL
from ai.local.vectors import VectorModel, find_vectors, have_numpy
from ai.recall.endpoint_vectors import EndpointVectors, name_of
from core.errors import LocalModelError, MootError
from core.memory.index import Embedder, VectorIndex
from core.memory.memory import Memory
from core.memory.sqlite_index import SqliteIndex
from core.memory.threads import Threads
from core.recalling import MINILM, NONE, STATIC, MemoryConfig
from core.stores.choose import store_url

if TYPE_CHECKING:
    from ai.roster.roster import Roster
    from ai.runs.run import Run

CHROMA_URL = "CHROMA_URL"
_BACKENDS = {"here": "sqlite", "chroma": "chroma", "postgres": "postgres"}
"""What the kinds of the configuration are called by their indexes."""
_NO_NUMPY = "Searching by meaning needs numpy, which is not installed. Run: moot memory install"
_lock = threading.Lock()
_opened: dict[str, Embedder] = {}
_indexes: WeakKeyDictionary[Threads, dict[str, VectorIndex]] = WeakKeyDictionary()
"""An index remembers what it has read; a memory is opened for each run."""


def open_memory(threads: Threads, config: MemoryConfig, run: Run | None = None) -> Memory:
    """The memory of what is kept in *threads*. Blocks: it may read weights of some megabytes.

    Args:
        run: Asks the AI that makes vectors, where one is configured for it.
    """
    embedder, lacking, index = None, "", None
    try:
        embedder = _embedder(config.embedder, run)
        index = _index(threads, config)
    except MootError as error:
        embedder, lacking = None, str(error)
    if embedder is not None and not have_numpy():
        embedder, lacking = None, _NO_NUMPY
    older, elsewhere = partial(_older, run=run), partial(_elsewhere, threads)
    return Memory(threads, index=index, embedder=embedder, older=older, elsewhere=elsewhere, lacking=lacking)


def index_name(config: MemoryConfig, roster: Roster) -> str:
    """What the index is called that is configured, such as `sqlite/wordllama-256`; empty: words alone. Loads nothing.

    Raises:
        MootError: There is no such AI.
    """
    if config.embedder == NONE:
        return ""
    local = {STATIC: STATIC_MODEL, MINILM: MINILM_MODEL}.get(config.embedder)
    embedder = local.name if local else name_of(roster, config.embedder)
    return f"{_BACKENDS[index_kind(config)]}/{embedder}"


def is_configured(backend: str) -> bool:
    """Whether *backend*, as an index calls it, can be reached as things are configured."""
    wanted = {"chroma": os.environ.get(CHROMA_URL, "").strip(), "postgres": store_url()}
    return backend == _BACKENDS["here"] or bool(wanted.get(backend))


def index_kind(config: MemoryConfig) -> str:
    """Where vectors are: `here`, `chroma` or `postgres`."""
    if config.index is not None:
        return config.index
    if os.environ.get(CHROMA_URL, "").strip():
        return "chroma"
    return "postgres" if store_url() else "here"


def _embedder(name: str, run: Run | None) -> Embedder | None:
    if name == NONE:
        return None
    if name in (STATIC, MINILM):
        return _local(STATIC_MODEL if name == STATIC else MINILM_MODEL)
    return EndpointVectors(run, name) if run is not None else None


def _local(model: VectorModel) -> Embedder:
    with _lock:
        if model.name not in _opened:
            files = find_vectors(model)
            if not have_numpy():
                raise LocalModelError("numpy is not installed. Run: moot memory install")
            try:
                _opened[model.name] = _class_of(model)(*files.values())
            except (OSError, ValueError, KeyError, TypeError, ImportError, struct.error) as error:
                text = f"{model.title} for searching by meaning cannot be read. Run: {model.command}"
                raise LocalModelError(text) from error
        return _opened[model.name]


def _class_of(model: VectorModel) -> Callable[..., Embedder]:
    if model is STATIC_MODEL:
        from core.memory.static_vectors import StaticVectors

        return StaticVectors
    from core.memory.minilm import MiniLM

    return MiniLM


def _older(name: str, run: Run | None) -> Embedder | None:
    """The embedder that made an index before the configuration changed, if it is one of this machine."""
    for model in (STATIC_MODEL, MINILM_MODEL):
        if model.name == name:
            try:
                return _local(model)
            except MootError:
                return None
    return None


def _index(threads: Threads, config: MemoryConfig) -> VectorIndex:
    return _index_of(index_kind(config), threads)


def _elsewhere(threads: Threads, backend: str) -> VectorIndex | None:
    """The index called *backend*, which was used before; None where it is not configured any more."""
    return _index_of(backend, threads) if is_configured(backend) else None


def _index_of(kind: str, threads: Threads) -> VectorIndex:
    with _lock:
        known = _indexes.setdefault(threads, {})
        if kind not in known:
            known[kind] = _opened_index(kind, threads)
            threads.close_with(partial(_close, known[kind], known, kind))
        return known[kind]


def _close(index: VectorIndex, known: dict[str, VectorIndex], kind: str) -> None:
    known.pop(kind, None)
    index.close()


def _opened_index(kind: str, threads: Threads) -> VectorIndex:
    if kind == "chroma":
        from core.memory.chroma_index import ChromaIndex

        return ChromaIndex(os.environ.get(CHROMA_URL, ""), threads.store)
    if kind == "postgres":
        from core.memory.pgvector_index import PostgresIndex

        return PostgresIndex(store_url() or "", threads.store)
    return SqliteIndex(threads)
