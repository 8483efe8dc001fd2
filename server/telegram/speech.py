"""What the bot says, in the language of whoever it speaks to. One more language is one more file in `words/`."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

OTHERWISE = "en"
_FOLDER = Path(__file__).with_name("words")


@cache
def languages() -> tuple[str, ...]:
    """The languages there are, the one for everybody else first."""
    found = sorted(file.stem for file in _FOLDER.glob("*.json"))
    return (OTHERWISE, *(one for one in found if one != OTHERWISE))


def words(language: str) -> dict[str, str]:
    """All sentences in *language*, a code such as `pt` or `pt-br`; in English where there is no translation."""
    code = language.partition("-")[0].lower()
    return _read(code if code in languages() else OTHERWISE)


@cache
def _read(known: str) -> dict[str, str]:
    found: dict[str, str] = json.loads((_FOLDER / f"{known}.json").read_text(encoding="utf-8"))
    return found


def say(language: str, sentence: str, /, **values: object) -> str:
    """The *sentence* of that name, with *values* in their places."""
    return words(language)[sentence].format(**values)
