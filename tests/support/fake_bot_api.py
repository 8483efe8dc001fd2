"""A Bot API on loopback, over real HTTP: it records all, holds to Telegram's rules, and storms when it is told to.

A test is its people: `write` sends a message to the bot, `press` a button, and `told` and `said` tell what stands in a
chat. `Storm` makes a share of requests fail: 429, 409, 5xx, or connections that break before or after the request was
done; and has updates come twice and out of order.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import re
import time
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from typing import Any

import anyio
from bot_api_storm import Storm
from telegram_markup import Refused, entities, http_reply, plain_text, read_head, snake

TOKEN = "4242:" + "A" * 35
BOT_ID = 4242
USERNAME = "moot_test_bot"
_MOST_FILE = 20 * 1024 * 1024


@dataclass
class Call:
    """One request of the bot that was done."""

    method: str
    given: dict[str, Any]
    at: float


@dataclass
class Shown:
    """A message of the bot as it stands in a chat."""

    chat: int
    id: int
    text: str
    markup: Any = None
    topic: int = 0
    reply_to: int = 0
    only_for: int = 0
    texts: list[str] = field(default_factory=list)
    """All it ever said."""

    def button(self, beginning: str) -> str:
        """The data of the button that begins so."""
        rows = (self.markup or {}).get("inline_keyboard", [])
        found = [one["callback_data"] for row in rows for one in row if one["callback_data"].startswith(beginning)]
        assert found, f"no button {beginning!r} in {rows}"
        return str(found[0])


class _Break(Exception):  # noqa: N818 - no error of ours
    pass


class FakeBotApi:
    """Serve it with `served()`; `url` is its address."""

    def __init__(self, *, seed: int = 1, drafts: bool = True, flood: tuple[float, float] | None = None) -> None:
        self.rng = random.Random(seed)
        self.storm = Storm()
        self.drafts = drafts
        self.ephemeral = True
        self.revoked = False
        self.blocked: set[int] = set()
        self.moved: dict[int, int] = {}
        self.refuse_markup = False
        self.url = ""
        self.calls: list[Call] = []
        self.shown: dict[tuple[int, int], Shown] = {}
        self._in_chat: dict[int, dict[int, Shown]] = defaultdict(dict)
        self.waiting: deque[dict[str, Any]] = deque()
        self.files: dict[str, tuple[bytes, int]] = {}
        self.changed = asyncio.Event()
        self.heard_first: dict[int, float] = {}
        """By chat, when the bot first showed something after the latest message."""
        self.webhook: dict[str, Any] = {}
        self._numbers = itertools.count(1000)
        self._messages = itertools.count(1)
        self._news = asyncio.Event()
        self._polling = 0
        self._flood = flood
        self._sent: dict[int, deque[float]] = defaultdict(deque)
        self._wrote: dict[int, float] = {}
        self.life: list[float] = []
        """Seconds from a message to the first sign of life."""

    # What people do

    def update(self, **fields: Any) -> int:
        number = next(self._numbers)
        told = {"update_id": number, **fields}
        self.waiting.append(told)
        if self.rng.random() < self.storm.twice:
            self.waiting.append(told)
        self._news.set()
        return number

    def message(
        self, text: str | None = None, *, chat: int = 7, user: int | None = None, **more: Any
    ) -> dict[str, Any]:
        """A message of *user* in *chat* as Telegram tells it; a negative chat is a group."""
        user = user if user is not None else chat
        kind = {"type": "private", "first_name": f"U{user}"} if chat > 0 else {"type": "supergroup", "title": "Team"}
        sender = {"id": user, "is_bot": False, "first_name": f"U{user}", "language_code": more.pop("language", "en")}
        made = {
            "message_id": next(self._messages),
            "date": more.pop("date", int(time.time())),
            "chat": {"id": chat, **kind},
            "from": {**sender, **more.pop("sender", {})},
        }
        if text is not None:
            made["text"] = text
            made["entities"] = entities(text)
        if topic := more.pop("topic", 0):
            made |= {"message_thread_id": topic, "is_topic_message": True}
        return made | more

    def write(self, text: str | None = None, *, chat: int = 7, user: int | None = None, **more: Any) -> int:
        """Send a message to the bot; its number."""
        made = self.message(text, chat=chat, user=user, **more)
        self._wrote[chat] = time.monotonic()
        self.update(message=made)
        return int(made["message_id"])

    def press(self, shown: Shown, data: str, user: int | None = None, **more: Any) -> int:
        """Press a button of the bot's message."""
        sender = {
            "id": user if user is not None else shown.chat,
            "is_bot": False,
            "first_name": "P",
            "language_code": "en",
        }
        kind = "private" if shown.chat > 0 else "supergroup"
        message = {"message_id": shown.id, "date": 1, "chat": {"id": shown.chat, "type": kind}}
        return self.update(
            callback_query={"id": f"q{next(self._messages)}", "from": sender, "message": message, "data": data} | more
        )

    def file(self, data: bytes, size: int | None = None) -> str:
        """A file that can be downloaded; its id."""
        name = f"F{len(self.files)}"
        self.files[name] = (data, len(data) if size is None else size)
        return name

    # What is seen

    def said(self, chat: int = 7) -> list[Shown]:
        """What the bot says in *chat* now, in order."""
        return [one for one in self._in_chat[chat].values() if (chat, one.id) in self.shown]

    def done(self, *methods: str) -> list[Call]:
        return [call for call in self.calls if call.method in methods]

    async def until(self, wanted: Callable[[], Any], seconds: float = 20.0) -> Any:
        """What *wanted* gives, once it gives anything."""
        with anyio.fail_after(seconds):
            while not (found := wanted()):
                self.changed.clear()
                await self.changed.wait()
        return found

    async def answer(self, text: str, chat: int = 7) -> Shown:
        """The message in *chat* that holds *text*, once it stands there."""
        return await self.until(lambda: next((one for one in reversed(self.said(chat)) if text in one.text), None))

    # The server

    @asynccontextmanager
    async def served(self) -> AsyncIterator[FakeBotApi]:
        """Serve on a port of loopback while the block runs."""
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, backlog=512)
        self.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
        try:
            yield self
        finally:
            server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while head := await read_head(reader):
                path, length = head
                body = await reader.readexactly(length) if length else b""
                if path.startswith("/file/"):
                    data, _ = self.files[path.rpartition("/")[2]]
                    writer.write(http_reply(200, data, "application/octet-stream"))
                else:
                    status, told = await self._answered(path, body)
                    writer.write(http_reply(status, json.dumps(told).encode(), "application/json"))
                await writer.drain()
        except _Break:
            writer.transport.abort()
        except (ConnectionError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            with suppress(Exception):
                writer.close()

    async def _answered(self, path: str, body: bytes) -> tuple[int, dict[str, Any]]:
        _, called, method = path.split("/", 2)
        given = json.loads(body or b"{}")
        storm, chance = self.storm, self.rng.random
        try:
            if called != f"bot{TOKEN}" or self.revoked:
                raise Refused(401, "Unauthorized")
            if chance() < storm.broken_before:
                raise _Break
            if chance() < storm.failed:
                return 502, {"ok": False, "error_code": 502, "description": "Bad Gateway"}
            if method != "getUpdates" and chance() < storm.too_many:
                raise Refused(429, "Too Many Requests: retry later", retry_after=storm.retry_after)
            result = await self._do(method, given)
            if method != "getUpdates" and chance() < storm.broken_after:
                raise _Break
            return 200, {"ok": True, "result": result}
        except Refused as refused:
            told = {"ok": False, "error_code": refused.code, "description": refused.words}
            return refused.code, told | ({"parameters": refused.parameters} if refused.parameters else {})

    async def _do(self, method: str, given: dict[str, Any]) -> Any:
        if method == "getUpdates":
            return await self._updates(given)
        doing = getattr(self, f"_{snake(method)}", None)
        if doing is None:
            raise Refused(404, "Not Found")
        result = doing(given)
        self.calls.append(Call(method, given, time.monotonic()))
        chat = given.get("chat_id")
        if chat in self._wrote and (method.startswith("send") or method == "editMessageText"):
            self.life.append(time.monotonic() - self._wrote.pop(chat))
        self.changed.set()
        return result

    async def _updates(self, given: dict[str, Any]) -> list[dict[str, Any]]:
        if self.webhook:
            raise Refused(409, "Conflict: can't use getUpdates method while webhook is active")
        if self._polling > 0 or self.rng.random() < self.storm.second_poller:
            raise Refused(409, "Conflict: terminated by other getUpdates request")
        offset = given.get("offset") or 0
        self._polling += 1
        try:
            until = time.monotonic() + float(given.get("timeout") or 0)
            while True:
                while self.waiting and self.waiting[0]["update_id"] < offset:
                    self.waiting.popleft()
                self.waiting = deque(one for one in self.waiting if one["update_id"] >= offset)
                if self.waiting or time.monotonic() >= until:
                    break
                self._news.clear()
                with suppress(TimeoutError):
                    await asyncio.wait_for(self._news.wait(), max(0.01, until - time.monotonic()))
        finally:
            self._polling -= 1
        found = list(self.waiting)[:100]
        if self.rng.random() < self.storm.shuffled:
            self.rng.shuffle(found)
        return found

    def _get_me(self, given: dict[str, Any]) -> Any:
        return {"id": BOT_ID, "is_bot": True, "first_name": "Moot", "username": USERNAME}

    def _delete_webhook(self, given: dict[str, Any]) -> Any:
        self.webhook = {}
        return True

    def _set_webhook(self, given: dict[str, Any]) -> Any:
        self.webhook = given
        return True

    def _set_my_commands(self, given: dict[str, Any]) -> Any:
        for one in given["commands"]:
            if not re.fullmatch(r"[a-z0-9_]{1,32}", one["command"]) or not 1 <= len(one["description"]) <= 256:
                raise Refused(400, "Bad Request: BOT_COMMAND_INVALID")
        return True

    def _send_chat_action(self, given: dict[str, Any]) -> Any:
        return True

    def _answer_callback_query(self, given: dict[str, Any]) -> Any:
        if len(given.get("text") or "") > 200:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        return True

    def _leave_chat(self, given: dict[str, Any]) -> Any:
        return True

    def _answer_guest_query(self, given: dict[str, Any]) -> Any:
        return {"inline_message_id": "i1"}

    def _send_message_draft(self, given: dict[str, Any]) -> Any:
        if not self.drafts:
            raise Refused(404, "Not Found")
        if given["chat_id"] < 0:
            raise Refused(400, "Bad Request: drafts work in private chats only")
        if not given["draft_id"]:
            raise Refused(400, "Bad Request: RANDOM_ID_INVALID")
        if given.get("text"):
            self._check(given)
        return True

    def _send_message(self, given: dict[str, Any]) -> Any:
        chat = self._chat(given)
        plain = self._check(given)
        alone = (given.get("ephemeral_message_parameters") or {}).get("receiver_user_id", 0)
        if alone and not self.ephemeral:
            raise Refused(400, "Bad Request: ephemeral messages are not supported here")
        self._count(chat)
        shown = Shown(chat, next(self._messages), plain, given.get("reply_markup"), given.get("message_thread_id", 0))
        shown.reply_to = (given.get("reply_parameters") or {}).get("message_id", 0)
        shown.only_for = alone
        shown.texts.append(plain)
        self.shown[chat, shown.id] = self._in_chat[chat][shown.id] = shown
        return self._told(shown)

    def _edit_message_text(self, given: dict[str, Any]) -> Any:
        chat = self._chat(given)
        plain = self._check(given)
        shown = self.shown.get((chat, given["message_id"]))
        if shown is None:
            raise Refused(400, "Bad Request: message to edit not found")
        if shown.text == plain and shown.markup == given.get("reply_markup"):
            raise Refused(400, "Bad Request: message is not modified")
        self._count(chat)
        shown.text, shown.markup = plain, given.get("reply_markup")
        shown.texts.append(plain)
        return self._told(shown)

    def _edit_message_reply_markup(self, given: dict[str, Any]) -> Any:
        shown = self.shown.get((given["chat_id"], given["message_id"]))
        if shown is None:
            raise Refused(400, "Bad Request: message to edit not found")
        shown.markup = given.get("reply_markup")
        return self._told(shown)

    def _delete_message(self, given: dict[str, Any]) -> Any:
        if self.shown.pop((given["chat_id"], given["message_id"]), None) is None:
            raise Refused(400, "Bad Request: message to delete not found")
        return True

    def _get_file(self, given: dict[str, Any]) -> Any:
        if given["file_id"] not in self.files:
            raise Refused(400, "Bad Request: wrong file_id or the file is temporarily unavailable")
        _, size = self.files[given["file_id"]]
        if size > _MOST_FILE:
            raise Refused(400, "Bad Request: file is too big")
        return {"file_id": given["file_id"], "file_size": size, "file_path": f"documents/{given['file_id']}"}

    def _chat(self, given: dict[str, Any]) -> int:
        chat = int(given["chat_id"])
        if chat in self.blocked:
            raise Refused(403, "Forbidden: bot was blocked by the user")
        if chat in self.moved:
            to = self.moved[chat]
            raise Refused(400, "Bad Request: group chat was upgraded to a supergroup chat", migrate_to_chat_id=to)
        return chat

    def _check(self, given: dict[str, Any]) -> str:
        plain = str(given.get("text") or "")
        if given.get("parse_mode") == "HTML":
            if self.refuse_markup:
                raise Refused(400, "Bad Request: can't parse entities: refused")
            plain = plain_text(plain)
        if not plain.strip():
            raise Refused(400, "Bad Request: message text is empty")
        if len(plain.encode("utf-16-le")) // 2 > 4096:
            raise Refused(400, "Bad Request: message is too long")
        for row in (given.get("reply_markup") or {}).get("inline_keyboard", []):
            for one in row:
                if not 1 <= len(one["callback_data"].encode()) <= 64:
                    raise Refused(400, "Bad Request: BUTTON_DATA_INVALID")
        return plain

    def _count(self, chat: int) -> None:
        if self._flood is None:
            return
        most, span = self._flood
        now, sent = time.monotonic(), self._sent[chat]
        while sent and now - sent[0] > span:
            sent.popleft()
        if len(sent) >= most:
            raise Refused(429, "Too Many Requests", retry_after=int(span - (now - sent[0])) + 1)
        sent.append(now)

    def _told(self, shown: Shown) -> dict[str, Any]:
        return {"message_id": shown.id, "date": 1, "chat": {"id": shown.chat}, "text": shown.text}
