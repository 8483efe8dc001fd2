from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.changes.diffs import FileDiff, NotADiffError, read_diff

HUNK = "@@ -1 +1 @@\n-a\n+b\n"
MERGE = """\
diff --cc src/plain.py
index f3b87ae,b62f8fa..b90d741
--- a/src/plain.py
+++ b/src/plain.py
@@@ -1,2 -1,2 +1,2 @@@
  x = 1
- right = 2
 -left = 1
++merged = 3 / 0
"""


def only(text: str) -> FileDiff:
    (file,) = read_diff(text)
    return file


@pytest.mark.parametrize(
    ("old", "new", "name"),
    [
        ("a/x.py", "b/x.py", "x.py"),
        ("x.py", "x.py", "x.py"),
        ("a/x.py", "a/x.py", "a/x.py"),
        ("i/x.py", "w/x.py", "x.py"),
        ("c/sub/x.py", "i/sub/x.py", "sub/x.py"),
        ("/dev/null", "b/new.py", "new.py"),
        ("a/old.py", "/dev/null", "old.py"),
        ("a/x y.py\t", "b/x y.py\t", "x y.py"),
        ("a/x.py\t2026-01-01 00:00:00", "b/x.py\t2026-01-01 00:00:01", "x.py"),
        (r'"a/gr\303\266\303\237e/.env"', r'"b/gr\303\266\303\237e/.env"', "größe/.env"),
        (r'"a/we\"ird/.env"', r'"b/we\"ird/.env"', 'we"ird/.env'),
        (r'"a/back\\slash\ttab"', r'"b/back\\slash\ttab"', "back\\slash\ttab"),
        (r'"a/bad\377byte"', r'"b/bad\377byte"', "bad\N{REPLACEMENT CHARACTER}byte"),
    ],
)
def test_a_name_is_what_it_is_called_not_how_it_is_printed(old: str, new: str, name: str) -> None:
    assert only(f"--- {old}\n+++ {new}\n{HUNK}").name == name
    if "/dev/null" not in (old, new):
        assert only(f"diff --git {old} {new}\n--- {old}\n+++ {new}\n{HUNK}").name == name


@pytest.mark.parametrize(
    ("head", "name", "why"),
    [
        (
            "diff --git a/n.bin b/n.bin\nnew file mode 100644\nBinary files /dev/null and b/n.bin differ",
            "n.bin",
            "binary",
        ),
        ("diff --git a/a b/a\nindex 1..2 100644\nGIT binary patch\ndelta 5\nMcmZ", "a", "binary"),
        ("Binary files old/x.png and new/x.png differ", "new/x.png", "binary"),
        (
            "diff --git a/s.sh b/s.sh\nold mode 100644\nnew mode 100755",
            "s.sh",
            "no line changed: its mode is 100755 instead of 100644",
        ),
        (
            "diff --git a/r.py b/s.py\nsimilarity index 100%\nrename from r.py\nrename to s.py",
            "s.py",
            "no line changed: renamed from r.py",
        ),
        (
            'diff --git "a/\\303\\244.py" b/s.py\nsimilarity index 100%\ncopy from "\\303\\244.py"\ncopy to s.py',
            "s.py",
            "no line changed: copied from ä.py",
        ),
        (
            "diff --git a/e e b/e e\nnew file mode 100644\nindex 0..1",
            "e e",
            "no line changed: a new file without a line",
        ),
        ("diff --git a/g b/g\ndeleted file mode 100644", "g", "no line changed: removed; it had no line"),
        (
            "diff --git a/lib b/lib\nindex 1..2 160000\n--- a/lib\n+++ b/lib\n@@ -1 +1 @@\n-Subproject commit 1\n"
            "+Subproject commit 2",
            "lib",
            "a submodule, which is at another commit now",
        ),
        ("Submodule vendor/lib 1234567..89abcde:\n  > work", "vendor/lib", "a submodule, which has changed"),
        ("diff --cc m.bin\nindex 1,2..3\nBinary files differ", "m.bin", "binary"),
        ("diff --git a/x b/x\nindex 1..2 100644", "x", "the diff shows no line of it"),
    ],
)
def test_what_holds_no_line_is_called_what_it_is(head: str, name: str, why: str) -> None:
    file = only(head + "\n")
    assert (file.name, file.why_empty, file.lines) == (name, why, {})


def test_a_merge_is_read_by_its_result() -> None:
    file = only(MERGE)
    assert file.lines == {1: "x = 1", 2: "merged = 3 / 0"}
    assert (file.added, file.removed) == ({2}, {2: ["right = 2", "left = 1"]})
    three = only("diff --cc x\n--- a/x\n+++ b/x\n@@@@ -1 -1 -1 +1 @@@@\n---old\n+++new\n")
    assert (three.lines, three.removed) == ({1: "new"}, {1: ["old"]})


def test_lines_that_look_like_heads_stay_lines() -> None:
    text = "--- a/x\n+++ b/x\n@@ -1,3 +1,3 @@\n--- a/y\n-@@ -1 +1 @@\n-diff --git a/z b/z\n+++ b/y\n+@@ -9 +9 @@\n+x\n"
    file = only(text)
    assert list(file.lines.values()) == ["++ b/y", "@@ -9 +9 @@", "x"]
    assert file.removed == {1: ["-- a/y", "@@ -1 +1 @@", "diff --git a/z b/z"]}


def test_the_words_around_a_diff_are_no_part_of_it() -> None:
    text = f"From 1\nSubject: x\n---\n x | 2 +-\n\ndiff --git a/x b/x\n--- a/x\n+++ b/x\n{HUNK}-- \n2.39.5\n\nFrom 2\n"
    assert [file.name for file in read_diff(text)] == ["x"]


def test_ends_of_lines_and_missing_ones_are_no_part_of_a_line() -> None:
    file = only(
        "--- a/x\r\n+++ b/x\r\n@@ -1 +1,2 @@\r\n-a\r\n\\ No newline at end of file\r\n+b\r\n+c\r\n\\ No newline\r\n"
    )
    assert (file.name, file.lines, file.removed) == ("x", {1: "b", 2: "c"}, {1: ["a"]})


@pytest.mark.parametrize(
    "text",
    [
        "@@ -1 +1 @@\n-a\n+b\n",
        "--- a/x\n+++ b/x\n@@ -1,5 +1,5 @@\n a\n",
        "--- a/x\n+++ b/x\n@@ what @@\n",
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n+b\n+c\n-a\n",
        "--- a/x\n+++ b/x\n@@@ -1 -1 +1 @@@\n++b\n",
        "--- a/x\n+++ b/x\n@@ -1 +1 @@\n?b\n",
    ],
)
def test_what_breaks_off_or_contradicts_itself_is_no_diff(text: str) -> None:
    with pytest.raises(NotADiffError):
        read_diff(text)


@given(st.text(st.sampled_from('-+@ \\\nadiff/--cc0123,"\r\t'), max_size=200))
def test_no_text_is_read_without_an_end_or_with_another_error(text: str) -> None:
    with contextlib.suppress(NotADiffError):
        read_diff(f"diff --git a/x b/x\n{text}")
