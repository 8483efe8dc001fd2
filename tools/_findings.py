"""What reviewers claim, checked against the lines they were shown, and merged where several claim the same."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from core.changes import Source

Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
CATEGORIES = ("bug", "security", "concurrency", "performance", "error handling", "tests", "design", "docs")

_ABOUT_FORM = frozenset({"tests", "design", "docs"})
_SHORTEST_QUOTE = 4
"""A shorter quotation, such as a brace, proves a line only near the number that is given with it."""
_NEAR = 2
_ALIKE = 0.34
_STOP = set(
    """the and for that this with not are was but can will would should could when then than from into have has had its
    here there which while where does did may might use used using because line code""".split()  # noqa: SIM905
)


@dataclass(frozen=True, slots=True)
class Raw:
    """One finding as *ai* gave it."""

    ai: str
    file: str
    line: int
    severity: Severity
    category: str
    claim: str
    evidence: str
    """The line it is about, quoted."""
    fix: str


@dataclass
class Merged:
    """The same defect, as everybody who saw it puts it."""

    file: str
    line: int
    raw: list[Raw] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        return min((raw.severity for raw in self.raw), key=SEVERITIES.index)

    @property
    def category(self) -> str:
        named = [raw.category for raw in self.raw]
        return max(named, key=named.count)

    @property
    def ais(self) -> list[str]:
        return list(dict.fromkeys(raw.ai for raw in self.raw))


def anchored(raw: Raw, sources: Mapping[str, Sequence[Source]]) -> tuple[str, int] | str:
    """The file and line that *raw* really is about, or why it is about nothing that was shown."""
    name = _named(raw.file, sources)
    if name is None:
        return "no such file was shown"
    quotes = _quotes(raw.evidence)
    if not quotes:
        return "it quotes no line"
    for quote in quotes:
        found = [place for source in sources[name] for place in _places(source, quote)]
        if len("".join(quote)) < _SHORTEST_QUOTE:
            found = [place for place in found if abs(place - raw.line) <= _NEAR]
        if found:
            return name, min(found, key=lambda place: abs(place - raw.line))
    return "the line it quotes does not exist"


def merged(found: Iterable[tuple[Raw, str, int]]) -> list[Merged]:
    """One entry per defect, worst and most agreed first.

    Two findings of one AI stay two, and so do findings about two lines, however near. About the same line those of
    different AIs are one, unless one says what goes wrong and the other, in other words, how it is written.
    """
    groups: list[Merged] = []
    by_file: dict[str, list[Merged]] = {}
    for raw, file, line in found:
        here = by_file.setdefault(file, [])
        best = max(here, key=lambda group: _sameness(group, raw, line), default=None)
        if best is None or _sameness(best, raw, line) <= 0:
            best = Merged(file, line)
            here.append(best)
            groups.append(best)
        best.raw.append(raw)
    return sorted(groups, key=lambda g: (SEVERITIES.index(g.severity), -len(g.ais), g.file, g.line))


def _sameness(group: Merged, raw: Raw, line: int) -> float:
    """Above 0 when *raw* belongs into *group*; the more, the surer."""
    if group.line != line or any(other.ai == raw.ai for other in group.raw):
        return 0.0
    alike = max(_alike(other.claim, raw.claim) for other in group.raw)
    of_a_kind = (raw.category in _ABOUT_FORM) == (group.category in _ABOUT_FORM)
    return 1.0 + alike if of_a_kind or alike >= _ALIKE else 0.0


def _alike(one: str, other: str) -> float:
    """The share of the words of the shorter text that the longer one has too."""
    first, second = _words(one), _words(other)
    return len(first & second) / min(len(first), len(second)) if first and second else 0.0


def _words(text: str) -> set[str]:
    return {word[:6] for word in re.findall(r"[a-z0-9_]{3,}", text.lower()) if word not in _STOP}


def _named(given: str, sources: Mapping[str, Sequence[Source]]) -> str | None:
    """The file that is meant; its last part is enough where only one file ends in it."""
    cleaned = given.strip().strip("`'\"").removeprefix("./")
    for prefix in ("", "a/", "b/"):
        if (name := cleaned.removeprefix(prefix)) in sources:
            return name
    ending = [name for name in sources if cleaned and name.endswith(f"/{cleaned}")]
    return ending[0] if len(ending) == 1 else None


def _places(source: Source, quote: Sequence[str]) -> list[int]:
    """The numbers of the lines at which *quote* begins, in what is there or in what a diff removes.

    Lines that are the quote go before lines that contain it.
    """
    for holds in (_is, _contains):
        numbers = sorted(source.lines)
        found = [numbers[n] for n in _starts([_squeezed(source.lines[number]) for number in numbers], quote, holds)]
        for number, gone in source.removed.items():
            if _starts([_squeezed(line) for line in gone], quote, holds):
                found.append(number)
        if found:
            return found
    return []


def _starts(lines: Sequence[str], quote: Sequence[str], holds: Callable[[str, str], bool]) -> list[int]:
    """Where *quote* begins in *lines*."""
    return [
        start
        for start in range(len(lines) - len(quote) + 1)
        if all(holds(line, part) for line, part in zip(lines[start:], quote, strict=False))
    ]


def _is(line: str, quote: str) -> bool:
    return line == quote


def _contains(line: str, quote: str) -> bool:
    return len(quote) >= 2 * _SHORTEST_QUOTE and quote in line


def _quotes(evidence: str) -> list[list[str]]:
    """The lines that may be meant: as quoted, without the numbers reviewers copy along, without a diff's signs."""
    lines = [line for line in evidence.splitlines() if _squeezed(line)]
    forms = (lines, [_NUMBER.sub("", line) for line in lines], [_SIGN.sub("", _NUMBER.sub("", line)) for line in lines])
    squeezed = [[part for line in form if (part := _squeezed(line))] for form in forms]
    return [form for n, form in enumerate(squeezed) if form and form not in squeezed[:n]]


_NUMBER = re.compile(r"^\s*\d*\s*[+-]?\s*\| ?")
_SIGN = re.compile(r"^\s*[+-]\s")


def _squeezed(line: str) -> str:
    """*line* without what gets lost in quoting: blanks, and the marks around code."""
    return "".join(line.strip().strip("`").split())
