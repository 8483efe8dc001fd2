"""`/forget`: what was said is gone from the transcript and its indexes, from the jobs that held it, from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio
import anyio.to_thread

from ai.lazy import load
from ai.runs.app import App
from core.memory.scope import Scope
from core.memory.threads import USER
from core.people.person import Person
from server.telegram.access import person_of
from server.telegram.asking import memory_place, message_name, shared_folder
from server.telegram.attachments import forget_files
from server.telegram.members import Members
from server.telegram.remembering import threads_of
from server.telegram.store import TelegramStore
from server.telegram.turns import Turns
from server.telegram.values import Place, Turn

_END_S, _LOOK_S = 10.0, 0.05
"""How long what is stopped may take to end, and how often it is looked at."""
_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Gone:
    """How many messages were forgotten, and sentences on what could not be yet."""

    count: int = 0
    notes: tuple[str, ...] = ()


async def forget_all(app: App, kept: TelegramStore, turns: Turns, person: Person, place: Place) -> Gone:
    """Forget what *person* said in the chat and topic of *place*, in all its conversations."""
    return await _forget(app, kept, turns, person, place, None)


async def forget_last(app: App, kept: TelegramStore, turns: Turns, person: Person, place: Place, count: int) -> Gone:
    """Forget the last *count* questions of *place*, whatever became of them, with their answers."""
    return await _forget(app, kept, turns, person, place, await _last(app, kept, person, place, count))


async def forget_answered(
    app: App, kept: TelegramStore, turns: Turns, person: Person, place: Place, message: int
) -> Gone:
    """Forget the question in *message*, or the one that it answers."""
    shown = await anyio.to_thread.run_sync(kept.shown_by, place.chat, message)
    if shown is not None and shown.place != place.key:
        return Gone()
    return await _forget(
        app,
        kept,
        turns,
        person,
        place,
        [_named(shown, place) if shown else message_name(place.thread, place.chat, message)],
    )


async def said_together(app: App, place: Place) -> bool:
    """Whether anything is kept of what everybody said at *place* in one conversation, which it is no more."""
    return await anyio.to_thread.run_sync(_together, app, Person(shared_folder(place.thread)))


def _together(app: App, nobody: Person) -> bool:
    return (nobody.folder() / "threads.db").exists() and bool(app.materials_of(nobody).threads.all())


async def _forget(
    app: App, kept: TelegramStore, turns: Turns, person: Person, place: Place, messages: Sequence[str] | None
) -> Gone:
    """Forget *messages* of *place*; None: all of it.

    What is under way ends first: its answer would be kept after all was forgotten.
    """
    ended = await _end(kept, turns, place, messages)
    at = memory_place(place.thread)
    scope = Scope.of_chat(at.channel, at.topic)
    forgetting = await load("ai.recall.forgetting")
    which = (await load("core.memory.forgetting")).Which
    own = await anyio.to_thread.run_sync(app.materials_of, person)
    materials = replace(own, threads=await anyio.to_thread.run_sync(threads_of, app, person, place))
    # What is found by the transcript goes before it, so that whoever is killed in between can forget it again.
    asked = await _asked(kept, place, messages)
    held = await _with_words(app, asked)
    left = await forgetting.forget_jobs(app.jobs, [turn.job for turn in asked if turn.job and not turn.open])
    await anyio.to_thread.run_sync(_forget_sent, Members(kept), person, asked)
    async with app.run("forget", materials=materials) as run:
        named = None if messages is None else tuple(messages)
        gone = await forgetting.forget(run, scope, which(messages=named))
    unanswered = [turn for turn in asked if (turn.id in ended or turn.job in held) and turn.job not in gone.jobs]
    return Gone(gone.turns + len(unanswered) or len(gone.jobs), (*dict.fromkeys((*gone.notes, *left)),))


async def _end(kept: TelegramStore, turns: Turns, place: Place, messages: Sequence[str] | None) -> list[int]:
    """End what is under way of *messages*, or waits: the newest first, so that none begins meanwhile; their numbers."""
    open_ones = [turn.id for turn in await _asked(kept, place, messages) if turn.open]
    ended = [one for one in open_ones if await turns.stop_turn(one)]
    if ended:
        await _until(lambda: not turns.following(ended))
    return ended


async def _asked(kept: TelegramStore, place: Place, messages: Sequence[str] | None) -> list[Turn]:
    """The questions of *place* in *messages*, or all of them, the newest first."""
    found = await anyio.to_thread.run_sync(kept.turns_in, place.key)
    return [turn for turn in found if messages is None or _named(turn, place) in messages]


async def _last(app: App, kept: TelegramStore, person: Person, place: Place, count: int) -> list[str]:
    """The messages of the last *count* questions of *place*: also of those that failed, were stopped or are under way,
    which no transcript has; and not of those that were forgotten already."""
    threads = await anyio.to_thread.run_sync(threads_of, app, person, place)
    turns = await anyio.to_thread.run_sync(threads.history, place.thread)
    said = [turn.message for turn in reversed(turns) if turn.author == USER and turn.message]
    asked = [turn for turn in await _asked(kept, place, None) if turn.thread == place.thread]
    held, known = await _with_words(app, asked), set(said)
    named = [(_named(turn, place), turn) for turn in asked]
    there = [name for name, turn in named if turn.open or turn.job in held or name in known]
    return list(dict.fromkeys([*there, *said]))[:count]


def _named(turn: Turn, place: Place) -> str:
    return message_name(place.thread, place.chat, turn.asked)


async def _with_words(app: App, turns: Sequence[Turn]) -> set[str]:
    """Those jobs of *turns* that still hold what was asked."""
    engine, ids = await app.jobs.engine(), [turn.job for turn in turns if turn.job]
    found = [await engine.asked(ids[start : start + _AT_ONCE]) for start in range(0, len(ids), _AT_ONCE)]
    return {one for some in found for one in some}


async def _until(holds: Callable[[], bool]) -> None:
    """Return once it *holds*, or a job that is cancelled has had its time to end."""
    with anyio.move_on_after(_END_S):
        while not holds():  # noqa: ASYNC110 - nobody tells of it
            await anyio.sleep(_LOOK_S)


def _forget_sent(members: Members, person: Person, turns: Sequence[Turn]) -> None:
    """Delete what was sent along with *turns*, each in the folder of whoever sent it."""
    for turn in turns:
        sender = members.of(turn.user)
        for one in dict.fromkeys((person, person_of(sender) if sender else Person(f"tg.{turn.user}"))):
            forget_files(one, [turn.id])
