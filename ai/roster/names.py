"""What somebody who names an AI may mean: case and blanks do not matter, `NAME/MODEL` is another model of it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence

from core.errors import InvalidInputError

EVERYBODY = ("all", "@all")


def match(said: str, known: Collection[str]) -> str | None:
    """The one of *known* that *said* means; None when it is none, or could be two."""
    if said in known:
        return said
    alike = [name for name in known if _folded(name) == _folded(said)]
    return alike[0] if len(alike) == 1 else None


def closest(said: str, known: Iterable[str]) -> str | None:
    """The one of *known* that *said* looks like, as a slip of the pen does."""
    by_fold = {_folded(name): name for name in known}
    from difflib import get_close_matches  # for mistakes alone

    found = get_close_matches(_folded(said), by_fold, n=1, cutoff=0.6)
    return by_fold[found[0]] if found else None


def without_model(name: str) -> str:
    """The row of credentials.json that `NAME/MODEL` is another model of."""
    return name.partition("/")[0]


def expanded(said: Sequence[str], groups: Mapping[str, Sequence[str]], everybody: Sequence[str]) -> list[str]:
    """*said* with lists by comma taken apart and groups (`@fast`, `all`) as their members, each name once.

    Raises:
        InvalidInputError: There is no such group.
    """
    names: list[str] = []
    for word in (part.strip() for one in said for part in one.split(",")):
        if word.casefold() in EVERYBODY and not match(word, everybody):
            names += everybody
        elif word.startswith("@"):
            names += _members(word[1:], groups)
        elif word:
            names.append(word)
    return list(dict.fromkeys(names))


def _members(group: str, groups: Mapping[str, Sequence[str]]) -> Sequence[str]:
    found = match(group, groups)
    if found is not None and not groups[found]:
        raise InvalidInputError(
            f"Nobody is in the group '@{found}'. Name AIs in it under 'groups' in credentials.json."
        )
    if found is not None:
        return groups[found]
    known = ", ".join(f"@{name}" for name in groups) or "none yet"
    raise InvalidInputError(
        f"There is no group '@{group}'. Groups: {known}. Name one under 'groups' in credentials.json, "
        'such as {"groups": {"fast": ["gpt", "claude"]}}.'
    )


def _folded(name: str) -> str:
    return "".join(name.casefold().split()).replace("_", "-")
