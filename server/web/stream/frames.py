"""How an event looks to who watches over HTTP: a flat object with a type."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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
from tools.recipe.result import shown

TYPES = (
    "run_started",
    "call_started",
    "token",
    "waiting",
    "retry",
    "fallback",
    "call_finished",
    "call_failed",
    "cost",
    "tool_started",
    "tool_finished",
    "step",
    "run_finished",
    "job",
    "reset",
)
"""Every type there is. `reset`: what was sent before cannot be continued; ask for the state of things anew."""


def described(event: Event) -> tuple[str, dict[str, Any]] | None:
    """The type of *event* and its fields beside run, call and time; None for what nobody is shown."""
    if isinstance(event, CallAnswered):
        return None  # shown once it is kept
    name, fields = _SHAPES[type(event)]
    return name, fields(event)


def _answered(event: CallFinished) -> dict[str, Any]:
    answer = event.answer
    return {
        "ai": answer.ai,
        "model": answer.model,
        "text": shown(answer.text),
        "finish_reason": answer.finish_reason,
        "latency_s": round(answer.latency_s, 3),
        "first_token_s": None if answer.first_token_s is None else round(answer.first_token_s, 3),
        "input_tokens": answer.usage.input_tokens,
        "output_tokens": answer.usage.output_tokens,
        "cost_usd": answer.cost_usd,
        "cached": answer.cached,
        "answered_by": answer.answered_by,
    }


def _failed(event: CallFailed) -> dict[str, Any]:
    error = event.failure.error
    return {
        "ai": event.failure.ai,
        "kind": error.kind,
        "code": error.code,
        "message": shown(str(error)),
        "text": shown(error.partial),
        "cancelled": event.cancelled,
        "latency_s": round(event.failure.latency_s, 3),
    }


def _used(event: ToolFinished) -> dict[str, Any]:
    return {
        "agent": event.agent,
        "tool": event.tool,
        "success": event.success,
        "note": shown(event.note),
        "latency_s": round(event.latency_s, 3),
    }


_SHAPES: dict[type[Any], tuple[str, Callable[[Any], dict[str, Any]]]] = {
    RunStarted: ("run_started", lambda e: {"tool": e.tool}),
    CallStarted: ("call_started", lambda e: {"ai": e.ai, "model": e.model, "role": e.role}),
    Token: ("token", lambda e: {"text": shown(e.text)}),
    CallWaiting: ("waiting", lambda e: {"seconds": e.seconds, "reason": shown(e.reason)}),
    CallRetrying: ("retry", lambda e: {"attempt": e.attempt, "wait_s": e.wait_s, "reason": shown(e.reason)}),
    CallFellBack: ("fallback", lambda e: {"to": e.to, "reason": shown(e.reason)}),
    CallFinished: ("call_finished", _answered),
    CallFailed: ("call_failed", _failed),
    ToolStarted: (
        "tool_started",
        lambda e: {"agent": e.agent, "tool": shown(e.tool), "arguments": shown(e.arguments)},
    ),
    ToolFinished: ("tool_finished", _used),
    StepDone: ("step", lambda e: {"step": shown(e.step)}),
    RunFinished: ("run_finished", lambda e: {"outcome": e.outcome}),
}
"""How every event looks; a test holds it to all there are."""
