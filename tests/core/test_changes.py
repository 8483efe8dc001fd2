from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.changes import Source, applies, git_diff, parse_diff, whole, why_generated
from core.errors import InvalidInputError

DIFF = """\
diff --git a/x.py b/x.py
--- a/x.py
+++ b/x.py
@@ -1,3 +1,4 @@
 def f():
-    return 1
+    y = 2
+    return y
 # end
diff --git a/n.bin b/n.bin
new file mode 100644
Binary files /dev/null and b/n.bin differ
diff --git a/r.py b/s.py
similarity index 100%
rename from r.py
rename to s.py
"""


def git(folder: Path, *arguments: str) -> None:
    who = ["-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    subprocess.run(["git", "-C", str(folder), *who, *arguments], check=True, capture_output=True)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "repo"
    folder.mkdir()
    git(folder, "init", "-q", "-b", "main")
    (folder / "a.py").write_text("one\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "first")
    return folder


def test_a_diff_gives_numbered_lines_and_names_what_holds_none() -> None:
    (source,), without = parse_diff(DIFF)
    assert source == Source(
        "x.py",
        {1: "def f():", 2: "    y = 2", 3: "    return y", 4: "# end"},
        frozenset({2, 3}),
        {2: ("    return 1",)},
    )
    assert without == ["n.bin (left out: binary)", "s.py (left out: no line changed, only its name or mode)"]
    assert source.shown().splitlines() == [
        "   1  | def f():",
        "    - |     return 1",
        "   2 +|     y = 2",
        "   3 +|     return y",
        "   4  | # end",
    ]


@pytest.mark.parametrize("text", ["hello", "", "--- a/x\n+++ b/x\n@@ -1,5 +1,5 @@\n a\n", "@@ -1 +1 @@\n-a\n+b\n"])
def test_what_is_no_diff_is_refused_with_the_next_step(text: str) -> None:
    with pytest.raises(InvalidInputError, match="git diff"):
        parse_diff(text)


def test_a_removed_file_is_reviewed_by_its_removed_lines() -> None:
    (source,), _ = parse_diff("--- a/x\n+++ /dev/null\n@@ -1,2 +0,0 @@\n-a\n-b\n")
    assert (source.lines, source.removed) == ({}, {1: ("a", "b")})


@given(
    lines=st.lists(st.text(st.characters(exclude_categories=["C", "Zl", "Zp"]), max_size=30)), most=st.integers(1, 80)
)
def test_the_parts_of_a_source_are_all_of_it_in_order(lines: list[str], most: int) -> None:
    source = Source("x", dict(enumerate(lines, 1)))
    together = [pair for part in source.parts(most) for pair in part.lines.items()]
    assert together == list(source.lines.items())


def test_git_tells_what_is_not_committed_what_is_staged_and_what_came_since(repository: Path) -> None:
    with pytest.raises(InvalidInputError, match="Nothing is changed since the last commit"):
        git_diff(repository)
    (repository / "a.py").write_text("two\n")
    assert "+two" in git_diff(repository)
    with pytest.raises(InvalidInputError, match="Nothing is staged"):
        git_diff(repository, staged=True)
    git(repository, "checkout", "-qb", "topic")
    git(repository, "commit", "-qam", "second")
    (repository / "b.py").write_text("three\n")
    git(repository, "add", "b.py")
    since = git_diff(repository, base="main")
    assert "+two" in since
    assert "+three" in since
    assert "+two" not in git_diff(repository, base="main", paths=["b.py"])


def test_a_base_that_is_no_commit_or_is_an_option_is_refused(repository: Path) -> None:
    for base in ("nowhere", "--output=/tmp/x", "-x", ""):
        with pytest.raises(InvalidInputError, match="is no commit or branch"):
            git_diff(repository, base=base)


def test_a_folder_without_git_and_a_repository_without_a_commit_say_so(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="no git repository"):
        git_diff(tmp_path)
    git(tmp_path, "init", "-q")
    with pytest.raises(InvalidInputError, match="no commit yet"):
        git_diff(tmp_path)


def test_a_repository_cannot_have_its_own_programs_run(repository: Path) -> None:
    trap = repository.parent / "ran"
    script = repository.parent / "trap.sh"
    script.write_text(f"#!/bin/sh\ntouch {trap}\n")
    script.chmod(0o755)
    for setting in ("diff.external", "core.fsmonitor", "diff.x.textconv"):
        git(repository, "config", setting, str(script))
    (repository / ".gitattributes").write_text("*.py diff=x\n")
    (repository / "a.py").write_text("two\n")
    git_diff(repository)
    assert not trap.exists()


def test_a_diff_that_does_not_fit_the_file_is_known() -> None:
    (source,), _ = parse_diff(DIFF)
    assert applies(source, "def f():\n    y = 2\n    return y\n# end\n"), "the new version"
    assert applies(source, "def f():\n    return 1\n# end\n"), "the old one"
    assert not applies(source, "something else\n")


def test_what_nobody_wrote_is_known_by_name_place_or_its_own_word() -> None:
    assert why_generated("uv.lock", "") == "generated"
    assert why_generated("node_modules/x/index.js", "") == "in node_modules"
    assert why_generated("a.py", "# Code generated by x. DO NOT EDIT.") == "it says that it is generated"
    assert why_generated("a.py", "x = 1") is None
    assert whole("a", "x\ny").lines == {1: "x", 2: "y"}
