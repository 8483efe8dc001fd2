"""A question as a job: handed in once, followed to its end, a person's word fetched on the way, and drawn."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

import anyio
import anyio.to_thread

from ai.lazy import load
from ai.runs.app import UPLOADS, App
from core.errors import InvalidInputError, StoreError
from core.jobs.approvals import Approval
from core.memory.origin import Origin
from core.memory.scope import Place as MemoryPlace
from core.people.person import Person
from core.untrusted import visible
from server.telegram import answers
from server.telegram.answers import Drawn
from server.telegram.attachments import Attachments, Fetched, forget_files
from server.telegram.questions import chat_for, files_of
from server.telegram.rich import cut
from server.telegram.speech import say
from server.telegram.store import TelegramStore
from server.telegram.telling import Teller
from server.telegram.values import Turn
from tools.recipe.off_loop import off_loop

if TYPE_CHECKING:
    from core.jobs.values import Job

log = logging.getLogger(__name__)

_LOOK_S = 60.0
_PAUSED_LOOK_S = 2.0
_LONGEST_ARGUMENTS = 2_500


class Nudged(Protocol):
    """Who waits for a turn: `nudged` is set when something happened to it."""

    nudged: anyio.Event
    stopped: str


class Asker:
    """Has questions answered. Everything runs as the person of the moment.

    Args:
        bot: The bot's number, by which its requests are told from another bot's.
    """

    def __init__(self, app: App, kept: TelegramStore, teller: Teller, *, attachments: Attachments, bot: int) -> None:
        self._app, self._kept, self._teller = app, kept, teller
        self._attachments = attachments
        self._bot = bot

    async def job(self, turn: Turn, person: Person) -> Job:
        """The job that *turn* is; handed in now where it is none yet.

        Raises:
            MootError: It cannot be answered; the message says why.
        """
        if turn.job:
            return await self._app.jobs.get(turn.job)
        fetched = await self._fetched(turn, person)
        chat = chat_for(self._app.roster, turn, fetched.files, fetched.images)
        job: Job = await (await load("server.jobs.background")).submit(
            self._app, chat.recipe, chat.arguments, request_key=self._key(turn), origin=_origin(turn, fetched)
        )
        await anyio.to_thread.run_sync(self._kept.asked, turn.id, job.id)
        return job

    async def over(self, turn: Turn, job: Job, waits: Nudged) -> Job:
        """*job* once there is nothing to wait for any more; questions of its agent go to whoever asked."""
        asked: set[str] = set()
        while not job.over:
            waits.nudged = anyio.Event()
            if job.state == "paused":
                open_ones = await self._app.jobs.approvals(job.id)
                for approval in open_ones:
                    if approval.id not in asked:
                        asked.add(approval.id)
                        await self._ask_person(turn, approval)
                if not open_ones and not job.waits:
                    return job
                with anyio.move_on_after(_PAUSED_LOOK_S):
                    await waits.nudged.wait()
                job = await self._app.jobs.get(job.id)
            else:
                job = await self._app.jobs.wait(job.id, _LOOK_S)
        return job

    async def drawn(self, turn: Turn, job: Job) -> Drawn:
        """What *job* came to.

        Raises:
            MootError: Its result cannot be read.
        """
        if job.state == "done" and (result := await self._app.jobs.result(job.id)):
            found = await off_loop(_drawn, result.markdown, job.kind, result.structured, turn, otherwise=None)
            return found or answers.unmarked(result.markdown)
        if job.state == "cancelled":
            return answers.stopped("", turn.language)
        if job.state == "paused":
            await self._app.jobs.cancel(job.id)
            return answers.sentence(say(turn.language, "paused", reason=job.reason))
        return answers.sentence(say(turn.language, "failed", reason=job.reason))

    async def forget(self, turn: Turn, person: Person) -> None:
        """Delete all that is kept of *turn*, which is answered, since nothing is to be remembered of it."""
        try:
            for note in await (await load("ai.recall.forgetting")).forget_jobs(
                self._app.jobs, [turn.job] if turn.job else []
            ):
                log.warning("%s", note)
            await anyio.to_thread.run_sync(forget_files, person, [turn.id])
        except StoreError as error:
            log.warning("What a guest asked in turn %d is kept for now: %s", turn.id, error)

    async def _fetched(self, turn: Turn, person: Person) -> Fetched:
        files = files_of(turn)
        if not files:
            return Fetched()
        fetched = await self._attachments.fetch(files, person, turn.id, turn.language)
        unread = fetched.problems and not (fetched.files or fetched.images)
        if unread and "aside" not in turn.what:  # there is a question without what could not be read
            raise InvalidInputError(" ".join(fetched.problems))
        if told := [*fetched.problems, *fetched.notes]:
            await self._teller.soon(turn, {"text": cut("\n".join(told))})
        return fetched

    async def _ask_person(self, turn: Turn, approval: Approval) -> None:
        """Ask whoever asked whether the tool may be called: the buttons name the turn and this very call."""
        shown = json.dumps(json.loads(approval.arguments), indent=2, ensure_ascii=False)
        text = f"{approval.sentence()}\n\n{cut(chr(10).join(map(visible, shown.split(chr(10)))), _LONGEST_ARGUMENTS)}"
        keyboard = [
            [
                {"text": say(turn.language, "approve"), "callback_data": f"yes:{turn.id}:{approval.id}"},
                {"text": say(turn.language, "deny"), "callback_data": f"no:{turn.id}:{approval.id}"},
            ]
        ]
        await self._teller.soon(turn, {"text": cut(text), "keyboard": keyboard})

    def _key(self, turn: Turn) -> str:
        """What makes the request known again: the turn, which a kill leaves as it was."""
        return f"telegram {self._bot} {turn.id} {turn.spot.chat} {turn.asked}"


def memory_place(thread: str) -> MemoryPlace:
    """What memory calls the chat and topic of *thread*: by their first numbers, also in a supergroup later."""
    _, chat, topic = thread.split(".")[:3]
    return MemoryPlace(f"telegram {chat}", "" if topic == "0" else topic)


def message_name(thread: str, chat: int, message: int) -> str:
    """What memory calls *message*: with its chat where that is a supergroup now, which counts anew; of those of the
    group before, which are below 0, the number that they had there."""
    moved = thread.split(".")[1] != str(chat)
    return f"{chat}/{message}" if moved and message > 0 else str(abs(message))


def shared_folder(thread: str) -> str:
    """Whose folder a thread is in that everybody in a group shares: nobody's, who could be asked for anything else.

    It is the same for all conversations of a chat and topic, since what was said in earlier ones belongs to it.
    """
    return f"tg.group.{'.'.join(thread.split('.')[:3]).replace('-', 'n')}"


def _origin(turn: Turn, fetched: Fetched) -> Origin:
    files = tuple(f"{UPLOADS}/{name}" for name in (*fetched.files, *fetched.images))
    shared = shared_folder(turn.thread) if "shared" in turn.what else ""
    message = message_name(turn.thread, turn.spot.chat, turn.asked)
    return Origin(memory_place(turn.thread), f"telegram {turn.user}", message, files, shared)


def _drawn(markdown: str, kind: str, result: Mapping[str, Any], turn: Turn) -> Drawn | None:
    return answers.drawn(kind, result, markdown, turn.id, turn.language)
