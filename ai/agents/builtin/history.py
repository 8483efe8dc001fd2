"""Git as tools: commits, what changed, who wrote a line, a file as it was. Nothing is ever changed or fetched."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from pydantic import Field

from ai.agents.builtin.ground import LONGEST, Ground
from ai.agents.function_tools import FunctionTools, tool
from core.changes.from_git import Changes, git_changes
from core.changes.past import MOST_COMMITS, MOST_OUTPUT, Past, past
from core.errors import InvalidInputError
from core.untrusted import clean

_MOST_LINES = 1_000
_LONGEST_LINE = 500

Revision = Annotated[str, Field(max_length=200)]
Folder = Annotated[str, Field(max_length=4_096)]
Name = Annotated[str, Field(min_length=1, max_length=4_096)]
Paths = Annotated[tuple[Name, ...], Field(max_length=50)]
Line = Annotated[int, Field(ge=1)]


def git_tools(ground: Ground) -> FunctionTools:
    """`git_log`, `git_diff`, `git_blame` and `git_show` on *ground*."""

    @tool(read_only=True)
    def git_log(
        revision: Revision = "HEAD",
        paths: Paths = (),
        most: Annotated[int, Field(ge=1, le=MOST_COMMITS)] = 20,
        repo: Folder = "",
    ) -> str:
        """List commits of the git repository, newest first.

        Args:
            revision: A commit, branch or tag whose past is listed.
            paths: Only commits that changed these files or folders.
            most: How many.
            repo: A folder of the workspace in the repository. Empty: the workspace itself.
        """
        with _past(ground, repo) as known:
            found = known.commits(revision, paths, most)
        told = [f"{one.id[:10]}  {one.at}  {one.author}\n{_indented(one.message)}" for one in found]
        return _within("\n\n".join(told)) or "There is no such commit."

    @tool(read_only=True)
    def git_diff(
        base: Revision = "",
        head: Revision = "",
        paths: Paths = (),
        repo: Folder = "",
    ) -> str:
        """Show what changed: without 'head' since 'base' with what is not committed; a commit alone in 'head'.

        Args:
            base: The commit, branch or tag to compare with. Empty: the last commit, or the one before 'head'.
            head: The commit, branch or tag that is compared. Empty: the files as they are now.
            paths: Only these files or folders.
            repo: A folder of the workspace in the repository. Empty: the workspace itself.
        """
        if head:
            with _past(ground, repo) as known:
                changes = known.changed(base, head, paths)
        else:
            changes = _unfinished(ground, repo, base, paths)
        if changes.local_only:
            ground.on_private()
        return _diff(changes)

    @tool(read_only=True)
    def git_blame(path: Name, first: Line = 1, last: Line | None = None, revision: Revision = "HEAD") -> str:
        """Say for lines of a file which commit each is from, when and by whom.

        Args:
            path: A file of the workspace.
            first: The first line, counted from 1.
            last: The last line; without it as much as fits.
            revision: The file as it was at this commit, branch or tag.
        """
        if last is not None and last < first:
            raise InvalidInputError(f"'last' is {last} and lies before 'first', {first}. Swap them.")
        with _past_of(ground, path) as (known, name):
            file, lines = known.blame(name, revision, first, min(last or first + _MOST_LINES, first + _MOST_LINES))
        if file.local_only:
            ground.on_private()
        told = [f"{one.commit} {one.at} {one.author} {one.number:>5}  {_clipped(one.text)}" for one in lines]
        return _within("\n".join([f"{file.name} at {file.id[:10]}", *told]))

    @tool(read_only=True)
    def git_show(path: Name, revision: Revision, first: Line = 1, last: Line | None = None) -> str:
        """Read lines of a file as it was at a commit, branch or tag. Each line comes with its number.

        Args:
            path: A file of the workspace, also one that is gone since.
            revision: The commit, branch or tag.
            first: The first line, counted from 1.
            last: The last line; without it as much as fits.
        """
        with _past_of(ground, path) as (known, name):
            file = known.file(name, revision)
        if file.local_only:
            ground.on_private()
        wanted = file.lines[first - 1 : min(last or len(file.lines), first - 1 + _MOST_LINES)]
        told = [f"{number:>5}  {_clipped(line)}" for number, line in enumerate(wanted, first)]
        head = f"{file.name} at {file.id[:10]}: {len(wanted):,} of {len(file.lines):,} lines"
        return _within("\n".join([head, *told]))

    return FunctionTools([git_log, git_diff, git_blame, git_show])


@contextmanager
def _past(ground: Ground, repo: str) -> Iterator[Past]:
    with past(ground.files, _folder(ground, repo), without_private=not ground.stays_here) as known:
        yield known


@contextmanager
def _past_of(ground: Ground, path: str) -> Iterator[tuple[Past, str]]:
    """The past of the repository that the file *path* lies in, and its name there; the file may be gone."""
    given = Path(path)
    if given.is_absolute() or ".." in given.parts:
        raise InvalidInputError(f"{path!r} is no path below the workspace. Give one as list_files does.")
    root = _folder(ground, "")
    folder = next((one for one in (root / given).parents if one.is_dir()), root).resolve()
    if not folder.is_relative_to(root):
        raise InvalidInputError(f"{path!r} is no path below the workspace. Give one as list_files does.")
    with past(ground.files, folder, without_private=not ground.stays_here) as known:
        yield known, str(root / given)


def _folder(ground: Ground, repo: str) -> Path:
    workspace = ground.files
    if repo not in ("", "."):
        return workspace.folder(repo)
    if not workspace.roots:
        raise InvalidInputError("No folder is open to Moot. Set files.roots in credentials.json, or start Moot there.")
    return workspace.roots[0]


def _unfinished(ground: Ground, repo: str, base: str, paths: Sequence[str]) -> Changes:
    """What is not committed, or has changed since *base*."""
    if base.startswith(("-", ":")):
        raise InvalidInputError(f"'base' {base[:80]!r} is no commit, branch or tag. git_log lists the commits.")
    workspace = ground.files
    private = not ground.stays_here
    folder = _folder(ground, repo)
    changes = git_changes(workspace, folder, base=base or None, paths=paths, without_private=private, most=MOST_OUTPUT)
    kept = []
    for source in changes.sources:
        if workspace.secret_in(source.shown(), source.name):
            changes.leave_out(source.name, "it holds what looks like a secret")
        else:
            kept.append(source)
    changes.sources = kept
    return changes


def _diff(changes: Changes) -> str:
    parts = [f"## {one.name}\n{_clipped_lines(one.shown())}" for one in changes.sources]
    told = [f"[{line}]" for line in changes.left_out[:50]]
    return _within("\n\n".join([*parts, *told])) or "Nothing changed."


def _clipped_lines(text: str) -> str:
    return "\n".join(map(_clipped, text.split("\n")))


def _clipped(line: str) -> str:
    text = clean(line[: _LONGEST_LINE + 1])
    return f"{text[:_LONGEST_LINE]}…" if len(line) > _LONGEST_LINE else text


def _indented(text: str) -> str:
    return "\n".join(f"    {line}".rstrip() for line in text.split("\n"))


def _within(text: str) -> str:
    if len(text) <= LONGEST:
        return text
    return f"{text[:LONGEST]}\n[cut: {len(text) - LONGEST:,} more characters; ask for fewer lines, or name 'paths']"
