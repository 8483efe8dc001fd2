"""How Telegram reads text and requests: its HTML, its commands and names, and how it refuses what it does not take."""

from __future__ import annotations

import asyncio
import re
from html.parser import HTMLParser
from typing import Any

_TAGS = {"b", "i", "u", "s", "code", "pre", "a", "blockquote"}


class Refused(Exception):  # noqa: N818 - a refusal
    def __init__(self, code: int, words: str, **parameters: Any) -> None:
        super().__init__(words)
        self.code, self.words, self.parameters = code, words, parameters


def entities(text: str) -> list[dict[str, Any]]:
    """The commands and names in *text*, as Telegram finds them."""
    found = []
    for match in re.finditer(r"(?:(?<=\s)|^)/\w+(?:@\w+)?|@\w+", text):
        kind = "bot_command" if match[0].startswith("/") else "mention"
        offset = len(text[: match.start()].encode("utf-16-le")) // 2
        found.append({"type": kind, "offset": offset, "length": len(match[0].encode("utf-16-le")) // 2})
    return found


class _Markup(HTMLParser):
    """Reads the HTML that Telegram takes, and no other."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.text: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in _TAGS or (tag == "blockquote" and tag in self.open):
            raise Refused(400, f"Bad Request: can't parse entities: unsupported start tag {tag!r}")
        self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            raise Refused(400, "Bad Request: can't parse entities: unmatched end tag")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def plain_text(html: str) -> str:
    reader = _Markup()
    reader.feed(html)
    reader.close()
    if reader.open:
        raise Refused(400, "Bad Request: can't parse entities: tag is not closed")
    return "".join(reader.text)


def snake(name: str) -> str:
    return re.sub(r"(?<!^)(?=[A-Z])", "_", name).lower()


async def read_head(reader: asyncio.StreamReader) -> tuple[str, int] | None:
    line = await reader.readline()
    if not line:
        return None
    path, length = line.split(b" ")[1].decode(), 0
    while (header := await reader.readline()) not in (b"\r\n", b""):
        name, _, value = header.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return path, length


def http_reply(status: int, body: bytes, kind: str) -> bytes:
    head = f"HTTP/1.1 {status} X\r\ncontent-type: {kind}\r\ncontent-length: {len(body)}\r\n\r\n"
    return head.encode() + body
