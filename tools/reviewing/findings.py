"""What reviewers claim, checked against the lines they were shown, and merged where several claim the same."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from core.changes.source import Source
from tools.reviewing.fields import SEVERITIES, Severity
from tools.reviewing.paths import named
from tools.reviewing.quotes import Quote, Searched, places, quotes_of

_KINDS = {"bug": "behaviour", "error handling": "behaviour", "tests": "form", "design": "form", "docs": "form"}
"""What two reviewers may both mean by one defect; a finding of another kind on the same line is another one."""
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
    graded: bool = True
    """Whether it said how bad it is in a word that is known; else its severity has no vote."""


@dataclass
class Merged:
    """The same defect, as everybody who saw it puts it."""

    file: str
    line: int
    raw: list[Raw] = field(default_factory=list)

    @property
    def severity(self) -> Severity:
        """The middle of the votes of those who graded it, the graver of two middles."""
        votes = sorted((raw.severity for raw in self.raw if raw.graded), key=SEVERITIES.index)
        return votes[(len(votes) - 1) // 2] if votes else "medium"

    @property
    def votes(self) -> dict[Severity, int]:
        """How many give it each severity, the worst first."""
        counted = Counter(raw.severity for raw in self.raw if raw.graded)
        return {severity: counted[severity] for severity in SEVERITIES if counted[severity]}

    @property
    def category(self) -> str:
        named = [raw.category for raw in self.raw]
        return max(named, key=named.count)

    @property
    def ais(self) -> list[str]:
        return list(dict.fromkeys(raw.ai for raw in self.raw))


NO_FILE = "no such file was shown"
NO_QUOTE = "it quotes no line"
NO_LINE = "the line it quotes does not exist"


def searched(sources: Mapping[str, Sequence[Source]]) -> dict[str, list[Searched]]:
    """*sources* made ready for `anchored`, once for all findings."""
    return {name: [Searched.of(part) for part in parts] for name, parts in sources.items()}


def anchored(raw: Raw, sources: Mapping[str, Sequence[Searched]]) -> tuple[str, int] | str:
    """The file and line that *raw* really is about, or why it is about nothing that was shown."""
    name = named(raw.file, sources)
    if name is None:
        return NO_FILE
    quotes = quotes_of(raw.evidence)
    if not quotes:
        return NO_QUOTE
    line = _line(raw, sources[name], quotes)
    return NO_LINE if line is None else (name, line)


def _line(raw: Raw, sources: Sequence[Searched], quotes: Sequence[Quote]) -> int | None:
    for quote in quotes:
        found = [place for source in sources for place in places(source, quote)]
        if len("".join(quote.text)) < _SHORTEST_QUOTE:
            found = [place for place in found if abs(place - raw.line) <= _NEAR]
        if found:
            return min(found, key=lambda place: abs(place - raw.line))
    return None


def merged(found: Iterable[tuple[Raw, str, int]]) -> list[Merged]:
    """One entry per defect, worst and most agreed first.

    Two findings of one AI stay two, and so do findings about two lines, however near. About the same line those of
    different AIs are one, unless they are of different kinds and say so in other words.
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
    of_a_kind = _KINDS.get(raw.category, raw.category) == _KINDS.get(group.category, group.category)
    return 1.0 + alike if of_a_kind or alike >= _ALIKE else 0.0


def _alike(one: str, other: str) -> float:
    """The share of the words of the shorter text that the longer one has too."""
    first, second = _words(one), _words(other)
    return len(first & second) / min(len(first), len(second)) if first and second else 0.0


def _words(text: str) -> set[str]:
    return {word[:6] for word in re.findall(r"[a-z0-9_]{3,}", text.lower()) if word not in _STOP}
