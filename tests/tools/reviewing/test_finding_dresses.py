"""Fifteen right findings in every dress that reviewers put them in: all found, each on its line."""

from __future__ import annotations

import html
import json
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from core.changes.diffs import split_lines
from core.changes.source import Source, whole
from tools.reviewing.fields import severity_of
from tools.reviewing.findings import Raw, anchored, merged, searched
from tools.reviewing.listed import read_findings
from tools.reviewing.paths import named
from tools.reviewing.sarif import uri_of

CODE = """import os


def mean(xs):
    return sum(xs) / len(xs)


def last(xs):
    return xs[len(xs)]


def load(path):
    return eval(open(path).read())


def greet(name):
    print("it's " + name + " & co")


def query(db, user):
    return db.execute(f"select * from users where name = '{user}'")


class Cache:
    items = {}

    def get(self, key, default=[]):
        return self.items.get(key, default)

    def put(self, key, value):
        if key is 'x':
            self.items[key] == value

    def drop(self, key):
        try:
            del self.items[key]
        except:
            pass


def run(command):
    os.system("sh -c " + command)


def wait(lock, n):
    lock.acquire()
    for i in range(n + 1):
        yield i / (n - 1) if n <= 1 else 0
"""
LINES = CODE.split("\n")
PLACES = [n for n, line in enumerate(LINES, 1) if line.strip() and not line.startswith(("def", "class", "import"))]
PLACES = [n for n in PLACES if len(LINES[n - 1].strip()) > 8][:15]
SOURCES = searched({"src/app.py": [whole("src/app.py", CODE)], "src/other.py": [whole("src/other.py", "x = 1\n")]})
FINDINGS: list[dict[str, Any]] = [
    {
        "file": "src/app.py",
        "line": place,
        "severity": "high",
        "category": "bug",
        "claim": f'Finding {place}: it\'s wrong, "really", and fails.',
        "evidence": LINES[place - 1].strip(),
        "fix": "Do not.",
    }
    for place in PLACES
]


def _each(change: Callable[[dict[str, Any]], dict[str, Any]]) -> str:
    return json.dumps({"findings": [change(one) for one in FINDINGS]})


def _evidence(change: Callable[[str, int], str]) -> str:
    return _each(lambda one: one | {"evidence": change(one["evidence"], one["line"])})


def _renamed(**names: str) -> str:
    return _each(lambda one: {names.get(key, key): value for key, value in one.items()})


def _python(value: Any) -> str:
    return repr(value)


def _trailing(text: str) -> str:
    return text.replace("}, {", "},\n{").replace('"}', '",}').replace("]}", ",]}")


def _yaml(findings: Sequence[dict[str, Any]]) -> str:
    return "\n".join("- " + "\n  ".join(f"{key}: {value}" for key, value in one.items()) for one in findings)


def _by_file() -> str:
    inner = [{key: value for key, value in one.items() if key != "file"} for one in FINDINGS]
    return json.dumps({"files": [{"file": "src/app.py", "issues": inner}]})


PLAIN = json.dumps({"findings": FINDINGS})
DRESSES: dict[str, str] = {
    "as asked": PLAIN,
    "indented": json.dumps({"findings": FINDINGS}, indent=2),
    "fenced": f"Here is my review:\n```json\n{PLAIN}\n```\nThanks!",
    "prose with braces around it": f"I looked at {{everything}} and [all].\n\n{PLAIN}\n\nThat's it (see {{above}}).",
    "a bare list": json.dumps(FINDINGS),
    "lines of JSON": "\n".join(map(json.dumps, FINDINGS)),
    "one by one in a list of prose": "\n".join(f"{n}. {json.dumps(one)}" for n, one in enumerate(FINDINGS, 1)),
    "each fenced": "\n".join(f"Issue:\n```json\n{json.dumps(one, indent=1)}\n```" for one in FINDINGS),
    "Python's way": _python({"findings": FINDINGS}),
    "trailing commas": _trailing(PLAIN),
    "comments": PLAIN.replace('"findings": [', '"findings": [ // all of them\n'),
    "cut off at the end": PLAIN[:-3],
    "cut off after its last finding": json.dumps({"findings": FINDINGS}, indent=1)[: -len("\n ]\n}")],
    "another key for the list": json.dumps({"issues": FINDINGS}),
    "nested": json.dumps({"review": {"summary": "bad", "findings": FINDINGS}}),
    "by file": _by_file(),
    "keyed by file": json.dumps({"src/app.py": [{k: v for k, v in one.items() if k != "file"} for one in FINDINGS]}),
    "other names": _renamed(claim="message", file="path", line="line_number", evidence="code", fix="suggestion"),
    "more other names": _renamed(claim="issue", file="filename", line="lineno", evidence="snippet", severity="level"),
    "title and description": _each(
        lambda one: {k: v for k, v in one.items() if k != "claim"} | {"title": "Wrong", "description": one["claim"]}
    ),
    "yaml": _yaml(FINDINGS),
    "lines as text": _each(lambda one: one | {"line": f"L{one['line']}-{one['line'] + 1}"}),
    "a location": _each(
        lambda one: (
            {k: v for k, v in one.items() if k not in ("file", "line")}
            | {"location": {"file": one["file"], "line": one["line"]}}
        )
    ),
    "file and line together": _each(
        lambda one: {k: v for k, v in one.items() if k not in ("file", "line")} | {"file": f"src/app.py:{one['line']}"}
    ),
    "absolute paths": _each(lambda one: one | {"file": "/home/me/project/src/app.py"}),
    "Windows paths": _each(lambda one: one | {"file": "C:\\Users\\me\\project\\src\\app.py"}),
    "a diff's paths": _each(lambda one: one | {"file": "b/src/app.py"}),
    "wrong lines": _each(lambda one: one | {"line": 999}),
    "numbered evidence": _evidence(lambda line, n: f"{n:>4}  |     {line}"),
    "evidence numbered otherwise": _evidence(lambda line, n: f"{n}: {line}"),
    "a diff's evidence": _evidence(lambda line, n: f"+ {line}"),
    "quoted evidence": _evidence(lambda line, n: f"“{line}”"),
    "evidence in backticks": _evidence(lambda line, n: f"`{line}`"),
    "fenced evidence": _evidence(lambda line, n: f"```python\n{line}\n```"),
    "commented evidence": _evidence(lambda line, n: f"{line}  # <-- this fails"),
    "evidence with an arrow": _evidence(lambda line, n: f"{line}  <-- here"),
    "evidence with ellipses around": _evidence(lambda line, n: f"...\n{line}\n..."),
    "abridged evidence": _evidence(lambda line, n: line if len(line) < 20 else f"{line[:8]}...{line[-8:]}"),
    "escaped for HTML": _evidence(lambda line, n: html.escape(line)),
    "escaped twice": _evidence(lambda line, n: line.replace('"', '\\"')),
    "evidence as a list": _each(lambda one: one | {"evidence": [one["evidence"]]}),
    "typographic": _evidence(lambda line, n: line.replace("'", "’")),
}


@pytest.mark.parametrize("dress", DRESSES)
def test_all_of_fifteen_findings_are_found_in_every_dress(dress: str) -> None:
    assert len(PLACES) == 15
    found = read_findings("a", DRESSES[dress])
    assert found is not None
    assert [anchored(raw, SOURCES) for raw in found] == [("src/app.py", place) for place in PLACES]
    assert {raw.severity for raw in found} == {"high"} and all("really" in raw.claim for raw in found)


@pytest.mark.parametrize(
    ("given", "name"),
    [
        *(
            (form, "src/a.py")
            for form in ("src/a.py", "./src/a.py", "/x/src/a.py", "a.py", "a/src/a.py", "src\\a.py", "`src/a.py`")
        ),
        *(
            (form, "src/a.py")
            for form in ("D:\\p\\src\\a.py", "file:///x/src/a.py", "src/a.py:12", "src/a.py:12:5", "src/a.py#L12")
        ),
        *(
            (form, "src/a.py")
            for form in ("src/a.py (12)", "src/a.py, line 12", "src/a.py:12-15", "SRC/A.PY", "src/a.py(12)")
        ),
        *((form, "my docs/ü b.py") for form in ("my docs/ü b.py", "my%20docs/%C3%BC%20b.py", "my docs/u\u0308 b.py")),
        ("b.py", None),
        ("", None),
    ],
)
def test_a_file_is_found_however_its_path_is_written(given: str, name: str | None) -> None:
    assert named(given, ["src/a.py", "lib/b.py", "test/b.py", "my docs/ü b.py"]) == name


def test_what_nobody_can_place_says_why() -> None:
    raw = Raw("a", "gone.py", 1, "high", "bug", "c", "x == 7777777777", "")
    assert anchored(raw, SOURCES) == "no such file was shown"
    two = searched({name: [whole(name, "return compute(1)\n")] for name in ("a.py", "b.py")})
    assert anchored(Raw("a", "a.py", 1, "high", "bug", "c", "", ""), two) == "it quotes no line"
    assert anchored(Raw("a", "old.py", 1, "high", "bug", "c", "return compute(1)", ""), two) == "no such file was shown"


@pytest.mark.parametrize(
    ("said", "severity"),
    [
        *(
            (word, "critical")
            for word in ("Critical", "BLOCKER", "fatal", "P0", "🔴 Critical", 9.8, "Severity: critical")
        ),
        *((word, "high") for word in ("High", "major", "error", "P1", "HIGH (8.1)", 7.5, "serious")),
        *((word, "medium") for word in ("moderate", "warning", "P2", 5.0)),
        *((word, "low") for word in ("minor", "P3", 2.1)),
        *((word, "info") for word in ("nit", "informational", "note", "suggestion")),
        *((word, None) for word in ("banana", "", 3, None, True)),
    ],
)
def test_severity_is_known_by_its_synonyms_and_unknown_words_have_no_vote(said: object, severity: str | None) -> None:
    assert severity_of({"severity": [said]}) == severity


def test_severity_is_voted_and_its_spread_is_told() -> None:
    votes = ("critical", "high", "medium", "low")
    raws = [
        Raw(name, "f", 1, vote, "bug", "Division by zero.", "x", "") for name, vote in zip("abcd", votes, strict=True)
    ]  # type: ignore[arg-type]
    ungraded = Raw("e", "f", 1, "medium", "bug", "Division by zero.", "x", "", graded=False)
    (found,) = merged([(raw, "f", 1) for raw in [*raws, ungraded]])
    assert found.severity == "high" and found.votes == dict.fromkeys(votes, 1)


def test_findings_of_different_kinds_on_one_line_stay_apart() -> None:
    one = Raw("a", "f", 1, "high", "security", "User input reaches the shell.", "x", "")
    other = Raw("b", "f", 1, "high", "bug", "The exit status is lost.", "x", "")
    third = Raw("c", "f", 1, "high", "performance", "Starts a process for every row.", "x", "")
    assert len(merged([(raw, "f", 1) for raw in (one, other, third)])) == 3


@pytest.mark.parametrize("sign", ["\x0c", "\u2028", "\u2029", "\x85", "\x0b", "\x1c", "\x1d", "\x1e"])
def test_only_a_line_feed_ends_a_line(sign: str) -> None:
    text = f"one\r\n{sign}two{sign}\nthree = 1 / 0\n"
    assert [line.strip() for line in split_lines(text)][2] == "three = 1 / 0" and len(split_lines(text)) == 3
    raw = Raw("a", "f.py", 3, "high", "bug", "c", "three = 1 / 0", "")
    assert anchored(raw, searched({"f.py": [whole("f.py", text)]})) == ("f.py", 3)


@pytest.mark.parametrize(
    ("path", "uri"),
    [
        ("src/a.py", "src/a.py"),
        ("my docs/a#b%20c.py", "my%20docs/a%23b%2520c.py"),
        ("größe.py", "gr%C3%B6%C3%9Fe.py"),
        ("a:b.py", "a%3Ab.py"),
        ('we"ird\\[x]?.py', "we%22ird%5C%5Bx%5D%3F.py"),
        ("line\nbreak\t.py", "line%0Abreak%09.py"),
        ("b\udcffad.py", "b%FFad.py"),
    ],
)
def test_a_file_s_uri_is_percent_encoded(path: str, uri: str) -> None:
    assert uri_of(path) == uri


def test_a_removed_line_is_found_where_it_stood() -> None:
    source = Source("f.py", {7: "new"}, frozenset({7}), {7: ("check(user)",)})
    assert anchored(Raw("a", "f.py", 1, "high", "bug", "c", "-check(user)", ""), searched({"f.py": [source]})) == (
        "f.py",
        7,
    )


SHOWN = [
    (f"src/{name}.py", number, f"{name} is wrong here", f"{name} = {number}")
    for number, name in enumerate("abcdefghij", 3)
]
OBJECTS = [
    {"file": file, "line": line, "severity": "high", "claim": claim, "evidence": evidence}
    for file, line, claim, evidence in SHOWN
]


def lined(form: str) -> str:
    return "".join(form.format(file=f, line=n, claim=c, evidence=e) for f, n, c, e in SHOWN)


OTHER_DRESSES = {
    "a string that holds JSON": json.dumps({"findings": json.dumps(OBJECTS)}),
    "columns and rows": json.dumps({"columns": list(OBJECTS[0]), "rows": [list(one.values()) for one in OBJECTS]}),
    "SARIF": json.dumps(
        {
            "runs": [
                {
                    "results": [
                        {
                            "ruleId": "x",
                            "level": "error",
                            "message": {"text": claim},
                            "locations": [
                                {
                                    "physicalLocation": {
                                        "artifactLocation": {"uri": file},
                                        "region": {"startLine": line, "snippet": {"text": evidence}},
                                    }
                                }
                            ],
                        }
                        for file, line, claim, evidence in SHOWN
                    ]
                }
            ]
        }
    ),
    "escaped for HTML": html.escape(json.dumps({"findings": OBJECTS})),
    "tags in a line": "<findings>"
    + lined(
        "<finding><file>{file}</file><line>{line}</line><severity>high</severity><claim>{claim}</claim>"
        "<evidence>{evidence}</evidence></finding>"
    )
    + "</findings>",
    "tags in lines": lined(
        "<finding>\n  <file>{file}</file>\n  <line>{line}</line>\n  <severity>high</severity>\n"
        "  <claim>{claim}</claim>\n  <evidence>{evidence}</evidence>\n</finding>\n"
    ),
    "a table": "| File | Line | Severity | Claim | Evidence |\n|---|---|---|---|---|\n"
    + lined("| {file} | {line} | high | {claim} | `{evidence}` |\n"),
    "headings with lists": lined(
        "### {line}. {claim}\n\n- **File:** `{file}`\n- **Line:** {line}\n- **Severity:** High\n"
        "- **Evidence:** `{evidence}`\n\n"
    ),
    "fields in a line": lined("* File: {file}, Line: {line}, Severity: high, Claim: {claim}, Evidence: {evidence}\n"),
}


@pytest.mark.parametrize("dress", OTHER_DRESSES)
def test_findings_are_found_in_what_is_no_json_or_hides_it(dress: str) -> None:
    found = read_findings("ai", OTHER_DRESSES[dress])
    assert found is not None
    assert [(one.file, one.line, one.claim, one.evidence, one.severity) for one in found] == [
        (*shown, "high") for shown in SHOWN
    ]


def test_a_report_without_findings_in_headings_is_in_no_form_that_could_hold_any() -> None:
    assert read_findings("ai", "# Review\n\nI read it all.\n\n## Result\n\nIt looks fine: nothing to say.") is None
