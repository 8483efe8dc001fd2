"""What an error answer says, whatever shape the provider gave it: its message, its codes, and whose page it is.

OpenAI and those after it put an object under `error`, xAI and others a string; Gemini's compatible endpoint wraps it
in a list; Mistral, vLLM, AWS and FastAPI have it at the top. A gateway or a firewall sends a web page instead.
"""

from __future__ import annotations

import html
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ai.wire.raw.reading import decode, first, items, mapping, text

_MOST_WORDS = 8_000
_TITLE = re.compile(r"<title[^>]{0,200}>(.{0,500}?)</title>", re.I | re.S)
_PAGE = re.compile(r"\s*(?:<!--.{0,500}?-->\s*)?<(?:!doctype|html|head|body|title|center|h1)\b", re.I | re.S)
_MESSAGES = ("message", "msg", "detail", "error_message", "error_msg", "Message", "errorMessage", "title", "status_msg")
_CODES = ("code", "type", "status", "reason", "error_type", "errorCode", "error_code", "__type", "status_code")


@dataclass(frozen=True, slots=True)
class Said:
    """Codes come with the most telling first; `words` is everything that was said, for what only words tell."""

    message: str = ""
    codes: tuple[str, ...] = ()
    words: str = ""
    details: Any = None
    page: bool = False


def read_body(body: str, content_type: str = "") -> Said:
    """What the body of an error answer says; never raises."""
    if _PAGE.match(body) or ("html" in content_type and "<" in body[:200]):
        return _page(body)
    try:
        found = decode(body) if body.strip() else None
    except ValueError:
        return Said(message=body.strip()[:_MOST_WORDS], words=body[:_MOST_WORDS])
    return read_object(found)


def read_object(found: Any) -> Said:
    """What an error object says, wherever in *found* it stands."""
    if isinstance(found, str):
        return Said(message=found, words=found[:_MOST_WORDS], details=found)
    outer = first(found)
    inner = _inner(outer)
    message = next(filter(None, (*_messages(inner), *_messages(outer))), "")
    codes = tuple(dict.fromkeys(filter(None, (*_codes(inner), *_codes(outer)))))
    words = " ".join([message, *codes, _dumped(found)])[:_MOST_WORDS]
    return Said(message, codes, words, found)


def _inner(outer: Mapping[str, Any]) -> Mapping[str, Any]:
    for name in ("error", "errors", "base_resp", "detail", "response"):
        held = outer.get(name)
        if found := first(held):
            return _inner(found) if name == "response" else found
        if isinstance(held, str) and held:
            return {"message": held}
    return outer


def _messages(error: Mapping[str, Any]) -> Iterator[str]:
    for name in _MESSAGES:
        held = error.get(name)
        yield text(held) or text(first(held).get("msg")) or text(mapping(held).get("message"))


def _codes(error: Mapping[str, Any]) -> Iterator[str]:
    """The reason in `details` is finer than the code, the code finer than the type."""
    for detail in items(error.get("details")):
        yield text(mapping(detail).get("reason"))
    for name in _CODES:
        held = error.get(name)
        if isinstance(held, str) or (isinstance(held, int) and not isinstance(held, bool)):
            yield str(held)
    yield from (text(mapping(error.get("metadata")).get(name)) for name in ("error_type", "reason"))
    inner = mapping(error.get("innererror") or error.get("inner_error"))
    yield text(inner.get("code"))


def _dumped(found: Any) -> str:
    try:
        return json.dumps(found, ensure_ascii=False)[:_MOST_WORDS]
    except (ValueError, RecursionError):
        return ""


def _page(body: str) -> Said:
    title = _TITLE.search(body[:20_000])
    said = html.unescape(title[1]) if title else ""
    plain = re.sub(r"<[^>]*>", " ", html.unescape(body[:20_000]))
    return Said(message=said.strip(), words=f"{said} {plain}"[:_MOST_WORDS], page=True)
