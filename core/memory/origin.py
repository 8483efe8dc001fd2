"""Where the question of a job was asked, for the turns that are kept of it: a chat, who said it, in which message."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from core.memory.scope import Place

ORIGIN = "_origin"
"""Where it was asked, among a job's arguments: the name of no parameter."""


@dataclass(frozen=True, slots=True)
class Origin:
    """Where somebody asked; nothing said: the terminal, or a host.

    Args:
        person: Who asked, where several people talk, such as `telegram 4711`.
        message: What the question is called there, so that it can be shown and forgotten there.
        files: What was uploaded with it, below the data folder.
        shared: Whose folder the thread is in, where several people share it; empty: that of whoever asks.
    """

    place: Place = field(default_factory=Place)
    person: str = ""
    message: str = ""
    files: tuple[str, ...] = ()
    shared: str = ""

    def as_json(self) -> dict[str, Any]:
        return {
            "place": [self.place.channel, self.place.topic],
            "person": self.person,
            "message": self.message,
            "files": list(self.files),
            "shared": self.shared,
        }

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Origin:
        """What `as_json` told of."""
        channel, topic = told["place"]
        place, files = Place(str(channel), str(topic)), tuple(map(str, told["files"]))
        return cls(place, str(told["person"]), str(told["message"]), files, str(told["shared"]))
