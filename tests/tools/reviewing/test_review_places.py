"""Where a review puts findings: lines as editors count them, addresses by RFC 3986, and what has no place."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest
from scripted_ai import scripted_app

from ai.runs.run import Materials
from core.files.workspace import Workspace
from tools.review import Review, review

_PATH = re.compile(r"(?:[A-Za-z0-9._~!$&'()*+,;=@/-]|%[0-9A-F]{2})+")
"""A relative reference without a scheme, an authority, a query or a fragment."""


def found(*findings: dict[str, Any]) -> str:
    plain = {"line": 1, "severity": "high", "category": "bug", "claim": "Divides by zero.", "fix": "Do not."}
    return json.dumps({"findings": [plain | finding for finding in findings]})


def project(root: Path, texts: dict[str, str]) -> Materials:
    for name, text in texts.items():
        (root / name).parent.mkdir(exist_ok=True)
        (root / name).write_text(text, "utf-8", newline="")
    return Materials(Workspace.open([str(root)], []))


async def run_review(root: Path, texts: dict[str, str], answers: dict[str, str], **options: Any) -> Review:
    materials = await anyio.to_thread.run_sync(project, root, texts)
    script = {name: [answer] for name, answer in answers.items()}
    async with scripted_app(script, materials=materials) as app, app.run("review") as run:
        return await review(run, sarif=True, **options)


def places(result: Review) -> list[tuple[str, int]]:
    assert result.sarif
    where = [one["locations"][0]["physicalLocation"] for one in result.sarif["runs"][0]["results"]]
    return [(one["artifactLocation"]["uri"], one["region"]["startLine"]) for one in where]


@pytest.mark.parametrize("sign", ["\x0c", "\u2028", "\x85", "\x0b"])
async def test_a_sign_that_is_no_line_feed_does_not_shift_a_finding(tmp_path: Path, sign: str) -> None:
    texts = {"ff.py": f"import os\n\n{sign}\ndef half(x):\n    return 1 / 0\n"}
    answer = found({"file": "ff.py", "line": 5, "evidence": "    return 1 / 0"})
    result = await run_review(tmp_path, texts, {"a": answer}, files=["ff.py"])
    assert [(finding.file, finding.line) for finding in result.findings] == [("ff.py", 5)]
    assert places(result) == [("ff.py", 5)]


@pytest.mark.parametrize(
    ("name", "uri"),
    [
        ("my docs/a#b%20c.py", "my%20docs/a%23b%2520c.py"),
        ("notes/größe.py", "notes/gr%C3%B6%C3%9Fe.py"),
        ("a:b?.py", "a%3Ab%3F.py"),
        ("[x]{y}.py", "%5Bx%5D%7By%7D.py"),
    ],
)
async def test_a_file_of_any_name_is_found_and_has_a_valid_address(tmp_path: Path, name: str, uri: str) -> None:
    diff = f'--- "a/{name}"\n+++ "b/{name}"\n@@ -1 +1,2 @@\n ok = 1\n+bad = 1 / 0\n'
    answers = {"a": found({"file": name, "evidence": "bad = 1 / 0"})}
    result = await run_review(tmp_path, {name: "ok = 1\n"}, answers, diff=diff)
    assert [(finding.file, finding.line) for finding in result.findings] == [(name, 2)]
    assert places(result) == [(uri, 2)] and _PATH.fullmatch(uri) and ":" not in uri


async def test_what_cannot_be_placed_is_told_and_never_silently_dropped(tmp_path: Path) -> None:
    answer = found(
        {"file": "a.py", "evidence": "x = 1 / 0"},
        {"file": "elsewhere.py", "evidence": "y = 2 / 0", "claim": "Elsewhere."},
        {"file": "a.py", "evidence": "", "claim": "Without a quotation."},
        {"file": "a.py", "evidence": "z = 3 / 0", "claim": "Invented."},
    )
    result = await run_review(tmp_path, {"a.py": "x = 1 / 0\n"}, {"a": answer}, files=["a.py"])
    assert len(result.findings) == 1
    assert [one.claim for one in result.dropped if not one.unplaced] == ["Invented."]
    assert [(one.claim, one.reason) for one in result.dropped if one.unplaced] == [
        ("Elsewhere.", "no such file was shown"),
        ("Without a quotation.", "it quotes no line"),
    ]
    assert "; 2 unplaced; 1 thrown away" in result.summary and "## Unplaced" in result.markdown()


async def test_the_votes_on_severity_are_shown_and_go_into_sarif(tmp_path: Path) -> None:
    answers = {
        name: found({"file": "a.py", "evidence": "x = 1 / 0", "severity": said})
        for name, said in (("a", "blocker"), ("b", "minor"), ("c", "major"))
    }
    result = await run_review(tmp_path, {"a.py": "x = 1 / 0\n"}, answers, files=["a.py"])
    (finding,) = result.findings
    assert finding.severity == "high" and finding.severities == {"critical": 1, "high": 1, "low": 1}
    assert "voted critical 1, high 1, low 1" in result.markdown()
    assert result.sarif and result.sarif["runs"][0]["results"][0]["properties"]["severities"]["low"] == 1
