"""One fold from events to what a door shows. Every door draws from the same picture; live and replay are equal."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal, assert_never

from core.events import (
    CallAnswered,
    CallFailed,
    CallFellBack,
    CallFinished,
    CallRetrying,
    CallStarted,
    CallWaiting,
    Event,
    RunFinished,
    RunStarted,
    StepDone,
    Token,
    ToolFinished,
    ToolStarted,
)
from core.values import Answer, Failure

CallState = Literal["waiting", "writing", "retrying", "done", "failed", "cancelled"]


@dataclass(slots=True)
class CallView:
    """One call as a column: who, in which state, and the text so far."""

    ai: str
    model: str
    role: str
    state: CallState = "waiting"
    chunks: list[str] = field(default_factory=list)
    note: str = ""
    answer: Answer | None = None
    failure: Failure | None = None

    @property
    def text(self) -> str:
        return self.answer.text if self.answer else "".join(self.chunks)

    @property
    def over(self) -> bool:
        return self.state in ("done", "failed", "cancelled")


@dataclass(slots=True)
class ToolView:
    """One call of a tool: who called it with what, and what became of it; `success` None while it runs."""

    agent: str
    tool: str
    arguments: str
    success: bool | None = None
    note: str = ""
    latency_s: float = 0.0


@dataclass(slots=True)
class RunView:
    """A run as a door shows it: its calls in the order they started, their tools, and the milestones reached."""

    tool: str = ""
    calls: dict[str, CallView] = field(default_factory=dict)
    tools: dict[str, ToolView] = field(default_factory=dict)
    steps: list[str] = field(default_factory=list)
    outcome: str = ""

    @classmethod
    def replay(cls, events: Iterable[Event]) -> RunView:
        view = cls()
        for event in events:
            view.apply(event)
        return view

    @property
    def finished(self) -> int:
        return sum(call.over for call in self.calls.values())

    def apply(self, event: Event) -> None:
        """Take in *event*. What is told of a call that began before anybody listened is left out."""
        match event:
            case Token():
                self._write(event)
            case RunStarted():
                self.tool = event.tool
            case CallStarted():
                self.calls[event.call] = CallView(event.ai, event.model, event.role)
            case CallWaiting() | CallRetrying() | CallFellBack():
                self._void(event.call, *_notice(event))
            case CallAnswered():
                pass  # shown once it is kept
            case CallFinished() | CallFailed():
                self._end(event)
            case ToolStarted() | ToolFinished():
                self._use(event)
            case StepDone():
                self.steps.append(event.step)
            case RunFinished():
                self.outcome = event.outcome
            case _:
                assert_never(event)

    def _write(self, event: Token) -> None:
        if call := self.calls.get(event.call):
            call.state = "writing"
            call.chunks.append(event.text)

    def _end(self, event: CallFinished | CallFailed) -> None:
        if (call := self.calls.get(event.call)) is None:
            return
        if isinstance(event, CallFinished):
            call.state, call.answer = "done", event.answer
            call.chunks.clear()  # the answer has the text
        else:
            call.state = "cancelled" if event.cancelled else "failed"
            call.failure = event.failure

    def _use(self, event: ToolStarted | ToolFinished) -> None:
        if isinstance(event, ToolStarted):
            self.tools[event.call] = ToolView(event.agent, event.tool, event.arguments)
        elif used := self.tools.get(event.call):
            used.success, used.note, used.latency_s = event.success, event.note, event.latency_s

    def _void(self, call_id: str, state: CallState, note: str) -> None:
        if call := self.calls.get(call_id):
            call.state, call.note = state, note
            call.chunks.clear()


def _notice(event: CallWaiting | CallRetrying | CallFellBack) -> tuple[CallState, str]:
    match event:
        case CallWaiting():
            return "waiting", f"waits {event.seconds:.1f} s for its turn: {event.reason}"
        case CallRetrying():
            return "retrying", f"retry {event.attempt} in {event.wait_s:.1f} s: {event.reason}"
        case CallFellBack():
            return "waiting", f"fell back to {event.to}: {event.reason}"
