"""Where a search may look, and where something is kept: nothing is ever found outside of what was named."""

from __future__ import annotations

from dataclasses import dataclass

from core.errors import InvalidInputError

ANY_TOPIC = "*"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a thread belongs: a chat such as `telegram -100123`, and a topic in it; both empty: the terminal."""

    channel: str = ""
    topic: str = ""


@dataclass(frozen=True, slots=True)
class Scope:
    """Where to look. Build it by `of_thread`, `of_chat` or `of_everything`; there is none that names nothing.

    The file that is searched belongs to one person (`Person.folder()`) or to one group: what others keep is in files
    of their own and cannot be reached by any scope.

    Args:
        thread: This thread alone.
        channel: This chat: all its threads, in `topic` alone. `ANY_TOPIC` for every one, once somebody there said so.
        person: Only what this one said there, in chats of several people; empty: whoever.
        everything: All of the file, which only whoever owns it may say.
    """

    thread: str | None = None
    channel: str | None = None
    topic: str = ""
    person: str = ""
    everything: bool = False

    def __post_init__(self) -> None:
        if [self.thread is not None, self.channel is not None, self.everything].count(True) != 1:
            raise InvalidInputError("A search needs one of 'thread', 'channel' and 'everything'. Say where to look.")
        if "" in (self.thread, self.channel):  # the chat without a name would be all that the terminal kept
            raise InvalidInputError("A search needs the name of a thread or chat. Say where to look.")

    @classmethod
    def of_thread(cls, name: str, *, person: str = "") -> Scope:
        return cls(thread=name, person=person)

    @classmethod
    def of_chat(cls, channel: str, topic: str = "", *, person: str = "") -> Scope:
        return cls(channel=channel, topic=topic, person=person)

    @classmethod
    def of_everything(cls) -> Scope:
        return cls(everything=True)
