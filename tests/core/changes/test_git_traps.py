"""A repository that wants to run something, or to show files that lie elsewhere, gets nothing of it."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from git_repository import git, repository

from core.changes.from_git import git_changes
from core.errors import InvalidInputError
from core.files.workspace import FileRefusedError, Workspace

PROGRAMS = """
core.fsmonitor core.hooksPath core.pager core.editor core.sshCommand core.askPass core.gitProxy
core.alternateRefsCommand credential.helper credential.https://example.invalid.helper diff.external
diff.trap.command diff.trap.textconv filter.trap.clean filter.trap.smudge filter.trap.process merge.trap.driver
merge.tool mergetool.trap.cmd mergetool.trap.path difftool.trap.cmd difftool.trap.path diff.tool diff.guitool
gpg.program gpg.openpgp.program gpg.x509.program gpg.ssh.program gpg.ssh.defaultKeyCommand ssh.variant
remote.origin.uploadpack remote.origin.receivepack remote.origin.vcs remote.origin.proxy
uploadpack.packObjectsHook trailer.trap.command trailer.trap.cmd sequence.editor interactive.diffFilter
pager.diff pager.status pager.log man.viewer man.trap.cmd man.trap.path browser.trap.cmd browser.trap.path
web.browser help.browser alias.diff alias.status alias.diff-files sendemail.smtpServer sendemail.sendmailCmd
sendemail.toCmd sendemail.ccCmd sendemail.headerCmd instaweb.httpd instaweb.browser guitool.trap.cmd
gui.trap.cmd imap.tunnel submodule.trap.update tar.trap.command receive.procReceiveRefs hook.trap.command
hasconfig.trap.command url.ext::sh.insteadOf http.proxyAuthMethod http.sslCert core.gitproxy init.templateDir
commit.template log.showSignature protocol.ext.allow protocol.allow core.splitIndex core.untrackedCache
index.recurseSubmodules
""".split()  # noqa: SIM905
"""What git documents as the name of a program, or as what leads to one."""

ELSEWHERE = ("core.attributesFile", "core.excludesFile", "include.path", "includeIf.onbranch:**.path")


@pytest.fixture
def trap(tmp_path: Path) -> Path:
    """A program that writes down how it was started."""
    script = tmp_path / "trap.sh"
    script.write_text(f'#!/bin/sh\necho "$0 $*" >> {tmp_path}/ran\ncat\n')
    script.chmod(0o755)
    return script


@pytest.fixture
def hostile(tmp_path: Path, trap: Path) -> Path:
    """A repository full of traps, with one change in it."""
    folder = repository(tmp_path / "project", **{"a.py": "one\n", "f.txt": "words\n"})
    for setting in PROGRAMS:
        git(folder, "config", "--replace-all", setting, str(trap))
    for setting, value in (
        ("core.bare", "false"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::{trap}"),
        ("filter.trap.required", "true"),
        ("core.untrackedCache", "true"),
        ("core.splitIndex", "false"),
        ("log.showSignature", "true"),
        ("index.recurseSubmodules", "false"),
    ):
        git(folder, "config", setting, value)
    extra = tmp_path / "project" / "extra.config"
    extra.write_text(f'[filter "more"]\n\tclean = {trap}\n\tprocess = {trap}\n')
    git(folder, "config", "include.path", "../extra.config")
    (folder / ".gitattributes").write_text("*.py diff=trap filter=trap merge=trap\n*.txt filter=more diff=trap\n")
    (folder / ".git" / "info" / "attributes").write_text("* filter=trap\n")
    for hook in ("post-index-change", "pre-commit", "fsmonitor-watchman", "reference-transaction"):
        path = folder / ".git" / "hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(trap.read_bytes())
        path.chmod(0o755)
    (tmp_path / "ran").unlink(missing_ok=True)
    (folder / "a.py").write_text("two\n")
    return folder


def space(*roots: Path, local_only: tuple[str, ...] = ()) -> Workspace:
    return Workspace.open([str(root) for root in roots], local_only)


def test_the_traps_are_sharp(hostile: Path, tmp_path: Path) -> None:
    """Without this the next test would prove nothing."""
    subprocess.run(["git", "-C", str(hostile), "diff", "HEAD"], check=False, capture_output=True)
    assert (tmp_path / "ran").exists()


def test_no_program_that_a_repository_names_is_run(hostile: Path, tmp_path: Path) -> None:
    (source,) = [one for one in git_changes(space(hostile), hostile).sources if one.name == "a.py"]
    assert source.lines == {1: "two"}
    git_changes(space(hostile), hostile, base="main")
    with pytest.raises(InvalidInputError, match="Nothing is staged"):
        git_changes(space(hostile), hostile, staged=True)
    assert space(hostile).read_text("f.txt").text == "words\n"
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("setting", PROGRAMS)
def test_one_program_alone_is_not_run_either(setting: str, tmp_path: Path, trap: Path) -> None:
    folder = repository(tmp_path / "project")
    git(folder, "config", setting, str(trap))
    (folder / ".gitattributes").write_text("* diff=trap filter=trap merge=trap\n")
    (folder / "a.py").write_text("two\n")
    (tmp_path / "ran").unlink(missing_ok=True)
    changes = git_changes(space(folder), folder)
    assert [source.lines for source in changes.sources] == [{1: "two"}]
    assert not (tmp_path / "ran").exists()


def test_no_setting_that_git_knows_of_runs_anything(tmp_path: Path, trap: Path) -> None:
    """Every name that git itself lists, whatever it is for, with a program for its value."""
    folder = repository(tmp_path / "project")
    (folder / "a.py").write_text("two\n")
    lines = []
    for name in git(folder, "help", "--config").splitlines():
        section, *middle, key = (
            name.replace("<", "").replace(">", "").replace("*", "trap").split(".") if "." in name else ("", "")
        )
        if section == "extensions" or (
            section == "core" and key.lower() in ("worktree", "repositoryformatversion", "bare")
        ):
            continue
        if not section.isalnum():
            continue
        inner = f' "{".".join(middle)}"' if middle else ""
        if key and key[0].isalpha() and "_" not in key and not {" ", '"'} & set(key):
            lines += [f"[{section}{inner}]", f"\t{key} = {trap}"]
    with (folder / ".git" / "config").open("a") as config:
        config.write("\n".join(lines) + "\n")
    (tmp_path / "ran").unlink(missing_ok=True)
    assert [source.lines for source in git_changes(space(folder), folder).sources] == [{1: "two"}]
    assert not (tmp_path / "ran").exists()
    assert len(lines) > 1_000


def test_no_variable_of_ours_brings_a_setting_in(tmp_path: Path, trap: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = repository(tmp_path / "project")
    (folder / "a.py").write_text("two\n")
    (tmp_path / "global").write_text(f"[core]\n\tfsmonitor = {trap}\n[diff]\n\texternal = {trap}\n\tnoprefix = true\n")
    for name, value in {
        "GIT_CONFIG_GLOBAL": str(tmp_path / "global"),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": str(trap),
        "GIT_EXTERNAL_DIFF": str(trap),
        "GIT_SSH_COMMAND": str(trap),
        "GIT_PAGER": str(trap),
        "GIT_DIR": "/etc",
        "GIT_WORK_TREE": "/etc",
        "GIT_INDEX_FILE": "/etc/passwd",
    }.items():
        monkeypatch.setenv(name, value)
    (tmp_path / "ran").unlink(missing_ok=True)
    assert [source.name for source in git_changes(space(folder), folder).sources] == ["a.py"]
    assert not (tmp_path / "ran").exists()


def test_a_program_called_git_among_the_files_is_not_git(
    tmp_path: Path, trap: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = repository(tmp_path / "project")
    (folder / "a.py").write_text("two\n")
    (folder / "git").write_bytes(trap.read_bytes())
    (folder / "git").chmod(0o755)
    monkeypatch.chdir(folder)
    monkeypatch.setenv("PATH", os.pathsep.join([".", "", str(folder), os.environ["PATH"]]))
    assert git_changes(space(folder), folder).sources
    assert not (tmp_path / "ran").exists()


def test_a_committed_bare_repository_is_none(tmp_path: Path, trap: Path) -> None:
    folder = repository(tmp_path / "project")
    bare = folder / "docs" / "x.git"
    git(folder, "init", "-q", "--bare", str(bare))
    for setting, value in (("core.bare", "false"), ("core.worktree", ".."), ("core.fsmonitor", str(trap))):
        git(folder, "config", "--file", str(bare / "config"), setting, value)
    (tmp_path / "ran").unlink(missing_ok=True)
    (folder / "a.py").write_text("two\n")
    assert [source.name for source in git_changes(space(folder), bare).sources] == ["a.py"]
    assert not (tmp_path / "ran").exists()
    (tmp_path / "alone").mkdir()
    git(tmp_path, "init", "-q", "--bare", str(tmp_path / "alone" / "y.git"))
    with pytest.raises(InvalidInputError, match="no git repository"):
        git_changes(space(tmp_path / "alone"), tmp_path / "alone" / "y.git")


@pytest.fixture
def private(tmp_path: Path) -> Path:
    """A repository next door, with a change that is nobody's business."""
    folder = repository(tmp_path / "private", **{"diary.txt": "dear diary\n"})
    (folder / "diary.txt").write_text("dear diary, a secret thing\n")
    return folder


def _points_elsewhere(folder: Path, private: Path, how: str) -> None:
    entry = folder / ".git"
    match how:
        case "file":
            git(folder, "init", "-q")
            entry.rename(folder / "was")
            entry.write_text(f"gitdir: {private / '.git'}\n")
        case "link":
            entry.symlink_to(private / ".git")
        case "worktree":
            repository(folder)
            git(folder, "config", "core.worktree", str(private))
        case "objects":
            repository(folder)
            (entry / "objects").rename(entry / "own")
            (entry / "objects").symlink_to(private / ".git" / "objects")
        case "alternates":
            repository(folder)
            (entry / "objects" / "info" / "alternates").write_text(f"{private / '.git' / 'objects'}\n")
        case "commondir":
            repository(folder)
            (entry / "commondir").write_text(f"{private / '.git'}\n")
        case "pack":
            repository(folder)
            (entry / "objects" / "pack").rmdir()
            (entry / "objects" / "pack").symlink_to(private / ".git" / "objects" / "pack")


@pytest.mark.parametrize("how", ["file", "link", "worktree", "objects", "alternates", "commondir", "pack"])
def test_a_repository_that_points_elsewhere_is_refused(tmp_path: Path, private: Path, how: str) -> None:
    folder = tmp_path / "project"
    folder.mkdir()
    _points_elsewhere(folder, private, how)
    with pytest.raises(InvalidInputError, match="is not read") as caught:
        git_changes(space(folder), folder, base=git(private, "rev-parse", "HEAD").strip())
    assert str(private) not in str(caught.value)


def test_a_second_working_tree_is_read_where_its_repository_says_that_it_is_one(tmp_path: Path) -> None:
    main = repository(tmp_path / "main")
    tree = tmp_path / "tree"
    git(main, "worktree", "add", "-q", str(tree))
    (tree / "a.py").write_text("two\n")
    assert [source.lines for source in git_changes(space(tree), tree).sources] == [{1: "two"}]
    forged = tmp_path / "forged"
    forged.mkdir()
    (forged / ".git").write_text((tree / ".git").read_text())
    with pytest.raises(InvalidInputError, match="is not read"):
        git_changes(space(forged), forged)


def test_only_what_lies_below_the_roots_is_seen_of_a_repository(tmp_path: Path) -> None:
    top = repository(tmp_path / "top", **{"above.txt": "one\n"})
    inner = top / "inner"
    inner.mkdir()
    (inner / "b.py").write_text("b\n")
    git(top, "add", ".")
    git(top, "commit", "-qm", "second")
    (top / "above.txt").write_text("secret words\n")
    (inner / "b.py").write_text("c\n")
    changes = git_changes(space(inner), inner)
    assert [source.name for source in changes.sources] == ["b.py"]
    for path in (":/", "../above.txt", "..", "/etc", ":(top)above.txt", "../../x", "", "a\0b", ":!b.py"):
        with pytest.raises(InvalidInputError, match="no file or folder of the repository"):
            git_changes(space(inner), inner, paths=[path])


def test_a_file_moved_in_from_outside_of_the_roots_shows_nothing_of_before(tmp_path: Path) -> None:
    top = repository(tmp_path / "top", **{"above.txt": "".join(f"line {n}\n" for n in range(50))})
    inner = top / "inner"
    inner.mkdir()
    git(top, "mv", "above.txt", "inner/below.txt")
    (source,) = git_changes(space(inner), inner).sources
    assert (source.name, len(source.added)) == ("below.txt", 50)


def test_a_folder_that_is_a_link_now_and_a_second_name_are_not_followed(tmp_path: Path, private: Path) -> None:
    folder = repository(tmp_path / "project")
    (folder / "sub").mkdir()
    (folder / "sub" / "diary.txt").write_text("mine\n")
    (folder / "hard.txt").write_text("mine\n")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "second")
    (folder / "sub" / "diary.txt").unlink()
    (folder / "sub").rmdir()
    (folder / "sub").symlink_to(private)
    (folder / "hard.txt").unlink()
    os.link(private / "diary.txt", folder / "hard.txt")
    changes = git_changes(space(folder), folder)
    assert "diary" not in "".join(str(source.lines) for source in changes.sources)
    assert any(line.startswith("hard.txt (left out: has a second name") for line in changes.left_out)


def test_an_index_that_names_files_elsewhere_is_refused(tmp_path: Path, private: Path) -> None:
    folder = repository(tmp_path / "project", xxxxxxxxxxxxxxxxxxxx="x\n")
    index = folder / ".git" / "index"
    data = index.read_bytes().replace(b"xxxxxxxxxxxxxxxxxxxx", b"../private/diary.txt")
    import hashlib

    index.write_bytes(data[:-20] + hashlib.sha1(data[:-20]).digest())
    with pytest.raises(InvalidInputError):
        git_changes(space(folder), folder)


def test_git_runs_for_nothing_but_changes(hostile: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(subprocess, "Popen", lambda *_, **__: pytest.fail("a program was started"))
    (hostile / ".gitignore").write_text("*private*\n")
    (hostile / "private.txt").write_text("p")
    assert space(hostile).read_text("f.txt").text == "words\n"
    with pytest.raises(FileRefusedError, match="git ignores it"):
        space(hostile).read_text("private.txt")


def test_git_is_started_in_one_place_alone() -> None:
    here = Path(__file__).parents[3]
    modules = [path for room in ("ai", "core", "server", "tools") for path in (here / room).rglob("*.py")]
    starting = {path.name for path in modules if '"git"' in (text := path.read_text()) and "subprocess" in text}
    assert starting == {"git.py"}


@pytest.mark.parametrize(
    "attributes",
    [
        "*.py -diff",
        "*.py binary",
        "[attr]quiet -diff -text\n*.py quiet",
        "*.py working-tree-encoding=nonsense",
        "*.py ident",
    ],
)
def test_no_attribute_hides_text_or_stops_a_review(tmp_path: Path, attributes: str) -> None:
    folder = repository(tmp_path / "project")
    (folder / ".gitattributes").write_text(f"{attributes}\n")
    (folder / "a.py").write_text("bad = 1 / 0  # $Id$\n")
    (source,) = [one for one in git_changes(space(folder), folder).sources if one.name == "a.py"]
    assert source.lines == {1: "bad = 1 / 0  # $Id$"}


def test_an_index_that_is_a_link_is_refused(tmp_path: Path, private: Path) -> None:
    folder = repository(tmp_path / "project")
    (folder / ".git" / "index").unlink()
    (folder / ".git" / "index").symlink_to(private / ".git" / "index")
    with pytest.raises(InvalidInputError, match="is not read"):
        git_changes(space(folder), folder)


def test_a_submodule_with_traps_of_its_own_runs_nothing(tmp_path: Path, trap: Path) -> None:
    inner, folder = repository(tmp_path / "inner"), repository(tmp_path / "project")
    git(folder, "submodule", "add", "-q", str(inner), "lib")
    git(folder, "commit", "-qm", "lib")
    for setting in PROGRAMS:
        git(folder / "lib", "config", "--replace-all", setting, str(trap))
    git(folder / "lib", "config", "core.untrackedCache", "true")
    git(folder / "lib", "config", "core.splitIndex", "false")
    git(folder / "lib", "config", "log.showSignature", "true")
    git(folder / "lib", "config", "index.recurseSubmodules", "false")
    (folder / "lib" / "a.py").write_text("changed\n")
    (folder / "a.py").write_text("changed\n")
    (tmp_path / "ran").unlink(missing_ok=True)
    assert [source.name for source in git_changes(space(folder), folder).sources] == ["a.py"]
    assert [source.name for source in git_changes(space(folder), folder / "lib").sources] == ["lib/a.py"]
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize("broken", ["objects", "HEAD", "config", "index", "refs", "packed-refs"])
def test_a_repository_that_is_broken_somewhere_is_one_sentence(tmp_path: Path, broken: str) -> None:
    folder = repository(tmp_path / "project")
    (folder / "a.py").write_text("two\n")
    place = folder / ".git" / broken
    if place.exists():
        place.rename(tmp_path / "away")
    os.mkfifo(place)
    with pytest.raises(InvalidInputError):
        git_changes(space(folder), folder)
