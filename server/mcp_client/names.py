"""What a borrowed tool is called for a model, and which names look like one another."""

from __future__ import annotations

import hashlib
import re
import unicodedata

_LONGEST = 64
_ILLEGAL = re.compile(r"[^A-Za-z0-9_-]")
_PLAIN = re.compile(r"[!-~]{1,128}")
_SIGNS = re.compile(r"[\W_]+")
_LOOKS = str.maketrans(
    dict(zip("аеорсухѕԁһαορν", "aeopcyxsdhaopv", strict=True)) | dict.fromkeys("1iіӏι", "l") | {"0": "o"}
)
"""Digits, and the letters of Cyrillic and Greek, that look like a Latin one."""


def offered_name(server: str, tool: str) -> str:
    """The name by which a model calls *tool* of *server*: `SERVER__tool`, of letters that every provider takes.

    Two tools never share one: where a letter had to be replaced or left out, a hash of the whole name ends it.
    """
    plain = f"{server}__{tool}"
    unclear = "__" in server or server.endswith("_")
    if not unclear and len(plain) <= _LONGEST and not _ILLEGAL.search(plain):
        return plain
    mark = hashlib.sha256(f"{server}\0{tool}".encode("utf-8", "surrogatepass")).hexdigest()[:8]
    return f"{_ILLEGAL.sub('_', plain)[: _LONGEST - 9]}_{mark}"


def is_plain(name: str) -> bool:
    """Whether *name* is visible ASCII alone, as the protocol wants: no letter in it can pass for another."""
    return _PLAIN.fullmatch(name) is not None


def looks(name: str) -> str:
    """What *name* looks like at a glance: the same for names that could be mistaken for one another."""
    folded = unicodedata.normalize("NFKC", name).casefold()
    return _SIGNS.sub("", folded.translate(_LOOKS))
