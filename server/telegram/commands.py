"""The commands, each a function that says what comes of it; one more is a row of COMMANDS and a line in `words/`."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import anyio.to_thread

from ai.runs.app import App
from core.errors import MootError, StoreError
from core.people.person import Person
from core.roles import all_roles
from core.usage.ledger import days_back
from server.telegram.forgetting import forget_all, forget_answered, forget_last, said_together
from server.telegram.incoming import Said
from server.telegram.members import Members
from server.telegram.questions import LONGEST, default_agent, question_turn
from server.telegram.remembering import recalled_last, remembered
from server.telegram.speech import languages, say, words
from server.telegram.store import Change, TelegramStore, put_place
from server.telegram.turns import Turns
from server.telegram.values import NewTurn, Place

log = logging.getLogger(__name__)

_LONGEST_DATA = 64
"""Bytes that a button may carry."""
_MOST_BUTTONS = 40
_DAYS = 30


@dataclass(frozen=True)
class Asked:
    """A command, with all it may need."""

    said: Said
    person: Person
    place: Place
    language: str
    app: App
    kept: TelegramStore
    members: Members
    turns: Turns
    parts: tuple[Said, ...] = ()
    """All that belongs to it, such as the pictures of an album; empty: `said` alone."""

    def say(self, sentence: str, /, **values: Any) -> dict[str, Any]:
        return {"text": say(self.language, sentence, **values)}

    @property
    def agent(self) -> str:
        return default_agent(self.app.roster, self.place, self.person)


@dataclass(frozen=True)
class Outcome:
    """What comes of it: something to say, a question to ask, and what changes."""

    what: Mapping[str, Any] | None = None
    ask: NewTurn | None = None
    changes: tuple[Change, ...] = ()


@dataclass(frozen=True)
class Command:
    """What a command does.

    Args:
        alone: Whether what it says is for whoever asked alone, also in a group.
    """

    run: Callable[[Asked], Awaitable[Outcome]]
    alone: bool = False
    name: str = field(default="")


async def _start(asked: Asked) -> Outcome:
    return Outcome(asked.say("start", name=asked.said.sender.name))


async def _help(asked: Asked) -> Outcome:
    return Outcome(asked.say("help", ai=asked.agent or "AI"))


async def _ask(asked: Asked) -> Outcome:
    agent, text = asked.agent, asked.said.text
    first, rest = (*text.split(maxsplit=1), "", "")[:2]
    wanted = first.rstrip(",:").casefold()
    named = next((name for name in choosable(asked.app, asked.person) if name.casefold() == wanted), None)
    if named is not None and (rest or asked.said.quote or asked.said.files):
        agent, text = named, rest
    return _question(asked, agent, text)


def _to(panel: str) -> Callable[[Asked], Awaitable[Outcome]]:
    async def run(asked: Asked) -> Outcome:
        return _question(asked, panel, asked.said.text)

    return run


def _question(asked: Asked, agent: str, text: str) -> Outcome:
    if not asked.agent:
        return Outcome(asked.say("no_ais"))
    if not text.strip() and not asked.said.quote and not asked.said.files:
        return Outcome(asked.say("need_question", command=asked.said.command))
    if len(text) > LONGEST:
        return Outcome(asked.say("too_long", most=LONGEST))
    return Outcome(ask=question_turn(asked.parts or [asked.said], asked.place, agent, asked.language, text=text))


async def _ai(asked: Asked) -> Outcome:
    known = choosable(asked.app, asked.person)
    wanted = asked.said.text.strip()
    if wanted:
        return choose_ai(asked, wanted)
    if not known:
        return Outcome(asked.say("no_ais"))
    told = asked.say("choose_ai", ai=asked.agent)
    return Outcome({**told, "keyboard": _keyboard("ai", known)})


def choosable(app: App, person: Person) -> list[str]:
    """The AIs, and agents, that *person* may have answer."""
    seats = [name for name in app.roster.seats if name not in app.roster.unlisted]
    return person.allowed(dict.fromkeys([*seats, *app.config.agents]))


def choose_ai(asked: Asked, wanted: str) -> Outcome:
    """Have *wanted* answer from now on."""
    known = choosable(asked.app, asked.person)
    found = next((name for name in known if name.casefold() == wanted.casefold()), None)
    if found is None:
        return Outcome(asked.say("no_ai", ai=repr(wanted[:40]), known=", ".join(known) or "-"))
    return Outcome(asked.say("ai_set", ai=found), changes=(put_place(replace(asked.place, ai=found)),))


async def _role(asked: Asked) -> Outcome:
    known = list(all_roles(asked.app.config.roles))
    wanted = asked.said.text.strip()
    if wanted:
        return choose_role(asked, wanted)
    told = asked.say("choose_role", role=asked.place.role or say(asked.language, "role_none"))
    keyboard = _keyboard("role", known)
    keyboard.append([{"text": say(asked.language, "role_none"), "callback_data": "role:-"}])
    return Outcome({**told, "keyboard": keyboard})


def choose_role(asked: Asked, wanted: str) -> Outcome:
    """Have it work as *wanted* from now on; `-` as nothing in particular."""
    known = list(all_roles(asked.app.config.roles))
    plain = wanted.casefold().replace(" ", "_")
    found = "" if plain in ("-", "none") else next((name for name in known if name.casefold() == plain), None)
    if found is None:
        return Outcome(asked.say("no_role", role=repr(wanted[:40]), known=", ".join(known)))
    shown = found or say(asked.language, "role_none")
    return Outcome(asked.say("role_set", role=shown), changes=(put_place(replace(asked.place, role=found)),))


async def _new(asked: Asked) -> Outcome:
    base = ".".join(asked.place.thread.split(".")[:3])
    place = replace(asked.place, thread=f"{base}.{secrets.token_hex(3)}")
    changes = (put_place(place),)
    if asked.agent and (asked.said.text.strip() or asked.said.files):  # with its first question
        made = question_turn(asked.parts or [asked.said], place, asked.agent, asked.language)
        return Outcome(ask=made, changes=changes)
    return Outcome(asked.say("new"), changes=changes)


async def _memory(asked: Asked) -> Outcome:
    wanted = asked.said.text.strip().casefold()
    if wanted in ("shared", "own") and asked.said.spot.group:
        member = await anyio.to_thread.run_sync(asked.members.of, asked.said.sender.id)
        if member is None or not member.owner:
            return Outcome(asked.say("memory_owner"))
        spot = asked.said.spot
        key = f"{spot.chat}.{spot.topic}"
        place = Place(key, spot.chat, f"telegram.{spot.chat}.{spot.topic}", shared=wanted == "shared")
        kept = await anyio.to_thread.run_sync(asked.kept.place, key)
        if kept is not None:
            place = replace(kept, shared=wanted == "shared")
        return Outcome({**asked.say(f"memory_{wanted}"), "public": True}, changes=(put_place(place),))
    found = await anyio.to_thread.run_sync(remembered, asked.app, asked.person, asked.place)
    passages = await recalled_last(asked.app, asked.kept, asked.person, asked.place)
    if not found.turns and not passages:
        return Outcome(asked.say("memory_empty"))
    parts = [say(asked.language, "memory", turns=found.turns), found.latest] if found.turns else []
    parts += [say(asked.language, "memory_recalled"), passages] if passages else []
    return Outcome({"markdown": "\n\n".join(parts)})


async def _forget(asked: Asked) -> Outcome:
    said = " ".join(asked.said.text.casefold().split())
    if asked.place.shared and not asked.person.owns:
        return Outcome(asked.say("memory_owner"))
    there = (asked.app, asked.kept, asked.turns, asked.person, asked.place)
    last = re.fullmatch(r"last(?: (\d{1,4}))?", said)
    if said == "all":
        gone = await forget_all(*there)
    elif last:
        gone = await forget_last(*there, int(last[1] or 1))
    elif asked.said.quote is not None and asked.said.quote.message:
        gone = await forget_answered(*there, asked.said.quote.message)
    else:
        return Outcome(asked.say("forget_how"))
    told = asked.say("forgotten", count=gone.count) if gone.count else asked.say("forget_nothing")
    notes = [*gone.notes]
    own = said == "all" and asked.said.spot.group and not asked.place.shared
    if own and await said_together(asked.app, asked.place):
        notes.append(say(asked.language, "forget_together"))
    return Outcome({"text": "\n".join([told["text"], *notes])})


async def _status(asked: Asked) -> Outcome:
    found = await anyio.to_thread.run_sync(remembered, asked.app, asked.person, asked.place)
    told = asked.say(
        "status",
        ais=len(asked.app.roster.names),
        running=asked.turns.under_way,
        mine=asked.turns.waiting(asked.place.key),
        ai=asked.agent or "-",
        role=asked.place.role or say(asked.language, "role_none"),
        turns=found.turns,
    )
    return Outcome(told)


async def _usage(asked: Asked) -> Outcome:
    now = datetime.now(UTC)
    ledger, name = asked.app.ledger, asked.person.name

    def rows() -> Any:
        if not ledger.exists():
            return []
        return ledger.usage(days_back(_DAYS, now), now + timedelta(days=1), by="ai", person=name)

    found = await anyio.to_thread.run_sync(rows)
    if not found:
        return Outcome(asked.say("usage_none"))
    lines = [say(asked.language, "usage", calls=sum(row.calls for row in found), cost=_spent(found, asked.language))]
    lines += [f"{row.key}: {row.calls}, {_spent([row], asked.language)}" for row in found]
    if asked.person.per_day_usd is not None:
        lines.append(say(asked.language, "usage_limit", limit=f"${asked.person.per_day_usd:.2f}"))
    return Outcome({"text": "\n".join(lines)})


async def _stop(asked: Asked) -> Outcome:
    stopped = await asked.turns.stop(asked.place.key)
    return Outcome(None if stopped else asked.say("nothing_to_stop"))


COMMANDS: dict[str, Command] = {
    "start": Command(_start),
    "help": Command(_help, alone=True),
    "ask": Command(_ask),
    "all": Command(_to("moot/ask-many")),
    "debate": Command(_to("moot/debate")),
    "consensus": Command(_to("moot/consensus")),
    "ai": Command(_ai, alone=True),
    "role": Command(_role, alone=True),
    "new": Command(_new, alone=True),
    "memory": Command(_memory, alone=True),
    "forget": Command(_forget, alone=True),
    "status": Command(_status, alone=True),
    "usage": Command(_usage, alone=True),
    "stop": Command(_stop),
}


async def run(asked: Asked) -> Outcome:
    """What comes of the command in *asked*. A store or a roster that fails is one sentence."""
    command = COMMANDS.get(asked.said.command)
    if command is None:
        return Outcome(asked.say("no_such_command", command=asked.said.command[:32]))
    try:
        outcome = await command.run(asked)
    except StoreError as error:  # which says where the database of this installation is
        log.warning("The command /%s was not done: %s", asked.said.command, error)
        outcome = Outcome(asked.say("store_away"))
    except MootError as error:
        outcome = Outcome(asked.say("failed", reason=str(error)))
    if command.alone and outcome.what is not None and not outcome.what.get("public"):
        return replace(outcome, what={**outcome.what, "private": True})
    return outcome


def menu(language: str) -> list[dict[str, str]]:
    """The commands as Telegram shows them."""
    return [{"command": name, "description": words(language)[f"menu.{name}"]} for name in COMMANDS]


def menus() -> dict[str, list[dict[str, str]]]:
    """By language the menu; the one for everybody else under no name."""
    first, *others = languages()
    return {"": menu(first), **{language: menu(language) for language in others}}


def _keyboard(action: str, names: list[str]) -> list[list[dict[str, str]]]:
    data = {name: f"{action}:{name}" for name in names[:_MOST_BUTTONS]}
    made = [{"text": name, "callback_data": told} for name, told in data.items() if len(told.encode()) <= _LONGEST_DATA]
    return [made[start : start + 2] for start in range(0, len(made), 2)]


def _spent(rows: list[Any], language: str) -> str:
    known = sum(row.cost_usd for row in rows if row.cost_usd is not None)
    complete = all(row.cost_complete for row in rows)
    if complete or known:
        return f"{'' if complete else '≥ '}${known:.4f}"
    return say(language, "cost_unknown")
