"""Records of a batch in a file: how they are written, and how they are read back without trusting the file.

People open these files, sort them, cut them, let editors change their line ends, and have spreadsheets save them again
in UTF-16 or with other separators. What is read here is one piece after the other, to the very end of the file: each
with its place, and the record in it if it holds one.
"""

from __future__ import annotations

import codecs
import csv
import io
import json
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from core.batch.csv_rows import SEPARATORS, declared_separator
from core.batch.lines import UTF16
from core.untrusted import clean

FIELDS = (
    "index", "id", "ai", "model", "status", "text", "json", "error", "code", "finish_reason", "duplicate_of",
    "input_tokens", "output_tokens", "cost_usd", "latency_s",
)  # fmt: skip
_READ_AT_ONCE = 1_048_576
Record = Mapping[str, Any]
_BOM = "\ufeff"
_encode = json.JSONEncoder(ensure_ascii=False, allow_nan=False).encode


@dataclass(frozen=True, slots=True)
class Piece:
    """A line of a file, or a row of a table, from *start* to *end*, and the record in it; None where it holds none."""

    start: int
    end: int
    record: Record | None
    torn: bool = False
    """Whether the file ends before the piece does."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a file is written. What anybody but us has written so is read, and never appended to."""

    table: bool
    encoding: str = "utf-8"
    delimiter: str = ","

    @property
    def ours(self) -> bool:
        return (self.encoding, self.delimiter) == ("utf-8", ",")


def is_table(path: Path) -> bool:
    """Whether records are rows of CSV there; a file that stands for another has one more ending."""
    name = path.name.partition(".moot-kept-")[0].removesuffix(".retry")
    return name.endswith(".csv")


def encoded(records: Sequence[Record], *, table: bool, heading: bool) -> bytes:
    """*records* as they are written; with *heading*, the names of a table's columns come first."""
    if not table:
        return "".join(_line(record) for record in records).encode()
    lines = io.StringIO()
    writer = csv.writer(lines, lineterminator="\n")
    if heading:
        writer.writerow(FIELDS)
    for record in records:
        writer.writerow([_cell(name, record.get(name)) for name in FIELDS])
    return lines.getvalue().encode()


def pieces(path: Path) -> Iterator[Piece]:
    """What is in the file, to its end; nothing where there is none."""
    try:
        file = path.open("rb")
    except FileNotFoundError:
        return
    with file:
        form = form_of(file, table=is_table(path))
        file.seek(0)
        yield from _rows(file, form) if form.table else _lines(file, form)


def form_of(file: IO[bytes], *, table: bool) -> Form:
    """How *file* is written, as its beginning shows; other separators by the heading, or by Excel's own mark."""
    file.seek(0)
    head = file.read(2)
    encoding = ("utf-16-le", "utf-16-be")[UTF16.index(head)] if head in UTF16 else "utf-8"
    file.seek(0)
    first, _ = next(_utf8(file, encoding), (b"", 0)) if table else (b"", 0)
    return Form(table, encoding, _delimiter(first.decode("utf-8", "replace").removeprefix(_BOM)))


def _delimiter(first: str) -> str:
    headings = (one for one in SEPARATORS if first.strip().replace('"', "") == one.join(FIELDS))
    return declared_separator(first) or next(headings, ",")


def read_at(file: IO[bytes], start: int, form: Form) -> Record | None:
    """The record that begins at *start*."""
    file.seek(start)
    lines = (line for line, _ in _utf8(file, form.encoding))
    if not form.table:
        return _parsed(next(lines, b""))
    cells = next(csv.reader((line.decode("utf-8", "replace") for line in lines), delimiter=form.delimiter), None)
    return _of_cells(cells or [])


def _utf8(file: IO[bytes], encoding: str) -> Iterator[tuple[bytes, int]]:
    """The lines from where *file* stands, in UTF-8, and the bytes that each takes in the file."""
    if encoding == "utf-8":
        for line in file:
            yield line, len(line)
        return
    decoder, rest = codecs.getincrementaldecoder(encoding)("replace"), ""
    while data := file.read(_READ_AT_ONCE):
        *whole, rest = (rest + decoder.decode(data)).split("\n")
        for text in whole:
            yield f"{text}\n".encode(), len(text.encode(encoding)) + 2
    rest += decoder.decode(b"", final=True)
    if rest:
        yield rest.encode(), len(rest.encode(encoding))


def _line(record: Record) -> str:
    try:
        return _encode(dict(record)) + "\n"
    except ValueError:  # NaN and the infinities are no JSON
        return _encode(_finite(dict(record))) + "\n"


def _finite(value: Any) -> Any:
    match value:
        case float() if not math.isfinite(value):
            return None
        case dict():
            return {name: _finite(inner) for name, inner in value.items()}
        case list():
            return [_finite(inner) for inner in value]
        case _:
            return value


def _lines(file: IO[bytes], form: Form) -> Iterator[Piece]:
    if not form.ours:
        yield Piece(0, 0, None)
    start = 0
    for line, size in _utf8(file, form.encoding):
        yield Piece(start, start + size, _parsed(line), torn=not line.endswith(b"\n"))
        start += size


def _parsed(line: bytes) -> Record | None:
    try:
        return _checked(json.loads(line))
    except (ValueError, RecursionError):
        return None


def _rows(file: IO[bytes], form: Form) -> Iterator[Piece]:
    """The rows behind the heading. Where that is not first nothing is in its place, but each row may hold a record."""
    csv.field_size_limit(2**31 - 1)
    source = _Counted(file, form)
    reader = csv.reader(source, delimiter=form.delimiter, strict=True)
    try:
        heading = next(reader, None)
    except csv.Error:
        heading = []
    if heading and heading[0].startswith(_BOM):  # as spreadsheets write it
        heading[0] = heading[0].removeprefix(_BOM)
    if heading is not None and (heading != list(FIELDS) or source.torn or not form.ours):
        end = file.seek(0, io.SEEK_END)
        yield Piece(0, 0, None, torn=source.torn and source.end == end)
        file.seek(0)
        source = _Counted(file, form)
        reader = csv.reader(source, delimiter=form.delimiter, strict=True)
    while True:
        start = source.end
        try:
            cells = next(reader, None)
        except csv.Error:
            cells = []
        if cells is None:
            return
        yield Piece(start, source.end, _of_cells(cells), torn=source.torn or source.over)


class _Counted:
    """The lines of a file as text, and where the last one ended."""

    def __init__(self, file: IO[bytes], form: Form) -> None:
        self._lines = _utf8(file, form.encoding)
        self.end = 0
        self.torn = False
        self.over = False
        """Whether more was wanted than there is: a quote is still open."""

    def __iter__(self) -> _Counted:
        return self

    def __next__(self) -> str:
        line, size = next(self._lines, (b"", 0))
        if not line:
            self.over = True
            raise StopIteration
        self.end += size
        self.torn = not line.endswith(b"\n")
        return line.decode("utf-8", "replace")


def _of_cells(cells: Sequence[str]) -> Record | None:
    if len(cells) != len(FIELDS):
        return None
    try:
        return _checked({name: _value(name, cell) for name, cell in zip(FIELDS, cells, strict=True)})
    except (ValueError, RecursionError):
        return None


def _checked(value: Any) -> Record | None:
    """*value* if it has all that the rest of the program reads of a record."""
    if not isinstance(value, dict) or not isinstance(value.get("id"), str | int):
        return None
    index = value.get("index")
    sound = isinstance(index, int) and not isinstance(index, bool) and index >= 0
    texts = all(isinstance(value.get(name), str) for name in ("ai", "status", "text"))
    cost = value.get("cost_usd")
    priced = cost is None or (isinstance(cost, int | float) and not isinstance(cost, bool) and math.isfinite(cost))
    return value if sound and texts and priced else None


_NUMBERS: Mapping[str, Callable[[str], Any]] = {
    "index": int,
    "duplicate_of": int,
    "input_tokens": int,
    "output_tokens": int,
    "cost_usd": float,
    "latency_s": float,
}


def _value(name: str, cell: str) -> Any:
    if name in _NUMBERS:
        return _NUMBERS[name](cell) if cell else None
    if name == "json":
        return json.loads(cell) if cell else None
    return cell


def _cell(name: str, value: Any) -> Any:
    if name == "json":
        return "" if value is None else _encode(_finite(value))
    if isinstance(value, str):
        text = clean(value)
        # a spreadsheet would run a text that begins like a formula
        return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
    return value
