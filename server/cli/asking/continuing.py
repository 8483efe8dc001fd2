"""`-c`: goes on with what was asked last, by the same AIs, as one conversation."""

from __future__ import annotations

from typing import Any

from core.errors import InvalidInputError
from core.memory.history import History, PastRun
from core.memory.threads import USER, Threads, Turn

_GOES_ON = ("ask_one", "ask_many", "consensus", "debate")


def go_on(recipe: str, arguments: dict[str, Any], name: str | None = None) -> tuple[str, dict[str, Any]]:
    """The recipe and its arguments in the conversation of the run called *name*, or of the last one.

    Where nobody is named, the same AIs are asked as then.

    Raises:
        InvalidInputError: Nothing was asked yet.
    """
    if arguments.get("thread"):
        raise InvalidInputError("Use either -c or --thread: -c goes on with what was asked last.")
    history = History()
    try:
        past = history.get(name or _last(history))
        thread = past.thread or _begun(history, past)
    finally:
        history.close()
    arguments = arguments | {"thread": thread}
    if arguments.get("ai") or arguments.get("ais") or not past.ais:
        return recipe, arguments
    if recipe == "ask_one" and len(past.ais) == 1:
        return recipe, arguments | {"ai": past.ais[0]}
    return "ask_many" if recipe == "ask_one" else recipe, arguments | {"ais": list(past.ais)}


def _last(history: History) -> str:
    found = history.latest(limit=1, tools=_GOES_ON)
    if not found:
        raise InvalidInputError(
            "There is nothing to go on with: no run is kept. Ask without -c first; see also --thread."
        )
    return found[0].name


def _begun(history: History, past: PastRun) -> str:
    """A thread that begins with what was asked and answered in *past*."""
    thread = f"run {past.name}"
    threads = Threads()
    try:
        said = [Turn(author.partition(" (")[0], text, past.tool) for author, text in past.answers]
        threads.add(thread, [Turn(USER, past.question, past.tool), *said]).result()
    finally:
        threads.close()
    history.set_thread(past.name, thread)
    return thread
