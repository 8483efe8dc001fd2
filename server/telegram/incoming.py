"""Updates as Telegram sends them, read into what the bot understands. One of another shape is odd, and nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.untrusted import clean, one_line
from server.telegram.calling import command_in, mentioned, without_name
from server.telegram.values import Spot

Kind = Literal["text", "picture", "document", "voice", "video", "sticker", "other", "none"]
ALLOWED = (
    "message",
    "edited_message",
    "callback_query",
    "my_chat_member",
    "stopped_message_generation",
    "guest_message",
)
"""The kinds of update that Telegram is asked for."""
_IN_A_CHAT = ("message", "edited_message", "my_chat_member", "stopped_message_generation", "guest_message")
_BEYOND = 2**63
_LONGEST_NAME = 64
_LONGEST_FILE_NAME = 120
_SERVICE = ("new_chat_members", "left_chat_member", "pinned_message", "forum_topic_created", "group_chat_created")
_RECORDINGS: dict[str, Kind] = {"voice": "voice", "audio": "voice", "video": "video", "video_note": "video"}


@dataclass(frozen=True, slots=True)
class Bot:
    """Who the bot is."""

    id: int
    username: str
    name: str = ""


@dataclass(frozen=True, slots=True)
class Sender:
    id: int
    name: str
    language: str = ""
    bot: bool = False


@dataclass(frozen=True, slots=True)
class SentFile:
    """A file that somebody sent, still at Telegram."""

    id: str
    kind: Kind
    name: str
    mime: str = ""
    size: int = 0


@dataclass(frozen=True, slots=True)
class Quote:
    """A message that another one answers.

    Args:
        message: Its number in this chat; 0: it is of another one.
        part: Whether somebody picked out what *text* is.
        files: What was sent with it, where it is not of ours.
    """

    message: int
    author: str
    text: str
    ours: bool
    part: bool = False
    files: tuple[SentFile, ...] = ()


@dataclass(frozen=True, slots=True)
class Said:
    """A message of somebody.

    Args:
        command: Without its slash and the bot's name; empty: none. `text` is what stands behind it.
        addressed: Whether it is meant for the bot: always in private, in a group by mention, reply or command.
        called: Whether it can be meant for no other bot: a command alone may be.
        nameless: Whether it is written as the group or as a channel, so that nobody knows by whom.
        forwarded: Who wrote it, where it was only passed on.
        album: What the pictures of one album have in common.
    """

    update: int
    spot: Spot
    sender: Sender
    id: int
    text: str
    title: str = ""
    command: str = ""
    addressed: bool = True
    called: bool = True
    nameless: bool = False
    kind: Kind = "text"
    files: tuple[SentFile, ...] = ()
    quote: Quote | None = None
    forwarded: str = ""
    album: str = ""
    edited: int = 0
    guest_query: str = ""


@dataclass(frozen=True, slots=True)
class Pressed:
    """A button of ours was pressed."""

    update: int
    id: str
    spot: Spot
    message: int
    sender: Sender
    data: str


@dataclass(frozen=True, slots=True)
class StopPressed:
    """The button of a draft was pressed; a draft has the number of its turn."""

    update: int
    chat: int
    draft: int


@dataclass(frozen=True, slots=True)
class Moved:
    """A group has become a supergroup."""

    update: int
    old: int
    new: int


@dataclass(frozen=True, slots=True)
class Standing:
    """The bot came into a chat, or is no longer in it."""

    update: int
    chat: int
    title: str
    by: Sender
    member: bool
    channel: bool = False


Update = Said | Pressed | StopPressed | Moved | Standing


@dataclass(frozen=True)
class _Reader:
    bot: Bot
    update: int

    def message(self, told: Mapping[str, Any], *, edited: bool = False, guest: bool = False) -> Said | Moved | None:
        chat = told["chat"]
        if "migrate_to_chat_id" in told:
            return Moved(self.update, _number(chat["id"]), _number(told["migrate_to_chat_id"]))
        if "migrate_from_chat_id" in told:
            return Moved(self.update, _number(told["migrate_from_chat_id"]), _number(chat["id"]))
        if any(name in told for name in _SERVICE) or chat.get("type") == "channel" or told.get("is_automatic_forward"):
            return None
        sender = _sender(told["from"])
        kind, files = _content(told)
        if kind == "none":
            return None
        text = str(told.get("text") or told.get("caption") or "")
        entities = told.get("entities") or told.get("caption_entities") or ()
        forwarded, username = _forwarded(told), self.bot.username
        command, rest, whose = "", text, ""
        if not forwarded:  # what was passed on commands nothing
            command, rest, whose = command_in(text, entities, username)
        private = chat.get("type") == "private"
        named = mentioned(text, entities, self.bot.id, username)
        called = private or guest or whose == "ours" or named or self._answers_us(told)
        return Said(
            self.update,
            _spot(told),
            sender,
            _number(told["message_id"]),
            clean(without_name(rest, username)).strip(),
            title=one_line(str(chat.get("title") or ""), _LONGEST_NAME),
            command=command,
            addressed=(called or bool(command)) and whose != "others",
            called=called,
            nameless="sender_chat" in told,
            kind=kind,
            files=files,
            quote=self._quote(told),
            forwarded=forwarded,
            album=str(told.get("media_group_id") or ""),
            edited=_number(told.get("edit_date") or 1) if edited else 0,
            guest_query=str(told.get("guest_query_id") or "") if guest else "",
        )

    def _answers_us(self, told: Mapping[str, Any]) -> bool:
        answered = told.get("reply_to_message") or {}
        return (answered.get("from") or {}).get("id") == self.bot.id and "forum_topic_created" not in answered

    def _quote(self, told: Mapping[str, Any]) -> Quote | None:
        answered = told.get("reply_to_message")
        part = clean(str((told.get("quote") or {}).get("text") or ""))
        if isinstance(elsewhere := told.get("external_reply"), Mapping):  # of another chat: what was picked out alone
            author = _forwarded({"forward_origin": elsewhere.get("origin")}) or "somebody"
            return Quote(0, author, part, ours=False, part=True) if part else None
        if not isinstance(answered, Mapping) or "forum_topic_created" in answered:
            return None
        text = part or clean(str(answered.get("text") or answered.get("caption") or ""))
        by = _sender(answered["from"]) if answered.get("from") else Sender(0, "somebody")
        ours, (_, files) = by.id == self.bot.id, _content(answered)
        number = _number(answered["message_id"])
        return Quote(number, by.name, text, ours=ours, part=bool(part), files=() if ours else files)


class OddUpdateError(ValueError):
    """An update of a shape that nobody knows; what it says is where it is odd, never a word of it."""


def has_number(told: Any) -> bool:
    """Whether *told* is an update by whose number it can be kept and acknowledged."""
    return isinstance(told, dict) and _is_number(told.get("update_id"))


def read(told: Any, bot: Bot) -> Update | None:
    """What the update *told* is; None: nothing that concerns the bot.

    Raises:
        OddUpdateError: It has a shape that nobody knows.
    """
    try:
        return _read(told, bot)
    except OddUpdateError:
        raise
    except Exception as error:  # whatever a part of the wrong kind makes of the code above
        raise OddUpdateError(type(error).__name__) from None


def _read(told: Mapping[str, Any], bot: Bot) -> Update | None:
    update = _number(told["update_id"])
    reader = _Reader(bot, update)
    if "message" in told:
        return reader.message(told["message"])
    if "edited_message" in told:
        return reader.message(told["edited_message"], edited=True)
    if "guest_message" in told:
        return reader.message(told["guest_message"], guest=True)
    if "callback_query" in told:
        return _pressed(update, told["callback_query"])
    if "stopped_message_generation" in told:
        stopped = told["stopped_message_generation"]
        return StopPressed(update, _number(stopped["chat"]["id"]), _number(stopped["draft_id"]))
    if "my_chat_member" in told:
        return _standing(update, told["my_chat_member"])
    return None


def chat_of(told: Mapping[str, Any]) -> int:
    """The chat by which *told* is put in order; 0: none, or none that can be read."""
    pressed = told.get("callback_query")
    holders = [pressed.get("message")] if isinstance(pressed, Mapping) else [told.get(name) for name in _IN_A_CHAT]
    for holder in holders:
        chat = holder.get("chat") if isinstance(holder, Mapping) else None
        if isinstance(chat, Mapping) and _is_number(chat.get("id")):
            return int(chat["id"])
    return 0


def moved_in(told: Mapping[str, Any]) -> tuple[int, int] | None:
    """The group that *told* says has become a supergroup, and that one; None: it says no such thing."""
    message = told.get("message")
    if not isinstance(message, Mapping):
        return None
    here, to, came_from = chat_of(told), message.get("migrate_to_chat_id"), message.get("migrate_from_chat_id")
    old, new = (here, to) if to is not None else (came_from, here)
    return (_number(old), _number(new)) if _is_number(old) and _is_number(new) else None


def _is_number(value: Any) -> bool:
    """Whether *value* is an integer that a store takes too."""
    return isinstance(value, int) and not isinstance(value, bool) and -_BEYOND <= value < _BEYOND


def _number(value: Any) -> int:
    if not _is_number(value):
        raise OddUpdateError("a number is none")
    return int(value)


def _pressed(update: int, told: Mapping[str, Any]) -> Pressed:
    message = told["message"]
    number, data = _number(message["message_id"]), str(told.get("data") or "")
    return Pressed(update, str(told["id"]), _spot(message), number, _sender(told["from"]), data)


def _spot(message: Mapping[str, Any]) -> Spot:
    topic = _number(message["message_thread_id"]) if message.get("is_topic_message") else 0
    return Spot(_number(message["chat"]["id"]), topic)


def _standing(update: int, told: Mapping[str, Any]) -> Standing:
    now, chat = told["new_chat_member"], told["chat"]
    title = one_line(str(chat.get("title") or ""), _LONGEST_NAME)
    member = now["status"] in ("member", "administrator", "creator", "restricted") and now.get("is_member") is not False
    return Standing(update, _number(chat["id"]), title, _sender(told["from"]), member, chat.get("type") == "channel")


def _sender(told: Mapping[str, Any]) -> Sender:
    parts = (str(told.get("first_name") or ""), str(told.get("last_name") or ""))
    name = one_line(" ".join(part for part in parts if part), _LONGEST_NAME) or "somebody"
    return Sender(_number(told["id"]), name, str(told.get("language_code") or ""), bool(told.get("is_bot")))


def _forwarded(told: Mapping[str, Any]) -> str:
    origin = told.get("forward_origin")
    if not isinstance(origin, Mapping):
        return ""
    user, chat = origin.get("sender_user"), origin.get("sender_chat") or origin.get("chat")
    if isinstance(user, Mapping):
        return _sender(user).name
    named = origin.get("sender_user_name") or (chat.get("title") if isinstance(chat, Mapping) else "")
    return one_line(str(named or "somebody"), _LONGEST_NAME)


def _content(told: Mapping[str, Any]) -> tuple[Kind, tuple[SentFile, ...]]:
    if told.get("photo"):
        best = max(told["photo"], key=lambda size: int(size.get("width", 0)) * int(size.get("height", 0)))
        return "picture", (_file(best, "picture", "picture.jpg", "image/jpeg"),)
    if told.get("document") and not told.get("animation"):
        document = told["document"]
        mime = str(document.get("mime_type") or "")
        kind: Kind = "picture" if mime in ("image/jpeg", "image/png", "image/webp", "image/gif") else "document"
        return kind, (_file(document, kind, "document", mime),)
    for name, recorded in _RECORDINGS.items():
        if told.get(name):
            return recorded, (_file(told[name], recorded, name, str(told[name].get("mime_type") or "")),)
    if told.get("sticker"):
        return "sticker", ()
    if told.get("text") is not None:
        return "text", ()
    if any(
        name in told
        for name in (
            "animation",
            "poll",
            "location",
            "venue",
            "contact",
            "dice",
            "game",
            "story",
            "paid_media",
            "checklist",
        )
    ):
        return "other", ()
    return "none", ()


def _file(told: Mapping[str, Any], kind: Kind, name: str, mime: str) -> SentFile:
    called = _shortened(one_line(str(told.get("file_name") or name), 1_000))
    return SentFile(str(told["file_id"]), kind, called, mime, _number(told.get("file_size") or 0))


def _shortened(name: str) -> str:
    """*name*, with its end, which tells what the file is."""
    stem, dot, ending = name.rpartition(".")
    if len(name) <= _LONGEST_FILE_NAME or not dot:
        return one_line(name, _LONGEST_FILE_NAME)
    return f"{one_line(stem, _LONGEST_FILE_NAME - 11)}.{ending[:10]}"
