"""Reading unified diffs, as git and others print them: which files they are about, and which lines.

Names are decoded as git quotes them. A merge's combined diff is read like any other. What holds no line to read is
told with what it is: a binary file, a mode, a name, a submodule; nothing is called unchanged that is not.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

NOTHING = "/dev/null"
_HUNK = re.compile(r"^@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")
_MERGE_HUNK = re.compile(r"^(@{3,17}) ((?:-\d+(?:,\d+)? )+)\+(\d+)(?:,(\d+))? @{3,17}")
_QUOTED = re.compile(rb'\\([abtnvfr"\\]|[0-7]{3})')
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
_PREFIXES = "abciow"
"""With the setting diff.mnemonicPrefix git names commit, index, object and working tree instead of a and b."""
_LONGEST_NAME = 4_096
_HEADS = ("diff --git ", "diff --cc ", "diff --combined ", "Submodule ")


class NotADiffError(ValueError):
    """The text is no unified diff; the message says where it ceases to be one."""


@dataclass
class FileDiff:
    """What a diff shows of one file.

    Args:
        name: Its name in the new version, or in the old one when it is gone.
        names: All names it has or may have in the diff, with prefixes that may be folders or not.
        lines: The text of each line that is shown, by its number in the new version.
        added: The numbers of those that are new; in a merge, in regard to any of its parents.
        removed: The lines that are gone, by the number of the line they stood before.
        why_empty: Why there is no line, where there is none.
    """

    name: str
    names: frozenset[str]
    lines: dict[int, str] = field(default_factory=dict)
    added: set[int] = field(default_factory=set)
    removed: dict[int, list[str]] = field(default_factory=dict)
    why_empty: str = ""


def split_lines(text: str) -> list[str]:
    """The lines of *text* as git and editors count them: other separators, such as a form feed, stand in a line."""
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    return [line.removesuffix("\r") for line in lines]


def read_diff(text: str) -> list[FileDiff]:
    """The files of *text*, in order; what stands before, between and behind them is left out.

    Raises:
        NotADiffError: It is none, or breaks off.
    """
    return [_read(section) for section in sections(text)]


@dataclass
class Section:
    """The part of a diff that is about one file: its head, and its hunks."""

    head: list[str] = field(default_factory=list)
    hunks: list[list[str]] = field(default_factory=list)


def sections(text: str) -> Iterator[Section]:
    """The diff by files. A hunk ends by its counted lines, so that no line of a file is taken for a head."""
    lines = text.split("\n")
    section, at = Section(), 0
    while at < len(lines):
        line = lines[at]
        begins = line.startswith(_HEADS) or (_plain_head(lines, at) and (section.hunks or not section.head))
        if begins:
            if section.head:
                yield section
            section = Section()
        if line.startswith("@@"):
            end = _end_of_hunk(lines, at)
            if not section.head:
                raise NotADiffError(f"line {at + 1} begins a hunk before any file is named")
            section.hunks.append(lines[at:end])
            at = end
            continue
        if begins or section.head:
            section.head.append(line.removesuffix("\r"))
        at += 1
    if section.head:
        yield section


def _plain_head(lines: Sequence[str], at: int) -> bool:
    """Whether a file begins here without the head that git writes."""
    line = lines[at]
    if line.startswith("--- "):
        return at + 1 < len(lines) and lines[at + 1].startswith("+++ ")
    return line.startswith("Binary files ") and line.rstrip().endswith(" differ")


def _end_of_hunk(lines: Sequence[str], start: int) -> int:
    """The index behind the hunk that begins at *start*."""
    *olds, new = _counts(lines[start], start)
    parents, at = len(olds), start + 1
    while any(olds) or new:
        if at >= len(lines):
            raise NotADiffError(f"the hunk at line {start + 1} breaks off")
        signs = lines[at][:parents].removesuffix("\r") if parents > 1 else lines[at][:1].strip("\r")
        if not signs.startswith("\\"):
            signs = signs.ljust(parents)
            if signs.strip(" +-"):
                raise NotADiffError(f"line {at + 1} is no line of a diff")
            gone = "-" in signs
            olds = [left - (sign == ("-" if gone else " ")) for left, sign in zip(olds, signs, strict=True)]
            new -= not gone
            if new < 0 or min(olds) < 0:
                raise NotADiffError(f"the hunk at line {start + 1} has other lines than it says")
        at += 1
    if at < len(lines) and lines[at].startswith("\\"):
        at += 1
    return at


def _counts(head: str, at: int) -> list[int]:
    """How many lines a hunk has of each old version, and of the new one."""
    if found := _HUNK.match(head):
        return [int(found[2] or 1), int(found[4] or 1)]
    if found := _MERGE_HUNK.match(head):
        olds = [int(part.partition(",")[2] or 1) for part in found[2].split()]
        if len(olds) == len(found[1]) - 1:
            return [*olds, int(found[4] or 1)]
    raise NotADiffError(f"line {at + 1} is no head of a hunk")


def _read(section: Section) -> FileDiff:
    old, new = _names(section.head)
    name = _without_prefix(old, new)
    file = FileDiff(name, frozenset(_possible(old) | _possible(new) | {name}))
    for hunk in section.hunks:
        _read_hunk(hunk, file)
    shown = [*file.lines.values(), *(line for gone in file.removed.values() for line in gone)]
    if any("160000" in line for line in section.head if line.startswith(("index ", "new file", "deleted file"))) or (
        shown and all(line.startswith("Subproject commit ") for line in shown)
    ):
        file.lines, file.removed, file.added = {}, {}, set()
        file.why_empty = "a submodule, which is at another commit now"
    elif not shown:
        file.why_empty = _why_empty(section.head)
    return file


def _read_hunk(hunk: Sequence[str], file: FileDiff) -> None:
    parents = len(_counts(hunk[0], 0)) - 1
    start, length = _place(hunk[0])
    upcoming = start if length else start + 1
    for line in hunk[1:]:
        signs, text = line[:parents], line[parents:].removesuffix("\r")
        if signs.startswith("\\"):
            continue
        if "-" in signs:
            file.removed.setdefault(upcoming, []).append(text)
            continue
        file.lines[upcoming] = text
        if "+" in signs:
            file.added.add(upcoming)
        upcoming += 1


def _place(head: str) -> tuple[int, int]:
    if found := _HUNK.match(head):
        return int(found[3]), int(found[4] or 1)
    merge = _MERGE_HUNK.match(head)
    assert merge, "counted before"
    return int(merge[3]), int(merge[4] or 1)


def _names(head: Sequence[str]) -> tuple[str, str]:
    """The old and the new name as they stand in *head*, with whatever prefix they have there."""
    said = {}
    for key in ("--- ", "+++ ", "rename from ", "rename to ", "copy from ", "copy to "):
        line = next((line for line in head if line.startswith(key)), None)
        if line is not None:
            said[key] = _decoded(line[len(key) :])
    old = said.get("rename from ") or said.get("copy from ") or said.get("--- ")
    new = said.get("rename to ") or said.get("copy to ") or said.get("+++ ")
    if old is not None and new is not None:
        return old, new
    first = head[0]
    if first.startswith("Submodule "):
        name = re.sub(r" (?:[0-9a-f]+\.{2,3}[0-9a-f]+.*|contains .*)$", "", first.removeprefix("Submodule "))
        return name, name
    if first.startswith("Binary files "):
        one, _, other = first.removeprefix("Binary files ").removesuffix(" differ").partition(" and ")
        return one, other or one
    for key in ("diff --cc ", "diff --combined "):
        if first.startswith(key):
            name = _decoded(first[len(key) :])
            return old or name, new or name
    return _pair(first.removeprefix("diff --git "))


def _pair(said: str) -> tuple[str, str]:
    """The two names of `diff --git`, which are the same but for their prefix when no line below tells them."""
    if len(said) > 2 * _LONGEST_NAME:
        return said, said
    if said.startswith('"'):
        end = next((at for at in range(1, len(said)) if said[at] == '"' and _unescaped(said, at)), len(said) - 1)
        return _decoded(said[: end + 1]), _decoded(said[end + 1 :].strip())
    if said.endswith('"') and ' "' in said:
        first, _, second = said.partition(' "')
        return first, _decoded(f'"{second}')
    for at in (at for at, letter in enumerate(said) if letter == " "):
        one, other = said[:at], said[at + 1 :]
        if one == other or (one[1:2] == other[1:2] == "/" and one[2:] == other[2:]):
            return one, other
    return said, said


def _unescaped(text: str, at: int) -> bool:
    before = text[:at]
    return (len(before) - len(before.rstrip("\\"))) % 2 == 0


def _decoded(said: str) -> str:
    """The name that git quotes, or the one before the tab behind which others write the time."""
    if not said.startswith('"'):
        return said.partition("\t")[0]
    inner = said[1 : said.rindex('"')] if said.count('"') > 1 else said[1:]
    raw = _QUOTED.sub(lambda found: _byte(found[1]), inner.encode("utf-8", "surrogateescape"))
    return raw.decode("utf-8", "replace")


def _byte(escape: bytes) -> bytes:
    return bytes([int(escape, 8) & 0xFF]) if len(escape) == 3 else _ESCAPES.get(escape, escape)


def _without_prefix(old: str, new: str) -> str:
    """The name of the file. With `a/x` and `b/x` the first folder is no folder; with `x` and `x` it is."""
    name = old if new == NOTHING else new
    other = new if name is old else old
    prefixed = name[1:2] == "/" and name[0] in _PREFIXES
    if not prefixed or (other == name and other != NOTHING):
        return name
    if other != NOTHING and not (other[1:2] == "/" and other[0] in _PREFIXES):
        return name
    return name[2:]


def _possible(name: str) -> set[str]:
    if name == NOTHING:
        return set()
    return {name, name[2:]} if name[1:2] == "/" and name[0] in _PREFIXES and len(name) > 2 else {name}


def _why_empty(head: Sequence[str]) -> str:
    def said(key: str) -> str:
        return next((line[len(key) :] for line in head if line.startswith(key)), "")

    if head[0].startswith("Submodule "):
        return "a submodule, which has changed"
    if any(line.startswith(("Binary files ", "GIT binary patch")) for line in head):
        return "binary"
    reasons = []
    if source := said("rename from "):
        reasons.append(f"renamed from {_decoded(source)}")
    if source := said("copy from "):
        reasons.append(f"copied from {_decoded(source)}")
    if said("old mode "):
        reasons.append(f"its mode is {said('new mode ')} instead of {said('old mode ')}")
    if said("new file mode "):
        reasons.append("a new file without a line")
    if said("deleted file mode "):
        reasons.append("removed; it had no line")
    return f"no line changed: {', '.join(reasons)}" if reasons else "the diff shows no line of it"
