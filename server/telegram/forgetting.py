"""`/forget`: what was said is gone from the transcript and its indexes, from the jobs that held it, from files."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import anyio
import anyio.to_thread

from ai.lazy import load
from ai.runs.app import App
from core.memory.scope import Scope
from core.people.person import Person
from server.telegram.access import person_of
from server.telegram.asking import memory_place
from server.telegram.attachments import forget_files
from server.telegram.members import Members
from server.telegram.remembering import last_messages, threads_of
from server.telegram.store import TelegramStore
from server.telegram.turns import Turns
from server.telegram.values import Place, Turn

_END_S, _LOOK_S = 10.0, 0.05
"""How long what is stopped may take to end, and how often it is looked at."""


@dataclass(frozen=True, slots=True)
class Gone:
    """How many messages were forgotten, and sentences on what could not be yet."""

    count: int = 0
    notes: tuple[str, ...] = ()


async def forget_all(app: App, kept: TelegramStore, turns: Turns, person: Person, place: Place) -> Gone:
    """Forget what *person* said in the chat and topic of *place*, in all its conversations.

    What is under way ends first: its answer would be kept after all was forgotten.
    """
    if await turns.stop(place.key):
        await _until(lambda: not turns.waiting(place.key))
    return await _forget(app, kept, person, place, None)


async def forget_last(app: App, kept: TelegramStore, person: Person, place: Place, count: int) -> Gone:
    """Forget the last *count* questions of *place* with their answers."""
    threads = await anyio.to_thread.run_sync(threads_of, app, person, place)
    said = await anyio.to_thread.run_sync(threads.history, place.thread)
    return await _forget(app, kept, person, place, last_messages(said, count))


async def forget_answered(
    app: App, kept: TelegramStore, turns: Turns, person: Person, place: Place, message: int
) -> Gone:
    """Forget the question in *message*, or the one that it answers; one that is under way ends first."""
    shown = await anyio.to_thread.run_sync(kept.shown_by, place.chat, message)
    if shown is not None and shown.place != place.key:
        return Gone()
    asked = shown.asked if shown else message
    stopped = [
        turn
        for turn in await anyio.to_thread.run_sync(kept.turns_of, place.chat, asked)
        if turn.open and turn.place == place.key and await turns.stop_turn(turn.id)
    ]
    if stopped:
        await _until(lambda: not turns.following([turn.id for turn in stopped]))
    gone = await _forget(app, kept, person, place, [str(asked)])
    return replace(gone, count=gone.count + len(stopped))


async def _forget(app: App, kept: TelegramStore, person: Person, place: Place, messages: Sequence[str] | None) -> Gone:
    """Forget *messages* of *place*; None: all of it."""
    at = memory_place(place.thread)
    scope = Scope.of_chat(at.channel, at.topic)
    forgetting = await load("ai.recall.forgetting")
    which = (await load("core.memory.forgetting")).Which
    own = await anyio.to_thread.run_sync(app.materials_of, person)
    materials = replace(own, threads=await anyio.to_thread.run_sync(threads_of, app, person, place))
    # What is found by the transcript goes before it, so that whoever is killed in between can forget it again.
    turns = await anyio.to_thread.run_sync(kept.turns_in, place.key)
    turns = [turn for turn in turns if messages is None or str(turn.asked) in messages]
    left = await forgetting.forget_jobs(app.jobs, [turn.job for turn in turns if turn.job and not turn.open])
    await anyio.to_thread.run_sync(_forget_sent, Members(kept), person, turns)
    async with app.run("forget", materials=materials) as run:
        named = None if messages is None else tuple(messages)
        gone = await forgetting.forget(run, scope, which(messages=named))
    return Gone(gone.turns, (*dict.fromkeys((*gone.notes, *left)),))


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
