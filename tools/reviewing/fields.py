"""The fields of a finding under the names that reviewers give them, in the forms in which they write them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Literal, get_args

from core.untrusted import clean

Severity = Literal["critical", "high", "medium", "low", "info"]
SEVERITIES: tuple[Severity, ...] = get_args(Severity)
CATEGORIES = ("bug", "security", "concurrency", "performance", "error handling", "tests", "design", "docs")

LONGEST_FIELD = 2_000
_NAMES = {
    "claim": """claim issue message description problem text title summary detail details comment finding body
        explanation what defect bug reason note msg statement observation concern headline name""",
    "file": "file path filename filepath uri source module location fileuri filename target where",
    "line": "line lineno linenumber startline lines start row range linestart beginline linenumbers location linerange",
    "severity": "severity level priority impact rank criticality risk grade",
    "category": "category type kind class rule tag area group ruleid",
    "evidence": """evidence code snippet quote excerpt sourceline codesnippet context linetext linecontent offendingcode
        existingcode quoted currentcode codeline original content""",
    "fix": """fix suggestion recommendation solution remedy patch suggestedfix proposedfix remediation
        howtofix resolution advice""",
}  # fmt: skip
_SYNONYMS: dict[Severity, str] = {
    "critical": "critical blocker severe fatal catastrophic emergency p0 s0 sev0 sev1 crit kritisch critique crítico",
    "high": "high major error important serious significant p1 s1 sev2 hoch grave élevé alto",
    "medium": "medium moderate warning warn normal average p2 s2 sev3 med mittel moyen medio",
    "low": "low minor weak small p3 s3 sev4 niedrig gering faible bajo",
    "info": "info informational information nit nitpick suggestion style trivial hint note notice p4 none cosmetic",
}
_SEVERITY_WORDS = {word: severity for severity, words in _SYNONYMS.items() for word in words.split()}
_CATEGORY_WORDS = {
    "bug": "bug logic correctness defect functional incorrect wrong crash typo regression runtime",
    "security": "security vulnerability injection xss csrf auth secrets cwe exploit crypto privacy",
    "concurrency": "concurrency race threading thread deadlock async synchronization atomicity",
    "performance": "performance perf efficiency speed memory scalability optimization leak",
    "error handling": "error exception exceptions handling robustness reliability validation resilience",
    "tests": "tests test testing coverage",
    "design": "design maintainability style readability architecture naming complexity refactor duplication quality",
    "docs": "docs doc documentation comment comments docstring",
}
_CATEGORY_OF = {word: category for category, words in _CATEGORY_WORDS.items() for word in words.split()}
_PLACE = re.compile(
    r"^(?P<file>.{1,500}?)(?:[:#(]|,\s*|\s+)(?:L|line\s*|lines\s*)?(?P<line>\d{1,7})(?:[:,-]\s*L?\d{1,7})*\)?$", re.I
)


def canonical(entry: Mapping[str, Any]) -> dict[str, list[Any]]:
    """The values of *entry* by field, the most telling name first."""
    found: dict[str, list[tuple[int, Any]]] = {}
    for key, value in entry.items():
        name = re.sub(r"[^a-z]", "", str(key)[:60].lower())
        for field, names in _RANKS.items():
            if name in names and value not in (None, "", [], {}):
                found.setdefault(field, []).append((names[name], value))
    return {field: [value for _, value in sorted(values, key=lambda one: one[0])] for field, values in found.items()}


_RANKS = {field: {name: rank for rank, name in enumerate(names.split())} for field, names in _NAMES.items()}


def claim_of(fields: Mapping[str, list[Any]]) -> str:
    """What is wrong: the longest text under a claim's names, below its title where it has one."""
    texts = [text for value in fields.get("claim", []) if (text := text_of(value))]
    if not texts:
        return ""
    longest = max(texts, key=len)
    first = texts[0]
    return longest if first in longest or len(texts) == 1 else f"{first}: {longest}"[:LONGEST_FIELD]


def text_of(value: Any) -> str:
    match value:
        case str():
            return clean(value[: 4 * LONGEST_FIELD])[:LONGEST_FIELD].strip("\r\n")
        case list() if all(isinstance(one, str) for one in value):
            return "\n".join(map(text_of, value[:50]))[:LONGEST_FIELD]
        case (
            {"text": str() as inner}
            | {"code": str() as inner}
            | {"snippet": str() as inner}
            | {"message": str() as inner}
        ):
            return text_of(inner)
        case _:
            return ""


def place_of(fields: Mapping[str, list[Any]]) -> tuple[str, int]:
    """The file and line: each by itself, or together as `a.py:12`, or in an object; 0 where no line is given."""
    file, line = "", 0
    for value in fields.get("file", []):
        if isinstance(value, Mapping):
            inner_file, inner_line = place_of(canonical(value))
            file, line = file or inner_file, line or inner_line
        elif isinstance(value, str) and not file:
            file, own = split_place(clean(value[:LONGEST_FIELD]).strip())
            line = line or own
    given = next((number for value in fields.get("line", []) if (number := _line_of(value))), 0)
    return file, given or line


def split_place(given: str) -> tuple[str, int]:
    """`src/a.py:12`, `a.py#L12` or `a.py, line 12` as file and line."""
    bare = given.strip().strip("`'\"<>").strip()
    match = _PLACE.match(bare) if len(bare) < 600 and bare[-1:] in "0123456789)" else None
    if match is None or not re.search(r"[^\d\s:]", match["file"]):
        return bare, 0
    return re.sub(r"(?:\s*[,:]?\s*(?:at\s+)?lines?|:\d+)$", "", match["file"]).rstrip(" ,:#("), _first_line(bare, match)


def _first_line(bare: str, match: re.Match[str]) -> int:
    numbers = re.findall(r"(?<=[:#(,\sL])L?(\d{1,7})", bare[len(match["file"].rstrip()) - 1 :])
    return int(numbers[0]) if numbers else int(match["line"])


def _line_of(value: Any) -> int:
    match value:
        case bool():
            return 0
        case int():
            return value if 0 < value < 10**7 else 0
        case float() if 0 < value < 10**7:
            return int(value)
        case str():
            number = re.search(r"(?:^|[^\w.])L?(\d{1,7})\b", f" {value[:100]}")
            return int(number[1]) if number else 0
        case [first, *_]:
            return _line_of(first)
        case Mapping():
            return next(
                (
                    found
                    for key in ("start", "line", "startLine", "from", "begin")
                    if (found := _line_of(value.get(key)))
                ),
                0,
            )
        case _:
            return 0


def severity_of(fields: Mapping[str, list[Any]]) -> Severity | None:
    """How bad it is said to be, by any word or score for it; None where no word for it is known."""
    for value in fields.get("severity", []):
        if isinstance(value, int | float) and not isinstance(value, bool):
            if isinstance(value, float) or value > 5:
                return "critical" if value >= 9 else "high" if value >= 7 else "medium" if value >= 4 else "low"
            continue
        words = re.findall(r"[^\W_]+", str(value)[:100].lower()) if isinstance(value, str) else []
        if found := next((_SEVERITY_WORDS[word] for word in words if word in _SEVERITY_WORDS), None):
            return found
    return None


def category_of(fields: Mapping[str, list[Any]]) -> str:
    for value in fields.get("category", []):
        said = " ".join(re.findall(r"[^\W_]+", str(value)[:100].lower()))
        if said in CATEGORIES:
            return said
        if found := next((_CATEGORY_OF[word] for word in said.split() if word in _CATEGORY_OF), None):
            return found
    return "bug"
