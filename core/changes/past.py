"""What git knows of the past, as far as it may be shown: commits, what they changed, who wrote a line, old files.

Whoever asks gives words that a model chose. A revision is turned into the id of a commit first, and git is given ids
alone; paths are those of files that may be shown now, and what they held is looked through for secrets, too.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from core.changes.diffs import split_lines
from core.changes.from_git import Changes, compare
from core.changes.git import Git, GitError, find_repository, opened
from core.changes.wanted import Wanted
from core.errors import InvalidInputError
from core.files.workspace import MAX_TEXT_BYTES, FileRefusedError, Workspace
from core.untrusted import clean, one_line

MOST_COMMITS = 100
_LONGEST_MESSAGE = 1_500
MOST_OUTPUT = 8 * 1024 * 1024
"""Bytes of what git prints for a model, which is shown a small part of it."""
_REVISION = re.compile(r"[A-Za-z0-9_@][A-Za-z0-9_./@{}^~+#-]{0,199}")
_LOG = "%H%x00%an%x00%at%x00%P%x00%B%x1e"
_PLAIN = ("100644", "100755")


@dataclass(frozen=True, slots=True)
class Commit:
    """One commit: `at` is when it was written, in UTC."""

    id: str
    author: str
    at: str
    message: str


@dataclass(frozen=True, slots=True)
class OldFile:
    """Lines of a file as it was at the commit `id`; `local_only` says that they may not leave this machine."""

    id: str
    name: str
    lines: Sequence[str]
    local_only: bool


@dataclass(frozen=True, slots=True)
class Blamed:
    """A line, and the commit it is from."""

    number: int
    text: str
    commit: str
    author: str
    at: str


class Past:
    """A repository for as long as `past` lasts."""

    def __init__(self, git: Git, workspace: Workspace, folder: Path, *, without_private: bool) -> None:
        self._git = git
        self._workspace = workspace
        self._folder = folder
        self._without_private = without_private

    def commits(self, revision: str, paths: Sequence[str], most: int) -> list[Commit]:
        """The latest commits that lead to *revision*, newest first, of *paths* alone where there are any.

        Raises:
            InvalidInputError: There is no such revision, or a path leads out.
        """
        wanted = self._wanted(paths)
        options = ["--no-color", "--no-mailmap", "--no-show-signature", "--no-notes", f"--max-count={most}"]
        command = [
            "log",
            *options,
            f"--format={_LOG}",
            self._commit(revision),
            "--",
            *(wanted.paths or wanted.prefixes()),
        ]
        told = self._git.run(*command, most=MOST_OUTPUT).decode("utf-8", "replace")
        return [self._told(entry) for entry in told.split("\x1e") if entry.strip()]

    def changed(self, since: str, until: str, paths: Sequence[str]) -> Changes:
        """What changed from *since* to *until*; an empty *since* is the commit before.

        Raises:
            InvalidInputError: There is no such revision, or a path leads out.
        """
        last = self._commit(until)
        first = self._commit(since) if since else self._parent(last)
        changes = Changes()
        compare(self._git, [first, last], self._wanted(paths), changes, most=MOST_OUTPUT)
        changes.sources = [one for one in changes.sources if not self._is_secret(one.name, one.shown(), changes)]
        return changes

    def file(self, path: str, revision: str) -> OldFile:
        """The file *path* as it was at *revision*.

        Raises:
            InvalidInputError: It was not there, was no text, or may not be shown.
        """
        commit, wanted = self._commit(revision), self._wanted([path])
        (name,) = wanted.paths
        if reason := wanted.refused(name):
            raise FileRefusedError(f"{path!r} is not shown: {reason}.")
        entry = self._git.run("ls-tree", "-z", "--full-tree", commit, "--", name, most=MOST_OUTPUT)
        mode, kind, blob = [*entry.partition(b"\t")[0].decode("ascii", "replace").split(" "), "", "", ""][:3]
        if kind != "blob" or mode not in _PLAIN:
            raise FileRefusedError(
                f"{path!r} is no plain file at {revision!r}. git_log tells which commits changed it."
            )
        text = self._text(path, blob)
        if found := self._workspace.secret_in(text, name):
            raise FileRefusedError(f"{path!r} is not shown: {found}. Leave it out.")
        return OldFile(commit, wanted.shown(name), split_lines(text), wanted.is_local_only(name))

    def blame(self, path: str, revision: str, first: int, last: int) -> tuple[OldFile, list[Blamed]]:
        """Who wrote the lines *first* to *last* of *path* as it was at *revision*, and that file.

        Raises:
            InvalidInputError: As for `file`, or it has no such lines.
        """
        file = self.file(path, revision)
        if first > len(file.lines):
            raise InvalidInputError(f"{path!r} has {len(file.lines):,} lines at {revision!r}. Give a smaller 'first'.")
        (name,) = self._wanted([path]).paths
        told = self._git.run(
            "blame",
            "--line-porcelain",
            f"-L{first},{min(last, len(file.lines))}",
            file.id,
            "--",
            name,
            most=MOST_OUTPUT,
        )
        return file, list(_blamed(told.decode("utf-8", "replace")))

    def _wanted(self, paths: Sequence[str]) -> Wanted:
        repository = self._git.repository
        return Wanted(self._workspace, repository, self._folder, paths, without_private=self._without_private)

    def _commit(self, revision: str) -> str:
        found = None
        if _REVISION.fullmatch(revision):
            wanted = f"{revision}^{{commit}}"
            found = self._git.try_run("rev-parse", "--verify", "--quiet", "--end-of-options", wanted)
        if found is None:
            raise InvalidInputError(
                f"{one_line(revision, 80)!r} is no commit, branch or tag here. git_log lists the commits."
            )
        return found.decode("ascii").strip()

    def _parent(self, commit: str) -> str:
        """The commit before; before the first one there was nothing."""
        found = self._git.try_run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{commit}^1^{{commit}}")
        return (found or self._git.run("hash-object", "-t", "tree", "--stdin")).decode("ascii").strip()

    def _text(self, path: str, blob: str) -> str:
        size = int(self._git.run("cat-file", "-s", blob))
        if size > MAX_TEXT_BYTES:
            raise FileRefusedError(f"{path!r} had {size:,} bytes; at most {MAX_TEXT_BYTES // 1_048_576} MB are read.")
        data = self._git.run("cat-file", "blob", blob)
        if b"\0" in data:
            raise FileRefusedError(f"{path!r} was binary. Text and code are read.")
        return data.decode("utf-8", "replace")

    def _is_secret(self, name: str, text: str, changes: Changes) -> bool:
        found = self._workspace.secret_in(text, name)
        if found:
            changes.leave_out(name, "it holds what looks like a secret")
        return found is not None

    def _told(self, entry: str) -> Commit:
        commit, author, at, _, message = entry.lstrip("\n").split("\0", 4)
        if self._workspace.secret_in(message, "message"):
            message = "(its message is not shown: it holds what looks like a secret)"
        if len(message) > _LONGEST_MESSAGE:
            message = f"{message[:_LONGEST_MESSAGE]} [cut]"
        return Commit(commit, one_line(author, 80), _time(at), clean(message).strip())


@contextmanager
def past(workspace: Workspace, folder: Path, *, without_private: bool) -> Iterator[Past]:
    """What git knows of the repository that *folder* lies in; blocks.

    Args:
        without_private: Take files that may not leave this machine for files that lie outside.

    Raises:
        InvalidInputError: There is no repository, or it cannot be read.
    """
    repository = find_repository(folder, workspace.roots)
    if repository is None:
        raise InvalidInputError("There is no git repository here. Name the folder of one in 'repo', or read the files.")
    try:
        with opened(repository) as git:
            yield Past(git, workspace, folder, without_private=without_private)
    except OSError as error:
        raise GitError(f"The repository cannot be read ({type(error).__name__}). Check its permissions.") from None


def _blamed(told: str) -> Iterator[Blamed]:
    """The lines of git's porcelain: a head, fields, and the text behind a tab."""
    head: list[str] = []
    fields: dict[str, str] = {}
    for line in told.split("\n"):
        if line.startswith("\t"):
            author, at = one_line(fields.get("author", ""), 40), _time(fields.get("author-time", ""))
            yield Blamed(int(head[2]), line[1:].removesuffix("\r"), head[0][:10], author, at[:10])
            head, fields = [], {}
        elif not head:
            head = line.split(" ")
        else:
            name, _, value = line.partition(" ")
            fields[name] = value


def _time(seconds: str) -> str:
    try:
        return datetime.fromtimestamp(int(seconds), UTC).strftime("%Y-%m-%d %H:%M UTC")
    except (ValueError, OverflowError, OSError):  # a commit may say anything
        return "(no date)"
