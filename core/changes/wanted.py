"""Which files of a repository may be shown, under which names; and git's own list of what differs."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

from core.changes.git import GitError, Repository
from core.errors import InvalidInputError
from core.files.workspace import Workspace


@dataclass(frozen=True, slots=True)
class Pair:
    """One entry of git's comparison."""

    old_mode: str
    new_mode: str
    new_id: str
    status: str
    names: tuple[str, ...]
    """The old and the new name, or the one it has."""

    @property
    def name(self) -> str:
        return self.names[-1]

    @property
    def sections(self) -> int:
        """How many parts of a diff are about it: a file that became a link is taken away and made anew."""
        return {"T": 2, "U": 0}.get(self.status, 1)


class Wanted:
    """Which names are looked at, and under which name below its root each may be sent."""

    def __init__(
        self,
        workspace: Workspace,
        repository: Repository,
        folder: Path,
        paths: Sequence[str],
        *,
        without_private: bool = False,
    ) -> None:
        self._workspace = workspace
        self._without_private = without_private
        """Whether files that may not leave this machine are taken for files that lie outside."""
        self._top = repository.top
        self.by_hand = workspace.here is not None
        self._roots = (repository.top,) if self.by_hand else workspace.roots
        """A person sees all of a repository, under the names that git shows, wherever in it they stand."""
        self.paths = [self._path(folder, path) for path in paths]
        """What was named, as git has it."""
        self.outside = 0

    def prefixes(self) -> list[str]:
        """What git is to look at: the roots below the top, or everything."""
        if any(self._top.is_relative_to(root) for root in self._roots):
            return []
        return [root.relative_to(self._top).as_posix() for root in self._roots if root.is_relative_to(self._top)]

    def has(self, name: str) -> bool:
        return not self.paths or any(_matches(name, path) for path in self.paths)

    def place(self, name: str) -> tuple[Path, str] | None:
        """The root that the file called *name* in the repository lies below, and its name there."""
        path = self._top.joinpath(*name.split("/"))
        root = next((root for root in self._roots if path != root and path.is_relative_to(root)), None)
        if self._without_private and self.is_local_only(name):
            return None
        return (root, path.relative_to(root).as_posix()) if root is not None else None

    def refused(self, name: str) -> str | None:
        """Why the file called *name* may not be sent."""
        place = self.place(name)
        if place is None:
            return "outside of what is open to Moot"
        return self._workspace.secret_name(place[0] / place[1], place[0])

    def is_local_only(self, name: str) -> bool:
        path = self._top.joinpath(*name.split("/"))
        roots = {*self._roots, *self._workspace.roots}
        below = [path.relative_to(root).as_posix() for root in roots if path.is_relative_to(root)]
        return any(self._workspace.is_local_only(each) for each in below)

    def shown(self, name: str) -> str:
        """The name for readers; what is no text in it is replaced."""
        place = self.place(name)
        return os.fsencode(place[1] if place else name).decode("utf-8", "replace")

    def _path(self, folder: Path, given: str) -> str:
        path = Path(os.path.normpath(folder / given))
        inside = path.is_relative_to(self._top) and any(path.is_relative_to(root) for root in self._roots)
        if not given or given.startswith(":") or "\0" in given or not inside:
            raise InvalidInputError(
                f"'paths': {given!r} is no file or folder of the repository that is open to Moot. Give plain paths "
                "below it, or patterns such as 'src/*.py'."
            )
        return path.relative_to(self._top).as_posix()


def _matches(name: str, path: str) -> bool:
    return path in (".", name) or name.startswith(f"{path}/") or fnmatchcase(name, path)


def pairs(told: bytes) -> Iterator[Pair]:
    """The entries of git's raw output, whose names end in NUL."""
    fields = iter(told.split(b"\0"))
    for head in fields:
        if not head:
            continue
        old_mode, new_mode, _, new_id, status = head.decode("ascii").removeprefix(":").split(" ")
        names = [os.fsdecode(next(fields)) for _ in range(2 if status[0] in "RC" else 1)]
        if any(not _plain(name) for name in names):
            raise GitError("The index of the repository holds names that no file can have. Try `git fsck`.")
        yield Pair(old_mode, new_mode, new_id, status[0], tuple(names))


def _plain(name: str) -> bool:
    """Whether *name* stays where it is; an index that somebody made up may say anything."""
    parts = name.split("/")
    return all(part not in ("", ".", "..") and part.lower() != ".git" for part in parts)
