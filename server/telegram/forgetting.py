"""`/forget`: what was said is gone from the transcript and its indexes, from the jobs that held it, from files."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

import anyio.to_thread

from ai.runs.app import App
from core.errors import UnknownJobError
from core.jobs.states import OVER
from core.memory.forgetting import Forgotten, Which, forget_copies
from core.memory.history import History
from core.memory.scope import Scope
from core.people.person import Person, acting_as
from server.telegram.asking import memory_place
from server.telegram.attachments import forget_files
from server.telegram.remembering import last_messages, memory_of, threads_of
from server.telegram.store import TelegramStore
from server.telegram.values import Place


async def forget_all(app: App, kept: TelegramStore, person: Person, place: Place) -> int:
    """Forget what *person* said in the chat and topic of *place*, in all its conversations; how many messages."""
    return await _forget(app, kept, person, place, [None])


async def forget_last(app: App, kept: TelegramStore, person: Person, place: Place, count: int) -> int:
    """Forget the last *count* questions of *place* with their answers; how many messages."""
    threads = await anyio.to_thread.run_sync(threads_of, app, person, place)
    said = await anyio.to_thread.run_sync(threads.history, place.thread)
    return await _forget(app, kept, person, place, last_messages(said, count))


async def forget_answered(app: App, kept: TelegramStore, person: Person, place: Place, message: int) -> int:
    """Forget the question in *message*, or the one that it answers; how many messages."""
    shown = await anyio.to_thread.run_sync(kept.shown_by, place.chat, message)
    if shown is not None and shown.place != place.key:
        return 0
    return await _forget(app, kept, person, place, [str(shown.asked if shown else message)])


async def _forget(app: App, kept: TelegramStore, person: Person, place: Place, messages: Sequence[str | None]) -> int:
    at = memory_place(place.thread)
    scope = Scope.of_chat(at.channel, at.topic)

    def delete() -> list[Forgotten]:
        memory = memory_of(app, person, place)
        gone = [memory.forget(scope, Which(message=message)) for message in messages]
        for one in gone:
            forget_copies(one, person.folder(), History() if person.owns else None)
        return gone

    gone = await anyio.to_thread.run_sync(delete)
    turns = [turn for turn in await anyio.to_thread.run_sync(kept.turns_in, place.key) if _named(turn.asked, messages)]
    jobs = {*(job for one in gone for job in one.jobs), *(turn.job for turn in turns if turn.job and not turn.open)}
    with acting_as(person):
        for job in jobs:
            with suppress(UnknownJobError):
                if (await app.jobs.get(job)).state in OVER:
                    await app.jobs.forget(job)
    await anyio.to_thread.run_sync(forget_files, person, [turn.id for turn in turns])
    return sum(one.turns for one in gone)


def _named(asked: int, messages: Sequence[str | None]) -> bool:
    return None in messages or str(asked) in messages
