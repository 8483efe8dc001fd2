"""What a person is asked before a job's agent calls a tool, kept with the job until it is answered, by whatever door.

An approval is for one call and its exact arguments: its id is made of them and of where the call stands, it is given
once, and it goes stale. Both the question and the word are finished calls of the job's journal, of which the first that
is kept under a key stays: so no second answer counts, and no process has to be there.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Self

from core.errors import InvalidInputError
from core.jobs.engine import JobEngine
from core.untrusted import visible

ANSWERED_WITHIN_S = 86_400.0
"""How long a question stands, and how long a yes that was not used counts."""
ASKED, ANSWERED, BEGAN = "call:asked:", "call:answered:", "call:began:"
"""How the keys begin, in a job's journal, of questions, of answers, and of calls that were begun."""
Why = Literal["changes", "unknown"]
"""Because the tool may change things; or because it is not known whether an earlier try of this call did."""


@dataclass(frozen=True, slots=True)
class Approval:
    """One question to a person: whether *agent* may call *tool* with exactly these *arguments* (canonical JSON).

    `place` is where in its run the call stands, `round` how often it has been asked; times are seconds since the epoch.
    """

    tool: str
    arguments: str
    agent: str
    place: str
    why: Why = "changes"
    round: int = 1
    asked_at: float = 0.0

    @property
    def id(self) -> str:
        """What an answer has to name: the same for this call, these arguments and this round alone."""
        whole = json.dumps([self.tool, self.arguments, self.agent, self.place, self.why, self.round])
        return hashlib.sha256(whole.encode()).hexdigest()[:16]

    @property
    def expires_at(self) -> float:
        return self.asked_at + ANSWERED_WITHIN_S

    @property
    def expired(self) -> bool:
        return time.time() > self.expires_at

    def to_json(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in Approval.__dataclass_fields__}

    @classmethod
    def of_json(cls, fields: Mapping[str, Any]) -> Self:
        return cls(**{name: fields[name] for name in Approval.__dataclass_fields__})

    def sentence(self) -> str:
        """The question, on one line; what does not show in it is written as escapes."""
        call = visible(f"{self.tool}({self.arguments})")
        if self.why == "unknown":
            return (
                f"{self.agent} had begun {call} when it was cut off, and whether it happened is not known. Do it again?"
            )
        return f"{self.agent} wants to call {call}. Allow it?"

    def now(self) -> Self:
        """The question as it is asked at this moment."""
        return replace(self, asked_at=time.time())

    def again(self) -> Self:
        """The same question once more, under another id."""
        return replace(self, round=self.round + 1)


def word_of(answer: Mapping[str, Any] | None) -> bool | None:
    """What was answered; None where nothing was, or where a yes has gone stale."""
    if answer is None:
        return None
    fresh = time.time() - float(answer["at"]) <= ANSWERED_WITHIN_S
    return bool(answer["yes"]) and fresh if fresh or not answer["yes"] else None


async def open_approvals(engine: JobEngine, job: str) -> list[Approval]:
    """The questions of *job* that nobody has answered and that still stand, the oldest first."""
    asked = [Approval.of_json(one) for one in (await engine.kept(job, ASKED)).values()]
    answered = await engine.kept(job, ANSWERED) if asked else {}
    standing = [one for one in asked if f"{ANSWERED}{one.id}" not in answered and not one.expired]
    return sorted(standing, key=lambda one: one.asked_at)


async def answer_approval(engine: JobEngine, job: str, id: str, *, yes: bool) -> Approval:
    """Keep a person's word; the question that it answers.

    Raises:
        InvalidInputError: No such question stands: it was never asked, is answered, or has gone stale.
    """
    found = next((one for one in await open_approvals(engine, job) if one.id == id), None)
    if found is None:
        raise InvalidInputError(
            f"Job {job} does not wait for an answer to {id[:64]!r}: it is answered, or too old. Look at the job again."
        )
    if not await engine.note(job, f"{ANSWERED}{id}", {"yes": yes, "at": time.time()}):
        raise InvalidInputError(f"Somebody else has answered {id!r} in this moment. Look at job {job} again.")
    return found
