"""An embedder that needs no model, and indexes that are not the file."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from core.errors import StoreError
from core.memory.index import Near, Part


class Lengths:
    """Vectors by how long a text is."""

    name = "lengths"
    at_hand = False
    floor = 0.0

    def embed(self, texts: Sequence[str]) -> Any:
        import numpy as np

        rows = np.array([[1, len(text)] for text in texts], np.float32)
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


class Elsewhere:
    """An index on a server, which can be away."""

    name = "elsewhere"

    def __init__(self) -> None:
        self.parts: set[Part] = set()

    def add(self, embedder: str, parts: Sequence[Part], vectors: Any) -> None:
        self.parts |= set(parts)

    def nearest(self, embedder: str, threads: Any, vector: Any, *, most: int) -> list[Near]:
        return []

    def forget(self, turns: Sequence[int]) -> None:
        self.parts = {part for part in self.parts if part.turn not in turns}

    def drop(self, embedder: str) -> None:
        self.parts = set()

    def count(self, embedder: str) -> int:
        return len(self.parts)

    def close(self) -> None: ...


class Away(Elsewhere):
    """An index that cannot be reached, and never was."""

    def add(self, *_: Any) -> None:
        raise StoreError("It is away.")

    count = nearest = forget = drop = add  # type: ignore[assignment]
