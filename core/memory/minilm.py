"""all-MiniLM-L6-v2 (Apache License 2.0) by numpy alone: a text of at most 256 pieces as 384 numbers, in some 10 ms."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from core.memory.index import Matrix
from core.memory.pieces import WordPieces
from core.memory.static_vectors import of_length_one
from core.memory.tensors import tensors

_LAYERS, _HEADS, _WIDTH, _LONGEST = 6, 12, 384, 256
_AT_ONCE = 32


class MiniLM:
    """An `Embedder` of the files *tokenizer* and *weights*."""

    name = "all-minilm-l6-v2"
    at_hand = False
    floor = 0.2

    def __init__(self, tokenizer: Path, weights: Path) -> None:
        import numpy as np

        self._pieces = WordPieces(tokenizer)
        self._weights = tensors(weights)
        self._asked: list[tuple[Matrix, Matrix]] = []
        for layer in range(_LAYERS):
            names = [f"encoder.layer.{layer}.attention.self.{part}" for part in ("query", "key", "value")]
            joined = np.concatenate([self._weights[f"{name}.weight"] for name in names]).T
            biases = np.concatenate([self._weights[f"{name}.bias"] for name in names])
            self._asked.append((np.ascontiguousarray(joined), biases))

    def embed(self, texts: Sequence[str]) -> Matrix:
        import numpy as np

        pieces = [self._pieces(text, most=_LONGEST) for text in texts]
        order = sorted(range(len(texts)), key=lambda at: len(pieces[at]))  # little is filled up where lengths agree
        found = np.empty((len(texts), _WIDTH), np.float32)
        for start in range(0, len(order), _AT_ONCE):
            some = order[start : start + _AT_ONCE]
            longest = max(len(pieces[at]) for at in some)
            numbers = np.array([pieces[at] + [0] * (longest - len(pieces[at])) for at in some])
            there = np.array([[1.0] * len(pieces[at]) + [0.0] * (longest - len(pieces[at])) for at in some], np.float32)
            found[some] = self._run(numbers, there)
        return found

    def _run(self, numbers: Matrix, there: Matrix) -> Matrix:
        import numpy as np

        known = self._weights
        many, longest = numbers.shape
        words = "embeddings.word_embeddings.weight"
        flow = known[words][numbers] + known["embeddings.position_embeddings.weight"][:longest]
        flow = self._normed(flow + known["embeddings.token_type_embeddings.weight"][0], "embeddings.LayerNorm")
        hidden = (1 - there)[:, None, None, :] * np.float32(-1e9)
        for layer, (weights, biases) in enumerate(self._asked):
            name = f"encoder.layer.{layer}"
            split = (flow.reshape(-1, _WIDTH) @ weights + biases).reshape(many, longest, 3, _HEADS, -1)
            query, key, value = split.transpose(2, 0, 3, 1, 4)
            looks = query @ key.transpose(0, 1, 3, 2) / np.float32((_WIDTH // _HEADS) ** 0.5) + hidden
            looks = np.exp(looks - looks.max(-1, keepdims=True))
            looks /= looks.sum(-1, keepdims=True)
            seen = (looks @ value).transpose(0, 2, 1, 3).reshape(many, longest, _WIDTH)
            flow = self._normed(
                flow + self._dense(seen, f"{name}.attention.output.dense"), f"{name}.attention.output.LayerNorm"
            )
            thought = _gelu(self._dense(flow, f"{name}.intermediate.dense"))
            flow = self._normed(flow + self._dense(thought, f"{name}.output.dense"), f"{name}.output.LayerNorm")
        return of_length_one((flow * there[..., None]).sum(1) / there.sum(1, keepdims=True))

    def _dense(self, flow: Matrix, name: str) -> Matrix:
        return flow @ self._weights[f"{name}.weight"].T + self._weights[f"{name}.bias"]

    def _normed(self, flow: Matrix, name: str) -> Matrix:
        import numpy as np

        mean = flow.mean(-1, keepdims=True)
        spread = ((flow - mean) ** 2).mean(-1, keepdims=True)
        return (flow - mean) / np.sqrt(spread + 1e-12) * self._weights[f"{name}.weight"] + self._weights[f"{name}.bias"]


def _gelu(flow: Matrix) -> Matrix:
    """By Abramowitz and Stegun, 7.1.26, whose error is below that of float32."""
    import numpy as np

    size = np.abs(flow) * np.float32(0.70710678)
    part = 1 / (1 + np.float32(0.3275911) * size)
    factors = (1.061405429, -1.453152027, 1.421413741, -0.284496736, 0.254829592)
    total = np.zeros_like(flow)
    for factor in factors:
        total = (total + np.float32(factor)) * part
    return np.float32(0.5) * flow * (1 + np.sign(flow) * (1 - total * np.exp(-size * size)))
