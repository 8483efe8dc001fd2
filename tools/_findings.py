"""What reviewers claim, checked against the lines they were shown, and merged where several claim the same."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, get_args

from core.changes import Source

Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
CATEGORIES = ("bug", "security", "concurrency", "performance", "error handling", "tests", "design", "docs")

_SHORTEST_QUOTE = 4
"""A shorter quotation, such as a brace, proves a line only near the number that is given with it."""
_NEAR = 2
_ALIKE_HERE = 0.34
_ALIKE_NEARBY = 0.5
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
    quote = [_squeezed(line) for line in raw.evidence.splitlines() if _squeezed(line)]
    if not quote:
        return "it quotes no line"
    found = [place for source in sources[name] for place in _places(source, quote)]
    if len("".join(quote)) < _SHORTEST_QUOTE:
        found = [place for place in found if abs(place - raw.line) <= _NEAR]
    if not found:
        return "the line it quotes does not exist"
    return name, min(found, key=lambda place: abs(place - raw.line))


def merged(found: Iterable[tuple[Raw, str, int]]) -> list[Merged]:
    """One entry per defect, worst and most agreed first.

    Two findings of one AI stay two. Of different AIs they are one when they are about the same line and of one kind
    or in like words, or about lines next to each other and in much the same words.
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
    distance = abs(group.line - line)
    if distance > _NEAR:
        return 0.0
    alike = max(_alike(other.claim, raw.claim) for other in group.raw)
    if any(other.ai == raw.ai for other in group.raw):
        return 0.0
    if distance == 0 and (alike >= _ALIKE_HERE or raw.category == group.category):
        return 1.0 + alike
    return alike if alike >= _ALIKE_NEARBY else 0.0


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
    """The numbers of the lines at which *quote* begins, in what is there or in what a diff removes."""
    numbers = sorted(source.lines)
    texts = [_squeezed(source.lines[number]) for number in numbers]
    found = [
        numbers[start]
        for start in range(len(numbers) - len(quote) + 1)
        if all(_holds(text, line) for text, line in zip(texts[start:], quote, strict=False))
    ]
    for number, gone in source.removed.items():
        lines = [_squeezed(line) for line in gone]
        if any(
            all(_holds(text, line) for text, line in zip(lines[start:], quote, strict=False))
            for start in range(len(lines) - len(quote) + 1)
        ):
            found.append(number)
    return found


def _holds(text: str, quote: str) -> bool:
    return quote == text or (len(quote) >= 2 * _SHORTEST_QUOTE and quote in text)


def _squeezed(line: str) -> str:
    """*line* without what reviewers add or lose in quoting: number, sign, blanks."""
    return "".join(re.sub(r"^\s*(?:\d*\s*[+-]?\s*\||[+-]\s)", "", line).strip("`").split())
