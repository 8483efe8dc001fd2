"""What git tells of the past, of repositories that are honest and of some that are not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from git_repository import git, repository

from core.changes.past import Past, past
from core.errors import InvalidInputError
from core.files.workspace import Workspace

KEY = "sk-" + "ant-api03-aB3dE5gH7jK9mN1pQ3sT5vX7zA2cF4hJ6lP8rU0wY2bD4fG6iK8nM0qS2tV4xZ6aC8eH1jL3oR5uW7yB9dF1gAA"


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Two commits: the second one changes a line, removes a file, and brings a secret."""
    folder = repository(tmp_path / "project", **{"a.py": "one\ntwo\nthree\n", "gone.py": "old\n", "id_rsa": "x\n"})
    (folder / "a.py").write_text("one\n2\nthree\n")
    (folder / "gone.py").unlink()
    (folder / "keys.py").write_text(f"{KEY}\n")
    (folder / "id_rsa").write_text("y\n")
    (folder / "clients").mkdir()
    (folder / "clients" / "b.py").write_text("private\n")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "second\n\nwith a body", "--author=O'Neill \x1b[31m<o@example.invalid>")
    return folder.resolve()


@pytest.fixture
def on() -> Iterator[Callable[..., Past]]:
    """Opens the past of a folder, until the test ends."""
    with ExitStack() as stack:

        def opened(folder: Path, *, without_private: bool = True) -> Past:
            workspace = Workspace((folder,), ("clients/*",))
            return stack.enter_context(past(workspace, folder, without_private=without_private))

        yield opened


def test_commits_are_listed_newest_first(project: Path, on: Callable[..., Past]) -> None:
    second, first = on(project).commits("HEAD", (), 10)
    assert (first.message, second.message) == ("first", "second\n\nwith a body")
    assert second.author == "O'Neill" and "example.invalid" not in repr(second)
    assert [one.message for one in on(project).commits("HEAD", ["gone.py"], 1)] == ["second\n\nwith a body"]
    assert [one.message for one in on(project).commits("main~1", (), 10)] == ["first"]


def test_a_commit_that_holds_a_secret_does_not_show_its_message(project: Path, on: Callable[..., Past]) -> None:
    git(project, "commit", "-q", "--allow-empty", "-m", f"use {KEY}")
    assert "secret" in on(project).commits("HEAD", (), 1)[0].message


def test_what_a_commit_changed_is_shown_without_what_is_secret_or_private(
    project: Path, on: Callable[..., Past]
) -> None:
    changes = on(project).changed("", "HEAD", ())
    assert {one.name: one.shown() for one in changes.sources} == {
        "a.py": "   1  | one\n    - | two\n   2 +| 2\n   3  | three",
        "gone.py": "    - | old",
    }
    left = "\n".join(changes.left_out)
    assert "keys.py (left out: it holds" in left and "id_rsa (left out" in left and "clients" not in left
    assert changes.local_only is None


def test_a_private_file_is_shown_to_an_ai_on_this_machine(project: Path, on: Callable[..., Past]) -> None:
    changes = on(project, without_private=False).changed("HEAD~1", "main", ["clients"])
    assert [one.name for one in changes.sources] == ["clients/b.py"] and changes.local_only == "clients/b.py"
    file = on(project, without_private=False).file("clients/b.py", "HEAD")
    assert file.local_only and list(file.lines) == ["private"]


def test_the_first_commit_brought_everything(project: Path, on: Callable[..., Past]) -> None:
    assert {one.name for one in on(project).changed("", "HEAD~1", ()).sources} == {"a.py", "gone.py"}


def test_a_file_is_shown_as_it_was(project: Path, on: Callable[..., Past]) -> None:
    assert list(on(project).file("gone.py", "HEAD~1").lines) == ["old"]


def test_each_line_has_the_commit_it_is_from(project: Path, on: Callable[..., Past]) -> None:
    file, lines = on(project).blame("a.py", "HEAD", 2, 99)
    second, first = on(project).commits("HEAD", (), 2)
    assert [(one.number, one.text, one.commit, one.author) for one in lines] == [
        (2, "2", second.id[:10], "O'Neill"),
        (3, "three", first.id[:10], "t"),
    ]
    assert file.name == "a.py"


@pytest.mark.parametrize(
    "revision",
    ["--output=/tmp/x", "-1", "nothing", ":/second", "HEAD:a.py", "HEAD..main", "", "^HEAD", "a b", "@{-1}x", "h\0d"],
)
def test_what_is_no_commit_is_refused(revision: str, project: Path, on: Callable[..., Past]) -> None:
    for ask in (
        lambda: on(project).commits(revision, (), 1),
        lambda: on(project).changed("HEAD", revision, ()),
        lambda: on(project).file("a.py", revision),
    ):
        with pytest.raises(InvalidInputError, match="is no commit, branch or tag here"):
            ask()


@pytest.mark.parametrize("path", ["../x", "/etc/passwd", ":(top)a.py", "", "a\0b"])
def test_a_path_that_leads_out_is_refused(path: str, project: Path, on: Callable[..., Past]) -> None:
    with pytest.raises(InvalidInputError, match="no file or folder of the repository"):
        on(project).file(path, "HEAD")


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("id_rsa", "hold secrets"),
        ("keys.py", "holds what looks like a secret"),
        ("clients/b.py", "outside of"),
        ("missing.py", "no plain file"),
        ("clients", "no plain file"),
        ("link", "no plain file"),
        ("zeros", "binary"),
        ("large", "at most 2 MB"),
    ],
)
def test_a_file_that_may_not_be_shown_is_refused(path: str, why: str, project: Path, on: Callable[..., Past]) -> None:
    (project / "link").symlink_to("/etc/passwd")
    (project / "zeros").write_bytes(b"\0\1")
    (project / "large").write_bytes(b"x\n" * 1_500_000)
    git(project, "add", "-A")
    git(project, "commit", "-qm", "odd")
    with pytest.raises(InvalidInputError, match=why):
        on(project).file(path, "HEAD")


def test_only_what_is_open_to_moot_is_looked_at(project: Path) -> None:
    (project / "open").mkdir()
    (project / "open" / "c.py").write_text("open\n")
    git(project, "add", "-A")
    git(project, "commit", "-qm", "third")
    (project / "a.py").write_text("changed\n")
    git(project, "commit", "-qam", "fourth, elsewhere")
    known = past(Workspace((project / "open",)), project / "open", without_private=True)
    with known as found:
        assert [one.message for one in found.commits("HEAD", (), 10)] == ["third"]
        assert not found.changed("", "HEAD", ()).sources
        with pytest.raises(InvalidInputError, match="no file or folder"):
            found.file("../a.py", "HEAD")


def test_nothing_that_a_repository_sets_runs(project: Path, tmp_path: Path) -> None:
    trap = tmp_path / "trap.sh"
    trap.write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/ran\ncat\n')
    trap.chmod(0o755)
    for setting in (
        "core.pager", "pager.log", "pager.blame", "diff.external", "diff.trap.textconv", "diff.trap.command",
        "gpg.program", "core.fsmonitor", "filter.trap.smudge", "alias.log", "alias.blame", "core.sshCommand",
    ):  # fmt: skip
        git(project, "config", setting, str(trap))
    for setting, value in (
        ("log.showSignature", "true"), ("log.mailmap", "true"), ("blame.ignoreRevsFile", "/etc/passwd"),
        ("mailmap.file", "/etc/passwd"), ("format.pretty", "%x00trap"), ("core.attributesFile", str(tmp_path / "x")),
        ("remote.origin.url", f"ext::{trap}"), ("remote.origin.promisor", "true"),
    ):  # fmt: skip
        git(project, "config", setting, value)
    (project / ".gitattributes").write_text("* diff=trap filter=trap\n")
    (project / ".mailmap").symlink_to("/etc/passwd")
    (tmp_path / "ran").unlink(missing_ok=True)
    with past(Workspace((project,)), project, without_private=True) as found:
        assert len(found.commits("HEAD", (), 10)) == 2
        assert found.changed("", "HEAD", ["a.py"]).sources
        assert found.blame("a.py", "HEAD", 1, 3)[1]
        assert list(found.file("a.py", "HEAD").lines) == ["one", "2", "three"]
    assert not (tmp_path / "ran").exists()
