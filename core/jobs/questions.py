"""What running jobs want to know of their user, until it is answered. Lives in the process that runs the jobs."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio


@dataclass(frozen=True, slots=True)
class Question:
    """A form for the user: `schema` is a JSON schema of flat fields, as MCP's elicitation wants it."""

    message: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "properties": {}})


@dataclass
class _Pending:
    question: Question
    answered: anyio.Event = field(default_factory=anyio.Event)
    answer: dict[str, Any] | None = None


class Questions:
    """The questions nobody has answered yet. An id is never used twice."""

    def __init__(self) -> None:
        self._pending: dict[tuple[str, str], _Pending] = {}

    async def ask(self, job: str, question: Question) -> dict[str, Any] | None:
        """What the user fills in; None when they decline. Waits for as long as it takes."""
        key = (job, secrets.token_hex(8))
        self._pending[key] = pending = _Pending(question)
        try:
            await pending.answered.wait()
        finally:
            self._pending.pop(key, None)
        return pending.answer

    def of(self, job: str) -> dict[str, Question]:
        """The questions of *job*, by their ids."""
        return {name: pending.question for (owner, name), pending in self._pending.items() if owner == job}

    def answer(self, job: str, id: str, answer: dict[str, Any] | None) -> None:
        """Settle a question; None declines it. One that is not asked (any more) is ignored."""
        if pending := self._pending.pop((job, id), None):
            pending.answer = answer
            pending.answered.set()
