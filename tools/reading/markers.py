"""The lines in which an AI says its answer, verdict or confidence, in every dress that models give them.

A text is looked at line by line, and of each line only its beginning, so that looking takes no longer than its length,
whatever stands there. What stands last counts, but a line in a quotation or in a code block only where there is no
other: it may be somebody else's.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from core.untrusted import clean
from tools.answers.exact_text import unstyled
from tools.reading.loose_json import json_values
from tools.reading.marker_words import field_of

_LONGEST_READ = 160_000
"""Of a longer text the beginning and the end are looked at, where answers stand."""
_LONGEST_LABEL = 80
_LONGEST_VALUE = 4_000
_MOST_BELOW = 12
_DRESS = " \t>*_#`~•·–—-+=✅☑✔👉➡→🔹🟢📌🏁🎯⭐|\"'“”【】[]「」"
_SEPARATORS = (":", "：", "=", "＝", "→", " - ", " – ", " — ", "⇒")
_NUMBERED = re.compile(r"\(?\d{1,2}[.)]\s+")
_AGAIN = re.compile(r"[\s,;|.]+\**(?:ANSWER|CONFIDENCE|CONVINCED BY|POSITION|CHANGED|VERDICT|DISSENTERS)\**\s*[:：]")
_AGAIN_TITLE = re.compile(
    r"[,;|]\s*\**(?:Answer|Confidence|Convinced by|Position|Changed|Verdict|Dissenters)\**\s*[:：]"
    r"|[,;|.]\s*(?i:confidence)\s*[:：=](?=\s*\d)"
)
_MIDDLE = re.compile(r"(?<=[.!?;)])\s+\**(?=ANSWER\**\s*[:：])")
_TEMPLATE = re.compile(r"<[^<>\n]{0,300}>\W*")
_TAG = re.compile(r"</?[a-zA-Z_ ]{1,30}>")
_RULE = re.compile(r"[\s|:-]*-[\s|:-]*")
_CLOSING = {"**": "**", "__": "__", "`": "`", "“": "”", '"': '"', "【": "】"}


@dataclass(frozen=True, slots=True)
class Marks:
    """The value of each field that was marked, and the text without those lines."""

    values: Mapping[str, str] = field(default_factory=dict)
    text: str = ""
    found: Mapping[str, Any] = field(default_factory=dict)
    """The JSON object they came from, where it was one."""
    after: str = ""
    """What follows the line that the answer stands in."""


@dataclass(frozen=True, slots=True)
class _Mark:
    field: str
    value: str
    rank: int
    lines: range


def read_marks(text: str, fields: Collection[str]) -> Marks:
    """The marked values of *fields* in *text*."""
    cut = len(text) > _LONGEST_READ
    looked_at = f"{text[: _LONGEST_READ // 4]}\n{text[-_LONGEST_READ:]}" if cut else text
    looked_at = unstyled_lines(clean(looked_at))
    if found := _from_json(looked_at, fields):
        values, whole = found
        return Marks({name: value for name, value in values.items() if value}, _reasons(whole, looked_at), whole)
    lines = looked_at.split("\n")
    marks = [mark for mark in _line_marks(lines) if mark.field in fields]
    values = {mark.field: mark.value for mark in sorted(marks, key=lambda mark: (mark.rank, mark.lines.start))}
    gone = {number for mark in marks for number in mark.lines}
    rest = [line for number, line in enumerate(lines) if number not in gone]
    last = max((mark.lines.stop for mark in marks if mark.field == "ANSWER"), default=len(lines))
    after = "\n".join(line for number, line in enumerate(lines[last:], last) if number not in gone)
    return Marks(values, (clean(text) if cut else "\n".join(rest)).strip(), after=after.strip())


def unstyled_lines(text: str) -> str:
    """*text* with plain line ends, and characters of full width as the plain ones they stand for."""
    text = text.replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\x85", "\n")
    return text if text.isascii() else unstyled(text)


def _from_json(text: str, fields: Collection[str]) -> tuple[dict[str, str], dict[str, Any]] | None:
    """The fields of the last JSON object that has any of them, one level of nesting down at most."""
    for value in reversed(json_values(text)):
        for candidate in _objects(value):
            named = {
                name: shown
                for key, one in candidate.items()
                if (name := field_of(str(key))) in fields and (shown := _shown(one))
            }
            if named:
                return {name: text for name, text in named.items() if name is not None}, candidate
    return None


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    if isinstance(value, dict):
        yield value
        yield from (inner for inner in value.values() if isinstance(inner, dict))
    elif isinstance(value, list):
        yield from (inner for inner in reversed(value) if isinstance(inner, dict))


def _shown(value: Any) -> str:
    match value:
        case bool():
            return "yes" if value else "no"
        case str() | int() | float():
            text = str(value).strip()[:_LONGEST_VALUE]
            return "" if _TEMPLATE.fullmatch(text) else text
        case list():
            return ", ".join(map(_shown, value[:50]))
        case dict() if sum(bool(field_of(str(key))) for key in value) > 1:
            return ""
        case {"value": inner} | {"answer": inner} | {"text": inner}:
            return _shown(inner)
        case dict() if (
            value
            and not any(map(field_of, map(str, value)))
            and all(isinstance(one, str | int | float) for one in value.values())
        ):
            return "; ".join(f"{key}: {_shown(one)}" for key, one in list(value.items())[:50])
        case _:
            return ""


def _reasons(found: Mapping[str, Any], text: str) -> str:
    """The reasons in an answer of JSON; where it gives none, what stands around it."""
    said = [
        str(value).strip() for key, value in found.items() if field_of(str(key)) == "REASON" and isinstance(value, str)
    ]
    if said:
        return "\n\n".join(said)
    around = text[: text.find("{")] if "{" in text else text
    return around.replace("```json", "").replace("```", "").strip()


def _line_marks(lines: list[str]) -> Iterator[_Mark]:
    fenced = False
    header: list[str | None] = []
    for number, line in enumerate(lines):
        bare = line.lstrip(" \t>")
        if bare.startswith(("```", "~~~")):
            fenced = not fenced
            continue
        rank = 0 if line.lstrip().startswith(">") else 1 if fenced else 2
        if bare.startswith("|"):
            yield from _row(lines, number, header, rank)
            header = _header(bare) or (header if _RULE.fullmatch(bare[:500]) else [])
            continue
        header = []
        yield from _tagged(lines, number, rank)
        if mark := _labelled(lines, number, line, rank) or _in_the_middle(lines, number, rank):
            yield from _split_again(mark)


def _in_the_middle(lines: list[str], number: int, rank: int) -> _Mark | None:
    """`I disagree. ANSWER: 42`, in capitals and behind a sentence."""
    middle = _MIDDLE.search(lines[number][:_LONGEST_VALUE])
    return _labelled(lines, number, lines[number][middle.end() :], rank) if middle else None


def _header(row: str) -> list[str | None]:
    """The fields of a table's columns, where every column is one."""
    fields = [field_of(_undressed(cell)) for cell in _cells(row)]
    return fields if len(fields) > 1 and all(fields) else []


def _cells(row: str) -> list[str]:
    return [cell.strip() for cell in row[:_LONGEST_VALUE].strip().strip("|").split("|")]


def _row(lines: list[str], number: int, header: list[str | None], rank: int) -> Iterator[_Mark]:
    row = lines[number].lstrip(" \t>")
    if _RULE.fullmatch(row[:500]) or _header(row):
        return
    cells = _cells(row)
    if header and len(cells) == len(header):
        for name, cell in zip(header, cells, strict=True):
            if name and cell:
                yield _Mark(name, _value(cell), rank, range(number, number + 1))
    elif len(cells) > 1 and cells[1] and (name := field_of(_undressed(cells[0]).rstrip(":： "))):
        yield _Mark(name, _value(cells[1]), rank, range(number, number + 1))


def _tagged(lines: list[str], number: int, rank: int) -> Iterator[_Mark]:
    """`<answer>42</answer>`."""
    line = lines[number]
    for tag in _TAG.finditer(line[:_LONGEST_VALUE]):
        name = tag[0].strip("</>")
        if tag[0].startswith("</") or not (found := field_of(name)):
            continue
        end = line.find(f"</{name}>", tag.end())
        last, inner = number + 1, line[tag.end() : end]
        if end < 0 and not line[tag.end() :].strip():
            last, inner = _until(lines, number + 1, f"</{name}>")
        if value := _value(inner):
            yield _Mark(found, value, rank, range(number, last))


def _until(lines: list[str], first: int, closing: str) -> tuple[int, str]:
    """What stands in the lines up to *closing*, and the line behind it; nothing where it does not close soon."""
    for place in range(first, min(first + _MOST_BELOW, len(lines))):
        if lines[place].strip().endswith(closing):
            inner = "\n".join(lines[first : place + 1]).strip().removesuffix(closing)
            return place + 1, " ".join(inner.split())
    return first, ""


def _labelled(lines: list[str], number: int, line: str, rank: int) -> _Mark | None:
    """`ANSWER: 42`, or a label with its value below."""
    if len(line) > 10_000:
        line = line[:10_000]
    begin = line.lstrip(_DRESS)
    begin = _NUMBERED.sub("", begin, count=1).lstrip(_DRESS) if begin[:1].isdigit() or begin[:1] == "(" else begin
    begin = re.sub(r"^</?(?:b|strong|p|h[1-6]|u|em)>", "", begin).lstrip(_DRESS)
    head = begin[:_LONGEST_LABEL]
    for separator in _SEPARATORS:
        place = head.find(separator)
        if place > 0 and (name := field_of(_undressed(head[:place]))):
            value = _value(_unclosed(begin[place + len(separator) :], line))
            return _Mark(name, value, rank, range(number, number + 1)) if value else _below(lines, number, name, rank)
    whole = line.strip()
    if len(whole) <= _LONGEST_LABEL and (name := field_of(_undressed(whole))):
        is_title = whole.startswith(("#", "**", "__", "【")) or whole.isupper()
        return _below(lines, number, name, rank) if is_title else None
    return None


def _below(lines: list[str], number: int, name: str, rank: int) -> _Mark | None:
    """What stands below a label: the paragraph that follows it, up to the next label."""
    taken: list[str] = []
    last = number
    for place in range(number + 1, min(number + 1 + _MOST_BELOW, len(lines))):
        line = lines[place]
        bare = line.strip().lstrip(">").strip()
        if bare.startswith(("```", "~~~")) or bare in ("$$", "\\[", "\\]") or _RULE.fullmatch(bare[:200] or "x"):
            if taken and bare not in ("$$", "\\]"):
                break
            continue
        if not bare:
            if taken:
                break
            continue
        if is_label(bare):
            break
        taken.append(bare)
        last = place
    items = [re.sub(r"^[-*•]\s+", "", one) for one in taken]
    value = _value((", " if items != taken else " ").join(items)) if taken else ""
    return _Mark(name, value, rank, range(number, last + 1)) if value else None


def is_label(line: str) -> bool:
    """Whether *line* is labelled as one of the fields."""
    head = line.lstrip(_DRESS)[:_LONGEST_LABEL]
    if line.startswith("#"):
        return True
    return any(field_of(_undressed(head[: head.find(one)])) for one in _SEPARATORS if head.find(one) > 0) or bool(
        field_of(_undressed(head))
    )


def _undressed(label: str) -> str:
    """*label* without its marks, and without what stands in brackets behind it."""
    if len(label) > _LONGEST_LABEL:
        return ""
    text = _TAG.sub("", label).strip(_DRESS + ":： ")
    return re.sub(r"\s*[(（][^()（）]{0,60}[)）]$", "", text).strip(_DRESS + ":： ")


def _value(text: str) -> str:
    """What a label is followed by, without the marks around it."""
    value = _TAG.sub("", text[:_LONGEST_VALUE]).strip() if not _TEMPLATE.fullmatch(text.strip()[:400]) else ""
    value = re.sub(r"\s[*_]{1,3}$", "", value.rstrip(" \t|")).strip()
    if value.startswith("$$") and value.endswith("$$") and len(value) > 4:
        value = value[2:-2].strip()
    if (match := re.match(r"[*_]{1,3}", value)) and value.endswith(match[0]) and len(value) > 2 * len(match[0]):
        value = value[len(match[0]) : -len(match[0])].strip()
    if value[:1] in ("'", '"') and value.endswith((f"{value[:1]},", value[:1])) and value.count(value[0]) == 2:
        value = value.rstrip(",")[1:-1]
    value = (
        value.strip("`").strip() if value.count("`") in (1, 2) and (value[:1] == "`" or value[-1:] == "`") else value
    )
    return value if any(character.isalnum() for character in value) or value in ("-", "∅", "∞") else ""


def _unclosed(text: str, line: str) -> str:
    """*text* without the rest of an emphasis that began at or before the label."""
    text = re.sub(r"^\s*[*_]{1,3}(?=\s|$)", "", text)
    if not line.lstrip(" \t>#-").startswith(("*", "_", "`")):
        return text
    closed = text.rstrip()
    run = len(closed) - len(closed.rstrip("*_`"))
    odd = run and not re.search(r"[*_`]", closed[:-run])
    return closed[:-run] if odd else text


def _split_again(mark: _Mark) -> Iterator[_Mark]:
    """A line that holds several fields, as several marks."""
    match = _AGAIN.search(mark.value) or _AGAIN_TITLE.search(mark.value)
    if match is None:
        yield mark
        return
    value = _value(mark.value[: match.start()])
    if value:
        yield _Mark(mark.field, value, mark.rank, mark.lines)
    rest = mark.value[match.start() :].lstrip(" \t,;|.*")
    place = min(spot for sign in ":：=" if (spot := rest.find(sign)) >= 0)
    if (name := field_of(_undressed(rest[:place]))) and (more := _value(rest[place + 1 :])):
        yield from _split_again(_Mark(name, more, mark.rank, mark.lines))
