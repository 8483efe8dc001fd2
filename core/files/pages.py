"""What a person reads of a web page: its headings, paragraphs, lists, tables, code and links, as Markdown."""

from __future__ import annotations

import re
from html.parser import HTMLParser

_SILENT = {
    "script",
    "style",
    "noscript",
    "template",
    "svg",
    "nav",
    "footer",
    "header",
    "aside",
    "form",
    "iframe",
    "head",
}
_BLOCKS = {
    "p",
    "div",
    "section",
    "article",
    "main",
    "ul",
    "ol",
    "table",
    "tr",
    "blockquote",
    "figure",
    "dl",
    "dt",
    "dd",
}
_HEADINGS = {f"h{level}": f"{'#' * level} " for level in range(1, 7)}
_MANY_LINES = re.compile(r"\n{3,}")
_TRAILING = re.compile(r"[ \t]+\n")


def page_text(html: str) -> str:
    """The text of *html*, without menus, scripts and forms."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.text


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self._out: list[str] = []
        self._title: list[str] = []
        self._silent: list[str] = []
        self._code = 0
        self._in_title = False

    @property
    def text(self) -> str:
        body = _MANY_LINES.sub("\n\n", _TRAILING.sub("\n", "".join(self._out))).strip()
        title = " ".join("".join(self._title).split())
        return f"# {title}\n\n{body}\n" if title and not body.startswith("# ") else f"{body}\n"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        if tag in _SILENT:
            self._silent.append(tag)
        if self._silent:
            return
        if tag in _HEADINGS:
            self._out.append(f"\n\n{_HEADINGS[tag]}")
        elif tag == "pre":
            self._code += 1
            self._out.append("\n\n```\n")
        elif tag == "li":
            self._out.append("\n- ")
        elif tag in ("td", "th"):
            self._out.append(" | ")
        elif tag == "br":
            self._out.append("\n")
        elif tag in _BLOCKS:
            self._out.append("\n\n")

    def handle_endtag(self, tag: str) -> None:
        if tag == "title":
            self._in_title = False
        if self._silent:
            if tag in self._silent:
                del self._silent[len(self._silent) - 1 - self._silent[::-1].index(tag) :]
            return
        if tag == "pre" and self._code:
            self._code -= 1
            self._out.append("\n```\n\n")
        elif tag in _BLOCKS or tag in _HEADINGS:
            self._out.append("\n\n")

    def handle_data(self, data: str) -> None:
        if self._in_title:
            self._title.append(data)
        if self._silent:
            return
        if self._code:
            self._out.append(data)
        elif data.strip():
            lead, tail = (" " if data[0].isspace() else ""), (" " if data[-1].isspace() else "")
            self._out.append(lead + " ".join(data.split()) + tail)
        elif self._out and not self._out[-1].endswith(("\n", " ")):
            self._out.append(" ")
