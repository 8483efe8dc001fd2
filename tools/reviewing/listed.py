"""The findings in what a reviewer answered, in every JSON-like dress: an object, lists, lines, one by one, cut off."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping
from typing import Any

from tools.reading.loose_json import json_values
from tools.reviewing.dresses import plain_lines, table_rows, unwrapped
from tools.reviewing.fields import canonical, category_of, claim_of, place_of, severity_of, text_of
from tools.reviewing.findings import Raw

_MOST_FINDINGS = 200
_DEEPEST = 4
_LISTS = frozenset(
    [
        "findings",
        "issues",
        "problems",
        "bugs",
        "defects",
        "results",
        "comments",
        "review",
        "reviews",
        "vulnerabilities",
        "errors",
    ]
)
_FIELD_LINE = re.compile(
    r"^[\s>*•-]{0,20}(?:\d{1,3}[.)]\s+)?[*_`]{0,3}([A-Za-z][A-Za-z _-]{1,24})[*_`]{0,3}\s?[:=][*_`]{0,3}\s?(.{0,2000})$"
)
_HEADING = re.compile(
    r"^\s{0,3}#{1,6}\s+(?:(?:finding|issue|bug|problem)\s*#?)?(?:\d{1,3}\s?[.):-]\s*)?(\S.*?)[#\s]*$", re.I
)


def read_findings(ai: str, text: str) -> list[Raw] | None:
    """The findings in an answer; None when it is in no form that could hold any."""
    values = json_values(html.unescape(text) if "&quot;" in text and '"' not in text else text)
    entries = [entry for value in values for entry in _entries(value, {}, 0)]
    if not entries:
        entries = [row for row in table_rows(text) if _is_finding(row)] or list(_blocks(plain_lines(text)))
    if not entries and not any(map(_is_empty, values)):
        return None
    return [raw for entry in entries[:_MOST_FINDINGS] if (raw := _raw(ai, entry))]


def _is_empty(value: Any) -> bool:
    """Whether *value* says that nothing was found."""
    if isinstance(value, list):
        return not value
    lists = [one for key, one in value.items() if str(key).lower() in _LISTS] if isinstance(value, Mapping) else []
    return any(one == [] for one in lists)


def _entries(value: Any, above: Mapping[str, Any], depth: int) -> Iterator[Mapping[str, Any]]:
    """The objects in *value* that are findings; what stands above them, such as their file, is theirs too."""
    if depth > _DEEPEST:
        return
    value = unwrapped(value)
    if isinstance(value, list):
        for one in value:
            yield from _entries(one, above, depth + 1)
    elif isinstance(value, Mapping):
        lists = {
            key: one
            for key, one in value.items()
            if isinstance(one, list | Mapping) or (str(key).lower() in _LISTS and isinstance(unwrapped(one), list))
        }
        if _is_finding(value):
            yield {**above, **value}
            return
        shared = {key: one for key, one in value.items() if isinstance(one, str | int)}
        for key, inner in lists.items():
            named = {"file": key} if re.search(r"\.\w{1,8}$", str(key)) and "file" not in shared else {}
            yield from _entries(inner, {**above, **shared, **named}, depth + 1)


def _is_finding(entry: Mapping[str, Any]) -> bool:
    fields = canonical(entry)
    told = len({"file", "line", "evidence", "severity"} & set(fields))
    return bool(claim_of(fields)) and told > 0 and not any(_holds_findings(one) for one in entry.values())


def _holds_findings(value: Any) -> bool:
    return isinstance(value, list) and any(
        isinstance(one, Mapping) and claim_of(canonical(one)) and len(canonical(one)) > 2 for one in value[:5]
    )


def _blocks(text: str) -> Iterator[Mapping[str, Any]]:
    """`file: a.py`, `line: 3`, `claim: ...` line by line; a field that comes again begins the next finding, and so does
    a heading, which is what it claims where nothing else is."""
    entry: dict[str, Any] = {}
    above = ""
    for line in text[:400_000].split("\n"):
        if heading := _HEADING.match(line[:2_200]):
            yield from _closed(entry, above)
            entry, above = {}, heading[1]
            continue
        match = _FIELD_LINE.match(line[:2_200])
        key = re.sub(r"[^a-z]", "", match[1].lower()) if match else ""
        if match is None or not canonical({key: "x"}):
            continue
        if key in entry:
            yield from _closed(entry, above)
            entry = {}
        entry[key] = match[2].strip().strip("`")
    yield from _closed(entry, above)


def _closed(entry: dict[str, Any], above: str) -> Iterator[Mapping[str, Any]]:
    whole = entry if not entry or claim_of(canonical(entry)) else {**entry, "claim": above}
    if _is_finding(whole):
        yield whole


def _raw(ai: str, entry: Mapping[str, Any]) -> Raw | None:
    fields = canonical(entry)
    claim = claim_of(fields)
    file, line = place_of(fields)
    severity = severity_of(fields)
    return (
        Raw(
            ai=ai,
            file=file,
            line=line,
            severity=severity or "medium",
            category=category_of(fields),
            claim=claim.strip(),
            evidence=next((found.strip() for value in fields.get("evidence", []) if (found := text_of(value))), ""),
            fix=next((found.strip() for value in fields.get("fix", []) if (found := text_of(value))), ""),
            graded=severity is not None,
        )
        if claim.strip()
        else None
    )
