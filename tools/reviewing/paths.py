"""Which of the files that were shown a reviewer means by the path it gives."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from urllib.parse import unquote

from tools.reviewing.fields import split_place


def named(given: str, names: Iterable[str]) -> str | None:
    """The one of *names* that *given* means: itself, from another folder, absolute, as Windows or a URI writes it."""
    known = {_plain(name): name for name in names}
    for form in _forms(given):
        if found := _exactly(form, known) or _by_ending(form, known):
            return found
    return None


def _forms(given: str) -> list[str]:
    bare = given.strip().strip("`'\"<>").strip()
    forms = [bare, split_place(bare)[0], unquote(bare), bare.replace("\\\\", "\\").replace("\\", "/")]
    forms += [split_place(form)[0] for form in forms[2:]]
    return [plain for form in dict.fromkeys(forms) if (plain := _plain(form))]


def _plain(path: str) -> str:
    """*path* without a scheme, a drive, and what means the folder one is in."""
    path = re.sub(r"^file:/{2,3}(?:localhost/)?", "/", unicodedata.normalize("NFC", path.strip()))
    path = re.sub(r"^/?[A-Za-z]:(?=[/\\])", "", path)
    while path.startswith("./"):
        path = path[2:]
    return path


def _exactly(form: str, known: dict[str, str]) -> str | None:
    for prefix in ("", "a/", "b/", "i/", "w/", "c/", "/"):
        if form.startswith(prefix) and (found := known.get(form.removeprefix(prefix))):
            return found
    return None


def _by_ending(form: str, known: dict[str, str]) -> str | None:
    """The longest known path in which the given one ends, or the only one that ends in it."""
    within = [plain for plain in known if form.endswith(f"/{plain}")]
    if within:
        return known[max(within, key=len)]
    ending = [plain for plain in known if plain.endswith(f"/{form.lstrip('/')}")]
    if len(ending) == 1:
        return known[ending[0]]
    folded = [plain for plain in known if plain.casefold() == form.casefold()]
    return known[folded[0]] if len(folded) == 1 and not ending else None
