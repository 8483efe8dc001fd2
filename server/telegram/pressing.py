"""Buttons: each names what it is about, and only who asked may press it. What comes of it is seen by them."""

from __future__ import annotations

import logging

import anyio.to_thread

from ai.runs.app import App
from core.errors import MootError, StoreError
from core.people.person import Person, acting_as
from server.telegram import commands
from server.telegram.access import Access
from server.telegram.answers import cost_told, who_told
from server.telegram.bot_api import BotApi
from server.telegram.incoming import Pressed, Said, Sender
from server.telegram.places import place_of
from server.telegram.speech import say
from server.telegram.store import TelegramStore
from server.telegram.turns import MOST_WAITING, Turns
from server.telegram.values import NewTurn, Turn

log = logging.getLogger(__name__)

_PANEL_OF = {"debate": "moot/debate", "agree": "moot/consensus"}
_LONGEST_ALERT = 190


class Presses:
    """Sees to presses."""

    def __init__(self, app: App, api: BotApi, kept: TelegramStore, access: Access, turns: Turns) -> None:
        self._app, self._api, self._kept, self._access, self._turns = app, api, kept, access, turns

    async def pressed(self, press: Pressed) -> list[NewTurn]:
        """What comes of *press*."""
        language = press.sender.language
        person = await self._access.person(press.sender.id, press.spot.chat)
        if person is None:
            await self._alert(press, say(language, "private"))
            return []
        action, _, about = press.data.partition(":")
        with acting_as(person):
            if action in ("ai", "role"):
                return await self._choose(press, person, action, about)
            number, _, further = about.partition(":")
            turn = None
            if number.isdecimal() and len(number) < 19:
                turn = await anyio.to_thread.run_sync(self._kept.turn, int(number))
            if turn is None or turn.spot.chat != press.spot.chat:
                await self._alert(press, say(language, "gone"))
                return []
            if turn.user != press.sender.id:
                await self._alert(press, say(language, "asker_only"))
                return []
            return await self._about(press, action, turn, further)

    async def _about(self, press: Pressed, action: str, turn: Turn, further: str) -> list[NewTurn]:
        language = press.sender.language
        if action == "stop":
            stopped = await self._turns.stop_turn(turn.id)
            if not stopped and press.message not in turn.sent:  # a sign that was sent twice
                await self._api.attempt("deleteMessage", chat_id=press.spot.chat, message_id=press.message)
            await self._alert(press, say(language, "stopping" if stopped else "nothing_to_stop"), window=False)
            return []
        if action in ("yes", "no"):
            await self._approve(press, turn, further, yes=action == "yes")
            return []
        if action in (*_PANEL_OF, "who", "cost"):
            return await self._of_answer(press, action, turn)
        await self._alert(press, say(language, "gone"))
        return []

    async def _of_answer(self, press: Pressed, action: str, turn: Turn) -> list[NewTurn]:
        language = press.sender.language
        try:
            result = await self._app.jobs.result(turn.job) if turn.job else None
            asked = (await self._app.jobs.asked([turn.job])).get(turn.job) if turn.job else None
        except StoreError as error:
            await self._away(press, error)
            return []
        except MootError:
            result = asked = None
        if result is None or (action in _PANEL_OF and not asked):
            await self._alert(press, say(language, "gone"))
            return []
        if action == "cost":
            await self._alert(press, cost_told(result.structured, language))
            return []
        if action == "who":
            await self._alert(press, "", window=False)
            what = {"markdown": who_told(result.structured, language), "private": True, "query": press.id}
            return [_turn(turn, "say", what)]
        assert asked is not None
        what = {"agent": _PANEL_OF[action], "prompt": str(asked.get("prompt") or asked.get("question") or "")}
        kept = {name: asked[name] for name in ("files", "images", "role") if asked.get(name)}
        return await self._again(press, turn, {**what, "again": kept})

    async def _again(self, press: Pressed, turn: Turn, what: dict[str, object]) -> list[NewTurn]:
        """The question of *turn* put to a panel: once, however often somebody presses while it is being answered."""
        waiting = self._turns.waiting(turn.place)
        if waiting >= MOST_WAITING:
            await self._alert(press, say(press.sender.language, "busy", count=waiting))
            return []
        await self._alert(press, "", window=False)
        return [] if self._turns.has(turn.place, what) else [_turn(turn, "ask", what)]

    async def _approve(self, press: Pressed, turn: Turn, approval: str, *, yes: bool) -> None:
        language = press.sender.language
        try:
            await self._app.jobs.approve(turn.job, approval, yes=yes)
        except StoreError as error:  # the buttons stay, for when it is back
            await self._away(press, error)
            return
        except MootError:
            await self._alert(press, say(language, "gone"))
        else:
            self._turns.nudge(turn.id)
            await self._alert(press, say(language, "approved" if yes else "denied"), window=False)
        await self._api.attempt(
            "editMessageReplyMarkup",
            chat_id=press.spot.chat,
            message_id=press.message,
            reply_markup={"inline_keyboard": []},
        )

    async def _away(self, press: Pressed, error: StoreError) -> None:
        log.warning("Update %d was not done: %s", press.update, error)
        await self._alert(press, say(press.sender.language, "store_away"))

    async def _choose(self, press: Pressed, person: Person, action: str, wanted: str) -> list[NewTurn]:
        place = await place_of(self._kept, press.spot, press.sender.id)
        said = _as_command(press, action, wanted)
        asked = commands.Asked(
            said, person, place, press.sender.language, self._app, self._kept, self._access.members, self._turns
        )
        outcome = await commands.run(asked)
        for change in outcome.changes:
            await anyio.to_thread.run_sync(self._kept.change, change)
        await self._alert(press, str((outcome.what or {}).get("text", "")), window=False)
        return []

    async def _alert(self, press: Pressed, text: str, *, window: bool = True) -> None:
        await self._api.attempt(
            "answerCallbackQuery",
            callback_query_id=press.id,
            text=text[:_LONGEST_ALERT],
            show_alert=window and bool(text),
        )


def _as_command(press: Pressed, action: str, wanted: str) -> Said:
    sender = Sender(press.sender.id, press.sender.name, press.sender.language)
    return Said(press.update, press.spot, sender, 0, wanted, command=action)


def _turn(turn: Turn, kind: str, what: dict[str, object]) -> NewTurn:
    return NewTurn(
        turn.spot,
        turn.user,
        turn.asked,
        turn.place,
        turn.thread,
        turn.language,
        "ask" if kind == "ask" else "say",
        what,
        turn.mark,
    )
