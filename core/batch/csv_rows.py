"""Rows of a CSV or TSV file, as spreadsheets and databases write them (RFC 4180 and its usual dialects).

Every line of the file ends up in a row, in a `BadRow` that names the lines it stands for, or is blank. A quote that
never closes swallows what follows; where it opened and how much it took is told, and nothing is guessed.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import IO

from core.batch.lines import LONGEST_ROW, UTF16, BadRow, opened
from core.errors import InvalidInputError

SEPARATORS = ",;\t|"


def table(path: Path, *, confined: bool = False) -> Iterator[tuple[int, str, Mapping[str, str] | BadRow]]:
    """The number, place and cells of each row, by the names in the heading; *confined* as for `opened`.

    Raises:
        InvalidInputError: There is no heading that can be used.
        OSError: The file cannot be read.
    """
    csv.field_size_limit(LONGEST_ROW)
    with opened(path, confined=confined) as file:
        records = _Records(_as_text(file), path)
        names = _heading(records, path.name)
        number = 0
        for place, cells in records:
            if isinstance(cells, BadRow) or any(cells):
                number += 1
                yield number, place, cells if isinstance(cells, BadRow) else _fields(names, cells, place)


def _as_text(file: IO[bytes]) -> IO[str]:
    head = file.read(2)
    file.seek(0)
    if head in UTF16:
        return io.TextIOWrapper(file, "utf-16", errors="replace", newline="")
    return io.TextIOWrapper(file, "utf-8-sig", errors="surrogateescape", newline="")


class _Records:
    """The records of a table one by one, and the lines each of them took."""

    def __init__(self, text: IO[str], path: Path) -> None:
        self._text = text
        self._line = 0
        """Lines read so far."""
        self._taken = 0
        """Characters the record at hand has taken."""
        self._overlong = False
        first = self._read()
        if separator := declared_separator(first):
            first = ""
        else:
            separator = _separator(first, "\t" if path.suffix.lower() == ".tsv" else ",")
        self._first = first
        self._reader = csv.reader(self._lines(), delimiter=separator, strict=True)

    def __iter__(self) -> Iterator[tuple[str, list[str] | BadRow]]:
        while True:
            start, self._taken = self._line + (not self._first), 0
            cells = self._next(start)
            if self._overlong:
                cells = self._endless(start)
            if cells is None:
                return
            yield self._place(start), cells
            if self._overlong:
                return

    def _next(self, start: int) -> list[str] | BadRow | None:
        try:
            return next(self._reader, None)
        except csv.Error as error:
            return self._broken(start, error)

    def _lines(self) -> Iterator[str]:
        if self._first:
            first, self._first = self._first, ""
            yield first
        while line := self._read():
            yield line

    def _read(self) -> str:
        """The next line; nothing at the end, and once a record takes more than a row may."""
        line = self._text.readline(LONGEST_ROW - self._taken)
        self._taken += len(line)
        self._line += bool(line)
        self._overlong = self._taken >= LONGEST_ROW
        return "" if self._overlong else line

    def _broken(self, start: int, error: csv.Error) -> BadRow:
        lines = self._line - start + 1
        if "unexpected end of data" in str(error):  # not ours: csv has one class for all complaints
            reason = f"a quote that opens here is never closed, so {_counted(lines)} could not be read."
            return BadRow(self._place(start), reason, lines)
        return BadRow(self._place(start), f"is not valid CSV ({error}).", lines)

    def _endless(self, start: int) -> BadRow:
        return BadRow(
            f"line {start} to the end",
            f"the row that begins here has more than {LONGEST_ROW:,} characters, probably for want of a closing quote, "
            "so the rest of the file could not be read.",
        )

    def _place(self, start: int) -> str:
        return f"line {start}" if self._line <= start else f"lines {start} to {self._line}"


def _counted(lines: int) -> str:
    return f"{lines:,} line{'' if lines == 1 else 's'}"


def declared_separator(line: str) -> str:
    """What Excel's own mark says that separates the columns; empty where *line* is none."""
    mark = line.strip().lower()
    return mark[4] if len(mark) == 5 and mark.startswith("sep=") and mark[4] in SEPARATORS else ""


def _separator(heading: str, usual: str) -> str:
    """What separates the columns: the sign that stands most often in the heading, outside of quotes."""
    bare = "".join(heading.split('"')[::2])
    most = max(SEPARATORS, key=bare.count)
    return most if bare.count(most) > bare.count(usual) else usual


def _heading(records: _Records, name: str) -> list[str]:
    _, cells = next(iter(records), ("", []))
    if isinstance(cells, BadRow):
        raise InvalidInputError(f"The first line of {name!r} is not valid CSV: {cells.reason} Mend it.")
    names = [cell.strip() for cell in cells]
    while names and not names[-1]:
        names.pop()
    if double := sorted({one for one in names if names.count(one) > 1}):
        raise InvalidInputError(f"{name!r} has two columns {double[0]!r}. Rename or remove one of them.")
    return names


def _fields(names: Sequence[str], cells: Sequence[str], place: str) -> Mapping[str, str] | BadRow:
    """The cells by name; empty ones past the last column are the spreadsheet's, not the user's."""
    more = cells[len(names) :]
    if len(cells) < len(names) or any(cell.strip() for cell in more):
        return BadRow(place, f"has {len(cells)} columns, the heading has {len(names)}.")
    return dict(zip(names, cells, strict=False))
