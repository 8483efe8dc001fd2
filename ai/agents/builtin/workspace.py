"""Files of the workspace as tools: list them, read lines of one, search in all.

The same rules as for `files=`: below the roots, no links out, no secrets, and what is private only for AIs on this
machine. Every line that is shown has its file and number, so that a claim can say where it is from.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated

import anyio.to_thread
from pydantic import Field

from ai.agents.builtin.ground import LONGEST, Ground
from ai.agents.builtin.searching import Hits, Wanted, search
from ai.agents.builtin.tree import Tree
from ai.agents.function_tools import FunctionTools, tool
from core.errors import InvalidInputError
from core.files.workspace import FileRefusedError
from core.untrusted import clean, one_line

_MOST_LISTED = 1_000
_MOST_LINES = 2_000
_LONGEST_LINE = 500
_MOST_HITS = 200
_MOST_OPENED = 300
"""Files whose lines are shown, or that are looked into and hold secrets, in one search."""
_MOST_AROUND = 10

Pattern = Annotated[str, Field(max_length=500)]


def workspace_tools(ground: Ground) -> FunctionTools:
    """`list_files`, `read_file` and `search_files` on *ground*."""

    @tool(read_only=True)
    def list_files(pattern: Pattern = "") -> str:
        """List the files of the user's workspace with their sizes, except hidden, ignored and secret ones.

        Args:
            pattern: Only these, as in .gitignore: '*.py', 'src/**/*.ts', 'docs/'. Empty: all.
        """
        return _listed(ground, pattern)

    @tool(read_only=True)
    def read_file(
        path: Annotated[str, Field(min_length=1, max_length=4_096)],
        first: Annotated[int, Field(ge=1)] = 1,
        last: Annotated[int | None, Field(ge=1)] = None,
    ) -> str:
        """Read lines of a text file or PDF of the workspace. Each line comes with its number.

        Args:
            path: As list_files and search_files give it.
            first: The first line, counted from 1.
            last: The last line; without it as much as fits.
        """
        return _read(ground, path, first, last)

    @tool(read_only=True)
    async def search_files(
        text: Annotated[str, Field(min_length=1, max_length=1_000)],
        regex: bool = False,
        files: Pattern = "",
        ignore_case: bool = True,
        around: Annotated[int, Field(ge=0, le=_MOST_AROUND)] = 0,
    ) -> str:
        """Find lines in the files of the workspace, each given as file:line: text.

        Args:
            text: What to look for, within one line.
            regex: Take it for a regular expression, without look-around and back-references.
            files: Only in these, as in .gitignore: '*.py', 'src/'. Empty: in all.
            ignore_case: Take capital and small letters for the same.
            around: Lines to show before and after each one.
        """
        return await _searched(ground, Wanted(text, regex, ignore_case), files, around)

    return FunctionTools([list_files, read_file, search_files])


def _listed(ground: Ground, pattern: str) -> str:
    tree = Tree(ground, pattern)
    lines: list[str] = []
    size = more = 0
    for seen in tree.files():
        line = f"{one_line(seen.name)}  ({seen.size:,} bytes)"
        if len(lines) >= _MOST_LISTED or size + len(line) > LONGEST:
            more += 1
            continue
        lines.append(line)
        size += len(line) + 1
    if tree.private:
        ground.on_private()
    if not lines:
        return f"No file matches {pattern!r}." if pattern else "There is no file to list."
    told = [f"[cut: {more:,} more files; narrow the pattern]"] if more else []
    return "\n".join([*lines, *told, *(f"[{one}]" for one in tree.left)])


def _read(ground: Ground, path: str, first: int, last: int | None) -> str:
    workspace = ground.files
    file = workspace.read_text(path)
    if file.local_only and not ground.stays_here:
        raise FileRefusedError(f"{path!r} may only be read by AIs on this machine. Go on without it.")
    if file.local_only:
        ground.on_private()
    if last is not None and last < first:
        raise InvalidInputError(f"'last' is {last} and lies before 'first', {first}. Swap them.")
    lines = _lines(file.text)
    if first > max(len(lines), 1):
        raise InvalidInputError(f"{path!r} has {len(lines):,} lines; 'first' is {first:,}. Give a smaller one.")
    wanted = lines[first - 1 : min(last or len(lines), first - 1 + _MOST_LINES)]
    shown, end = _numbered(wanted, first)
    head = f"{one_line(file.name)}:{first}-{end} of {len(lines):,} lines"
    notes = [f"[{note}]" for note in file.notes]
    if end < min(last or len(lines), len(lines)):
        notes.append(f"[cut: read on with first={end + 1}]")
    return "\n".join([head, *shown, *notes])


def _numbered(lines: Sequence[str], first: int) -> tuple[list[str], int]:
    """As many of *lines* as one result takes, with their numbers, and the number of the last one."""
    shown: list[str] = []
    size = 0
    for number, line in enumerate(lines, first):
        text = f"{number:>5}  {_clipped(line, LONGEST // 4)}"
        size += len(text) + 1
        if shown and size > LONGEST:
            break
        shown.append(text)
    return shown, first + len(shown) - 1


async def _searched(ground: Ground, wanted: Wanted, files: str, around: int) -> str:
    await anyio.to_thread.run_sync(wanted.check)  # an expression of 1,000 characters may take a second to be read
    tree = Tree(ground, files)
    tree.matcher()
    found = await search(wanted, tree)
    shown = await anyio.to_thread.run_sync(_opened, ground, found, around)
    if shown.private:
        ground.on_private()
    notes = [f"[{note}]" for note in (*shown.notes(), *tree.left)]
    if not shown.lines:
        return "\n".join([f"No line holds {wanted.text!r}.", *notes])
    return "\n".join([*shown.lines, *notes])


@dataclass
class _Shown:
    """The lines that are shown of what was found."""

    lines: list[str]
    cut: int = 0
    secrets: int = 0
    private: bool = False

    def notes(self) -> list[str]:
        told = []
        if self.cut:
            told.append(f"cut: {self.cut:,} more lines were found; narrow 'text' or 'files'")
        if self.secrets:
            told.append(f"{self.secrets} files in which it stands are not shown: they hold secrets, or cannot be read")
        return told


def _opened(ground: Ground, found: Sequence[Hits], around: int) -> _Shown:
    """The lines themselves, from files that are opened and looked through for secrets as any that is sent."""
    workspace, shown = ground.files, _Shown([])
    size = count = 0
    for number, hits in enumerate(found):
        if size > LONGEST or count >= _MOST_HITS or number >= _MOST_OPENED:
            shown.cut += len(hits.lines)
            continue
        try:
            file = workspace.read_text(str(hits.root / hits.name))  # two roots may have the same name
        except FileRefusedError:
            shown.secrets += 1
            continue
        if file.local_only and not ground.stays_here:
            continue
        shown.private = shown.private or file.local_only
        lines = _lines(file.text)
        for line in _windows(hits.lines, around, len(lines)):
            if size > LONGEST or count >= _MOST_HITS:
                shown.cut += line in hits.lines
                continue
            mark = ":" if line in hits.lines else "-"
            text = f"{one_line(file.name)}:{line}{mark} {_clipped(lines[line - 1])}"
            shown.lines.append(text)
            size += len(text) + 1
            count += line in hits.lines
    return shown


def _windows(lines: Sequence[int], around: int, most: int) -> list[int]:
    """*lines* with those around each, in order."""
    wanted = {near for line in lines for near in range(line - around, line + around + 1)}
    return sorted(line for line in wanted if 1 <= line <= most)


def _lines(text: str) -> list[str]:
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def _clipped(line: str, longest: int = _LONGEST_LINE) -> str:
    text = clean(line[: longest + 1])
    return f"{text[:longest]}…[{len(line) - longest:,} more]" if len(line) > longest else text
