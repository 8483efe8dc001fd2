"""How the embedders cut a text: the pieces of Llama 2 and of BERT, read from the `tokenizer.json` beside the weights.

In plain Python, since both cut word by word and a word is cut once; the package that does it otherwise is 12 MB and
brings a client of a model hub.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

_KEPT_WORDS = 50_000
_LONGEST_WORD = 100
_BLANK = "\u2581"
_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"
_SPACED = re.compile(f"([{_HAN}])")


class BytePairs:
    """Llama 2's pieces: pairs of neighbours are joined, those first that were learned first; the rest are bytes."""

    def __init__(self, file: Path) -> None:
        model = _read(file)["model"]
        self._numbers: dict[str, int] = model["vocab"]
        pairs = (tuple(one.split(" ", 1)) if isinstance(one, str) else tuple(one) for one in model["merges"])
        self._ranks: dict[tuple[str, ...], int] = {pair: rank for rank, pair in enumerate(pairs)}
        self._word = _remembering(self._cut)

    def __call__(self, text: str) -> list[int]:
        """The numbers of the pieces of *text*."""
        found: list[int] = []
        for word in text.split():
            found += self._word(_BLANK + word)
        return found

    def _cut(self, word: str) -> list[int]:
        if len(word) > 4 * _LONGEST_WORD:  # no word: joining its pairs would take the square of its length
            return [
                number for at in range(0, len(word), _LONGEST_WORD) for number in self._cut(word[at:][:_LONGEST_WORD])
            ]
        parts = list(word)
        while len(parts) > 1:
            ranks = [self._ranks.get(pair, len(self._ranks)) for pair in pairwise(parts)]
            first = min(ranks)
            if first == len(self._ranks):
                break
            at = ranks.index(first)
            parts[at : at + 2] = [parts[at] + parts[at + 1]]
        return [number for part in parts for number in self._numbers_of(part)]

    def _numbers_of(self, part: str) -> list[int]:
        if (number := self._numbers.get(part)) is not None:
            return [number]
        return [self._numbers[f"<0x{byte:02X}>"] for byte in part.encode("utf-8", "replace")]


class WordPieces:
    """BERT's pieces: of each word the longest beginning that is known, then the longest of the rest."""

    def __init__(self, file: Path) -> None:
        self._numbers: dict[str, int] = _read(file)["model"]["vocab"]
        self._unknown = self._numbers["[UNK]"]
        self._word = _remembering(self._cut)

    def __call__(self, text: str, *, most: int) -> list[int]:
        """The numbers of at most *most* pieces of *text*, between those that open and end one."""
        plain = "".join(" " if sign.isspace() else sign for sign in text if not _is_control(sign))
        bare = unicodedata.normalize("NFD", _SPACED.sub(r" \1 ", plain).lower())
        bare = "".join(sign for sign in bare if unicodedata.category(sign) != "Mn")
        found: list[int] = []
        for word in bare.split():
            found += self._word(word)
            if len(found) >= most - 2:
                break
        return [self._numbers["[CLS]"], *found[: most - 2], self._numbers["[SEP]"]]

    def _cut(self, word: str) -> list[int]:
        return [number for part in _at_punctuation(word) for number in self._longest(part)]

    def _longest(self, word: str) -> list[int]:
        if len(word) > _LONGEST_WORD:
            return [self._unknown]
        found, start = [], 0
        while start < len(word):
            for end in range(len(word), start, -1):
                part = word[start:end] if start == 0 else f"##{word[start:end]}"
                if (number := self._numbers.get(part)) is not None:
                    found.append(number)
                    start = end
                    break
            else:
                return [self._unknown]
        return found


def _read(file: Path) -> Any:
    return json.loads(file.read_text(encoding="utf-8"))


def _remembering(cut: Callable[[str], list[int]]) -> Callable[[str], list[int]]:
    known: dict[str, list[int]] = {}

    def word(text: str) -> list[int]:
        found = known.get(text)
        if found is None:
            if len(known) >= _KEPT_WORDS:
                known.clear()  # the common ones are back at once
            found = known[text] = cut(text)
        return found

    return word


def _is_control(sign: str) -> bool:
    return sign in "\x00\ufffd" or (sign not in "\t\n\r" and unicodedata.category(sign).startswith("C"))


def _at_punctuation(word: str) -> list[str]:
    """*word* cut before and after every mark; BERT takes all of ASCII that is no letter or digit for one."""
    parts: list[str] = []
    fresh = True
    for sign in word:
        mark = not sign.isalnum() if sign.isascii() else unicodedata.category(sign).startswith("P")
        if mark or fresh:
            parts.append(sign)
        else:
            parts[-1] += sign
        fresh = mark
    return parts
