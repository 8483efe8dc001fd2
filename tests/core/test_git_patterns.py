"""Patterns of ignore files, as git reads them."""

from __future__ import annotations

import warnings

import pytest

from core.git_patterns import git_patterns


@pytest.mark.parametrize(
    ("pattern", "matched", "other"),
    [
        ("[[:alpha:]]*.key", "a1.key", "1a.key"),
        ("x[^[:digit:]]", "xy", "x1"),
        ("[[:upper:][:digit:]_]", "_", "a"),
        ("*.pem", "deep/in/a.pem", "a.pen"),
    ],
)
def test_classes_of_characters_are_read_as_git_reads_them(pattern: str, matched: str, other: str) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = git_patterns((pattern,))
    assert found is not None
    assert found.check_file(matched).include and not found.check_file(other).include


def test_what_is_no_pattern_is_none() -> None:
    assert git_patterns(("!",)) is None
