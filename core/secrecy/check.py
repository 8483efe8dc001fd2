"""Whether a file is, or holds, a secret: by its name, by what git ignores it for, and by what stands in it."""

from __future__ import annotations

import os
import re
from pathlib import Path, PurePath

from core.git_patterns import good_patterns
from core.redact import holds_known_secret
from core.secrecy.names import is_harmless, named_like_a_secret
from core.secrecy.scan import find_secret, without_invisible

_SECRET_WORDS = re.compile(r"secret|credential|passw|token|private|\bkeys?\b|_key|key_|\.env|\.pem|\.key", re.I)
_BEGINNINGS = ("sk-", "AIza", "xai", "gsk", "pplx")
_KEYS = re.compile(r"\bsk-[\w-]{20,300}|\bAIza[\w-]{30,60}|\b(?:xai|gsk|pplx)[-_][A-Za-z0-9]{20,200}")
_LONGEST_IGNORE_FILE = 1_000_000


def secret_name(path: Path, root: Path) -> str | None:
    """Why the file at *path* is taken for a secret by its place and name; None when it is not."""
    inside = path.relative_to(root)
    if reason := named_like_a_secret(PurePath(*root.parts[1:], inside)):
        return reason
    if is_harmless(path.name):
        return None
    if (pattern := _ignored_for(path, root)) and _SECRET_WORDS.search(pattern):
        return f"git ignores it by the pattern {pattern!r}, which is one for secrets"
    return None


def holds_key(text: str) -> bool:
    """Whether *text* holds what looks like an API key or a private key; microseconds, for texts by the thousand."""
    if any(beginning in text for beginning in _BEGINNINGS) and _KEYS.search(text):  # a pattern takes ten times as long
        return True
    return "PRIVATE KEY-----" in text or holds_known_secret(text)  # not ours


def secret_in(text: str, name: str) -> str | None:
    """What secret *text* holds and in which line; None when none is known."""
    readable = without_invisible(text)
    if holds_known_secret(readable):
        line = next((n for n, one in enumerate(readable.split("\n"), 1) if holds_known_secret(one)), 1)
        return f"line {line} holds a key that is in use"
    found = find_secret(readable, name)
    return f"line {found[1]} holds what looks like a secret ({found[0]})" if found else None


def _ignored_for(path: Path, root: Path) -> str | None:
    """The pattern by which git ignores *path*; None when it does not. Git itself is not asked: it runs programs."""
    top = next((place for place in path.parents if os.path.lexists(place / ".git")), root)
    for folder in path.parents:  # the nearest file has the last word
        if folder == folder.parent or not folder.is_relative_to(min(top, root, key=lambda one: len(one.parts))):
            break
        if (found := _ignored_by(folder / ".gitignore", path.relative_to(folder).as_posix())) is not None:
            return found or None
    beside = (top / ".git" / "info" / "exclude", Path.home() / ".config" / "git" / "ignore")
    return next((found for file in beside if (found := _ignored_by(file, path.relative_to(top).as_posix()))), None)


def _ignored_by(file: Path, name: str) -> str | None:
    """The pattern in *file* that says that *name* is ignored; empty when one says that it is not."""
    try:
        if file.is_symlink() or not file.is_file() or file.stat().st_size > _LONGEST_IGNORE_FILE:
            return None
        lines = file.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return None
    found = good_patterns(tuple(lines)).check_file(name)
    if found.include is None or found.index is None:
        return None
    return lines[found.index].strip() if found.include else ""
