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
    "select",
    "button",
    "textarea",
    "iframe",
    "head",
}
_IN_HEAD = {"title", "meta", "link", "base", "script", "style", "noscript", "template"}
"""Whatever else begins ends the head of a page, whose end need not be written (HTML, section 13.1.2.4)."""
_BLOCKS = {
    "p",
    "div",
    "form",
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
_ARTICLES = {"article", "main"}
_HEADINGS = {f"h{level}": f"{'#' * level} " for level in range(1, 7)}
_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_MANY_LINES = re.compile(r"\n{3,}")
_CHARSET = re.compile(rb"""<meta[^>]{0,200}charset\s{0,9}=\s{0,9}["']?([\w.:-]{1,40})""", re.IGNORECASE)
_NO_CHARSETS = {
    "idna",
    "punycode",
    "unicode_escape",
    "raw_unicode_escape",
    "unicode-escape",
    "raw-unicode-escape",
    "utf-7",
}
"""What Python takes for encodings, and no browser does."""
_LOOKED_AT = 2_048
_LONGEST_ADDRESS = 300
"""Characters; longer ones are made for machines."""
_TRAILING = re.compile(r"[ \t]+\n")


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """The `text` of a page, and whether it was `cut`. *asked* may have the `charset` that its server said."""
    text = page_text(_decoded(data, asked["charset"]))
    text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    return {"text": text[: asked["characters"]], "notes": [], "cut": len(text) > asked["characters"]}


def _decoded(data: bytes, charset: str) -> str:
    """The letters of *data*, as browsers find them (WHATWG, Encoding and HTML, section 13.2.3.2)."""
    told = None if charset else _CHARSET.search(data[:_LOOKED_AT])
    if told is not None:
        charset = told[1].decode("ascii", "replace").lower()
        charset = "utf-8" if charset.startswith("utf-16") else charset  # else these words could not have been read
    marked = next((name for mark, name in _MARKS.items() if data.startswith(mark)), "")
    for name in (marked, charset, "utf-8"):
        if name:
            try:
                return data.decode(_as_meant(name), "replace" if name == charset or marked else "strict")
            except (LookupError, ValueError):  # an encoding that there is not, or none of letters
                continue
    return data.decode("windows-1252", "replace")


def _as_meant(charset: str) -> str:
    import codecs

    name = codecs.lookup(charset).name
    if name in _NO_CHARSETS:
        raise LookupError(name)
    return "windows-1252" if name in ("iso8859-1", "ascii") else name


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
        self._articles = 0
        self._address, self._said = "", 0
        """Of the link that is being read, and where its words begin."""

    @property
    def text(self) -> str:
        body = _MANY_LINES.sub("\n\n", _TRAILING.sub("\n", "".join(self._out))).strip()
        title = " ".join("".join(self._title).split())
        return f"# {title}\n\n{body}\n" if title and not body.startswith("# ") else f"{body}\n"

    def parse_html_declaration(self, i: int) -> int:
        """A section that there is not in HTML is a comment, where the parser's own raises an error."""
        odd = self.rawdata.startswith("<![", i) and not self.rawdata.startswith("<![CDATA[", i)
        return self.parse_bogus_comment(i) if odd else super().parse_html_declaration(i)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag == "title":
            self._in_title = True
        if self._silent == ["head"] and tag not in _IN_HEAD:
            self._silent.clear()
        self._articles += tag in _ARTICLES
        if tag in _SILENT and not (tag == "header" and self._articles):  # that of an article is its heading
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
        self._articles -= bool(self._articles) and tag in _ARTICLES
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
