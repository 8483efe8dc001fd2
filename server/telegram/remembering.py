"""What is remembered of a conversation, to be shown and forgotten: `/memory` and `/forget`. Everything here blocks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ai.runs.app import App
from core.memory.threads import USER, Threads, Turn
from core.people.person import Person
from server.telegram.asking import shared_folder
from server.telegram.rich import cut
from server.telegram.values import Place

_SHOWN = 4
_LONGEST = 300


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
    lines = [f"- {_link(turn, place)} {_shown(turn)}" for turn in said[-_SHOWN:]]
    return Remembered(len(said), "\n".join(lines))


def last_messages(said: Sequence[Turn], count: int) -> list[str]:
    """The messages in which the last *count* questions of *said* were asked."""
    asked = [turn.message for turn in said if turn.author == USER and turn.message]
    return list(dict.fromkeys(asked[-count:])) if count else []


def _shown(turn: Turn) -> str:
    return f"{turn.author}: {cut(' '.join(turn.text.split()), _LONGEST)}"


def _link(turn: Turn, place: Place) -> str:
    """When it was said, as a link to the message where there is one: supergroups alone have links."""
    when = turn.at[:16].replace("T", " ")
    number = str(place.chat)
    if not turn.message or not number.startswith("-100"):
        return when
    return f"[{when}](https://t.me/c/{number[4:]}/{turn.message})"
