"""The bot while it is open: what it works with, a queue of updates for each chat, what an earlier one left."""

from __future__ import annotations

import hashlib
import json
import logging
from collections import deque
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from ai.lazy import load
from ai.runs.app import UPLOADS, App
from core.errors import ConfigError, StoreError
from core.files.atomic import private_folder
from core.files.workspace import Workspace
from core.limits.budget import Budget
from core.media.recording import can_listen
from core.messaging import TelegramConfig
from core.paths import data_dir
from core.people.person import OWNER, Person
from server.jobs.worker import keep_chats
from server.side_tasks import SETTLED_S, tasks_beside
from server.telegram import commands
from server.telegram.access import Access
from server.telegram.asking import Asker
from server.telegram.attachments import Attachments, Pictures, Reader, Texts
from server.telegram.bot_api import BotApi
from server.telegram.flood import Flood, Limits
from server.telegram.guests import GUEST
from server.telegram.handling import Handler
from server.telegram.incoming import Bot, OddUpdateError, Said, Update, chat_of, has_number, moved_in, read
from server.telegram.members import Members
from server.telegram.polling import Once, keep
from server.telegram.recordings import Listener, Recordings
from server.telegram.refusals import TelegramError, TokenRefusedError
from server.telegram.speech import say
from server.telegram.store import TelegramStore
from server.telegram.telling import Teller
from server.telegram.turns import Turns
from server.telegram.unforeseen import ends_all, log_unforeseen
from server.telegram.values import Turn

log = logging.getLogger(__name__)

AT_ONCE = 256
"""Jobs of a bot: many people ask at once, and each AI has a limit of its own."""
_AGAIN_S = 2.0
_PATIENCE_S = 5.0


class OpenBot:
    """A bot that is at work. `take` hands it updates that are kept."""

    def __init__(
        self,
        me: Bot,
        app: App,
        api: BotApi,
        kept: TelegramStore,
        tasks: TaskGroup,
        config: TelegramConfig,
        readers: Sequence[Reader],
    ) -> None:
        self.me, self.api, self.kept = me, api, kept
        self.members = Members(kept)
        self._tasks = tasks
        self._access = Access(self.members, config)
        teller = Teller(api, kept, tasks)
        attachments = Attachments(api, readers)
        asker = Asker(app, kept, teller, attachments=attachments, bot=me.id)
        self.turns = Turns(
            app, api, kept, tasks, teller, asker, whose=self._whose, moved=self._moved, drafts=config.drafts
        )
        self._handler = Handler(
            app=app,
            api=api,
            kept=kept,
            access=self._access,
            turns=self.turns,
            attachments=attachments,
            tasks=tasks,
            config=config,
        )
        self._queues: dict[int, deque[dict[str, Any]]] = {}
        self._unkept: set[int] = set()
        self._homes: dict[int, int] = {}
        """Of each supergroup that a group became since the start, that group."""

    async def go_on(self) -> None:
        """Take up what an earlier process left: turns first, then updates nobody has seen to."""
        for turn in await anyio.to_thread.run_sync(self.kept.open_turns):
            self.turns.start(turn)
            if turn.kind == "ask" and not turn.sent:
                self._tasks.start_soon(self._handler.sign_of_life, turn.spot)
        left = await anyio.to_thread.run_sync(self.kept.unhandled)
        await self.take([json.loads(body) for _, body in left])

    async def take(self, updates: Sequence[dict[str, Any]]) -> None:
        """See to *updates*: one after the other within a chat, those of different chats at once."""
        for told in updates:
            if moved := moved_in(told):  # what is said in the new group waits until it is known to be the old one
                self._homes[moved[1]] = moved[0]
            chat = chat_of(told)
            chat = self._homes.get(chat, chat)
            queue = self._queues.get(chat)
            if queue is None:
                queue = self._queues[chat] = deque()
                self._tasks.start_soon(self._drain, chat, queue)
            queue.append(told)

    async def receive(self, told: dict[str, Any]) -> None:
        """Keep an update that Telegram brought itself, and see to it.

        Raises:
            StoreError: It cannot be kept; it is to be brought again.
        """
        await self.take(await keep(self.kept, [told]))

    async def cannot_keep(self, updates: Sequence[dict[str, Any]], error: StoreError) -> None:
        """Tell those whose messages cannot be kept now, once each: they come again by themselves."""
        for told in filter(has_number, updates):
            said = self._read(told)
            if not isinstance(said, Said) or said.spot.group or said.sender.bot or said.update in self._unkept:
                continue
            if self._access.tell(said.spot.chat, "unkept"):
                self._unkept.add(said.update)
                text = say(said.sender.language, "cannot_keep", reason=str(error))
                await self.api.attempt("sendMessage", chat_id=said.spot.chat, text=text)

    async def _drain(self, chat: int, queue: deque[dict[str, Any]]) -> None:
        while queue:
            told = queue.popleft()
            await self._see_to(told)
        del self._queues[chat]

    async def _see_to(self, told: dict[str, Any]) -> None:
        number, update = int(told["update_id"]), self._read(told)
        while True:
            try:
                await self._handler.handle(number, update)
                return
            except StoreError as error:
                log.warning("Update %d waits for the store: %s", number, error)
                await anyio.sleep(_AGAIN_S)
            except BaseException as error:
                if ends_all(error):
                    raise
                log_unforeseen(log, "update", number, error)
                if update is None:
                    return
                update = None  # it is forgotten: one message that nobody foresaw must not end the bot for everybody

    def _read(self, told: dict[str, Any]) -> Update | None:
        try:
            return read(told, self.me)
        except OddUpdateError as error:
            log.warning("Update %d has a shape that nobody knows (%s).", told["update_id"], error)
            return None

    async def _whose(self, turn: Turn) -> Person | None:
        chat = turn.user if turn.place.startswith(GUEST) else turn.spot.chat
        return await self._access.person(turn.user, chat)

    async def _moved(self, old: int, new: int) -> None:
        await anyio.to_thread.run_sync(self.kept.migrate, old, new)
        self.turns.move(old, new)


@asynccontextmanager
async def open_bot(app: App, token: str, kept: TelegramStore) -> AsyncIterator[OpenBot]:
    """The bot of *token*, at work for *app* while the block runs.

    Raises:
        ConfigError: Telegram does not take the token.
    """
    config = app.config.telegram
    api = BotApi(token, base=config.api_url, flood=Flood(Limits(overall=config.messages_per_second)))
    async with api:
        me = await _who(api)
        await anyio.to_thread.run_sync(commands.menus)  # reads the words of all languages
        keep_chats(app)
        async with tasks_beside() as tasks:
            bot = OpenBot(me, app, api, kept, tasks, config, await anyio.to_thread.run_sync(_readers, app))
            await bot.go_on()
            tasks.start_soon(_show_menus, bot)
            tasks.start_soon(_warn_owner, bot, app)
            yield bot


async def _who(api: BotApi) -> Bot:
    """Who the bot is; waits for a Telegram that is away, and says so.

    Raises:
        ConfigError: Telegram does not take the token.
    """
    say_once = Once()
    while True:
        try:
            told = await api.call("getMe", patience_s=_PATIENCE_S)
            return Bot(int(told["id"]), str(told["username"]), str(told.get("first_name") or ""))
        except TokenRefusedError as error:
            raise ConfigError(str(error)) from error
        except TelegramError as error:
            say_once.tell(f"{error} It is tried until it works.")
        except (KeyError, TypeError, ValueError):
            say_once.tell("What answered getMe tells of no bot. Look at telegram.api_url. It is tried until it works.")
        await anyio.sleep(_AGAIN_S)


def _readers(app: App) -> tuple[Reader, ...]:
    """Whoever reads what people send along, with what is configured and installed here. Blocks."""
    ai = app.config.telegram.transcribe
    listener = Listener(app, ai) if ai else None
    heard = (Recordings(listener),) if listener or can_listen() is None else ()
    pictures = Pictures()
    return (pictures, *heard, Texts(pictures))


async def with_areas(app: App) -> App:
    """*app* with a place for what people send along, and with a budget, which each of them may have."""
    workspace = await anyio.to_thread.run_sync(_workspace, app)
    app.roster.budget = app.roster.budget or Budget(data_dir(), None, {})
    return replace(app, materials=replace(app.materials, workspace=workspace))


def _workspace(app: App) -> Workspace:
    return app.materials.workspace.with_uploads(private_folder(OWNER.folder() / UPLOADS))


async def _warn_owner(bot: OpenBot, app: App) -> None:
    """Look after the machine once the bot is at work: what reads its figures takes a while to load."""
    await anyio.sleep(SETTLED_S)
    await (await load("server.telegram.alarms")).warn_owner(app, bot.api, bot.members)


async def _show_menus(bot: OpenBot) -> None:
    """Have Telegram show the commands, where they are not what it shows already."""
    menus = await anyio.to_thread.run_sync(commands.menus)
    mark = hashlib.sha256(json.dumps([bot.me.id, menus]).encode()).hexdigest()[:16]
    try:
        if await anyio.to_thread.run_sync(bot.kept.fact, "menus") == mark:
            return
        for language, menu in menus.items():
            await bot.api.call("setMyCommands", commands=menu, language_code=language or None)
        await anyio.to_thread.run_sync(bot.kept.note, "menus", mark)
    except (TelegramError, StoreError) as error:
        log.warning("The menu of commands is as it was: %s", error)
