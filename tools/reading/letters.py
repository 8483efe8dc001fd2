"""Which seats or candidates are named by their letters, in a list or in a line of prose; and in what order."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

_LONGEST = 600
_NOBODY = frozenset(
    """none nobody noone n/a na nil null no not nothing empty keine keiner niemand aucun aucune personne
    ninguno ninguna nadie
    nenhum nenhuma ninguém nessuno nessuna geen inga ingen
    нет никто 无 無 なし 없음 ∅ - – —""".split()  # noqa: SIM905
)
_FILLERS = frozenset(
    "only just statement statements seat seats letter letters debater debaters answer answers option ai".split()  # noqa: SIM905
)
_AND = frozenset(", ; & + / and und et y e en och и 和 、".split())  # noqa: SIM905
_DOES = frozenset("dissent dissents disagree disagrees contradict contradicts object objects changed dissented".split())  # noqa: SIM905
_BREAKS = frozenset("; . : - – — but while whereas since because as who whose which with".split())  # noqa: SIM905
_EVERYBODY = frozenset({"all", "everyone", "everybody", "both", "each"})
_BUT = frozenset({"but", "except", "save"})
_UNANIMOUS = re.compile(
    r"(?:there (?:is|are) )?(?:no(?:ne|body| one| dissent\w*)\b.{0,40}|(?:it is |the panel is )?unanim\w+|zero|0"
    r"|neither\b.*|没有.{0,4}"
    r"|(?:all|every(?:one|body)|both|they all|we all)(?: of them| statements?| seats?)? (?:agrees?|concurs?)\b"
    r"(?! with [A-Z]\b).{0,40})\W*",
    re.I,
)
_BRACKETS = re.compile(r"[(\[（][^()\[\]（）]{2,300}[)\]）]")
_HAN_AND = re.compile(r"(?<=[A-Z])\s*[和与及、]\s*(?=[A-Z])")
_WORD = re.compile(r"[^\W\d_]+(?:/[^\W\d_]+)?|[^\s\w]|\d+")


def named_letters(said: object, letters: Sequence[str]) -> tuple[str, ...] | None:
    """The *letters* that *said* names, in their order; none when it says nobody. None when it cannot be read."""
    if isinstance(said, list):
        found = [str(one).strip().strip("\"'`*.").upper() for one in said[:50]]
        if any(isinstance(one, Mapping) for one in said):
            return named_letters(
                [next(iter(one.values()), "") if isinstance(one, Mapping) else one for one in said], letters
            )
        found = [re.split(r"[:(]|\s[–—-]\s", one, maxsplit=1)[0].strip() for one in found]
        named = [re.sub(r"^(?:STATEMENT|SEAT|LETTER|ANSWER|OPTION)\s+", "", one) for one in found if one]
        known = tuple(letter for letter in letters if letter in named)
        return known if known or all(one.casefold() in _NOBODY for one in found) else None
    if not isinstance(said, str) or not said.strip():
        return None
    return _in_prose(" ".join(_HAN_AND.sub(" and ", said[:_LONGEST]).split()).strip(" *_`\"'"), letters)


def _in_prose(line: str, letters: Sequence[str]) -> tuple[str, ...] | None:
    words = _WORD.findall(_BRACKETS.sub("", line).strip() or line.strip("()[]{} ") or "none")
    words = [word for word in words if word not in "\"'`*_()[]{}“”"]
    while len(words) > 1 and words[0] in "-–—•":
        words = words[1:]
    if not words or words[0].casefold() in _NOBODY or _UNANIMOUS.fullmatch(line):
        return ()
    words = [part for word in words for part in (word.split("/") if _is_pair(word, letters) else [word])]
    if words[0].casefold() in _EVERYBODY:
        return _everybody([word for word in words[1:] if word != "."], letters)
    if whole := _listed(words):
        return _known(whole, letters)
    verb = next((place for place, word in enumerate(words) if word.casefold() in _DOES), None)
    if verb is not None:
        return _known(_listed(_before(words[:verb])), letters)
    end = next((place for place, word in enumerate(words) if place and word.casefold() in _BREAKS), len(words))
    head = words[:end]
    if all(len(word) == 1 for word in head):
        head = [word.upper() for word in head]
    return _known(_listed(head), letters)


def _everybody(rest: Sequence[str], letters: Sequence[str]) -> tuple[str, ...] | None:
    """Who is meant by `all` or `both` and what follows it."""
    if not rest:
        return tuple(letters)
    if named := _listed(rest):
        return _known(named, letters)
    if rest[0].casefold() not in _BUT:
        return None
    agree = rest[-1].casefold() in ("agree", "agrees", "concur", "concurs")
    spared = _listed([word for word in (rest[1:-1] if agree else rest[1:]) if word != "for"])
    if spared and agree:
        return _known(spared, letters)
    return None if not spared else tuple(letter for letter in letters if letter not in spared)


def _is_pair(word: str, letters: Sequence[str]) -> bool:
    """Whether *word* is `A/B`, and not `N/A`."""
    return "/" in word and all(part in letters for part in word.split("/"))


def _before(words: Sequence[str]) -> list[str]:
    """The list that *words* end in."""
    taken: list[str] = []
    for word in reversed(words):
        if not (_is_letter(word) or word.casefold() in _AND | _FILLERS or word in ("still", "alone")) or word == ";":
            break
        taken.insert(0, word)
    return [word for word in taken if word not in ("still", "alone")]


def _listed(words: Sequence[str]) -> list[str] | None:
    """The letters of a list; None where anything else stands among them."""
    words = " ".join(words).replace("as well as", "and").split()
    found = []
    for word in words:
        if _is_letter(word):
            found.append(word)
        elif word.casefold() not in _AND and word.casefold() not in _FILLERS and word != ".":
            return None
    return found or None


def _is_letter(word: str) -> bool:
    return len(word) == 1 and "A" <= word <= "Z"


def _known(named: Sequence[str] | None, letters: Sequence[str]) -> tuple[str, ...] | None:
    return tuple(letter for letter in letters if letter in named) if named and set(named) & set(letters) else None
