"""What the rooms of the Telegram door hand to one another."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Kind = Literal["ask", "say"]
"""A question, answered by a job; or something that the bot says by itself."""


@dataclass(frozen=True, slots=True)
class Spot:
    """Where in Telegram: a chat, and in a forum the topic (0: none)."""

    chat: int
    topic: int = 0

    @property
    def group(self) -> bool:
        return self.chat < 0

    def address(self) -> dict[str, int]:
        """As the Bot API wants it."""
        return {"chat_id": self.chat, **({"message_thread_id": self.topic} if self.topic else {})}


@dataclass(frozen=True, slots=True)
class Place:
    """A conversation: one person's in a chat and topic, or everybody's where that is shared.

    Args:
        thread: What its thread is called; it stays when a group becomes a supergroup.
        ai: Who answers there; empty: the default AI.
    """

    key: str
    chat: int
    thread: str
    ai: str = ""
    role: str = ""
    shared: bool = False


@dataclass(frozen=True, slots=True)
class NewTurn:
    """Something that is to be answered, or said.

    Args:
        asked: The message it answers; 0: none.
        what: For `ask` the question and of whom; for `say` the text. It is dropped once it has been sent on.
        mark: What is left of the message's words: enough to know an edit that changes nothing.
    """

    spot: Spot
    user: int
    asked: int
    place: str
    thread: str
    language: str
    kind: Kind
    what: Mapping[str, Any]
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Turn:
    """A `NewTurn` as it is kept; `sent` are the messages that show it."""

    id: int
    spot: Spot
    user: int
    asked: int
    place: str
    thread: str
    language: str
    kind: Kind
    what: Mapping[str, Any] = field(default_factory=dict)
    job: str = ""
    sent: tuple[int, ...] = ()
    open: bool = True
    mark: str = ""


@dataclass(frozen=True, slots=True)
class Member:
    """Somebody who may use the bot."""

    id: int
    name: str
    owner: bool = False
    ais: tuple[str, ...] = ()
    per_day_usd: float | None = None
