"""What another AI, a file or a web page says is data: it is cleaned, and put between fences nobody can guess.

A text inside a fence can forge neither the end of the fence nor another author's words, since it would have to know
a token that is drawn anew for every run (spotlighting by delimiting, Hines et al. 2024, arXiv 2403.14720).
"""

from __future__ import annotations

import random
import re

_CONTROL = re.compile(r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066-\u2069]")


def clean(text: str) -> str:
    """*text* without terminal escapes, control, invisible and direction-changing characters."""
    return _CONTROL.sub("", text)


def is_text(value: str) -> bool:
    """Whether *value* is text through and through: bytes that were none come out of Python as lone surrogates."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Fence:
    """One fence, for all that is quoted in one prompt.

    Args:
        rng: Where the token comes from. A run's own generator makes the same prompt again when the run is resumed.
    """

    def __init__(self, rng: random.Random) -> None:
        self._token = f"{rng.getrandbits(48):012x}"

    def around(self, kind: str, text: str, *, longest: int | None = None, **attributes: str) -> str:
        """*text* as a block of *kind*; anything past *longest* characters is cut, and says so."""
        body = clean(text)
        if longest is not None and len(body) > longest:
            body = f"{body[:longest]}\n[cut: {len(body) - longest:,} more characters]"
        said = "".join(f' {name}="{_on_one_line(value)}"' for name, value in attributes.items())
        return f"<{kind}-{self._token}{said}>\n{body}\n</{kind}-{self._token}>"


def _on_one_line(value: str) -> str:
    return " ".join(clean(value).split()).replace('"', "'")
