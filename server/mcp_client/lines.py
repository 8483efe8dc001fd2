"""A server's stdout as lines of bounded length: of one that is too long, enough stays to say whose answer it was."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass

LONGEST_MESSAGE = 8 * 1024 * 1024
"""Bytes. A result of more is no use to a model; a picture of a few megabytes fits."""
_KEPT_END = 512
_ID = rb'"id"\s*:\s*(\d{1,18}|"(?:[^"\\]|\\.){1,200}")'
_ID_FIRST = re.compile(rb'^\s*\{\s*(?:"jsonrpc"\s*:\s*"2\.0"\s*,\s*)?' + _ID)
_ID_LAST = re.compile(rb"[}\]]\s*,\s*" + _ID + rb'\s*(?:,\s*"jsonrpc"\s*:\s*"2\.0"\s*)?\}\s*$')


@dataclass(frozen=True, slots=True)
class TooLong:
    """A line of more than the longest that is read; `request` is the id of what it answers, where that can be told."""

    size: int
    request: str | int | None


class Lines:
    """Bytes as they arrive to whole lines. What is kept of one line never grows past `longest` bytes."""

    def __init__(self, longest: int = LONGEST_MESSAGE) -> None:
        self._longest = longest
        self._kept = bytearray()
        self._last = b""
        self._size = 0

    def feed(self, chunk: bytes) -> list[bytes | TooLong]:
        *ends, rest = chunk.split(b"\n")
        found: list[bytes | TooLong] = []
        for piece in ends:
            self._add(piece)
            found.append(self._line())
        self._add(rest)
        return found

    def _add(self, piece: bytes) -> None:
        self._size += len(piece)
        if self._size <= self._longest:
            self._kept += piece
            return
        del self._kept[_KEPT_END:]
        self._last = (self._last + piece[-_KEPT_END:])[-_KEPT_END:]

    def _line(self) -> bytes | TooLong:
        first, last, size = bytes(self._kept), self._last, self._size
        self._kept, self._last, self._size = bytearray(), b"", 0
        return first if size <= self._longest else TooLong(size, _request(first, last))


def request_of(line: bytes) -> str | int | None:
    """The id of what *line* answers, which is no JSON, as far as it can be told."""
    return None if b'"method"' in line[:_KEPT_END] else _request(line[:_KEPT_END], line[-_KEPT_END:])


def _request(first: bytes, last: bytes) -> str | int | None:
    found = _ID_FIRST.search(first) or _ID_LAST.search(last)
    if found is None:
        return None
    try:
        told = json.loads(found[1])
    except ValueError:
        return None
    return told if isinstance(told, str | int) else None
