"""How a text calls the bot: by a command, by the bot's name, or by both."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal

Whose = Literal["", "ours", "others"]
Entities = Sequence[Mapping[str, Any]]


def command_in(text: str, entities: Entities, username: str) -> tuple[str, str, Whose]:
    """The command with which *text* begins, behind the bot's name too; what follows; whose it is, where it says so."""
    first = next((one for one in entities if one.get("type") == "bot_command"), None)
    if first is None:
        return "", text, ""
    raw, start = _units(text), 2 * int(first["offset"])
    end = start + 2 * int(first["length"])
    if not 0 <= start < end or without_name(_text(raw[:start]), username).strip():
        return "", text, ""
    said, rest = _text(raw[start:end])[1:], _text(raw[end:])
    name, _, whose = said.partition("@")
    if whose and whose.casefold() != username.casefold():
        return "", text, "others"
    return name.casefold(), rest, "ours" if whose else ""


def mentioned(text: str, entities: Entities, bot: int, username: str) -> bool:
    """Whether *text* names the bot."""
    raw = _units(text)
    for one in entities:
        if one.get("type") == "text_mention" and (one.get("user") or {}).get("id") == bot:
            return True
        if one.get("type") == "mention":
            start, length = 2 * int(one["offset"]), 2 * int(one["length"])
            if _text(raw[start : start + length]).casefold() == f"@{username}".casefold():
                return True
    return False


def without_name(text: str, username: str) -> str:
    """*text* without the bot's name where it only calls it."""
    bare, name = text.strip(), rf"@{re.escape(username)}"
    if found := re.match(rf"{name}(?!\w)[\s,:]*", bare, re.IGNORECASE | re.ASCII):
        return bare[found.end() :]
    if found := re.search(rf"(?<!\w){name}\Z", bare, re.IGNORECASE | re.ASCII):
        return bare[: found.start()]
    return text


def _units(text: str) -> bytes:
    """*text* in the units of UTF-16 by which Telegram counts."""
    return text.encode("utf-16-le", "surrogatepass")


def _text(units: bytes) -> str:
    return units.decode("utf-16-le", "ignore")
