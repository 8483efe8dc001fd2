"""Where a line that a reviewer quotes really stands, however it was quoted.

Lost in quoting: blanks, marks around code, line numbers, a diff's signs, escapes. Added: a comment behind the line, an
ellipsis where something was left out. Nothing else is forgiven, since a quotation that is not there proves nothing.
"""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from core.changes.source import Source

_SHORTEST_PART = 4
_MOST_LINES = 60
_MOST_FORMS = 60
_NUMBER = re.compile(
    r"^\s{0,20}(?:L(?:ine\s?)?)?\d{1,7}\s{0,4}[+-]?\s{0,4}(?:[|:>│]|\t|\s(?=\s)) ?|^\s{0,20}[+-]?\s{0,4}\| ?", re.I
)
_BARE_NUMBER = re.compile(r"^\s{0,20}\d{1,7}[.)]?\s")
_SIGN = re.compile(r"^\s{0,20}[+-]\s?")
_FENCE = re.compile(r"^\s{0,20}(?:```|~~~)[\w+-]{0,20}\s*$")
_COMMENT = re.compile(r"\s+(?:#|//|--|;|/\*|<!--|%|<-+|<=+|←|⟵|\^\^+)(?!\S*[\"'])")
_ELLIPSIS = re.compile(r"\[?(?:\.{3,}|…)\]?")
_QUOTE_MARKS = str.maketrans({"“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "‚": "'", "\u00a0": " "})
_PAIRS = ('""', "''", "“”", "``", "**", "«»", "‘’")

Step = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Quote:
    """Lines that may be meant, without blanks; `gaps` are the places before which something was left out."""

    text: tuple[str, ...]
    gaps: frozenset[int] = frozenset()
    whole: bool = False
    """Whether only whole lines may be meant, since something was cut from what was quoted."""


def quotes_of(evidence: str) -> list[Quote]:
    """The readings of a quotation, the most literal first."""
    lines = [line for line in evidence.split("\n")[:_MOST_LINES] if not _FENCE.match(line) and squeezed(line)]
    found = dict.fromkeys(quote for form, cut in _forms(lines) if (quote := _quote(form, cut)).text)
    return list(found)[:_MOST_FORMS]


def _forms(lines: Sequence[str]) -> Iterator[tuple[list[str], bool]]:
    """The lines in each reading, and whether what may be a comment was cut from them."""
    bases: tuple[Step, ...] = (_as_it_is, html.unescape, _unescaped, lambda line: html.unescape(_unescaped(line)))
    steps: tuple[Step, ...] = (
        _as_it_is,
        lambda line: _NUMBER.sub("", line),
        lambda line: _SIGN.sub("", _NUMBER.sub("", line)),
        lambda line: _BARE_NUMBER.sub("", line),
    )
    for ending in (_as_it_is, _without_comment):
        for base in bases:
            for step in steps:
                cut = ending is _without_comment
                yield [ending(step(base(line))) for line in lines], cut
                yield [ending(step(base(_unquoted(line)))) for line in lines], cut
                yield [ending(_unquoted(step(base(line)))) for line in lines], cut
    if len(lines) == 1 and "\\n" in lines[0]:
        yield _unescaped(_unquoted(lines[0]).replace("\\n", "\n")).split("\n"), False


def _as_it_is(line: str) -> str:
    return line


def _unquoted(line: str) -> str:
    """*line* without one pair of quotation marks around all of it."""
    bare = line.strip().rstrip(",")
    around = len(bare) > 2 and any(bare[0] == pair[0] and bare[-1] == pair[1] for pair in _PAIRS)
    return bare[1:-1] if around else bare


def _unescaped(line: str) -> str:
    pairs = (('\\"', '"'), ("\\'", "'"), ("\\t", "\t"), ("\\/", "/"), ("\\\\", "\\"))
    for escaped, plain in pairs:
        line = line.replace(escaped, plain)
    return line


def _without_comment(line: str) -> str:
    """*line* up to what a reviewer wrote behind it; what stands in quotation marks is none of that."""
    marks = [match.start() for match in _COMMENT.finditer(line[:2_000])]
    begins = [start for start in marks if line[:start].strip() and line.count('"', 0, start) % 2 == 0]
    return line[: begins[0]] if begins else line


def _quote(lines: Sequence[str], cut: bool) -> Quote:
    text: list[str] = []
    gaps: set[int] = set()
    for line in lines:
        part = squeezed(line)
        if part and not _ELLIPSIS.sub("", part).strip("#/*-<>!"):
            gaps.add(len(text))
        elif part:
            text.append(part)
    return Quote(tuple(text), frozenset(gaps - {0}), cut)


def squeezed(line: str) -> str:
    """*line* without what gets lost in quoting: blanks, the marks around code, and how quotation marks are typed."""
    return "".join(line.translate(_QUOTE_MARKS).strip().strip("`").split())


@dataclass(frozen=True, slots=True)
class Searched:
    """The lines of a source, squeezed once for all quotations that are looked for."""

    numbers: Sequence[int]
    shown: Sequence[str]
    gone: Mapping[int, Sequence[str]]

    @classmethod
    def of(cls, source: Source) -> Searched:
        numbers = sorted(source.lines)
        gone = {number: [squeezed(line) for line in lines] for number, lines in source.removed.items()}
        return cls(numbers, [squeezed(source.lines[number]) for number in numbers], gone)


def places(source: Searched, quote: Quote) -> list[int]:
    """The numbers of the lines at which *quote* begins, in what is there or in what a diff removes.

    Lines that are the quote go before lines that contain it, and these before lines of which it leaves something out.
    """
    for holds in (_is,) if quote.whole else (_is, _contains, _abridges):
        found = [source.numbers[start] for start in _starts(source.shown, quote, holds)]
        found += [number for number, lines in source.gone.items() if _starts(lines, quote, holds)]
        if found:
            return found
    return []


def _starts(lines: Sequence[str], quote: Quote, holds: Callable[[str, str], bool]) -> list[int]:
    """Where *quote* begins in *lines*; an empty line that was not quoted is passed over."""
    first = quote.text[0]
    return [start for start, line in enumerate(lines) if holds(line, first) and _follows(lines, start, quote, holds)]


def _follows(lines: Sequence[str], start: int, quote: Quote, holds: Callable[[str, str], bool]) -> bool:
    place = start
    for number, part in enumerate(quote.text[1:], 1):
        place += 1
        while place < len(lines) and not lines[place]:
            place += 1
        if number in quote.gaps:
            while place < len(lines) and not holds(lines[place], part):
                place += 1
        if place >= len(lines) or not holds(lines[place], part):
            return False
    return True


def _is(line: str, quote: str) -> bool:
    return line == quote


def _contains(line: str, quote: str) -> bool:
    return line == quote or (len(quote) >= 2 * _SHORTEST_PART and quote in line)


def _abridges(line: str, quote: str) -> bool:
    """Whether *quote* is *line* with something left out where it says so."""
    parts = [part for part in _ELLIPSIS.split(quote) if part]
    if (len(parts) == 1 and parts[0] == quote) or sum(map(len, parts)) < 2 * _SHORTEST_PART:
        return _contains(line, quote)
    place = 0
    for part in parts:
        place = line.find(part, place)
        if place < 0:
            return False
        place += len(part)
    return True
