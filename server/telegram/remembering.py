"""What is remembered of a conversation, to be shown: `/memory`. What is no coroutine blocks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import anyio.to_thread

from ai.lazy import load
from ai.runs.app import App
from core.memory.threads import Threads
from core.people.person import Person
from server.telegram.asking import shared_folder
from server.telegram.rich import cut
from server.telegram.store import TelegramStore
from server.telegram.values import Place

_SHOWN = 4
_LONGEST = 300
_RECALLED = "call:recall:"
"""How the keys of what was recalled begin in a job's journal."""


@dataclass(frozen=True, slots=True)
class Remembered:
    """How much is remembered, and the latest of it as Markdown with links to where it was said."""

    turns: int
    latest: str = ""


def threads_of(app: App, person: Person, place: Place) -> Threads:
    """Where the conversation of *place* is kept."""
    return app.materials_of(Person(shared_folder(place.thread)) if place.shared else person).threads


def remembered(app: App, person: Person, place: Place) -> Remembered:
    """What the conversation of *place* holds."""
    said = threads_of(app, person, place).history(place.thread)
    lines = [f"- {_at(turn.at, turn.message, place)} {turn.author}: {_short(turn.text)}" for turn in said[-_SHOWN:]]
    return Remembered(len(said), "\n".join(lines))


async def recalled_last(app: App, kept: TelegramStore, person: Person, place: Place) -> str:
    """What was recalled for the last question of *place*, as Markdown; empty: nothing was, or not any more."""
    asked = next((turn for turn in await anyio.to_thread.run_sync(kept.turns_in, place.key) if turn.job), None)
    if asked is None:
        return ""
    looked = (await (await app.jobs.engine()).kept(asked.job, _RECALLED)).values()
    places = [one for found in looked for one in found["places"]][:_SHOWN]
    memory = (await load("core.memory.memory")).Memory

    def read() -> list[Any]:
        return list(memory(threads_of(app, person, place)).again(places))

    said = await anyio.to_thread.run_sync(read) if places else []
    return "\n".join(f"- {_at(one.at, one.message, place)} {one.author}: {_short(one.text)}" for one in said)


def _short(text: str) -> str:
    return cut(" ".join(text.split()), _LONGEST)


def _at(at: str, message: str, place: Place) -> str:
    """When it was said, as a link to the message where there is one: supergroups alone have links, and of
    one that was a group what was said there since."""
    when = at[:16].replace("T", " ")
    number = str(place.chat)
    said, moved = message.rpartition("/")[2], place.thread.split(".")[1] != number
    if not said or not number.startswith("-100") or (moved and said == message):
        return when
    return f"[{when}](https://t.me/c/{number[4:]}/{said})"
