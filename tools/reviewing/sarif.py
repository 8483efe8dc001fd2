"""A review as SARIF 2.1.0 (OASIS Static Analysis Results Interchange Format), for code hosts and editors."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.metadata import version
from typing import Any, Protocol
from urllib.parse import quote

_SCHEMA = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
_LEVELS = {"critical": "error", "high": "error", "medium": "warning", "low": "note", "info": "note"}


class Reported(Protocol):
    """What SARIF wants to know of a finding."""

    @property
    def file(self) -> str: ...
    @property
    def line(self) -> int: ...
    @property
    def severity(self) -> str: ...
    @property
    def severities(self) -> Mapping[Any, int]: ...
    @property
    def category(self) -> str: ...
    @property
    def ais(self) -> list[str]: ...
    @property
    def read_by(self) -> int: ...
    @property
    def claim(self) -> str: ...


def sarif(findings: Sequence[Reported]) -> dict[str, Any]:
    """The findings as one run of a tool called Moot; a category is a rule."""
    categories = sorted({finding.category for finding in findings})
    rules = [{"id": _rule(category), "shortDescription": {"text": category.capitalize()}} for category in categories]
    driver = {"name": "Moot", "version": version("moot-mcp"), "rules": rules}
    results = [_result(finding, categories) for finding in findings]
    return {"$schema": _SCHEMA, "version": "2.1.0", "runs": [{"tool": {"driver": driver}, "results": results}]}


def _result(finding: Reported, categories: Sequence[str]) -> dict[str, Any]:
    where = {"artifactLocation": {"uri": uri_of(finding.file)}, "region": {"startLine": max(1, finding.line)}}
    return {
        "ruleId": _rule(finding.category),
        "ruleIndex": categories.index(finding.category),
        "level": _LEVELS[finding.severity],
        "message": {"text": finding.claim},
        "locations": [{"physicalLocation": where}],
        "properties": {
            "severity": finding.severity,
            "severities": dict(finding.severities),
            "reportedBy": finding.ais,
            "readBy": finding.read_by,
        },
    }


def uri_of(path: str) -> str:
    """*path* as a relative reference of RFC 3986: what is no path character is percent-encoded as UTF-8, and so is a
    colon, before which the first segment would be a scheme."""
    return quote(path.encode("utf-8", "surrogateescape"), safe="/-._~!$&'()*+,;=@")


def _rule(category: str) -> str:
    return f"moot/{category.replace(' ', '-')}"
