"""Which files of a workspace there are to see: no links, nothing hidden, ignored, secret by its name, or private.

Folders are walked from an open descriptor, so that none can be swapped for a link on the way. Everything blocks.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import TYPE_CHECKING

from ai.agents.builtin.ground import Ground
from core.errors import InvalidInputError
from core.files.opening import read_below
from core.git_patterns import git_patterns, good_patterns
from core.paths import data_dir
from core.secrecy.names import named_like_a_secret
from core.untrusted import one_line

if TYPE_CHECKING:
    from pathspec import GitIgnoreSpec

MOST_SEEN = 50_000
"""Files and folders that one call looks at."""
_DEEPEST = 100
"""Levels of folders."""
_MOST_IGNORES = 5_000
"""Lines of one `.gitignore`."""
_LONGEST_PATTERN = 500
_LONGEST_IGNORE_FILE = 1_000_000
_NOT_OURS = frozenset({"node_modules", "__pycache__"})


@dataclass(frozen=True, slots=True)
class Seen:
    """A file: its root, its name below it, and its size in bytes."""

    root: Path
    name: str
    size: int


@dataclass
class Tree:
    """The files of *ground* that match *pattern*; `left` says what was not looked at."""

    ground: Ground
    pattern: str = ""
    left: list[str] = field(default_factory=list)
    private: int = 0
    _count: int = 0

    def files(self) -> Iterator[Seen]:
        """The files, folder by folder.

        Raises:
            InvalidInputError: The pattern is none, or no folder is open to Moot.
        """
        workspace = self.ground.files
        matches = self.matcher()
        for root in workspace.roots:
            for seen in self._below(root):
                if not matches(seen.name):
                    continue
                if workspace.is_local_only(seen.name):
                    if not self.ground.stays_here:
                        continue
                    self.private += 1
                yield seen

    def matcher(self) -> Callable[[str], bool]:
        """Says of a name below its root whether it matches the pattern.

        Raises:
            InvalidInputError: The pattern is none, or no folder is open to Moot.
        """
        if not self.ground.workspace.roots:
            raise InvalidInputError(
                "No folder is open to Moot. Set files.roots in credentials.json, or start Moot in a project folder."
            )
        if not self.pattern:
            return lambda name: True
        wanted = _wanted(self.pattern)
        return lambda name: bool(wanted.match_file(name))

    def may_be_seen(self, root: Path, name: str) -> bool:
        """Whether the file called *name* below *root* is one that `files` would give, but for what git ignores."""
        if any(part.startswith(".") or part in _NOT_OURS for part in PurePath(name).parts):
            return False
        if named_like_a_secret(PurePath(*root.parts[1:], name)) or self._is_ours(root / name):
            return False
        return self.ground.stays_here or not self.ground.files.is_local_only(name)

    def _below(self, root: Path) -> Iterator[Seen]:
        ignored = _Ignored(root, self.left)
        for above, folders, names, folder in _walk(root):
            ignored.enter(above)
            if above.count("/") >= _DEEPEST - 1 and folders:
                self._leave_out(folders)
            folders[:] = sorted(
                name
                for name in folders
                if not name.startswith(".")
                and name not in _NOT_OURS
                and not self._is_ours(root.joinpath(above, name))
                and not ignored.has(above, name, is_folder=True)
            )
            for name in sorted(names):
                self._count += 1
                path = f"{above}/{name}" if above else name
                if self._count > MOST_SEEN:
                    self.left.append(f"only the first {MOST_SEEN:,} files were looked at; narrow the pattern")
                    return
                if name.startswith(".") or named_like_a_secret(PurePath(*root.parts[1:], path)):
                    continue
                size = _size(root, path, name, folder)
                if size is not None and not ignored.has(above, name):
                    yield Seen(root, path, size)

    def _leave_out(self, folders: list[str]) -> None:
        """Do not go into *folders*: each that is gone into stays open for as long as what lies below is looked at."""
        folders.clear()
        told = f"folders deeper than {_DEEPEST} were not looked at"
        if told not in self.left:
            self.left.append(told)

    def _is_ours(self, path: Path) -> bool:
        ours = data_dir().resolve()
        uploads = self.ground.workspace.uploads
        return path.is_relative_to(ours) and not (uploads is not None and path.is_relative_to(uploads))


class _Ignored:
    """What git ignores below a folder, by the `.gitignore` files in it."""

    def __init__(self, root: Path, left: list[str]) -> None:
        self._root = root
        self._left = left
        self._specs: dict[str, GitIgnoreSpec | None] = {}

    def enter(self, above: str) -> None:
        parts = (*PurePath(above).parts, ".gitignore")
        try:
            text = read_below(self._root, parts, _LONGEST_IGNORE_FILE, hard_links=True).decode("utf-8", "replace")
        except OSError:
            self._specs[above] = None
        else:
            lines = text.splitlines()
            if len(lines) > _MOST_IGNORES:
                self._left.append(f"only the first {_MOST_IGNORES:,} lines of {one_line('/'.join(parts))} count")
            self._specs[above] = good_patterns(tuple(lines[:_MOST_IGNORES]))

    def has(self, above: str, name: str, *, is_folder: bool = False) -> bool:
        """Whether the nearest file that says anything of *name* ignores it."""
        path = PurePath(above, name)
        for folder in path.parents:
            key = "" if folder == PurePath(".") else folder.as_posix()
            spec = self._specs.get(key)
            if spec is None:
                continue
            told = spec.check_file(path.relative_to(folder).as_posix() + ("/" if is_folder else "")).include
            if told is not None:
                return told
        return False


def _wanted(pattern: str) -> GitIgnoreSpec:
    """*pattern* as git reads patterns: without a slash it matches in every folder."""
    spec = None
    if len(pattern) <= _LONGEST_PATTERN and not pattern.startswith(("!", "#")) and "\n" not in pattern:
        spec = git_patterns((pattern.removeprefix("./"),))
    if spec is None or ".." in PurePath(pattern).parts:
        raise InvalidInputError(f"{pattern[:80]!r} is no pattern. Give one such as '*.py', 'src/**/*.ts' or 'docs/'.")
    return spec


def _walk(root: Path) -> Iterator[tuple[str, list[str], Sequence[str], int | None]]:
    """Every folder below *root*, without following links: its name, its folders and files, and its descriptor."""
    if hasattr(os, "fwalk"):
        for place, folders, names, folder in os.fwalk(root, follow_symlinks=False):
            yield _above(root, place), folders, names, folder
    else:
        for place, folders, names in os.walk(root, followlinks=False):
            yield _above(root, place), folders, names, None


def _above(root: Path, place: str) -> str:
    above = PurePath(place).relative_to(root).as_posix()
    return "" if above == "." else above


def _size(root: Path, path: str, name: str, folder: int | None) -> int | None:
    """How large a plain file is; None of anything else."""
    try:
        found = os.stat(name, dir_fd=folder, follow_symlinks=False) if folder is not None else os.lstat(root / path)
    except OSError:
        return None
    return found.st_size if stat.S_ISREG(found.st_mode) else None
