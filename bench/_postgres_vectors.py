"""How long a search among many vectors takes in PostgreSQL, exactly and by HNSW in turns, and what it misses."""

from __future__ import annotations

import sys
import time
from contextlib import ExitStack
from pathlib import Path
from statistics import median, quantiles
from typing import Any

from _measure import ROOT, Figure, exact, figure

MANY, WIDE, ASKED, TOPICS = 100_000, 256, 60, 500
_AT_ONCE = 5_000


def in_postgres(folder: Path, stack: ExitStack) -> list[Figure]:
    """Needs the package with PostgreSQL that the tests need."""
    sys.path.append(str(ROOT / "tests" / "support"))
    from postgres_server import postgres_server

    from core.memory import pgvector_index
    from core.memory.pgvector_near import MANY as WORTH
    from core.memory.pgvector_near import Approximate
    from core.memory.threads import USER, Threads, Turn
    from core.stores.pg_connection import Address, Connection

    url = stack.enter_context(postgres_server(safe=True)).database(ready=False)
    threads = Threads(folder / "postgres.db")
    stack.callback(threads.close)
    threads.add("a", [Turn(USER, "x")]).result()
    index = pgvector_index.PostgresIndex(url, threads.store)
    stack.callback(index.close)
    _fill(index)
    connection = Connection(Address(url).connect("moot_memory"))
    stack.callback(connection.close)
    made = Approximate("bench", WIDE)
    made.make(connection)
    assert made.stands(connection)
    times: dict[bool, list[float]] = {False: [], True: []}
    found = 0
    for vector in _vectors(ASKED, 1):
        near: dict[bool, list[int]] = {}
        for by_index in (False, True):
            pgvector_index.MANY = WORTH if by_index else MANY
            started = time.perf_counter()
            near[by_index] = [one.turn for one in index.nearest("bench", None, vector, most=60)]
            times[by_index].append(1_000 * (time.perf_counter() - started))
        found += len(set(near[False][:5]) & set(near[True][:5]))
    pgvector_index.MANY = WORTH
    missed = 100 - 100 * found / (5 * ASKED)
    slow, quick = (quantiles(times[by_index], n=20)[-1] for by_index in (False, True))
    label = f"a search among {MANY:,} vectors in PostgreSQL"
    return [
        figure(
            f"{label}, compared exactly, 95th percentile", [slow], unit="ms", note=f"median {median(times[False]):.1f}"
        ),
        figure(f"{label}, by HNSW, 95th percentile", [quick], unit="ms", note=f"median {median(times[True]):.1f}"),
        exact("HNSW takes, of what comparing exactly takes", 100 * quick / slow, bound=50, unit="%"),
        exact("of the nearest five HNSW misses, points", missed, bound=2, unit="points"),
    ]


def _fill(index: Any) -> None:
    from core.memory.index import Part

    for start in range(0, MANY, _AT_ONCE):
        parts = [Part((start + at) // 500, start + at + 1) for at in range(_AT_ONCE)]
        index.add("bench", parts, _vectors(_AT_ONCE, 2 + start))


def _vectors(many: int, seed: int) -> Any:
    """Vectors around the middles of TOPICS, as texts on as many matters have them."""
    import numpy as np

    middles = np.random.default_rng(0).normal(size=(TOPICS, WIDE))
    chance = np.random.default_rng(seed)
    made = middles[chance.integers(0, TOPICS, many)] + 0.8 * chance.normal(size=(many, WIDE))
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)
