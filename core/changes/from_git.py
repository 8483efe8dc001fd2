"""What git says has changed, as far as it may be sent: the same roots, secret names and privacy as for any file.

Git compares only what it is handed. Files of the working tree are read as every other file is, without following a
link, and copied to where git finds them. Names come from git byte by byte, and no name is ever read out of a diff.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from core.changes.diffs import FileDiff, read_diff
from core.changes.git import MOST_BYTES, Git, GitError, Repository, find_repository, opened
from core.changes.source import Source, shown_of
from core.changes.wanted import Pair, Wanted, pairs
from core.errors import InvalidInputError
from core.files.opening import NotPlainError, link_below, read_with_mode
from core.files.workspace import MAX_TEXT_BYTES, Workspace

_LINK, _SUBMODULE, _NOTHING = "120000", "160000", "000000"
_WITH_INDEX = ("diff-index", "--cached")
_BETWEEN_TREES = ("diff-tree", "-r")
_COMPARE = ("-M", "--ignore-submodules=none", "--no-ext-diff", "--no-textconv")
_AS_PATCH = (
    "-p", "-U3", "--no-color", "--full-index", "--submodule=short", "--no-relative", "--src-prefix=a/",
    "--dst-prefix=b/",
)  # fmt: skip
_MOST_NAMED = 500
"""Names on one command line; of more files everything is compared, and what is not wanted is dropped."""
_UTF16 = (b"\xff\xfe", b"\xfe\xff")


@dataclass
class Changes:
    """The changed files; `left_out` says of every other why, and `local_only` names one that may not leave."""

    sources: list[Source] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    local_only: str | None = None
    skipped: set[str] = field(default_factory=set)
    """Names, as git has them, of files that could not be read as they are: nothing older is shown in their place."""

    def leave_out(self, name: str, why: str) -> None:
        line = f"{name} (left out: {why})"
        if line not in self.left_out:
            self.left_out.append(line)


def git_changes(
    workspace: Workspace,
    folder: Path,
    *,
    base: str | None = None,
    staged: bool = False,
    paths: Sequence[str] = (),
    without_private: bool = False,
    most: int = MOST_BYTES,
) -> Changes:
    """What has changed in the repository that *folder* lies in; blocks.

    Args:
        base: A commit or branch: everything since it, with what is not committed. None: what is not committed.
        staged: Only what is in the index.
        paths: Files and folders below *folder*, or patterns; nothing else is looked at.
        without_private: Take files that may not leave this machine for files that lie outside.
        most: Bytes of the diff; one with more is refused.

    Raises:
        InvalidInputError: No repository, no such commit, a path that leads out, or nothing has changed.
    """
    repository = find_repository(folder, workspace.roots)
    if repository is None:
        raise InvalidInputError(
            "There is no git repository here. Give 'diff' or 'files', or name the folder in 'repo'."
        )
    wanted = Wanted(workspace, repository, folder, paths, without_private=without_private)
    try:
        changes = _changes(repository, wanted, base=base, staged=staged, most=most)
    except OSError as error:
        raise GitError(f"The repository cannot be read ({type(error).__name__}). Check its permissions.") from None
    if not changes.sources and not changes.left_out:
        what = "staged" if staged else f"changed since {base}" if base else "changed since the last commit"
        raise InvalidInputError(f"Nothing is {what}. Name a 'base' such as main, or give 'files' to review.")
    if wanted.outside:
        changes.left_out.append(f"{wanted.outside} more changed outside of what is open to Moot (left out)")
    return changes


def _changes(repository: Repository, wanted: Wanted, *, base: str | None, staged: bool, most: int) -> Changes:
    changes = Changes()
    with opened(repository) as git:
        since = _since(git, base)
        if not staged:
            _take_working_files(git, wanted, changes)
            _tell_of_submodules(git, wanted, changes)
        compare(git, [since], wanted, changes, most=most)
    return changes


def _since(git: Git, base: str | None) -> str:
    """The commit to compare with."""
    if base is None:
        if git.try_run("rev-parse", "--verify", "--quiet", "HEAD^{commit}") is None:
            raise InvalidInputError("The repository has no commit yet. Give 'files' to review them as they stand.")
        return "HEAD"
    found = git.try_run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{base}^{{commit}}")
    if found is None:
        raise InvalidInputError(f"'base' {base!r} is no commit or branch here. Run `git branch -a` to see them.")
    commit = found.decode().strip()
    return (git.try_run("merge-base", commit, "HEAD") or found).decode().strip()


def _take_working_files(git: Git, wanted: Wanted, changes: Changes) -> None:
    """Put the changed files as they are now into git's private index."""
    told = git.run("diff-files", "--raw", "-z", "--no-abbrev", "--ignore-submodules=dirty", "--", *wanted.prefixes())
    taken: dict[str, None] = {}
    for pair in pairs(told):
        name = pair.name
        if name in taken or not wanted.has(name):
            continue
        if _SUBMODULE in (pair.old_mode, pair.new_mode):
            changes.skipped.add(name)
            changes.leave_out(wanted.shown(name), "a submodule, which is at another commit now")
        elif reason := wanted.refused(name) or _copied(git, name, hard_links=wanted.by_hand):
            changes.skipped.add(name)
            if wanted.place(name):
                changes.leave_out(wanted.shown(name), reason)
        else:
            taken[name] = None
    if taken:
        given = b"".join(os.fsencode(name) + b"\0" for name in taken)
        git.run("update-index", "-z", "--add", "--remove", "--replace", "--stdin", given=given, in_copies=True)


def _copied(git: Git, name: str, *, hard_links: bool) -> str | None:
    """Copy the file called *name* to where git reads it; why not, if not. One that is gone needs no copy."""
    parts, top = name.split("/"), git.repository.top
    copy = git.copies.joinpath(*parts)
    try:
        data, mode = read_with_mode(top, parts, MAX_TEXT_BYTES, hard_links=hard_links)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except NotPlainError as error:
        return str(error)
    except OSError:
        return _copied_link(top, parts, copy)
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_bytes(data)
        copy.chmod(0o700 if mode & 0o100 else 0o600)
    except OSError as error:
        return f"it cannot be copied ({type(error).__name__})"
    return None


def _copied_link(top: Path, parts: Sequence[str], copy: Path) -> str | None:
    try:
        target = link_below(top, parts)
    except OSError:
        return "it cannot be read, or a folder above it is a link now"
    try:
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.symlink_to(target)
    except OSError as error:
        return f"it cannot be copied ({type(error).__name__})"
    return None


def _tell_of_submodules(git: Git, wanted: Wanted, changes: Changes) -> None:
    if not (git.repository.top / ".gitmodules").is_file():
        return
    for entry in git.run("ls-files", "--stage", "-z", "--", *wanted.prefixes()).split(b"\0"):
        head, _, raw = entry.partition(b"\t")
        name = os.fsdecode(raw)
        if head.startswith(_SUBMODULE.encode()) and wanted.has(name) and wanted.place(name):
            changes.leave_out(wanted.shown(name), "a submodule; to review what changed in it, name it in 'repo'")


def compare(git: Git, trees: Sequence[str], wanted: Wanted, changes: Changes, *, most: int = MOST_BYTES) -> None:
    """Compare two of *trees*, or one with git's private index: first the names, then the lines that may be sent.

    Raises:
        GitError: It cannot be done, or the diff has more than *most* bytes.
    """
    raw = pairs(_raw(git, trees, wanted.prefixes()))
    kept = [pair for pair in raw if _may_be_shown(pair, wanted, changes)]
    if not kept:
        return
    names = list(dict.fromkeys(name for pair in kept for name in pair.names))
    about = names if len(names) <= _MOST_NAMED else wanted.prefixes()
    compared = list(pairs(_raw(git, trees, about)))
    patch = git.run(*_compared(trees), *_AS_PATCH, *trees, "--", *about, most=most).decode("utf-8", "replace")
    files = read_diff(patch)
    if sum(pair.sections for pair in compared) != len(files):
        raise GitError("git's diff is not about the files it names. Give 'diff' or 'files' instead.")
    shown, at = set(names), 0
    for pair in compared:
        parts, at = files[at : at + pair.sections], at + pair.sections
        if shown.issuperset(pair.names):
            _add(git, pair, parts, wanted, changes)


def _may_be_shown(pair: Pair, wanted: Wanted, changes: Changes) -> bool:
    if pair.name in changes.skipped or not any(wanted.has(name) for name in pair.names):
        return False
    if wanted.place(pair.name) is None:
        wanted.outside += 1
        return False
    for name in pair.names:
        if reason := wanted.refused(name):
            changes.leave_out(wanted.shown(pair.name), reason if name == pair.name else f"renamed; before, {reason}")
            return False
    return True


def _add(git: Git, pair: Pair, parts: Sequence[FileDiff], wanted: Wanted, changes: Changes) -> None:
    name = wanted.shown(pair.name)
    if not parts:
        changes.leave_out(name, "a conflict in it is not resolved")
        return
    file = parts[-1]
    if len(parts) == 2:
        file.removed, file.why_empty = parts[0].removed, ""
    if file.why_empty:
        changes.leave_out(name, _why(git, pair, file.why_empty))
        return
    if any(wanted.is_local_only(each) for each in pair.names):
        changes.local_only = changes.local_only or name
    changes.sources.append(shown_of(file, name))


def _why(git: Git, pair: Pair, said: str) -> str:
    """Text in UTF-16 is none to git, but it is to us."""
    if said != "binary" or pair.status == "D":
        return said
    size = git.try_run("cat-file", "-s", pair.new_id) or b"0"
    if int(size) <= MAX_TEXT_BYTES and (git.try_run("cat-file", "blob", pair.new_id) or b"").startswith(_UTF16):
        return "text in UTF-16, which git takes for binary; give it in 'files'"
    return said


def _raw(git: Git, trees: Sequence[str], about: Sequence[str]) -> bytes:
    return git.run(*_compared(trees), "--raw", "-z", "--no-abbrev", *trees, "--", *about)


def _compared(trees: Sequence[str]) -> tuple[str, ...]:
    return (*(_WITH_INDEX if len(trees) == 1 else _BETWEEN_TREES), *_COMPARE)
