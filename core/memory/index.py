"""What every index by meaning can do, wherever it is kept: numbers of turns and vectors, never a word."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

Matrix = Any
"""A numpy array of float32, a row for each text, each of length 1; numpy is imported where it is needed alone."""


@dataclass(frozen=True, slots=True)
class Part:
    """A part of a turn: the numbers of its thread, of the turn, and of the part in it."""

    thread: int
    turn: int
    part: int = 0


@dataclass(frozen=True, slots=True)
class Near:
    """A turn, by its part that is nearest; `similarity` is the cosine."""

    turn: int
    part: int
    similarity: float


class VectorIndex(Protocol):
    """Vectors of turns. Everything blocks, and raises StoreError with one sentence where it cannot be reached.

    The words stay in `threads.db`, so that an index that is lost is only made anew (`Memory.catch_up`).
    """

    name: str
    """What it is called in `threads.db`, and by `moot memory status`: `sqlite`, `chroma`, `postgres`."""

    def add(self, embedder: str, parts: Sequence[Part], vectors: Matrix) -> None:
        """Keep the vectors of *parts*, instead of those that are there."""

    def nearest(self, embedder: str, threads: Collection[int] | None, vector: Matrix, *, most: int) -> list[Near]:
        """The turns of *threads* (None: of this file) nearest to *vector*, best first; each once."""

    def forget(self, turns: Sequence[int]) -> None:
        """Delete every vector of *turns*, by whatever embedder."""

    def drop(self, embedder: str) -> None:
        """Delete all that *embedder* made."""

    def count(self, embedder: str) -> int:
        """How many vectors of *embedder* there are."""

    def close(self) -> None:
        """Let go of connections."""


class Embedder(Protocol):
    """Makes vectors of texts."""

    name: str
    """Changes whenever the vectors do: by it an index knows whose it is."""

    at_hand: bool
    """Whether it costs next to nothing: then what is new is indexed before a search."""

    floor: float
    """A likeness below it tells nothing: two texts that have nothing to do with each other have as much."""

    def embed(self, texts: Sequence[str]) -> Matrix:
        """A row for each text. Blocks.

        Raises:
            MootError: It cannot, for the reason it says.
        """
