"""Findings in what is no JSON, or hides it: tables, tags, headings with a list below, JSON in a string, SARIF.

Everything is brought into objects or into lines of `field: value`; which of them are findings is decided elsewhere.
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tools.reading.loose_json import json_values
from tools.reviewing.fields import canonical

_LONGEST = 400_000
_MOST_ROWS = 1_000
_HEADS = ("columns", "headers", "header", "fields", "keys")
_BODIES = ("rows", "data", "values", "findings", "issues")
_LEAF = re.compile(r"<([a-zA-Z][\w-]{1,24})>\s*([^<>]{1,2000}?)\s*</\1>")
_IN_A_LINE = re.compile(r"[,;|]\s+(?=[*_`]{0,3}[A-Z][a-z]{2,15}[*_`]{0,3}:[*_`]{0,3}\s)")
_RULE = re.compile(r"[\s|:-]*-[\s|:-]*")


def unwrapped(value: Any) -> Any:
    """*value* with what it holds in another form as plain objects: JSON in a string, columns and rows, SARIF."""
    if isinstance(value, str) and value.lstrip()[:2] in ("[{", '{"', "[ ", "[\n") and len(value) < _LONGEST:
        return json_values(value)
    if not isinstance(value, Mapping):
        return value
    if rows := _rows(value):
        return rows
    return {**value, **_place(value)} if isinstance(value.get("locations"), list) else value


def _rows(value: Mapping[str, Any]) -> list[dict[str, Any]]:
    heads = next((value[key] for key in _HEADS if _is_list_of(value.get(key), str)), None)
    rows = next((value[key] for key in _BODIES if _is_list_of(value.get(key), list)), None)
    return [dict(zip(heads, row, strict=False)) for row in rows[:_MOST_ROWS]] if heads and rows else []


def _is_list_of(value: Any, kind: type) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(one, kind) for one in value)


def _place(result: Mapping[str, Any]) -> dict[str, Any]:
    """The file, line and snippet of a result of SARIF."""
    first = next((one for one in result["locations"] if isinstance(one, Mapping)), {})
    physical = _of(first, "physicalLocation")
    region = _of(physical, "region")
    found = {
        "file": _of(physical, "artifactLocation").get("uri"),
        "line": region.get("startLine"),
        "evidence": _of(region, "snippet").get("text"),
    }
    return {key: one for key, one in found.items() if one}


def _of(value: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    inner = value.get(key)
    return inner if isinstance(inner, Mapping) else {}


def plain_lines(text: str) -> str:
    """*text* with tags, and fields that share a line, as a line for each field."""
    text = html.unescape(text[:_LONGEST]) if "&lt;" in text and "<" not in text else text[:_LONGEST]
    lines = [_IN_A_LINE.sub("\n", line) if line.count(": ") > 1 else line for line in text.split("\n")]
    return _LEAF.sub(lambda leaf: f"\n{leaf[1]}: {html.unescape(' '.join(leaf[2].split()))}\n", "\n".join(lines))


def table_rows(text: str) -> Iterator[dict[str, Any]]:
    """The rows of the tables in *text* whose heads name the fields of a finding."""
    head: Sequence[str] = ()
    for line in text[:_LONGEST].split("\n"):
        if not line.lstrip().startswith("|"):
            head = ()
            continue
        cells = [cell.strip().replace("\\|", "|").strip("`*") for cell in _cells(line)]
        if not head:
            head = cells if len(canonical(dict.fromkeys(cells, "x"))) > 1 else ()
        elif not _RULE.fullmatch(line[:500]):
            yield dict(zip(head, cells, strict=False))


def _cells(line: str) -> list[str]:
    return re.split(r"(?<!\\)\|", line.strip()[:20_000].removeprefix("|").removesuffix("|"))
