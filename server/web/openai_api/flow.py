"""A run as a stream of neutral pieces: thoughts, text, and an end that says everything about it.

The bus writes into it as things happen, on the event loop's thread; whoever sends them on takes what has come since,
joined, so that a thousand tokens of one read are one piece. Nothing is lost and nothing waits for a slow reader: what
is not taken yet is no more than the answer, which is held anyway.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio

from ai.runs.app import App
from ai.wire.ancestry import deepen
from core.errors import AIError, TruncatedError
from core.events import (
    CallFailed,
    CallFinished,
    CallStarted,
    Event,
    RunFinished,
    RunStarted,
    Thought,
    Token,
    ToolFinished,
    ToolStarted,
)
from core.untrusted import one_line
from core.usage.tokens import input_tokens, text_tokens
from core.values import Answer, FinishReason, Request, ToolCall
from core.view import RunView
from server.progress import line_of
from server.web.openai_api.panels import PanelRun, run_panel
from server.web.openai_api.targets import Panel


@dataclass(frozen=True, slots=True)
class Counted:
    """Tokens of a whole run; `estimated`, where a provider did not say how many."""

    inputs: int = 0
    outputs: int = 0
    cached: int = 0
    reasoning: int = 0
    estimated: bool = False


@dataclass(frozen=True, slots=True)
class Ending:
    """How a run ended that brought an answer, and all of it: `text` and `thoughts` are whole."""

    text: str
    thoughts: str
    finish: FinishReason
    calls: tuple[ToolCall, ...]
    tokens: Counted
    cost_usd: float | None
    moot: Mapping[str, Any]
    """What is Moot's own: who answered, what it cost, and of a panel agreement and dissent."""


@dataclass(frozen=True, slots=True)
class Wish:
    """What is to be run: *who*, an AI by its name or a panel, is asked *request*."""

    who: Panel | str
    request: Request
    options: Mapping[str, Any] = field(default_factory=dict)
    depth: int = 0
    """How many runs stand behind it."""


class Flow:
    """One run, as it is told. `run` it in one task, and in another `wait` and `take`."""

    def __init__(self, app: App, wish: Wish, run_id: str, *, streamed: bool) -> None:
        self.id = run_id
        self.ending: Ending | None = None
        self.error: Exception | None = None
        self.failures: list[AIError] = []
        self._app = app
        self._wish = wish
        self._hears = streamed and not (wish.request.json_schema is not None and isinstance(wish.who, str))
        """Whether text goes out as it comes: an answer to a schema is mended when it is whole, and goes out then."""
        self._text: list[str] = []
        self._thoughts: list[str] = []
        self._told: list[str] = []
        self._sent = 0
        self._view = RunView()
        self._answers: list[Answer] = []
        self._wake = anyio.Event()

    @property
    def over(self) -> bool:
        return self.ending is not None or self.error is not None

    async def run(self) -> None:
        """Ask, to the end. What goes wrong is told as `error`; only a cancellation is raised."""
        try:
            with deepen(self._wish.depth):
                who = self._wish.who
                self.ending = await (self._ask(who) if isinstance(who, str) else self._ask_panel(who))
        except Exception as error:  # whoever asked is told of it, in the words of its protocol
            self.error = error
        self._wake.set()

    async def wait(self) -> None:
        """Until there is something to take, or `nudge` is called."""
        if not (self._text or self._thoughts or self.over):
            await self._wake.wait()
        self._wake = anyio.Event()

    def nudge(self) -> None:
        self._wake.set()

    def take(self) -> tuple[str, str]:
        """The thoughts and the text since the last time."""
        thoughts, text = "".join(self._thoughts), "".join(self._text)
        self._thoughts.clear()
        self._text.clear()
        return thoughts, text

    async def _ask(self, ai: str) -> Ending:
        bus, request = self._app.bus, self._wish.request
        agent = self._app.roster.agent(ai) is not None
        hear = self._hear_agent if agent else self._hear_one
        with bus.hearing(self.id, hear, tokens=self._hears and not agent):
            async with self._app.run("ask_one", run_id=self.id) as run:
                answer = await run.ask(ai, request)
        if any(call.broken for call in answer.tool_calls):  # no client's protocol has words for it
            text = f"{ai!r} asked for a function in a form that cannot be read. Ask again, or raise 'max_tokens'."
            raise TruncatedError(text, ai=ai, provider=answer.provider, partial=answer.text)
        self._write(answer.text[self._sent :])
        return Ending(
            text=answer.text,
            thoughts="".join(self._told),
            finish=answer.finish_reason,
            calls=answer.tool_calls,
            tokens=_counted([answer], request),
            cost_usd=answer.cost_usd,
            moot=_about(answer, self.id),
        )

    def _hear_one(self, event: Event | Thought) -> None:
        if type(event) is Token:
            self._write(event.text)
        elif type(event) is Thought and event.text:
            self._think(event.text)

    def _hear_agent(self, event: Event | Thought) -> None:
        """What an agent does on the way is told as its thoughts: which of its turns is the answer shows at the end."""
        if isinstance(event, Token | Thought | RunStarted | RunFinished):
            return
        self._view.apply(event)
        if isinstance(event, ToolStarted | ToolFinished) and (line := line_of(event, self._view)):
            self._think(f"{one_line(line)}\n")

    def _write(self, text: str) -> None:
        if text:
            self._text.append(text)
            self._sent += len(text)
            self._wake.set()

    async def _ask_panel(self, panel: Panel) -> Ending:
        with self._app.bus.hearing(self.id, self._hear_panel, tokens=False):
            async with self._app.run(panel.recipe, run_id=self.id) as run:
                asked = PanelRun(run, panel, self._wish.request, self._wish.options)
                said = await run_panel(asked)
        self._think(f"\n{said.thoughts}\n")
        self._write(said.text)
        known = [answer.cost_usd for answer in self._answers if answer.cost_usd is not None]
        complete = len(known) == len(self._answers) and not self.failures
        cost = {"cost_usd": round(sum(known), 6), "cost_complete": complete, "calls": len(self._answers)}
        return Ending(
            text=said.text,
            thoughts="".join(self._told),
            finish="stop",
            calls=(),
            tokens=_counted(self._answers, None),
            cost_usd=sum(known) if complete else None,
            moot={"run": self.id, **said.moot, **cost},
        )

    def _hear_panel(self, event: Event | Thought) -> None:
        match event:
            case Token() | Thought() | RunStarted() | RunFinished():
                return
            case CallFinished():
                self._answers.append(event.answer)
            case CallFailed():
                self.failures.append(event.failure.error)
            case CallStarted() if not self._view.calls:
                self._think("Asking the AIs.\n")
        self._view.apply(event)
        if line := line_of(event, self._view):
            self._think(f"{one_line(line)}\n")

    def _think(self, text: str) -> None:
        self._told.append(text)
        self._thoughts.append(text)
        self._wake.set()


def _about(answer: Answer, run_id: str) -> dict[str, Any]:
    about: dict[str, Any] = {"run": run_id, "ai": answer.ai, "model": answer.model, "cost_usd": answer.cost_usd}
    if answer.answered_by:
        about |= {"answered_by": answer.answered_by, "fallback_reason": answer.fallback_reason}
    if answer.stopped:
        about["stopped"] = answer.stopped
    return about | {"cached": True} if answer.cached else about


def _counted(answers: list[Answer], request: Request | None) -> Counted:
    """The tokens of *answers* together; what is not known is estimated, where *request* was the only one."""
    usages = [answer.usage for answer in answers]
    known = all(usage.input_tokens is not None and usage.output_tokens is not None for usage in usages)
    guess_in = 0 if known or request is None else input_tokens(request)
    guess_out = 0 if known or request is None else text_tokens("".join(answer.text for answer in answers))
    return Counted(
        inputs=sum(guess_in if usage.input_tokens is None else usage.input_tokens for usage in usages),
        outputs=sum(guess_out if usage.output_tokens is None else usage.output_tokens for usage in usages),
        cached=sum(usage.cached_tokens or 0 for usage in usages),
        reasoning=sum(usage.reasoning_tokens or 0 for usage in usages),
        estimated=not known,
    )
