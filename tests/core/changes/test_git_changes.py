from __future__ import annotations

import os
from pathlib import Path

import pytest
from git_repository import git, repository

from core.changes.from_git import Changes, git_changes
from core.errors import InvalidInputError
from core.files.workspace import Workspace


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return repository(tmp_path / "repo")


def changes(folder: Path, *, local_only: tuple[str, ...] = (), **options: object) -> Changes:
    return git_changes(Workspace.open([str(folder)], local_only), folder, **options)  # type: ignore[arg-type]


def added(folder: Path, **options: object) -> set[str]:
    found = changes(folder, **options)
    return {source.lines[number] for source in found.sources for number in source.added}


def test_git_tells_what_is_not_committed_what_is_staged_and_what_came_since(folder: Path) -> None:
    with pytest.raises(InvalidInputError, match="Nothing is changed since the last commit"):
        changes(folder)
    (folder / "a.py").write_text("two\n")
    assert added(folder) == {"two"}
    with pytest.raises(InvalidInputError, match="Nothing is staged"):
        changes(folder, staged=True)
    git(folder, "checkout", "-qb", "topic")
    git(folder, "commit", "-qam", "second")
    (folder / "b.py").write_text("three\n")
    git(folder, "add", "b.py")
    assert added(folder, staged=True) == {"three"}
    assert added(folder, base="main") == {"two", "three"}
    assert added(folder, base="main", paths=["b.py"]) == {"three"}
    assert added(folder, base="main", paths=["*.py"]) == {"two", "three"}
    assert git(folder, "status", "--porcelain") == "A  b.py\n", "the index is as it was"


def test_a_base_that_is_no_commit_or_is_an_option_is_refused(folder: Path) -> None:
    for base in ("nowhere", "--output=/tmp/x", "-x", ""):
        with pytest.raises(InvalidInputError, match="is no commit or branch"):
            changes(folder, base=base)


def test_a_folder_without_git_and_a_repository_without_a_commit_say_so(tmp_path: Path) -> None:
    (tmp_path / "none").mkdir()
    with pytest.raises(InvalidInputError, match="no git repository"):
        changes(tmp_path / "none")
    git(tmp_path / "none", "init", "-q")
    with pytest.raises(InvalidInputError, match="no commit yet"):
        changes(tmp_path / "none")


NAMES = [
    "größe", "we\"ird", "tab\there", "back\\slash", "line\nbreak", " blanks ", "a", "b", "-dash", "日本", ":colon", "*",
    "o\u0308", "diff --git a", "'", "$(x)", "emoji😀", "no\u200bwidth",
]  # fmt: skip


@pytest.mark.parametrize("place", NAMES)
@pytest.mark.parametrize("setting", ["", "diff.noprefix", "diff.mnemonicPrefix", "diff.relative", "core.quotePath"])
def test_a_secret_and_a_private_file_are_known_below_any_name(tmp_path: Path, place: str, setting: str) -> None:
    folder = repository(tmp_path / "repo")
    if setting:
        git(folder, "config", setting, "true")
    (folder / place).mkdir()
    (folder / place / ".env").write_text("DB_PASS=hunter2hunter2\n")
    (folder / place / "x.py").write_text("bad = 1 / 0\n")
    git(folder, "add", "-A")
    found = changes(folder, local_only=(f"{'?' * len(place)}/*",))
    assert [source.name for source in found.sources] == [f"{place}/x.py"]
    assert found.left_out == [f"{place}/.env (left out: files of that name hold secrets)"]
    assert found.local_only == f"{place}/x.py"


def test_a_name_that_is_no_text_is_read_and_shown_as_far_as_it_is(tmp_path: Path) -> None:
    folder = repository(tmp_path / "repo")
    with open(os.path.join(os.fsencode(folder), b"bad\xff.py"), "w") as file:
        file.write("x\n")
    git(folder, "add", "-A")
    (source,) = changes(folder).sources
    assert source.name == "bad\N{REPLACEMENT CHARACTER}.py"


def test_a_repository_in_a_folder_below_the_root_is_named_from_the_root(tmp_path: Path) -> None:
    inner = repository(tmp_path / "root" / "clients")
    (inner / "a.py").write_text("two\n")
    found = git_changes(Workspace.open([str(tmp_path / "root")], ["clients/*"]), inner)
    assert ([source.name for source in found.sources], found.local_only) == (["clients/a.py"], "clients/a.py")


def test_what_a_secret_file_was_renamed_to_is_a_secret_still(folder: Path) -> None:
    (folder / "server.pem").write_text("".join(f"line {n}\n" for n in range(40)))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    git(folder, "mv", "server.pem", "plain.txt")
    with (folder / "plain.txt").open("a") as file:
        file.write("more\n")
    found = changes(folder)
    assert found.sources == []
    assert found.left_out == ["plain.txt (left out: renamed; before, files of that name hold secrets)"]


def test_a_rename_keeps_both_names_private(folder: Path) -> None:
    (folder / "mine.txt").write_text("".join(f"line {n}\n" for n in range(40)))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "x")
    git(folder, "mv", "mine.txt", "theirs.txt")
    with (folder / "theirs.txt").open("a") as file:
        file.write("more\n")
    assert changes(folder, local_only=("mine.*",)).local_only == "theirs.txt"


def test_what_holds_no_line_gets_an_honest_receipt(folder: Path) -> None:
    (folder / "run.sh").write_text("echo\n")
    (folder / "to_link.txt").write_text("gone\n")
    (folder / "old.txt").write_text("".join(f"line {n}\n" for n in range(40)))
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "second")
    (folder / "run.sh").chmod(0o755)
    (folder / "wide.txt").write_text("hällo\n", encoding="utf-16")
    (folder / "image.bin").write_bytes(b"\0\1\2")
    (folder / "empty.txt").touch()
    (folder / "to_link.txt").unlink()
    (folder / "to_link.txt").symlink_to("run.sh")
    git(folder, "mv", "old.txt", "new.txt")
    git(folder, "add", "-A")
    (folder / "image.bin").write_bytes(b"\0\1\2\3")
    (folder / "a.py").write_bytes(b"x" * 3_000_000)
    found = changes(folder)
    assert sorted(found.left_out) == [
        "a.py (left out: has 2.9 MB; at most 2 MB are read)",
        "empty.txt (left out: no line changed: a new file without a line)",
        "image.bin (left out: binary)",
        "new.txt (left out: no line changed: renamed from old.txt)",
        "run.sh (left out: no line changed: its mode is 100755 instead of 100644)",
        "wide.txt (left out: text in UTF-16, which git takes for binary; give it in 'files')",
    ]
    (link,) = found.sources
    assert (link.name, link.lines, link.removed) == ("to_link.txt", {1: "run.sh"}, {1: ("gone",)})


def test_a_conflict_is_shown_as_it_stands_in_the_file(folder: Path) -> None:
    git(folder, "checkout", "-qb", "other")
    (folder / "a.py").write_text("theirs\n")
    git(folder, "commit", "-qam", "theirs")
    git(folder, "checkout", "-q", "main")
    (folder / "a.py").write_text("ours\n")
    git(folder, "commit", "-qam", "ours")
    with pytest.raises(Exception, match="merge"):
        git(folder, "merge", "other")
    assert "=======" in added(folder)
    assert changes(folder, staged=True).left_out == ["a.py (left out: a conflict in it is not resolved)"]


def test_a_submodule_is_named_and_never_entered(tmp_path: Path, folder: Path) -> None:
    inner = repository(tmp_path / "inner")
    git(folder, "submodule", "add", "-q", str(inner), "lib")
    git(folder, "commit", "-qm", "lib")
    (folder / "lib" / "a.py").write_text("changed\n")
    hint = "lib (left out: a submodule; to review what changed in it, name it in 'repo')"
    assert changes(folder).left_out == [hint]
    assert [source.name for source in git_changes(Workspace.open([str(folder)]), folder / "lib").sources] == [
        "lib/a.py"
    ]
    git(folder / "lib", "commit", "-qam", "moved")
    assert changes(folder).left_out == ["lib (left out: a submodule, which is at another commit now)", hint]
    git(folder, "add", "lib")
    assert "lib (left out: a submodule, which is at another commit now)" in changes(folder, staged=True).left_out


def test_line_ends_of_windows_are_no_change(folder: Path) -> None:
    (folder / "a.py").write_bytes(b"one\r\ntwo\r\n")
    assert added(folder) == {"two"}


def test_a_shallow_clone_and_loose_or_packed_references_are_read(tmp_path: Path, folder: Path) -> None:
    (folder / "a.py").write_text("two\n")
    git(folder, "commit", "-qam", "second")
    git(folder, "pack-refs", "--all")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{folder}", str(clone))
    (clone / "a.py").write_text("three\n")
    assert added(clone) == {"three"}
    assert added(clone, base="origin/main") == {"three"}


def test_missing_objects_are_an_error_and_fetched_from_nowhere(folder: Path) -> None:
    oid = git(folder, "rev-parse", "HEAD:a.py").strip()
    (folder / ".git" / "objects" / oid[:2] / oid[2:]).unlink()
    (folder / "a.py").write_text("two\n")
    with pytest.raises(InvalidInputError, match="partial clone"):
        changes(folder)


def test_hundreds_of_changes_are_compared_at_once_and_only_the_named_are_shown(folder: Path) -> None:
    for number in range(700):
        (folder / f"f{number}.txt").write_text(f"{number}\n")
    (folder / "other.md").write_text("other\n")
    git(folder, "add", "-A")
    found = changes(folder, paths=["f*.txt"])
    assert len(found.sources) == 700
    assert {source.name for source in found.sources} == {f"f{number}.txt" for number in range(700)}


def test_a_person_sees_all_of_a_repository_wherever_in_it_they_stand(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (folder / "sub").mkdir()
    (folder / "sub" / "b.py").write_text("b\n")
    git(folder, "add", "-A")
    (folder / "a.py").write_text("two\n")
    monkeypatch.chdir(folder / "sub")
    mine = Workspace.open(None, ["b.*"], by_hand=True)
    found = git_changes(mine, folder / "sub")
    assert [source.name for source in found.sources] == ["a.py", "sub/b.py"]
    assert found.local_only == "sub/b.py"
    only = git_changes(mine, folder / "sub", paths=["b.py"])
    assert [source.name for source in only.sources] == ["sub/b.py"]
    models = git_changes(Workspace.open(None), folder / "sub")
    assert [source.name for source in models.sources] == ["b.py"]
