"""Markdown as the HTML that Telegram takes (https://core.telegram.org/bots/api#html-style), in pieces that fit.

A message has at most 4,096 units of UTF-16 once its markup is read. A longer answer is cut where a block ends; a block
that is too long for itself at the end of a line, or of a word. Each piece has a plain text beside it, for when Telegram
does not take the markup.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from server.markdown import Tree

LONGEST = 4_096
"""Units of UTF-16 in a message."""
_FITS = 3_900
"""What a piece is filled up to; a sign such as a list's number may come on top."""
_WRAPS = {"strong": "b", "em": "i", "s": "s"}
_HEADINGS = ("h1", "h2", "h3", "h4", "h5", "h6")
_GAP = "\n\n"
_HEAVIEST = 30_000
"""Bytes of a message with its markup: Telegram takes 32,768 (`get_formatted_text` in telegram-bot-api's Client.cpp)."""
_UNSEEN = "\u00ad\u115f\u1160\u2800\u3164\uffa0"
"""Letters that show nothing, beside blanks and signs of control; a message of nothing else is refused."""


@dataclass(frozen=True, slots=True)
class Piece:
    """Text with its markup, and the same without."""

    html: str
    plain: str

    @property
    def units(self) -> int:
        return units(self.plain)


def units(text: str) -> int:
    """How long Telegram takes *text* to be."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


def plain_piece(text: str) -> Piece:
    return Piece(escape(text, quote=False), text)


def bold(text: str) -> Piece:
    return Piece(f"<b>{escape(text, quote=False)}</b>", text)


def italic(text: str) -> Piece:
    return Piece(f"<i>{escape(text, quote=False)}</i>", text)


def joined(pieces: Iterable[Piece], gap: str = "") -> Piece:
    """*pieces* as one, however long."""
    found = list(pieces)
    return Piece(gap.join(one.html for one in found), gap.join(one.plain for one in found))


def markdown_pieces(text: str) -> list[Piece]:
    """*text*, Markdown as an AI writes it, as messages; none where there is nothing to be seen."""
    return packed(markdown_blocks(text))


def markdown_blocks(text: str) -> list[Piece]:
    """The blocks of *text*, each short enough for a message."""
    from server.markdown import trees  # the parser is not for the start

    try:
        found = [piece for tree in trees(text) for piece in _fitting(_block(tree))]
    except RecursionError:  # hundreds of marks in one another
        found = []
    if not any(shows(piece.plain) for piece in found):  # such as a text so deep in marks that nobody reads it there
        return [*_fitting(plain_piece(text))]
    return found


def expandable(title: Piece, blocks: Sequence[Piece]) -> list[Piece]:
    """*blocks* below *title* as quotes that are folded until somebody opens them; several where one is too long."""
    whole = [title, *(Piece(_without_quotes(one.html), one.plain) for one in blocks)]
    return [
        Piece(f"<blockquote expandable>{one.html}</blockquote>", one.plain) for one in packed(whole, most=_FITS - 200)
    ]


def packed(blocks: Iterable[Piece], most: int = _FITS) -> list[Piece]:
    """*blocks* in as few messages as they need, in order; what shows nothing is left out, and none may be left."""
    done: list[Piece] = []
    now: list[Piece] = []
    size = weight = 0
    for block in (part for whole in blocks for part in _fitting(whole) if shows(part.plain)):
        heavy = len(block.html.encode("utf-8", "replace"))
        if now and (size + 2 + block.units > most or weight + 2 + heavy > _HEAVIEST):
            done.append(joined(now, _GAP))
            now, size, weight = [], 0, 0
        now.append(block)
        size += block.units + (2 if size else 0)
        weight += heavy + 2
    return [*done, joined(now, _GAP)] if now else done


def shows(text: str) -> bool:
    """Whether there is anything to be seen in *text*."""
    return any(one not in _UNSEEN and unicodedata.category(one)[0] not in "ZC" for one in text)


def cut(text: str, most: int = _FITS) -> str:
    """The beginning of *text* of at most *most* units, with a sign where something is missing."""
    if units(text) <= most:
        return text
    return next(_slices(text, most - 2)).rstrip() + " …"


def tail(text: str, most: int) -> str:
    """The end of *text* of at most *most* units, from a line's beginning where there is one."""
    if units(text) <= most:
        return text
    kept = text.encode("utf-16-le", "surrogatepass")[-2 * most :].decode("utf-16-le", "ignore")
    _, newline, rest = kept.partition("\n")
    return f"… {rest if newline and len(rest) > most // 2 else kept}"


def _fitting(piece: Piece) -> Iterator[Piece]:
    """*piece*, or what it says in several; those keep no markup but that of code."""
    if piece.units <= _FITS:
        yield piece
        return
    opening = re.match(r"<pre>(<code[^>]*>)?", piece.html)
    for part in _slices(piece.plain, _FITS):
        html = escape(part, quote=False)
        if opening:
            html = f"{opening[0]}{html}{'</code>' if opening[1] else ''}</pre>"
        yield Piece(html, part)


def _slices(text: str, most: int) -> Iterator[str]:
    """*text* in parts of at most *most* units, cut behind a line or a word where there is one."""
    rest = text
    while units(rest) > most:
        raw = rest.encode("utf-16-le", "surrogatepass")[: 2 * most]
        part = raw.decode("utf-16-le", "ignore")  # half of a pair stays with what follows
        at = max(part.rfind("\n") + 1, 0)
        if at < len(part) // 2:
            at = part.rfind(" ") + 1
        part = part[:at] if at >= len(part) // 2 else part
        yield part
        rest = rest[len(part) :]
    yield rest


def _block(tree: Tree | str) -> Piece:
    """One block at the top of a text."""
    if isinstance(tree, str):
        return plain_piece(tree)
    tag, *inside = tree
    match str(tag).partition(".")[0]:
        case "pre":
            return _code(str(inside[0]), str(inside[1]))
        case "ul" | "ol":
            return _list(tree, 0)
        case "table":
            return _table(tree)
        case "blockquote":
            piece = joined((_block(one) for one in inside), "\n")
            return Piece(f"<blockquote>{_without_quotes(piece.html)}</blockquote>", piece.plain)
        case "hr":
            return plain_piece("———")
        case heading if heading in _HEADINGS:
            piece = _inline(inside)
            return Piece(f"<b>{piece.html}</b>", piece.plain)
    return _inline(inside if tag in ("p", "span", "li") else [tree])


def _inline(inside: Sequence[Tree | str]) -> Piece:
    return joined(map(_span, inside))


def _span(tree: Tree | str) -> Piece:
    if isinstance(tree, str):
        return plain_piece(tree)
    tag, *inside = tree
    match tag:
        case "br":
            return plain_piece("\n")
        case "code":
            text = str(inside[0])
            return Piece(f"<code>{escape(text, quote=False)}</code>", text)
        case "a":
            address, piece = str(inside[0]), _inline(inside[1:])
            return Piece(f'<a href="{escape(address)}">{piece.html}</a>', piece.plain) if piece.plain else piece
        case "strong" | "em" | "s":
            piece = _inline(inside)
            return Piece(f"<{_WRAPS[tag]}>{piece.html}</{_WRAPS[tag]}>", piece.plain)
        case "p" | "span":
            return _inline(inside)
    return _block(tree)


def _code(language: str, text: str) -> Piece:
    plain = text.rstrip("\n")
    inside = escape(plain, quote=False)
    if language and re.fullmatch(r"[\w+#.-]+", language):
        return Piece(f'<pre><code class="language-{language}">{inside}</code></pre>', plain)
    return Piece(f"<pre>{inside}</pre>", plain)


def _list(tree: Tree, depth: int) -> Piece:
    tag, *items = tree
    lines = []
    for number, item in enumerate(items, 1):
        sign = f"{'   ' * depth}{f'{number}.' if tag == 'ol' else '•'} "
        parts: list[Piece] = []
        for one in item[1:] if isinstance(item, list) else [item]:
            nested = isinstance(one, list) and one[0] in ("ul", "ol")
            inner = _list(one, depth + 1) if nested else _span(one)
            if parts and (nested or (isinstance(one, list) and one[0] in ("p", "pre", "blockquote", "table"))):
                parts.append(plain_piece("\n"))
            parts.append(inner)
        body = joined(parts)
        lines.append(Piece(sign + body.html, sign + body.plain))
    return joined(lines, "\n")


def _table(tree: Tree) -> Piece:
    """A table in letters of one width: Telegram has no others."""
    rows = [[_inline(cell[1:]).plain.replace("\n", " ") for cell in row[1:]] for row in _rows(tree)]
    widths = [max(map(len, column)) for column in zip(*(_filled(rows)), strict=True)]
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in _filled(rows)
    ]
    if len(lines) > 1:
        lines.insert(1, "  ".join("─" * width for width in widths))
    return _code("", "\n".join(lines))


def _rows(tree: Tree) -> Iterator[Tree]:
    for part in tree[1:]:
        if isinstance(part, list):
            yield from [part] if part[0] == "tr" else _rows(part)


def _filled(rows: list[list[str]]) -> list[list[str]]:
    most = max(map(len, rows), default=0)
    return [row + [""] * (most - len(row)) for row in rows]


def _without_quotes(html: str) -> str:
    """*html* for the inside of a quote, in which there can be no other."""
    return re.sub(r"</?blockquote[^>]*>", "", html)
