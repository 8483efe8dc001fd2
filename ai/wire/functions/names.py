"""Names and ids that a protocol takes, for those that it refuses: the same ones each time, and no two alike."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping

FUNCTION = re.compile(r"[A-Za-z_][A-Za-z0-9_-]{0,63}")
"""What every provider takes as the name of a function; Gemini alone insists on how it begins."""
_LONGEST = 64
_DIGEST = 8


def legal(names: Iterable[str], pattern: re.Pattern[str]) -> Mapping[str, str]:
    """For each of *names* one that fits *pattern*: itself where it does. Only the names and their order decide."""
    found = {name: name for name in names}
    taken = set(filter(pattern.fullmatch, found))
    for name in [one for one in found if one not in taken]:
        found[name] = _free(name, pattern, taken)
        taken.add(found[name])
    return found


def legal_id(id_: str, pattern: re.Pattern[str]) -> str:
    """*id_*, or what stands for it where *pattern* does not take it; in any request the same."""
    if pattern.fullmatch(id_):
        return id_
    digest = hashlib.sha256(id_.encode("utf-8", "replace")).hexdigest()
    return next(cut for cut in (f"call_{digest[:24]}", digest[:9]) if pattern.fullmatch(cut))


def _free(name: str, pattern: re.Pattern[str], taken: set[str]) -> str:
    digest = hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:_DIGEST]
    cleaned = re.sub(r"[^A-Za-z0-9_-]+", "_", name) or "unnamed"
    if not re.match(r"[A-Za-z_]", cleaned):
        cleaned = f"_{cleaned}"
    whole = cleaned if len(cleaned) <= _LONGEST else f"{cleaned[: _LONGEST - _DIGEST - 1]}_{digest}"
    if whole not in taken and pattern.fullmatch(whole):
        return whole
    return f"{cleaned[: _LONGEST - _DIGEST - 1]}_{digest}"
