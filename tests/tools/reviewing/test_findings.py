from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.changes.source import Source, whole
from tools.reviewing.findings import Raw, anchored, merged, searched
from tools.reviewing.listed import read_findings

CODE = whole("src/a.py", "def f(x):\n    if x = 1:\n        return None\n    return x / 0\n    }\n")
REMOVES = Source("lib/b.py", {7: "new"}, frozenset({7}), {7: ("check(user)",)})
SHOWN = searched({"src/a.py": [CODE], "lib/b.py": [REMOVES]})


def raw(**changes: Any) -> Raw:
    values = {"ai": "a", "file": "src/a.py", "line": 4, "severity": "high", "category": "bug"}
    more = {"claim": "Division by zero.", "evidence": "return x / 0", "fix": ""}
    return Raw(**(values | more | changes))


@pytest.mark.parametrize(
    ("changes", "place"),
    [
        ({}, ("src/a.py", 4)),
        ({"line": 99}, ("src/a.py", 4)),
        ({"file": "a.py"}, ("src/a.py", 4)),
        ({"file": "./src/a.py", "evidence": "   4  |     return x/0"}, ("src/a.py", 4)),
        ({"evidence": "if x = 1:\n    return None"}, ("src/a.py", 2)),
        ({"evidence": "}", "line": 5}, ("src/a.py", 5)),
        ({"file": "b/lib/b.py", "evidence": "- check(user)", "line": 1}, ("lib/b.py", 7)),
    ],
)
def test_a_finding_is_put_where_the_line_it_quotes_really_is(changes: dict[str, Any], place: tuple[str, int]) -> None:
    assert anchored(raw(**changes), SHOWN) == place


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"file": "c.py", "evidence": "return y / 0"}, "no such file was shown"),
        ({"evidence": ""}, "it quotes no line"),
        ({"evidence": "return y / 0"}, "the line it quotes does not exist"),
        ({"evidence": "}", "line": 1}, "the line it quotes does not exist"),
        ({"evidence": "return None\nif x = 1:"}, "the line it quotes does not exist"),
    ],
)
def test_a_finding_about_code_that_does_not_exist_is_thrown_away(changes: dict[str, Any], reason: str) -> None:
    assert anchored(raw(**changes), SHOWN) == reason


def test_the_same_defect_seen_by_several_is_one_finding_with_all_their_words() -> None:
    found = merged(
        [
            (raw(ai="a", severity="medium"), "f", 4),
            (
                raw(ai="b", claim="This divides by zero and crashes.", severity="critical", category="error handling"),
                "f",
                4,
            ),
            (raw(ai="c", claim="ZeroDivisionError when called"), "f", 4),
            (raw(ai="d", claim="Division by zero."), "f", 5),
            (raw(ai="c", claim="The name says nothing.", category="design", severity="low"), "f", 4),
        ]
    )
    assert [(one.severity, one.ais) for one in found] == [
        ("high", ["a", "b", "c"]),
        ("high", ["d"]),
        ("low", ["c"]),
    ]
    assert [one.claim for one in found[0].raw][1] == "This divides by zero and crashes."


def test_two_findings_of_one_ai_stay_two() -> None:
    assert len(merged([(raw(), "f", 4), (raw(), "f", 4)])) == 2


def test_the_worst_and_the_most_agreed_come_first() -> None:
    found = merged(
        [
            (raw(severity="low"), "a", 1),
            (raw(severity="high"), "b", 9),
            (raw(severity="high"), "c", 1),
            (raw(severity="high", ai="b"), "c", 1),
        ]
    )
    assert [(one.file, one.severity) for one in found] == [("c", "high"), ("b", "high"), ("a", "low")]


@given(
    st.lists(
        st.tuples(
            st.sampled_from("abc"),
            st.integers(1, 12),
            st.sampled_from(["bug", "design"]),
            st.sampled_from(["x", "division by zero"]),
        ),
        max_size=25,
    )
)
def test_merging_loses_nothing_and_never_counts_an_ai_twice(given: list[tuple[str, int, str, str]]) -> None:
    all_of_them = [(raw(ai=ai, category=category, claim=claim), "f", line) for ai, line, category, claim in given]
    groups = merged(all_of_them)
    assert sorted(map(repr, (one for group in groups for one in group.raw))) == sorted(
        map(repr, (r for r, _, _ in all_of_them))
    )
    assert all(len({one.ai for one in group.raw}) == len(group.raw) for group in groups)


@pytest.mark.parametrize("text", ["no json", "{}", '{"findings": 3}', '{"x": []}', ""])
def test_an_answer_in_another_form_holds_no_findings(text: str) -> None:
    assert read_findings("a", text) is None


def test_findings_are_read_however_they_are_wrapped_and_cleaned() -> None:
    one = '{"file": "a.py", "line": true, "severity": "HIGH", "claim": "bad\\u001b[31m", "evidence": "x"}'
    text = f'Sure:\n```json\n{{"findings": [{one}, 7, {{"claim": ""}}]}}\n```'
    assert read_findings("a", text) == [Raw("a", "a.py", 0, "high", "bug", "bad", "x", "")]
