"""Fifty people in ten groups and in private, each with a word of their own in all they send: where does it turn up?

By long polling and by the webhook, whose door serves /metrics as well. They write in topics, send files named by their
word, look at and forget what is remembered, press buttons, pick out what was said elsewhere, and one group moves.
"""

from __future__ import annotations

import argparse
import re
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx2
from _measure import Figure, exact
from echo_provider import EchoProvider
from fake_bot_api import TOKEN, FakeBotApi, Shown
from telegram_program import TelegramProgram, configured

from core.people.person import Person
from core.people.schema import MIGRATIONS
from core.people.tokens import Tokens
from core.stores.sqlite import Store

_PATIENCE_S = 600.0
_PATH = "/telegram"
_PEOPLE = range(1, 51)
_GROUPS = [-1001 - number for number in range(10)]
_MOVES, _TO = _GROUPS[0], -1009001
_WORDS = {person: f"canary{person:03}x{person * 7919 % 9973:04}" for person in _PEOPLE}
_WORD = re.compile(r"canary\d{3}x\d{4}")


def canaries(options: argparse.Namespace) -> list[Figure]:
    figures = []
    for webhook in (False, True):
        with tempfile.TemporaryDirectory(prefix="moot-telegram-") as folder:
            figures += anyio.run(_canaries, Path(folder), webhook)
    return figures


async def _canaries(folder: Path, webhook: bool) -> list[Figure]:
    api, provider = FakeBotApi(), EchoProvider()
    metrics = ""
    async with api.served(), provider.served():
        ais = dict.fromkeys(("one", "two"), (provider.url, "delay=0.02,words=3"))
        configured(folder, api.url, ais, people=_PEOPLE, groups=_GROUPS, messages_per_second=200)
        program = TelegramProgram(folder, environment={"MOOT_LOG": "debug"})
        port, token = await anyio.to_thread.run_sync(_free_port), await anyio.to_thread.run_sync(_token, folder)
        if webhook:
            program.arguments = ("--webhook", f"https://moot.example.org{_PATH}", "--port", str(port))
        await program.start()
        door = f"http://127.0.0.1:{port}"
        with anyio.fail_after(_PATIENCE_S):
            async with _carried(api, door, webhook):
                async with anyio.create_task_group() as tasks:
                    for person in _PEOPLE:
                        tasks.start_soon(_chatter, api, person)
                await _moved(api)
            if webhook:
                metrics = await _scraped(door, token)
        await program.stop()
    log = program.log.read_text(errors="replace")
    found = {
        "in a foreign prompt": sum(max(0, len(set(_WORD.findall(prompt))) - 1) for prompt in provider.prompts),
        "in a foreign chat": sum(_foreign_in(chat, text) for chat, text in _said(api).items()),
        "shown to somebody else": sum(_foreign_to(shown) for shown in api.shown.values()),
        "in the log": len(_WORD.findall(log)),
        "in the ledger": sum(len(_WORD.findall(_text(path))) for path in folder.glob("moot.db*")),
        "in a foreign area": sum(_foreign_at(path) for path in (folder / "people").rglob("*") if path.is_file()),
    }
    if webhook:
        found["in /metrics"] = len(_WORD.findall(metrics))
    way = "webhook" if webhook else "polling"
    figures = [exact(f"{way}: canaries {where}", count, bound=0, unit="canaries") for where, count in found.items()]
    return [
        *figures,
        exact(f"{way}: the token in the log or /metrics", (log + metrics).count(TOKEN), bound=0, unit="times"),
        exact(f"{way}: prompts looked through", len(provider.prompts), unit="prompts"),
        *(
            [exact(f"{way}: lines of /metrics looked through", len(metrics.splitlines()), unit="lines")]
            if webhook
            else []
        ),
    ]


async def _chatter(api: FakeBotApi, person: int) -> None:
    word, group = _WORDS[person], _GROUPS[person % 10]
    topic = person % 2 * 5
    for number in range(2):
        api.write(f"{word} p{number}", chat=person)
        await _seen(api, person, f"{word} p{number} w0 w1 w2")
        api.write(f"/ask {word} g{number}", chat=group, user=person, topic=topic)
        await _seen(api, group, f"{word} g{number} w0 w1 w2")
    api.write(f"/all {word} all", chat=group, user=person)
    panel = await _seen(api, group, f"{word} all w0")
    api.press(panel, panel.button("who:"), user=person)
    api.press(panel, panel.button("cost:"), user=(person % 50) + 1)  # who may not
    named = f"{word}.txt"
    file = {"file_id": api.file(f"{word} in a file".encode()), "file_name": named, "file_size": 30}
    api.write(None, chat=person, document=file, caption=f"{word} file")
    await _seen(api, person, f"Read: {named}")
    origin = {"type": "user", "sender_user": {"id": 999, "is_bot": False, "first_name": "Else"}}
    api.write(f"{word} quoted", chat=person, external_reply={"origin": origin}, quote={"text": f"{word} else"})
    await _seen(api, person, f"{word} else")
    for where, user, more in ((person, None, {}), (group, person, {"topic": topic})):
        api.write("/memory", chat=where, user=user, **more)
        await _seen(api, where, "messages are remembered", only_for=person if user else 0)
    api.write("/usage", chat=person)
    api.write("/forget last 1", chat=person)
    await _seen(api, person, "Forgotten: ")


async def _moved(api: FakeBotApi) -> None:
    """One group becomes a supergroup, and its people go on there."""
    api.moved[_MOVES] = _TO
    api.write(None, chat=_MOVES, user=1, migrate_to_chat_id=_TO)
    for person in _PEOPLE:
        if _GROUPS[person % 10] == _MOVES:
            api.write(f"/ask {_WORDS[person]} moved", chat=_TO, user=person, topic=person % 2 * 5)
            await _seen(api, _TO, f"{_WORDS[person]} moved w0 w1 w2")


async def _seen(api: FakeBotApi, chat: int, text: str, only_for: int = 0) -> Shown:
    while True:
        for one in api.said(chat):
            if text in one.text and (not only_for or one.only_for == only_for):
                return one
        await anyio.sleep(0.05)


def _said(api: FakeBotApi) -> dict[int, str]:
    said: dict[int, str] = {}
    for shown in api.shown.values():
        said[shown.chat] = said.get(shown.chat, "") + "\n".join(shown.texts)
    return said


def _foreign_in(chat: int, text: str) -> int:
    """Words in *text*, which stands in *chat*, of people who are not there."""
    group = _MOVES if chat == _TO else chat
    there = {word for person, word in _WORDS.items() if group in (person, _GROUPS[person % 10])}
    return len(set(_WORD.findall(text)) - there)


def _foreign_to(shown: Shown) -> int:
    """Words of others in what Telegram shows to one person alone."""
    own = _WORDS.get(shown.only_for)
    return len(set(_WORD.findall("\n".join(shown.texts))) - {own}) if own else 0


def _foreign_at(path: Path) -> int:
    """Words of others in a file of one person's area, its name among it."""
    owner = re.search(r"tg\.(\d+)", str(path))
    own = _WORDS.get(int(owner[1])) if owner else None
    return len(set(_WORD.findall(_text(path) + path.name)) - {own})


def _text(path: Path) -> str:
    return path.read_bytes().decode("utf-8", "replace")


@asynccontextmanager
async def _carried(api: FakeBotApi, door: str, webhook: bool) -> AsyncIterator[None]:
    """Bring what people send to the bot's webhook as Telegram does: several at once, and again until it is taken."""
    if not webhook:
        yield
        return
    async with httpx2.AsyncClient(base_url=door, timeout=30) as client, anyio.create_task_group() as tasks:
        tasks.start_soon(_carry, api, client)
        yield
        tasks.cancel_scope.cancel()


async def _carry(api: FakeBotApi, client: httpx2.AsyncClient) -> None:
    async with anyio.create_task_group() as tasks:
        while True:
            while api.waiting and api.webhook:
                tasks.start_soon(_bring, api, client, api.waiting.popleft())
            await anyio.sleep(0.01)


async def _bring(api: FakeBotApi, client: httpx2.AsyncClient, told: dict[str, object]) -> None:
    headers = {"x-telegram-bot-api-secret-token": str(api.webhook["secret_token"])}
    while (await client.post(_PATH, json=told, headers=headers)).status_code != 200:
        await anyio.sleep(0.2)


async def _scraped(door: str, token: str) -> str:
    async with httpx2.AsyncClient(base_url=door) as client:
        reply = await client.get("/metrics", headers={"authorization": f"Bearer {token}"})
        assert reply.status_code == 200, reply.text[:200]
        return reply.text


def _token(folder: Path) -> str:
    """A token of an administrator, who may look at /metrics."""
    store = Store(folder / "people.db", MIGRATIONS)
    token = Tokens(store).add(Person("metrics", admin=True))
    store.close()
    return token


def _free_port() -> int:
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])
