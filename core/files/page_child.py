"""What a person reads of a web page: its headings, paragraphs, lists, tables, code and links, as Markdown.

A reader of `core/bounded.py`, in a process that may be killed: a page of some MB can keep a parser busy for minutes.
"""

from __future__ import annotations

import re
from html.parser import HTMLParser

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

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
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_MANY_LINES = re.compile(r"\n{3,}")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s{0,9}=\s{0,9}["']?([\w.:-]{1,40})""", re.IGNORECASE)
_LOOKED_AT = 2_048
_LONGEST_ADDRESS = 300
"""Characters; longer ones are made for machines."""
_TRAILING = re.compile(r"[ \t]+\n")


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """The `text` of a page, and whether it was `cut`. *asked* may have the `charset` that its server said."""
    charset = asked["charset"]
    if not charset and (told := _CHARSET.search(data[:_LOOKED_AT])):
        charset = told[1].decode()
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    try:
        html = data.decode(marked or charset or "utf-8", "replace")
    except LookupError:
        html = data.decode("utf-8", "replace")
    text = page_text(html).encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return {"text": text[: asked["characters"]], "notes": [], "cut": len(text) > asked["characters"]}


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
        self._address, self._said = "", 0
        """Of the link that is being read, and where its words begin."""

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
        if tag == "a" and not self._code:
            self._end_link()
            self._address, self._said = _address(dict(attrs).get("href")), len(self._out)
        else:
            self._begin(tag)

    def _begin(self, tag: str) -> None:
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
        if tag == "a":
            self._end_link()
        elif tag == "pre" and self._code:
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

    def _end_link(self) -> None:
        said, address = "".join(self._out[self._said :]), self._address
        words, self._address = " ".join(said.split()), ""
        if not address or not words or words in address:
            return
        if "\n" in said:  # headings and paragraphs
            self._out.append(f"({address})\n")
        else:
            del self._out[self._said :]
            self._out.append(f"{' ' if said[0] == ' ' else ''}[{words}]({address}){' ' if said[-1] == ' ' else ''}")


def _address(given: str | None) -> str:
    """*given* where it leads out of the page and can be read."""
    address = (given or "").strip()
    leads = address.lower().startswith(("http://", "https://", "mailto:"))
    return address if leads and len(address) <= _LONGEST_ADDRESS and not set(address) & set(" ()<>\n\t") else ""
