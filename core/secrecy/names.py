"""Which files hold secrets by their place and name alone, in whatever project: nobody needs to look inside.

A name is compared as a person reads it: in lower case, without characters that show nothing, and without what an
editor or a backup has put around it.
"""

from __future__ import annotations

import re
import unicodedata
from fnmatch import translate
from functools import lru_cache
from pathlib import Path, PurePath

from core.secrecy.scan import without_invisible

_LISTS = Path(__file__).with_name("rules") / "names.toml"
_BACKUP = re.compile(
    r"(?:~|\.(?:bak|bkp|backup|old|orig|original|save|saved|swp|swo|swn|tmp|copy|rej|prev|disabled|gz|bz2|xz|zst|zip|tgz|b64|base64|\d{1,14}|"
    r"\d{4}-\d\d-\d\d)|[ _-]\(?(?:copy|backup|bak|old|kopie|\d{1,2})\)?|\(\d{1,2}\)| )$"
)
_EDITOR = re.compile(r"^(?:\.?#+|~\$|\.~(?:lock\.)?|copy[ _]of[ _])(?=.)|(?<=.)#$|^\.(?=.*\.sw[opn]$)")


def named_like_a_secret(path: PurePath) -> str | None:
    """Why a file at *path* is taken for a secret, by nothing but its place and name."""
    parts = [_as_read(part) for part in path.parts]
    if not parts:
        return None
    *above, name = parts
    if folders := _listed()["folders"].intersection(above):
        return f"files in {sorted(folders)[0]!r} hold credentials"
    spellings = list(_spellings(name))
    if is_harmless(name):
        return None
    if any(_is_secret(spelling) for spelling in spellings):
        return "files of that name hold secrets"
    suffix = PurePath(spellings[-1]).suffix
    if (suffix or "-") in _listed()["data"] and (folders := _listed()["folders_of_data"].intersection(above)):
        return f"data in {sorted(folders)[0]!r} is credentials"
    if suffix in _listed()["code"]:
        return None
    ends = ["/".join((*above[len(above) - depth :], spellings[-1])) for depth in range(min(4, len(above) + 1))]
    return "files at that place hold secrets" if any(_matches(end, "places") for end in ends) else None


def is_harmless(name: str) -> bool:
    """Whether a file called *name* is an example of a secret, and none."""
    return any(_matches(spelling, "harmless") for spelling in _spellings(_as_read(name)))


def _is_secret(name: str) -> bool:
    if PurePath(name).suffix in _listed()["code"]:
        return _matches(name, "names_of_programs")
    return _matches(name, "names")


def _matches(name: str, which: str) -> bool:
    return _one_pattern(which).match(name) is not None


@lru_cache(maxsize=1)
def _listed() -> dict[str, frozenset[str]]:
    """The lists of the data, by their names."""
    import tomllib  # most calls send no file

    with _LISTS.open("rb") as file:
        return {name: frozenset(words.split()) for name, words in tomllib.load(file).items()}


@lru_cache(maxsize=8)
def _one_pattern(which: str) -> re.Pattern[str]:
    return re.compile("|".join(translate(pattern) for pattern in sorted(_listed()[which])))


def _as_read(name: str) -> str:
    return without_invisible(unicodedata.normalize("NFKC", name)).casefold().strip()


def _spellings(name: str) -> list[str]:
    """*name*, and what is left of it without the marks of editors and backups."""
    found = [name]
    if name.endswith(".txt") and "." in name.removesuffix(".txt").lstrip("."):
        found.append(name.removesuffix(".txt"))  # as mail programs make people call them
    for _ in range(6):
        bare = _EDITOR.sub("", _BACKUP.sub("", found[-1])).strip()
        if not bare or bare == found[-1]:
            break
        found.append(bare)
    return found
