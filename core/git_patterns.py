"""Patterns as git reads them (https://git-scm.com/docs/gitignore), over pathspec."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

_CLASSES = {
    "alnum": "0-9A-Za-z",
    "alpha": "A-Za-z",
    "blank": " \t",
    "digit": "0-9",
    "lower": "a-z",
    "space": " \t\n\r\f\v",
    "upper": "A-Z",
    "word": "0-9A-Za-z_",
    "xdigit": "0-9A-Fa-f",
}
"""POSIX classes, which git knows and pathspec takes for single letters."""
_CLASS = re.compile(rf"\[:({'|'.join(_CLASSES)}):\]")


@lru_cache(maxsize=128)
def git_patterns(lines: tuple[str, ...]) -> GitIgnoreSpec | None:
    """What *lines* match; None where one of them is no pattern."""
    from pathspec import GitIgnoreSpec  # for those who look through folders alone
    from pathspec.patterns.gitignore import GitIgnorePatternError

    try:
        return GitIgnoreSpec.from_lines(map(_without_classes, lines))
    except GitIgnorePatternError:
        return None


def _without_classes(line: str) -> str:
    return _CLASS.sub(lambda found: _CLASSES[found[1]], line) if "[:" in line else line
