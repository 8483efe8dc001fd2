"""One update at a time within a chat: who it is from, whether they may, and what comes of it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from ai.runs.app import App
from core.errors import StoreError
from core.messaging import TelegramConfig
from core.people.person import Person, acting_as
from server.telegram import commands
from server.telegram.access import Access
from server.telegram.attachments import Attachments
from server.telegram.bot_api import BotApi
from server.telegram.commands import COMMANDS, Asked
from server.telegram.guests import GUEST
from server.telegram.incoming import Moved, Pressed, Said, Standing, StopPressed, Update
from server.telegram.members import OwnCodeError, TooManyGuessesError, looks_like_code
from server.telegram.places import place_of
from server.telegram.pressing import Presses
from server.telegram.questions import LONGEST, default_agent, mark_of, question_turn
from server.telegram.refusals import TelegramError
from server.telegram.speech import say
from server.telegram.store import Change, TelegramStore, migrate
from server.telegram.turns import MOST_WAITING, Turns
from server.telegram.unforeseen import ends_all, log_unforeseen
from server.telegram.values import NewTurn, Place, Spot, Turn

log = logging.getLogger(__name__)

_SIGN_S = 4.0
"""How long that something comes is worth telling."""
_ALBUM_S = 1.0
"""How long after a picture of an album the next one may come."""
_UNREADABLE = {"voice": "voice", "video": "video", "sticker": "sticker", "other": "unknown_kind"}


@dataclass
class _Album:
    """The parts that have arrived; `whole` once no other can come, `handled` once what comes of it is kept."""

    parts: list[Said] = field(default_factory=list)
    whole: anyio.Event = field(default_factory=anyio.Event)
    handled: anyio.Event = field(default_factory=anyio.Event)


@dataclass(kw_only=True)
class Handler:
    """Handles the updates of one bot.

    Args:
        tasks: In which albums are gathered.
    """

    app: App
    api: BotApi
    kept: TelegramStore
    access: Access
    turns: Turns
    attachments: Attachments
    tasks: TaskGroup
    config: TelegramConfig
    _albums: dict[str, _Album] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._presses = Presses(self.app, self.api, self.kept, self.access, self.turns)

    async def handle(self, id: int, update: Update | None) -> None:
        """See to *update*, whose words are forgotten once what comes of it is kept.

        Raises:
            StoreError: Nothing of it is kept: it is to be handled again.
        """
        match update:
            case Said() if update.album and update.files:
                await self._whole_before(update)
                self._gather(update)
                return
            case Said():
                await self._whole_before(update)
                await self._said([update])
                return
            case Pressed():
                await self._done([id], await self._presses.pressed(update))
                return
            case StopPressed():
                turn = await anyio.to_thread.run_sync(self.kept.turn, update.draft)
                if turn is not None and turn.spot.chat == update.chat:
                    await self.turns.stop_turn(turn.id)
            case Moved():
                await self._done([id], (), [lambda connection: migrate(connection, update.old, update.new)])
                self.turns.move(update.old, update.new)
                return
            case Standing():
                await self._stands(update)
        await self._done([id])

    async def _done(
        self, updates: Sequence[int], turns: Sequence[NewTurn] = (), changes: Sequence[Change] = ()
    ) -> None:
        said = [turn for turn in turns if turn.kind == "ask" or self.turns.may_say(turn)]
        for turn in await anyio.to_thread.run_sync(self.kept.handled, updates, said, changes):
            self.turns.start(turn)

    def _gather(self, said: Said) -> None:
        """Wait for what else belongs to the album: its parts are one question."""
        key = f"{said.spot.chat} {said.album}"
        if (album := self._albums.get(key)) is None:
            album = self._albums[key] = _Album()
            self.tasks.start_soon(self._whole_album, key, album)
        album.parts.append(said)

    async def _whole_before(self, said: Said) -> None:
        """See to the albums of whoever says more in the same chat: those are whole, and were there before it."""
        for key, album in list(self._albums.items()):
            first = album.parts[0]
            same = (first.spot.chat, first.sender.id) == (said.spot.chat, said.sender.id)
            if same and key != f"{said.spot.chat} {said.album}":
                album.whole.set()
                await album.handled.wait()

    async def _whole_album(self, key: str, album: _Album) -> None:
        try:
            await self._of_album(key, album)
        finally:
            album.handled.set()

    async def _of_album(self, key: str, album: _Album) -> None:
        seen = 0
        while seen != len(album.parts) and not album.whole.is_set():
            seen = len(album.parts)
            with anyio.move_on_after(_ALBUM_S):
                await album.whole.wait()
        parts = self._albums.pop(key).parts
        first = next((one for one in parts if one.text or one.command), parts[0])
        whole = [first, *(one for one in sorted(parts, key=lambda one: one.id) if one is not first)]
        while True:
            try:
                await self._said(whole)
                return
            except StoreError:
                await anyio.sleep(_ALBUM_S)
            except BaseException as error:  # as in `bot.py`
                if ends_all(error):
                    raise
                log_unforeseen(log, "update", first.update, error)
                await self._forget([one.update for one in parts])
                return

    async def _forget(self, updates: Sequence[int]) -> None:
        while True:
            with suppress(StoreError):
                await self._done(updates)
                return
            await anyio.sleep(_ALBUM_S)

    async def _said(self, parts: Sequence[Said]) -> None:
        said, updates = parts[0], [one.update for one in parts]
        language = said.sender.language
        if said.nameless and any(one.addressed for one in parts):
            await self._done(updates, await self._nameless(said, language))
            return
        others = said.command not in COMMANDS and bool(said.command) and not said.called  # in a group of several bots
        meant = any(one.addressed for one in parts) and not others and not said.nameless
        if not meant or not self.access.hears(said.spot.chat, bot=said.sender.bot):
            await self._done(updates)
            return
        person = await self.access.person(said.sender.id, said.spot.chat)
        if said.guest_query:  # called into a chat that the bot is not in
            person = await self.access.person(said.sender.id, said.sender.id) if self.config.guest_mode else None
        if (code := _code(said, known=person is not None)) is not None and not said.spot.group:
            await self._redeem(said, code, updates, known=person is not None)
            return
        if person is None:
            await self._done(updates, self._refusal(said, language))
            return
        with acting_as(person):
            await self._of_person(parts, person, language)

    async def _of_person(self, parts: Sequence[Said], person: Person, language: str) -> None:
        said, updates = parts[0], [one.update for one in parts]
        place = await place_of(self.kept, said.spot, said.sender.id)
        turn: NewTurn | None
        changes: tuple[Change, ...] = ()
        if said.edited and not await self._asked_anew(said):
            await self._done(updates, await self._too_late(said, place, language))
            return
        if said.guest_query and said.command in COMMANDS and COMMANDS[said.command].alone:
            turn = self._told(said, place, language, {"text": say(language, "guest_command")})
        elif said.command and not said.forwarded:
            asked = Asked(
                said, person, place, language, self.app, self.kept, self.access.members, self.turns, tuple(parts)
            )
            outcome = await commands.run(asked)
            changes = outcome.changes
            turn = outcome.ask or (self._told(said, place, language, dict(outcome.what)) if outcome.what else None)
        else:
            turn = self._question(parts, place, person, language)
        if turn is not None and turn.kind == "ask":
            turn = await self._in_turn(said, place, turn, language)
            self.tasks.start_soon(self.sign_of_life, said.spot)
        await self._done(updates, [turn] if turn else [], changes)

    def _question(self, parts: Sequence[Said], place: Place, person: Person, language: str) -> NewTurn:
        said = parts[0]
        unread = next((one for one in parts if one.kind in _UNREADABLE and not self._takes(one)), None)
        if unread is not None:
            return self._told(said, place, language, {"text": say(language, _UNREADABLE[unread.kind])})
        if sum(len(one.text) for one in parts) > LONGEST:
            return self._told(said, place, language, {"text": say(language, "too_long", most=LONGEST)})
        agent = default_agent(self.app.roster, place, person)
        if not (said.text or said.quote or any(one.files for one in parts)):
            return self._told(said, place, language, {"text": say(language, "help", ai=agent or "AI")})
        if not agent:
            return self._told(said, place, language, {"text": say(language, "no_ais")})
        return question_turn(parts, place, agent, language)

    def _takes(self, said: Said) -> bool:
        return bool(said.files) and all(map(self.attachments.takes, said.files))

    async def _in_turn(self, said: Said, place: Place, turn: NewTurn, language: str) -> NewTurn:
        """*turn*, once what is being answered there has made way for it, where that is how it is wished."""
        if self.config.follow_up == "supersede":
            earlier = self.turns.asked_now(place.key)
            if await self.turns.stop(place.key, "superseded") and earlier:
                turn = replace(turn, what={**turn.what, "earlier": earlier})
        elif (waiting := self.turns.waiting(place.key)) >= MOST_WAITING:
            return self._told(said, place, language, {"text": say(language, "busy", count=waiting)})
        return turn

    async def _asked_anew(self, said: Said) -> bool:
        """Whether an edited message is a question that is not answered yet, which has made way for what it says now."""
        known = await self._edited(said)
        return known is not None and known.open and await self.turns.stop_turn(known.id, "replaced")

    async def _too_late(self, said: Said, place: Place, language: str) -> list[NewTurn]:
        if await self._edited(said) is None or said.spot.group:
            return []
        late = self.access.tell(said.spot.chat, f"edited {said.id}")
        return [self._told(said, place, language, {"text": say(language, "edited_late")})] if late else []

    async def _edited(self, said: Said) -> Turn | None:
        """The question that *said* was, where it says something else now: Telegram also tells of edits that do not."""
        known = await anyio.to_thread.run_sync(self.kept.turns_of, said.spot.chat, said.id)
        if not known or known[0].user != said.sender.id or known[0].mark == mark_of(said):
            return None
        return known[0]

    async def _redeem(self, said: Said, code: str, updates: Sequence[int], *, known: bool) -> None:
        """Let somebody in by a code, or say that it is none."""
        language, sender = said.sender.language, said.sender
        try:
            member = await anyio.to_thread.run_sync(self.access.members.redeem, code, sender.id, sender.name)
        except OwnCodeError:
            await self._done(updates, [self._hello(said, language, "own_code")])
            return
        except TooManyGuessesError:
            sentence = "too_many_codes" if self.access.tell(said.spot.chat, "codes") else ""
            await self._done(updates, [self._hello(said, language, sentence)] if sentence else [])
            return
        failed = "start" if known else "bad_code"
        sentence = failed if member is None else "paired" if member.owner else "invited"
        await self._done(updates, [self._hello(said, language, sentence)])

    def _hello(self, said: Said, language: str, sentence: str) -> NewTurn:
        place = Place(f"{said.spot.chat}.{said.spot.topic}", said.spot.chat, "telegram.0.0")
        return self._told(said, place, language, {"text": say(language, sentence, name=said.sender.name)})

    def _refusal(self, said: Said, language: str) -> list[NewTurn]:
        if said.sender.bot or said.guest_query or not self.access.tell(said.spot.chat, f"private {said.sender.id}"):
            return []
        return [self._hello(said, language, "private")]

    async def _nameless(self, said: Said, language: str) -> list[NewTurn]:
        """Who writes as a group or a channel is nobody whose conversation or budget it could be."""
        meant = said.called or said.command in COMMANDS
        allowed = meant and await anyio.to_thread.run_sync(self.access.members.allows, said.spot.chat)
        return [self._hello(said, language, "nameless")] if allowed and self.access.tell(said.spot.chat, "name") else []

    def _told(self, said: Said, place: Place, language: str, what: dict[str, object]) -> NewTurn:
        key = f"{GUEST}{said.guest_query}" if said.guest_query else place.key
        return NewTurn(said.spot, said.sender.id, said.id, key, place.thread, language, "say", what)

    async def _stands(self, update: Standing) -> None:
        """The bot was added to a group, or is no longer where it was."""
        if not update.member:
            await self.turns.stop_chat(update.chat)
            if update.chat < 0:
                await anyio.to_thread.run_sync(self.access.members.forget_group, update.chat)
            return
        if update.channel:  # where nobody asks anything
            await self.api.attempt("leaveChat", chat_id=update.chat)
            return
        if update.chat > 0 or await anyio.to_thread.run_sync(self.access.members.allows, update.chat):
            return
        by = await anyio.to_thread.run_sync(self.access.members.of, update.by.id)
        language = update.by.language
        if by is not None and by.owner:
            await anyio.to_thread.run_sync(self.access.members.allow_group, update.chat, update.title)
            await self.api.attempt("sendMessage", chat_id=update.chat, text=say(language, "group_allowed"))
            return
        await self.api.attempt("sendMessage", chat_id=update.chat, text=say(language, "private_group"))
        await self.api.attempt("leaveChat", chat_id=update.chat)

    async def sign_of_life(self, spot: Spot) -> None:
        """Tell in the chat that something comes, or not: it is no answer."""
        with suppress(TelegramError):
            await self.api.call("sendChatAction", patience_s=_SIGN_S, action="typing", **spot.address())


def _code(said: Said, *, known: bool) -> str | None:
    """The code that somebody sends: behind /start, as a link brings it, or by itself."""
    if said.command == "start" and said.text:
        return said.text
    alone = not said.command and not said.files and not said.forwarded
    return said.text if alone and looks_like_code(said.text, exactly=known) else None
