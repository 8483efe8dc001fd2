"""Turns while they are open: each question becomes a job, is followed, and its answer is shown where it was asked.

Questions of one conversation are answered one after the other, so that each knows the answer before it; conversations
do not wait for one another. A turn is closed when its answer stands in the chat, and not before.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

import anyio
import anyio.to_thread
from anyio.abc import TaskGroup

from ai.runs.app import App
from core.errors import MootError, StoreError
from core.people.person import Person, acting_as
from server.side_tasks import tasks_beside
from server.telegram import answers
from server.telegram.answers import Drawn
from server.telegram.asking import Asker
from server.telegram.bot_api import BotApi
from server.telegram.bubble import Bubble, Live
from server.telegram.guests import GUEST, answer_guest
from server.telegram.refusals import TelegramError, TokenRefusedError, UnreachableError
from server.telegram.speech import say
from server.telegram.store import TelegramStore
from server.telegram.telling import Teller
from server.telegram.unforeseen import ends_all, log_unforeseen
from server.telegram.values import NewTurn, Spot, Turn

log = logging.getLogger(__name__)

_STORE_AGAIN_S = 2.0
MOST_WAITING = 5
"""Questions of one conversation that wait; whoever sends more is told."""
_AT_EASE = 8
"""Answers under way that are shown as often as Telegram takes them."""
Whose = Callable[[Turn], Awaitable[Person | None]]
"""Finds out who asks, and what they may now; None: they may no more."""


@dataclass
class _Lane:
    """The questions of one conversation, in order."""

    place: str
    waiting: deque[Turn] = field(default_factory=deque)
    now: Turn | None = None
    stopped: str = ""
    """Why the one under way was ended by somebody, as the name of a sentence."""
    nudged: anyio.Event = field(default_factory=anyio.Event)


class Turns:
    """All open turns of this bot; `tasks` is the group in which they are followed."""

    def __init__(
        self,
        app: App,
        api: BotApi,
        kept: TelegramStore,
        tasks: TaskGroup,
        teller: Teller,
        asker: Asker,
        *,
        whose: Whose,
        moved: Callable[[int, int], Awaitable[None]],
        drafts: bool = True,
    ) -> None:
        self._app, self._api, self._kept, self._tasks = app, api, kept, tasks
        self._whose = whose
        self._asker = asker
        self._drafts = drafts
        self._moved = moved
        self._lanes: dict[str, _Lane] = {}
        self._teller = teller

    def start(self, turn: Turn) -> None:
        """Answer *turn*, or say it, as soon as it is its time."""
        if turn.kind == "say":
            self._teller.start(turn)
            return
        lane = self._lanes.get(turn.place)
        if lane is None:
            lane = self._lanes[turn.place] = _Lane(turn.place)
            self._tasks.start_soon(self._drain, lane)
        lane.waiting.append(turn)

    def may_say(self, turn: NewTurn) -> bool:
        """Whether one sentence more may wait to be said to whoever *turn* is for."""
        return self._teller.may_say(turn.spot.chat, turn.user)

    def move(self, old: int, new: int) -> None:
        """The group *old* has become the supergroup *new*: what is under way there, and what waits, belongs to it."""
        for place, lane in list(self._lanes.items()):
            key = _place_in(place, old, new)
            if key == place or key in self._lanes:
                continue
            self._lanes[key] = self._lanes.pop(place)
            lane.place, lane.now = key, _turn_in(lane.now, old, new) if lane.now else None
            lane.waiting = deque(_turn_in(turn, old, new) for turn in lane.waiting)

    def waiting(self, place: str) -> int:
        """How many questions of *place* are under way or wait."""
        lane = self._lanes.get(place)
        return 0 if lane is None else len(lane.waiting) + (lane.now is not None)

    def has(self, place: str, what: Mapping[str, Any]) -> bool:
        """Whether just *what* is being answered in *place*, or waits there."""
        lane = self._lanes.get(place)
        if lane is None:
            return False
        return any(turn.what == what for turn in (*lane.waiting, *([lane.now] if lane.now else [])))

    def following(self, ids: Sequence[int]) -> bool:
        """Whether one of the turns *ids* is under way."""
        return any(lane.now is not None and lane.now.id in ids for lane in self._lanes.values())

    @property
    def under_way(self) -> int:
        return sum(lane.now is not None for lane in self._lanes.values())

    def asked_now(self, place: str) -> list[str]:
        """The questions of *place* that are under way or wait, as they were put."""
        lane = self._lanes.get(place)
        if lane is None:
            return []
        now = [lane.now] if lane.now is not None and not lane.stopped else []
        put = [(*turn.what.get("earlier", ()), turn.what.get("prompt")) for turn in (*now, *lane.waiting)]
        return [str(one) for some in put for one in some if one]

    async def stop(self, place: str, why: str = "stopped") -> bool:
        """End what is being answered in *place*, and what waits there; whether there was anything."""
        lane = self._lanes.get(place)
        if lane is None:
            return False
        waiting = [*lane.waiting]
        lane.waiting.clear()
        for turn in waiting:
            await self._close(turn)
        return await self._stop_now(lane, why) or bool(waiting)

    async def stop_turn(self, id: int, why: str = "stopped") -> bool:
        """End the turn *id*; whether it was still open."""
        for lane in self._lanes.values():
            if lane.now is not None and lane.now.id == id:
                return await self._stop_now(lane, why)
            if waiting := next((turn for turn in lane.waiting if turn.id == id), None):
                lane.waiting.remove(waiting)
                await self._close(waiting)
                return True
        return False

    async def stop_chat(self, chat: int) -> None:
        """End everything of *chat*, which takes nothing any more."""
        for place, lane in list(self._lanes.items()):
            turns = [*lane.waiting, *([lane.now] if lane.now else [])]
            if any(turn.spot.chat == chat for turn in turns):
                await self.stop(place)

    def nudge(self, id: int) -> None:
        """Something that the turn *id* waits for has happened."""
        for lane in self._lanes.values():
            if lane.now is not None and lane.now.id == id:
                lane.nudged.set()

    async def _stop_now(self, lane: _Lane, why: str) -> bool:
        turn = lane.now
        if turn is None or lane.stopped:
            return False
        lane.stopped = why
        lane.nudged.set()
        if turn.job and (person := await self._whose(turn)) is not None:
            try:
                with acting_as(person):
                    await self._app.jobs.cancel(turn.job)
            except StoreError:  # it goes on, and may be stopped once more
                lane.stopped = ""
                raise
        return True

    async def _drain(self, lane: _Lane) -> None:
        while lane.waiting:
            lane.now, lane.stopped, lane.nudged = lane.waiting.popleft(), "", anyio.Event()
            try:
                await self._answer(lane, lane.now)
            except BaseException as error:  # others go on
                if ends_all(error):
                    raise
                log_unforeseen(log, "turn", lane.now.id, error)
                await self._close(lane.now)
            lane.now = None
        del self._lanes[lane.place]

    async def _answer(self, lane: _Lane, turn: Turn) -> None:
        """See *turn* through. Whatever goes wrong is that turn's, and is told."""
        step = self._see_through
        while True:
            try:
                await step(lane, turn)
                break
            except StoreError as error:  # it comes back; nothing is lost as long as the turn stays open
                log.warning("A turn waits for the store: %s", error)
                turn = await self._as_kept(turn)
            except UnreachableError:
                step = self._give_up
            except TokenRefusedError as error:  # whoever reads updates hears it too, and ends
                log.error("%s", error)
                return
        await self._close(turn)

    async def _as_kept(self, turn: Turn) -> Turn:
        """*turn* with what is known of it by now: what shows it, so that nothing is shown twice."""
        while True:
            await anyio.sleep(_STORE_AGAIN_S)
            with suppress(StoreError):
                return await anyio.to_thread.run_sync(self._kept.turn, turn.id) or turn

    async def _see_through(self, lane: _Lane, turn: Turn) -> None:
        person = await self._whose(turn)
        if person is not None:
            with acting_as(person):
                await self._answer_for(lane, turn, person)

    async def _answer_for(self, lane: _Lane, turn: Turn, person: Person) -> None:
        if turn.place.startswith(GUEST):
            drawn = await self._outcome(lane, turn, person, Live(turn.language))
            await answer_guest(self._api, turn, drawn.pieces[0])
            await self._asker.forget(lane.now or turn, person)
            return
        bubble = Bubble(self._api, self._kept, turn, drafts=self._drafts, moved=self._moved, crowd=self._crowd)
        live = Live(turn.language)
        async with tasks_beside() as tasks:
            tasks.start_soon(bubble.show, live)
            drawn = await self._outcome(lane, turn, person, live)
        try:
            await bubble.finish(drawn)
        except (UnreachableError, TokenRefusedError):
            raise
        except TelegramError as error:
            log.warning("Telegram refused the answer of turn %d (%s).", turn.id, error.status)
            await self._tell_refused(bubble, turn, error)

    async def _tell_refused(self, bubble: Bubble, turn: Turn, refused: TelegramError) -> None:
        """Say that the answer cannot be shown: in its place, and where nothing can be written there, in private."""
        try:
            await bubble.finish(answers.sentence(say(turn.language, "answer_refused", reason=refused.told)))
        except (UnreachableError, TokenRefusedError):
            raise
        except TelegramError as error:
            if turn.spot.group:
                alone = replace(turn, spot=Spot(turn.user), asked=0)
                await self._teller.soon(alone, {"text": say(turn.language, "not_there", reason=error.told)})

    def _crowd(self) -> float:
        """What is being written is drawn less often when many write: whoever asks something short shall not wait."""
        return max(1.0, self.under_way / _AT_EASE)

    async def _outcome(self, lane: _Lane, turn: Turn, person: Person, live: Live) -> Drawn:
        """What is to be shown in the end: the answer, or one sentence why there is none."""
        try:
            job = await self._asker.job(turn, person)
            turn = replace(turn, job=job.id)
            lane.now = replace(lane.now or turn, job=job.id)  # it may be in another group by now
            live.panel = job.kind in answers.PANELS
            if lane.stopped and not job.over:
                job = await self._app.jobs.cancel(job.id)
            with self._app.bus.hearing(job.id, live.hear):
                job = await self._asker.over(turn, job, lane)
            if lane.stopped and job.state != "done":
                return answers.stopped(live.text if not live.panel else "", turn.language, lane.stopped)
            return await self._asker.drawn(turn, job)
        except StoreError:
            raise
        except MootError as error:
            return answers.sentence(say(turn.language, "failed", reason=str(error)))
        except BaseException as error:  # a question that nobody foresaw is that question's failure
            if ends_all(error):
                raise
            log_unforeseen(log, "turn", turn.id, error)
            return answers.sentence(say(turn.language, "unforeseen"))

    async def _give_up(self, lane: _Lane, turn: Turn) -> None:
        """The chat takes nothing any more: nobody is to pay for what nobody reads."""
        current = await anyio.to_thread.run_sync(self._kept.turn, turn.id)
        person = await self._whose(turn)
        if current is not None and current.job and person is not None:
            with acting_as(person), suppress(MootError):
                await self._app.jobs.cancel(current.job)

    async def _close(self, turn: Turn) -> None:
        while True:
            try:
                with anyio.CancelScope(shield=True):
                    await anyio.to_thread.run_sync(self._kept.over, turn.id)
                return
            except StoreError as error:
                log.warning("A turn that is answered cannot be closed yet: %s", error)
                await anyio.sleep(_STORE_AGAIN_S)


def _place_in(place: str, old: int, new: int) -> str:
    """What *place* is called once the group *old* is *new*."""
    chat, dot, rest = place.partition(".")
    return f"{new}{dot}{rest}" if chat == str(old) else place


def _turn_in(turn: Turn, old: int, new: int) -> Turn:
    """*turn* of the group *old*, which is *new* now: its messages are not there (see `migrate` of the store)."""
    place, spot = _place_in(turn.place, old, new), Spot(new, turn.spot.topic)
    return replace(turn, spot=spot, place=place, asked=-abs(turn.asked), sent=())
