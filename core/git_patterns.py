"""Patterns as git reads them (https://git-scm.com/docs/gitignore), over pathspec.

Whoever writes one is not always a friend: models name files by them, and any folder has its `.gitignore`. So none takes
longer than its length times that of a name: as an expression of ours it goes back over no star but the last.
"""

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
_LONGEST = 4_096
"""Characters of a pattern, as of the longest path."""
_STAR, _FOLDERS, _FIRST_FOLDERS = "[^/]*", "(?:/.+)?", "^(?:.+/)?"
"""How pathspec writes `*`, `/**` and a leading `**/`."""
_LETTERS = r"\[(?!\^/\])\^?\]?(?:\\.|[^\]\\])*\]"
_LETTER = re.compile(rf"\\.|\[\^/\]|({_LETTERS})")
_NO_SLASH = "(?!/)"
"""Before `[!a]`, which stands for a slash no more than anything else does."""
_ONE = rf"(?:\\.|\[\^/\](?!\*)|{re.escape(_NO_SLASH)}{_LETTERS}|[^\\\[\](){{}}/.^$*+?|])"
"""What stands for one letter there."""
_STARS = re.compile(rf"(?:{re.escape(_STAR)})+")
_UP_TO_A_STAR = re.compile(rf"{re.escape(_STAR)}({_ONE}+)(?={re.escape(_STAR)})")


@lru_cache(maxsize=128)
def git_patterns(lines: tuple[str, ...]) -> GitIgnoreSpec | None:
    """What *lines* match; None where one of them is no pattern."""
    from pathspec import GitIgnoreSpec  # for those who look through folders alone
    from pathspec.patterns.gitignore import GitIgnorePatternError
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    if any(len(line) > _LONGEST for line in lines):
        return None
    try:
        found = GitIgnoreSpec.from_lines(map(_without_classes, lines))
    except (GitIgnorePatternError, re.error):  # such as a range that goes backwards
        return None
    for one in found.patterns:
        if isinstance(one, GitIgnoreSpecPattern) and one.regex is not None:
            one.regex = re.compile(steady(one.regex.pattern))
    return found


@lru_cache(maxsize=128)
def good_patterns(lines: tuple[str, ...]) -> GitIgnoreSpec:
    """What those of *lines* match that are patterns; git passes over the others, too."""
    whole = git_patterns(lines) or git_patterns(tuple(line if git_patterns((line,)) else "" for line in lines))
    assert whole is not None, "each line is a pattern by now"
    return whole


def steady(expression: str) -> str:
    """*expression*, as pathspec makes it, so that it is never gone over twice: it matches what git does.

    A star takes as little as it can where another one follows, and so do the folders of a `**`: what comes first serves
    as well as what comes later.
    """
    expression = _LETTER.sub(lambda found: f"{_NO_SLASH}{found[1]}" if found[1] else found[0], expression)
    expression = _STARS.sub(_STAR, expression)
    *firsts, last = _UP_TO_A_STAR.sub(rf"(?>{_STAR}?\1)", expression).split(_FOLDERS)
    made = []
    for number, part in enumerate(firsts):
        if number:
            made.append(f"(?>(?:/.+?)??{part}(?=/))")
        elif part.startswith(_FIRST_FOLDERS):
            made.append(f"^(?>(?:.+?/)??{part.removeprefix(_FIRST_FOLDERS)}(?=/))")
        else:
            made.append(f"{part}(?=/)")
    return "".join([*made, _FOLDERS if firsts else "", last])


def _without_classes(line: str) -> str:
    return _CLASS.sub(lambda found: _CLASSES[found[1]], line) if "[:" in line else line
