"""What was said before, for the person whose it is: found, forgotten, taken elsewhere and back."""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from itertools import chain
from typing import Any, TextIO

import anyio
import anyio.to_thread

from ai.local.vectors import MINILM, STATIC, install_vectors
from ai.recall.chosen import index_kind, open_memory
from ai.recall.forgetting import forget as forget_everywhere
from ai.recall.opening import index_all, with_memory
from ai.runs.app import open_app
from ai.runs.run import Run
from core.errors import InvalidInputError
from core.memory.forgetting import Forgotten, Which
from core.memory.found import Found
from core.memory.memory import Memory, MemoryStatus
from core.memory.moving import exported, lines_of, take_in
from core.memory.scope import Scope
from core.memory.threads import Match, Threads
from core.people.person import acting
from core.untrusted import clean, one_line, quoted
from server.cli.options import NONE, OK, note, print_json
from server.cli.showing.private_file import private_output
from tools.recipe.kit import counted

Where = Mapping[str, str | None]
_FEW = 5
_BY_WORDS = (
    'Nothing is indexed by meaning, since "embedder" is "none" in "memory" of credentials.json. Change that first.'
)
_EXCERPT = 200
_DAYS = re.compile(r"(\d{1,5})d")


def scope_of(where: Where) -> Scope:
    """The scope of --thread, --chat and --topic; all that is the person's where neither is given, who asks for it."""
    for name in ("thread", "chat"):
        if where[name] == "":
            raise InvalidInputError(f"--{name} is empty. Give a name, or leave it out.")
    if where["topic"] and not where["chat"]:
        raise InvalidInputError("--topic is a topic of a chat. Add --chat NAME.")
    if where["thread"] and where["chat"]:
        raise InvalidInputError("Give either --thread or --chat, not both.")
    if where["thread"]:
        return Scope.of_thread(where["thread"])
    return Scope.of_chat(where["chat"], where["topic"] or "") if where["chat"] else Scope.of_everything()


def show_status(*, as_json: bool) -> int:
    """Print how much is kept, and how it is searched."""
    status, lacking, kind = anyio.run(_status)
    if as_json:
        print_json({**asdict(status), "kind": kind, "lacking": lacking or None})
        return OK
    print(f"{counted(status.turns, 'turn')} in {counted(status.threads, 'thread')}")
    if not status.turns:
        note("nothing is kept yet. To begin: moot ask --thread NAME ...")
    if status.embedder is None:
        print("Searched by words alone." if not lacking else f"Searched by words alone. {clean(lacking)}")
        return OK
    print(f"By meaning: {status.embedder}, kept {'in threads.db' if kind == 'here' else f'by {kind}'}")
    if status.waiting:
        answering = f"; {status.answering} answers meanwhile" if status.answering else ""
        print(f"Not indexed yet: {counted(status.waiting, 'turn')}{answering}. To do it now: moot memory reindex")
    if status.unforgotten:
        print(f"An index was away when {counted(status.unforgotten, 'turn')} were forgotten. Run: moot memory reindex")
    if status.others and not status.waiting:
        print(
            f"Vectors of before are still in: {', '.join(status.others)}. To empty it, with what configures it "
            "(CHROMA_URL, MOOT_STORE) set: moot memory reindex"
        )
    return OK


def show_search(question: str, most: int, where: Where, *, as_json: bool) -> int:
    """Print the passages that would be recalled for *question*."""
    found = anyio.run(_search, scope_of(where), question, most)
    if as_json:
        print_json({"passages": [asdict(one) for one in found.passages], "notes": found.notes})
        return OK if found.passages else NONE
    for one in found.passages:
        who = one_line(one.person or one.author, 60)
        message = f", message {one_line(one.message, 60)}" if one.message else ""
        print(f"[{one.turn}] {one.at[:16].replace('T', ' ')}  {who} in {one.thread}{message}  ({', '.join(one.by)})")
        print(f"{quoted(one.text)}\n")
    for line in found.notes:
        note(clean(line))
    if not found.passages:
        note("Nothing found. To list what is kept: moot threads")
        return NONE
    return OK


def forget_said(where: Where, what: Mapping[str, Any], agreed: Callable[[str], bool], *, as_json: bool) -> int:
    """Delete what was said; the exit code."""
    scope = scope_of(where)
    which = Which(what["turn"], what["message"], _moment(what["since"]), _moment(what["until"]))
    place = where["thread"] or where["chat"]
    asked = f"all that was said in {place!r}" if place else "all that was ever said"
    if not which.everything:
        asked = f"what you named of {asked}"
    if not agreed(f"Forget {asked}, for good?"):
        return OK
    gone = anyio.run(_forget, scope, which)
    if as_json:
        print_json({"turns": gone.turns, "threads": gone.threads, "jobs": gone.jobs, "notes": gone.notes})
    elif gone.turns or gone.jobs:
        jobs = f" and {counted(len(gone.jobs), 'job')}" if gone.jobs else ""
        print(f"Forgotten: {counted(gone.turns, 'turn')}{jobs}.")
    else:
        note("There is nothing to forget.")
    for line in () if as_json else gone.notes:
        note(clean(line))
    return OK if gone.turns or gone.jobs else NONE


def forget_thread(name: str) -> bool:
    """Delete the thread *name* and every copy of it; whether there was one."""
    gone = anyio.run(_forget, Scope.of_thread(name), Which())
    for line in gone.notes:
        note(clean(line))
    return bool(gone.turns or gone.jobs)


def export(where: Where, name: str) -> int:
    """Write what was said to the file *name*, which stays as it is where nothing was; the exit code."""
    threads = _threads()
    try:
        said = exported(threads, scope_of(where))
        if (first := next(said, None)) is None:
            note("Nothing is kept there, so that nothing was written. To list what is: moot threads")
            return NONE
        with private_output(name) as output:
            wrote = sum(_write(output, one) for one in chain([first], said))
    finally:
        threads.close()
    if name != "-":
        note(f"wrote {counted(wrote, 'turn')}.")
    return OK


def _write(output: TextIO, one: Mapping[str, Any]) -> int:
    output.write(json.dumps(one, ensure_ascii=False) + "\n")
    return 1


def take_in_file(file: TextIO) -> int:
    """Keep what stands in *file*."""
    threads = _threads()
    try:
        many = take_in(threads, lines_of(file))
    finally:
        threads.close()
    if many:
        note(f"kept {counted(many, 'new turn')}. To index by meaning now: moot memory reindex")
    else:
        note("kept nothing: the file has no turn that is not there already.")
    return OK


def index_now() -> int:
    """Index what is not indexed yet; the exit code."""
    if lacking := anyio.run(_index):
        note(clean(lacking))
        return NONE
    note("all is indexed.")
    return OK


def install_vectors_now(*, minilm: bool) -> int:
    """Fetch what searching by meaning needs."""
    install_vectors(note, MINILM if minilm else STATIC)
    if minilm:
        note('to use it: "memory": {"embedder": "minilm"} in credentials.json, and: moot memory reindex')
    return OK


def turns_like(words: str) -> tuple[list[Match], tuple[str, ...]]:
    """Turns that hold all *words*, and where these are few, others that matter to them; and what was not searched."""
    return anyio.run(_like, words)


def _threads() -> Threads:
    return Threads(acting().folder() / "threads.db")


def _moment(given: str | None) -> datetime | None:
    if given is None:
        return None
    if days := _DAYS.fullmatch(given):
        return datetime.now(UTC) - timedelta(days=int(days[1]))
    try:
        return datetime.fromisoformat(given).astimezone(UTC)
    except (ValueError, OverflowError):
        raise InvalidInputError(f"{given!r} is no day. Give one such as 2026-03-01, or 7d.") from None


@asynccontextmanager
async def _opened() -> AsyncIterator[Run]:
    async with open_app() as app:
        materials = await anyio.to_thread.run_sync(app.materials_of, acting())
        async with app.run("memory", materials=materials) as run:
            yield run


async def _status() -> tuple[MemoryStatus, str, str]:
    async with _opened() as run:
        config, threads = run.roster.config.memory, run.threads

        def look() -> tuple[MemoryStatus, str]:
            memory = open_memory(threads, config, run)
            return memory.status(), memory.lacking

        return *await anyio.to_thread.run_sync(look), index_kind(config)


async def _search(scope: Scope, question: str, most: int) -> Found:
    async with _opened() as run:

        def look(memory: Memory) -> Found:
            return memory.search(scope, question, most=most)

        return await with_memory(run, look)


async def _like(words: str) -> tuple[list[Match], tuple[str, ...]]:
    async with _opened() as run:
        matches = await anyio.to_thread.run_sync(run.threads.search, words)
        if len(matches) >= _FEW:
            return matches, ()
        found = await with_memory(run, lambda memory: memory.search(Scope.of_everything(), words, most=_FEW))
        known = {(one.thread, one.author, one.at) for one in matches}
        for one in found.passages:
            if (one.thread, one.author, one.at) not in known:
                matches.append(Match(one.thread, one.author, one.at, one_line(one.text, _EXCERPT)))
        return matches, found.notes


async def _forget(scope: Scope, which: Which) -> Forgotten:
    async with _opened() as run:
        return await forget_everywhere(run, scope, which)


async def _index() -> str:
    """Index all; or why nothing can be."""
    async with _opened() as run:
        lacking = await with_memory(run, lambda memory: "" if memory.embedder else memory.lacking or _BY_WORDS)
        if not lacking:
            await index_all(run, lambda left: note(f"{counted(left, 'turn')} left"))
        return lacking
