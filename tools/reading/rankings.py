"""An order of candidates in every form judges write it: chains, lists, numbers, cells, JSON, with or without ties.

Only whole orders are read: what stands between the labels must be words that ranking needs, so that a sentence about
the candidates is never taken for a preference.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

Tiers = list[list[str]]

_LONGEST = 2_000
_BETTER = re.compile(
    r"\s*(?:>+|≻|→|-+>|=+>|»|⟩|\bbeats\b|\bis better than\b|\bbetter than\b|\bover\b|\bahead of\b)\s*", re.I
)
_WORSE = re.compile(r"\s*(?:<+|≺|←|<-+|\bis worse than\b|\bworse than\b|\bbehind\b)\s*", re.I)
_NEXT = re.compile(r"\s*(?:[,;|\n]|\b(?:and\s+)?(?:then|followed by|next|lastly|finally)\b|\s-\s)\s*", re.I)
_EQUAL = re.compile(r"\s*(?:=|~|≈|≃|/|&|\+|\band\b|\btied with\b|\bties with\b|\bequals?\b|\bequal to\b)\s*", re.I)
_PLACE = re.compile(r"(?:^|(?<=[\s,;|(]))(?:#|no\.?\s*|rank\s*|place\s*)?(\d{1,2})(?:st|nd|rd|th)?\s*[.):=-]\s*")
_WORST_FIRST = re.compile(r"worst (?:to|through|until|→|-+>) best|worst (?:one )?first|least to most|ascending", re.I)
_TIED_IN_BRACKETS = re.compile(r"[(\[][^()\[\]]{0,60}\b(?:tied?|equal|joint)\b[^()\[\]]{0,60}[)\]]", re.I)
_LABEL_THEN_NUMBER = re.compile(
    r"(?:^|(?<=[\s,;|]))(?:answer\s+)?([A-Z])\s*(?:[:=]|\s-)\s*#?(\d{1,2})(?:st|nd|rd|th)?(?=$|[\s,;|.])[,;|]?\s*"
)
"""`A: 2, B: 1`: places, or scores, but never the order in which they stand."""
_BRACKETS = re.compile(r"[(\[（][^()\[\]（）]{2,200}[)\]）]")
_WORDS = frozenset(
    """answer answers candidate candidates option options response responses text texts best worst first second third
    last fourth fifth place the is in at to from and or joint rank ranked ranking order better tie tied a equal equally
    my top bottom most least preferred preference winner beats over both here final""".split()  # noqa: SIM905
)
_TIE = re.compile(
    r"(?:it(?:'s| is)\s+)?(?:a\s+)?(?:all\s+(?:are\s+)?)?(?:tie[ds]?|draw|neither(?: is better)?"
    r"|both(?: are)?(?: equal(?:ly good)?)?|equal|even|"
    r"no(?:ne| preference| difference| winner)|same|n/?a|unentschieden|gleich|égalité|empate|pareggio"
    r"|平局|引き分け|무승부)\W*",
    re.I,
)
_NAMED = r"(?:answer|response|candidate|option|text)?\s*[\"'*(]*"
_PREFERS = re.compile(
    rf"(?:^|[.!]\s+)(?:so,?\s+|overall,?\s+|therefore,?\s+)?(?:the\s+(?i:better|best|winning)\s+(?:answer"
    rf"|response|one|candidate|option)\s+is|"
    rf"the winner is|I (?:prefer|choose|pick|vote for))\s+{_NAMED}(?P<one>[A-Z])[\"'*)]*\.?$"
    rf"|(?:^|[.!]\s+)(?:so,?\s+|overall,?\s+)?{_NAMED}(?P<other>[A-Z])[\"'*)]*\s+(?:is (?:the )?(?:better"
    rf"|best|winner)|wins)(?: (?:answer|one))?\.?$",
    re.I,
)


def read_tiers(said: object, labels: Sequence[str]) -> Tiers | None:
    """The tiers *said* puts *labels* in, best first; None unless it is an order and nothing else."""
    if isinstance(said, list):
        return _listed(said, labels)
    if isinstance(said, Mapping):
        return _placed({str(key): value for key, value in said.items()}, labels)
    return _written(said[:_LONGEST], labels) if isinstance(said, str) else None


def read_better(said: object, labels: Sequence[str]) -> Tiers | None:
    """The preference between two candidates, a tie among them."""
    if not isinstance(said, str) or len(labels) != 2:
        return None
    line = " ".join(said[:_LONGEST].split()).strip(" *_`\"'.")
    if _TIE.fullmatch(line):
        return [list(labels)]
    if (tiers := _written(line, labels)) and len(_flat(tiers)) == 2:
        return tiers
    head = re.split(r"[,;.:]\s|\s[–—-]\s|\s(?:because|since|as|by|for|but)\s", _BRACKETS.sub("", line), maxsplit=1)[0]
    found = _labels(head, labels)
    return [found, [label for label in labels if label not in found]] if found is not None and len(found) == 1 else None


def read_conclusion(text: str, labels: Sequence[str]) -> Tiers | None:
    """The order or preference in which an unmarked reply ends, where its last sentence is one and nothing else."""
    line = text.rstrip()[-500:].rsplit("\n", 1)[-1].strip(" *_`")
    if (">" in line or "≻" in line) and (tiers := _written(line, labels)):
        return tiers
    match = _PREFERS.search(line)
    label = str(match["one"] or match["other"]).upper() if match else ""
    return [[label], [one for one in labels if one != label]] if label in labels and len(labels) == 2 else None


def is_whole(tiers: Tiers | None, labels: Sequence[str]) -> bool:
    return tiers is not None and sorted(_flat(tiers)) == sorted(labels)


def _flat(tiers: Tiers) -> list[str]:
    return [label for tier in tiers for label in tier]


def _listed(said: Sequence[object], labels: Sequence[str]) -> Tiers | None:
    tiers: Tiers = []
    places: dict[int, int] = {}
    for one in said[:100]:
        if isinstance(one, list):
            tier = [label for inner in one if (label := _label(inner, labels))]
            tiers.append(tier)
        elif isinstance(one, Mapping):
            if (place := _place_of(one)) is not None:
                places[len(tiers)] = place
            named = [label for value in one.values() if (label := _label(value, labels))]
            tiers.append(named[:1])
        else:
            found = _labels(str(one), labels) if len(str(one)) < 200 else None
            tiers.append(found or [])
    if not tiers or not all(tiers):
        return None
    if not places:
        return tiers
    return _by_place([(places.get(number, 0), label) for number, tier in enumerate(tiers) for label in tier])


def _place_of(one: Mapping[str, object]) -> int | None:
    """The place an entry says it has, which need not be where it stands in the list."""
    said = next((value for key, value in one.items() if str(key).lower() in ("rank", "place", "position")), None)
    text = str(said).strip("#. ")
    return int(text) if text.isdigit() and len(text) < 4 else None


def _by_place(placed: Sequence[tuple[int, str]]) -> Tiers | None:
    """Tiers from places; None where the numbers are no places, but scores or something else."""
    by_place: dict[int, list[str]] = {}
    for place, label in placed:
        by_place.setdefault(place, []).append(label)
    if min(by_place) != 1 or max(by_place) > len(placed):
        return None
    return [by_place[place] for place in sorted(by_place)]


def _placed(said: Mapping[str, object], labels: Sequence[str]) -> Tiers | None:
    """`{"1": "A"}` or `{"A": 1}`."""
    placed: list[tuple[int, str]] = []
    for key, value in said.items():
        place, name = (key, value) if str(key).strip("#. ").isdigit() else (value, key)
        label = _label(name, labels)
        if label is None or not str(place).strip("#. ").isdigit():
            return None
        placed.append((int(str(place).strip("#. ")), label))
    return _by_place(placed) if placed else None


def _label(said: object, labels: Sequence[str]) -> str | None:
    found = _labels(str(said), labels) if isinstance(said, str) and len(said) < 200 else None
    return found[0] if found and len(found) == 1 else None


def _written(text: str, labels: Sequence[str]) -> Tiers | None:
    line = "\n".join(" ".join(one.split()) for one in text.split("\n") if one.strip())
    if (_WORST_FIRST.search(line) and "<" not in line) or _TIED_IN_BRACKETS.search(line):
        return None
    if found := _LABEL_THEN_NUMBER.findall(line):
        whole = _LABEL_THEN_NUMBER.sub("", line).strip(" .,;|\n")
        return None if whole else _placed(dict(found), labels)
    line = _BRACKETS.sub("", line).strip(" *_`\"'.\n[]")
    if ":" in line and not _PLACE.match(line) and not _labels(line.split(":")[0], labels):
        line = line.split(":", 1)[1]
    if _TIE.fullmatch(line):
        return [list(labels)]
    marks = list(_PLACE.finditer(line))
    if len(marks) > 1 and len(marks) >= len(labels) - 2:
        return _numbered(line, marks, labels)
    if _BETTER.search(line):
        return _split(_BETTER, line, labels)
    if _WORSE.search(line):
        tiers = _split(_WORSE, line, labels)
        return tiers[::-1] if tiers else None
    if _NEXT.search(line):
        return _split(_NEXT, line, labels)
    if _EQUAL.search(line):
        return _split(re.compile(r"\x00"), line, labels)
    packed = line.replace(" ", "")
    return [[letter] for letter in packed] if len(packed) == len(labels) and set(packed) == set(labels) else None


def _numbered(line: str, marks: Sequence[re.Match[str]], labels: Sequence[str]) -> Tiers | None:
    by_place: dict[int, list[str]] = {}
    ends = [mark.start() for mark in marks[1:]] + [len(line)]
    for mark, end in zip(marks, ends, strict=True):
        part = re.split(r"\s[–—-]\s|:\s", line[mark.end() : end], maxsplit=1)[0]
        found = _tier(part.strip(" ,;|\n"), labels)
        if not found:
            return None
        by_place.setdefault(int(mark[1]), []).extend(found)
    return [by_place[place] for place in sorted(by_place)]


def _split(between: re.Pattern[str], line: str, labels: Sequence[str]) -> Tiers | None:
    tiers = [_tier(part, labels) for part in between.split(line) if part.strip(" .,;")]
    return [tier for tier in tiers if tier] if tiers and all(tiers) else None


def _tier(part: str, labels: Sequence[str]) -> list[str] | None:
    found = [_labels(one, labels) for one in _EQUAL.split(part.strip())]
    return [label for one in found if one for label in one] if all(found) else None


def _labels(text: str, labels: Sequence[str]) -> list[str] | None:
    """The labels in *text*; None where it holds any word that a ranking has no use for."""
    words = [word.strip(" .,;:*_`\"'()[]#!") for word in text.split()]
    found = []
    for word in words:
        if word in labels:
            found.append(word)
        elif word.upper() in labels and len(words) == 1:
            found.append(word.upper())
        elif word and word.casefold() not in _WORDS and not re.fullmatch(r"\d{1,2}(?:st|nd|rd|th)?", word):
            return None
    return found
