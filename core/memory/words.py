"""What is looked for in a question: its words without those that everybody uses, and pairs of signs in scripts
that put no blanks between words."""

from __future__ import annotations

import re
import unicodedata
from functools import cache, lru_cache
from pathlib import Path

UNSPACED = (
    "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0003ffff"
)
"""Thai, Lao, Burmese, Khmer, Japanese and Chinese."""
_RUNS = re.compile(f"[{UNSPACED}]+")
_WORD = re.compile(r"[^\W_]+")
_MOST_WORDS = 24


def folded(word: str) -> str:
    """*word* as the index by words has it, but for its ending: in small letters, without accents."""
    plain = unicodedata.normalize("NFKD", word.casefold())
    return "".join(sign for sign in plain if not unicodedata.combining(sign))


@cache
def _stop_words() -> frozenset[str]:
    """Words that tell nothing in a question, of four languages; none that means something in another of them."""
    text = Path(__file__).with_name("stop_words.txt").read_text(encoding="utf-8")
    lines = [line for line in text.splitlines() if not line.startswith("#")]
    return frozenset(map(folded, " ".join(lines).split()))


@lru_cache(maxsize=512)
def terms(question: str) -> tuple[str, ...]:
    """The words of *question* that are worth looking for, each once; all of them where none is."""
    spaced = _RUNS.sub(" ", question)
    found = list(dict.fromkeys(map(folded, _WORD.findall(spaced))))
    telling = [word for word in found if word not in _stop_words() and (len(word) > 1 or word.isdigit())]
    return tuple((telling or found)[:_MOST_WORDS])


def pairs(text: str) -> str:
    """Every two neighbours of the signs that stand without blanks in *text*, or one that stands alone."""
    return " ".join(" ".join(_grams(run)) for run in _RUNS.findall(text))


def gram_terms(question: str) -> tuple[str, ...]:
    """`pairs` of *question*, each once."""
    return tuple(dict.fromkeys(pairs(question).split()))[:_MOST_WORDS]


def _grams(run: str) -> list[str]:
    return [run[at : at + 2] for at in range(len(run) - 1)] or [run]
