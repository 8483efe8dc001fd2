"""Patterns of ignore files, as git reads them."""

from __future__ import annotations

import itertools
import re
import warnings

import pytest
from pathspec import GitIgnoreSpec

from core.git_patterns import git_patterns, good_patterns, steady


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


@pytest.mark.parametrize("line", ["!", "[z-a]*", "\\", "x" * 5_000])
def test_a_line_that_is_no_pattern_costs_the_others_nothing(line: str) -> None:
    assert git_patterns((line,)) is None
    found = good_patterns((line, "*.key"))
    assert found.check_file("a.key").include and not found.check_file("a.txt").include


@pytest.mark.parametrize(
    ("pattern", "name"),
    [
        ("*a" * 100 + "b", "a" * 250),
        ("?*" * 50 + "b", "a" * 250),
        ("[a-z]*" * 40 + "1", "a" * 250),
        ("**/a/" * 40 + "zz", "a/" * 200 + "f"),
        ("*" * 500 + "b", "a" * 250),
        ("a*/**/" * 20 + "b*b*b", "a" * 200 + "/a" * 100),
    ],
)
def test_no_pattern_takes_longer_for_a_name_that_nearly_fits(pattern: str, name: str) -> None:
    found = git_patterns((pattern,))
    assert found is not None and not found.match_file(name)


def test_what_is_steady_matches_what_it_did() -> None:
    pieces = ["a", "*", "?", "/", "**/", "/**", "[ab]", "\\*", "."]
    names = ["/".join(one) for size in (1, 2, 3) for one in itertools.product(("a", "ba", "a.b"), repeat=size)]
    compared = 0
    for pattern in map("".join, itertools.product(pieces, repeat=4)):
        try:
            plain = [one.regex for one in GitIgnoreSpec.from_lines([pattern]).patterns if one.regex is not None]
        except ValueError:
            continue
        for one in plain:
            made = re.compile(steady(one.pattern))
            for name in names:
                compared += 1
                assert bool(made.search(name)) == bool(one.search(name)), (pattern, name)
    assert compared > 100_000


def test_a_letter_that_is_another_is_no_slash() -> None:
    found = git_patterns(("a[!x]c",))
    assert found is not None and found.match_file("abc") and not found.match_file("a/c")
