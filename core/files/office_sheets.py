"""The sheets of a workbook of Excel, with what is noted and drawn on them."""

from __future__ import annotations

import re

from .office_archive import Out, Parts, number_of
from .office_texts import Paragraphs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import datetime

_WIDEST = 500
"""Columns that are shown as such; what stands further out is told with its column."""
_DATE, _TIME, _ELAPSED = "date", "time", "elapsed"
_SHOWN_AS = {
    **dict.fromkeys((*range(14, 18), 22, *range(27, 37), *range(50, 59)), _DATE),
    **dict.fromkeys((18, 19, 20, 21, 45, 47), _TIME),
    46: _ELAPSED,
}
"""Number formats of Excel that are dates or times (ECMA-376, part 1, 18.8.30)."""
_BESIDE = re.compile(r'"[^"]*"|\\.|[_*].|\[(?!(?:h+|m+|s+)\])[^\]]*\]|am/pm|a/p', re.IGNORECASE | re.DOTALL)
"""What a format shows as it stands, leaves room for, or says of colours and places."""
_ESCAPED = re.compile(r"_x([0-9A-Fa-f]{4})_")
_BREAKS = re.compile(r"[\t\r\n]+")
_LONGEST_FORMULA = 200


class _Book:
    """What a workbook says of its sheets."""

    def __init__(self, parts: Parts) -> None:
        self.sheets: list[tuple[str, str, str]] = []
        """The name, the part, and the state of each, in order."""
        self.from_1904 = False
        self._parts, self._related = parts, parts.related("xl/workbook.xml")
        self.texts, self.formats = _shared_texts(parts), _formats(parts)
        if "xl/workbook.xml" in parts.names:
            parts.walk("xl/workbook.xml", self._begin, lambda tag, text: None)
        numbered = parts.numbered("xl/worksheets/sheet")
        if not any(name for _, name, _ in self.sheets):
            named = [*self.sheets, *((str(number), "", "") for number in range(len(self.sheets) + 1, 10_000))]
            self.sheets = [(title, name, state) for (title, _, state), name in zip(named, numbered, strict=False)]

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "workbookPr":
            self.from_1904 = attributes.get("date1904") in ("1", "true", "on")
        elif tag == "sheet":
            part = self._related.get(attributes.get("rid", ""), "")
            self.sheets.append((attributes.get("name", ""), part, attributes.get("state", "")))


def sheets(parts: Parts, out: Out) -> None:
    """A workbook: each sheet as lines of cells parted by tabs, as they were last calculated."""
    book, uncounted = _Book(parts), 0
    for title, name, state in book.sheets:
        is_sheet = "/worksheets/" in name and name in parts.names
        hidden = ", hidden" if state in ("hidden", "veryHidden") else ""
        out.add(f"[sheet {title}{hidden}{'' if is_sheet else ', not read: it holds no cells'}]")
        if is_sheet:
            sheet = _Sheet(out, book)
            parts.walk(name, sheet.begin, sheet.end)
            uncounted += sheet.uncounted
            _around(parts, out, name)
    if uncounted:
        out.notes.append(f"{uncounted:,} of its formulas were never calculated and stand there themselves")


def _around(parts: Parts, out: Out, sheet: str) -> None:
    """What is noted at the cells of *sheet*, and written into what is drawn there."""
    for name in parts.related(sheet).values():
        if name.startswith("xl/comments") and name in parts.names:
            notes = _Notes(out)
            parts.walk(name, notes.begin, notes.end)
        elif "/drawings/drawing" in name:
            Paragraphs(out, "[drawn on it]").walk(parts, name)


class _Notes:
    """The comments on cells."""

    def __init__(self, out: Out) -> None:
        self._out, self._at, self._text = out, "", ""

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "comment":
            self._at, self._text = attributes.get("ref", ""), ""

    def end(self, tag: str, text: str) -> None:
        if tag == "t":
            self._text += text
        elif tag == "comment" and self._text.strip():
            self._out.add(f"[comment at {self._at}] {_one_line(self._text)}")


class _Sheet:
    def __init__(self, out: Out, book: _Book) -> None:
        self._out, self._book = out, book
        self._row: dict[int, str] = {}
        self._kind, self._style, self._column, self._formula = "", -1, 0, ""
        self._sounds = 0
        self.uncounted = 0

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "row":
            self._row = {}
        elif tag == "rPh":
            self._sounds += 1
        elif tag == "c":
            self._kind, self._style = attributes.get("t", "n"), number_of(attributes.get("s", ""), -1)
            self._column = _column(attributes.get("r", "")) or max(self._row, default=0) + 1
            self._formula = ""

    def end(self, tag: str, text: str) -> None:
        if tag == "f":
            self._formula = f"={text[:_LONGEST_FORMULA]}"
        elif tag == "rPh":
            self._sounds -= 1
        elif tag in ("v", "t") and text and not self._sounds:
            self._row[self._column] = self._row.get(self._column, "") + self._value(text, tag)
        elif tag == "c" and self._formula and self._column not in self._row and self._kind != "str":
            self._row[self._column] = _one_line(self._formula)
            self.uncounted += 1
        elif tag == "row" and self._row:
            self._out.add("\t".join(_cells(self._row)))

    def _value(self, text: str, tag: str) -> str:
        if tag == "t" or self._kind == "str":
            return _one_line(text)
        if self._kind == "s":
            number, texts = number_of(text, -1), self._book.texts
            return texts[number] if 0 <= number < len(texts) else f"(text {text[:9]} is missing)"
        if self._kind == "b":
            return "TRUE" if text == "1" else "FALSE"
        shown_as = self._book.formats.get(self._style, "") if self._kind == "n" else ""
        return _moment(text, shown_as, from_1904=self._book.from_1904) if shown_as else text


def _one_line(text: str) -> str:
    """*text* of a cell, in which a line or a tabulator would look like the end of it."""
    whole = _ESCAPED.sub(_letter, text) if "_x" in text else text
    return _BREAKS.sub(" ", whole).strip()


def _letter(escaped: re.Match[str]) -> str:
    code = int(escaped[1], 16)
    if code in (9, 10, 13):
        return "\n"
    return chr(code) if code > 0x1F and not 0x7F <= code < 0xA0 else " "


def _cells(row: dict[int, str]) -> list[str]:
    """The cells of *row* in their places, and those far out with their columns."""
    last = max(column for column in row if column <= _WIDEST) if min(row) <= _WIDEST else 0
    near = [row.get(column, "") for column in range(1, last + 1)]
    return near + [f"[{_letters(column)}] {row[column]}" for column in sorted(row) if column > _WIDEST]


def _letters(column: int) -> str:
    letters = ""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


def _column(reference: str) -> int:
    """The number of the column that a cell such as `AB12` stands in; 0 where it does not say."""
    number = 0
    for letter in reference[:4]:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    return number if number <= 16_384 else 0


def _moment(text: str, shown_as: str, *, from_1904: bool) -> str:
    """A number of days as Excel means it (ECMA-376, part 1, 18.17.4); the number itself where it is none."""
    from datetime import timedelta

    try:
        days = float(text)
        seconds = round(days * 86_400)
        if seconds < 0:
            return text
        if shown_as == _ELAPSED:
            return f"{seconds // 3600}:{seconds // 60 % 60:02}:{seconds % 60:02}"
        moment = _epoch(days, from_1904) + timedelta(seconds=seconds)
    except (ValueError, OverflowError):
        return text
    if shown_as == _TIME and days < 1:
        return moment.time().isoformat("seconds")
    return moment.strftime("%Y-%m-%d") if seconds % 86_400 == 0 else moment.isoformat(" ", "seconds")


def _epoch(days: float, from_1904: bool) -> datetime:
    """Day 0. Before March 1900 Excel is a day further, since it takes 1900 for a leap year."""
    from datetime import datetime

    if from_1904:
        return datetime(1904, 1, 1)
    return datetime(1899, 12, 31) if days < 60 else datetime(1899, 12, 30)


def _shared_texts(parts: Parts) -> list[str]:
    found: list[str] = []
    if "xl/sharedStrings.xml" not in parts.names:
        return found
    inside: list[str] = []
    sounds = [0]

    def begin(tag: str, _: dict[str, str]) -> None:
        sounds[0] += tag == "rPh"

    def end(tag: str, text: str) -> None:
        if tag == "t" and not sounds[0]:
            inside.append(text)
        elif tag == "rPh":
            sounds[0] -= 1
        elif tag == "si":
            found.append(_one_line("".join(inside)))
            inside.clear()

    parts.walk("xl/sharedStrings.xml", begin, end)
    return found


def _formats(parts: Parts) -> dict[int, str]:
    """The cell styles that show a number as a date or a time, and as which."""
    own: dict[int, str] = {}
    styles: list[int] = []
    inside = [False]

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if tag == "numFmt":
            own[number_of(attributes.get("numFmtId", ""), -1)] = _shown_as(attributes.get("formatCode", ""))
        elif tag == "cellXfs":
            inside[0] = True
        elif tag == "xf" and inside[0]:
            styles.append(number_of(attributes.get("numFmtId", ""), 0))

    def end(tag: str, _: str) -> None:
        if tag == "cellXfs":
            inside[0] = False

    if "xl/styles.xml" in parts.names:
        parts.walk("xl/styles.xml", begin, end)
    shown = _SHOWN_AS | own
    return {number: shown[style] for number, style in enumerate(styles) if shown.get(style)}


def _shown_as(code: str) -> str:
    """What a format of somebody's own shows a number as; empty: as a number."""
    bare = _BESIDE.sub("", code[:1_000]).lower().split(";")[0]
    if "[" in bare:
        return _ELAPSED
    if any(sign in bare for sign in "dy") or ("m" in bare and not set(bare) & set("hs")):
        return "" if "general" in bare else _DATE
    return _TIME if set(bare) & set("hs") else ""
