"""Structured answers of a judge or a referee: JSON where its AI can be held to a schema, else lines it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import anyio.to_thread

from ai.lazy import load
from ai.roster.roster import Roster
from ai.runs.run import Run
from core.values import Outcome, Request
from tools.recipe.kit import MISFIT, Reply, build_request


def keeps_schema(roster: Roster, ai: str) -> bool:
    """Whether *ai* can be held to a JSON schema by its provider."""
    seat = roster.seat(ai)
    native = seat.provider.dialect != "command" and not seat.local
    return native and (seat.provider.dialect != "openai_chat" or seat.provider.quirks.json_schema)


async def check_schema(schema: Mapping[str, Any] | None) -> None:
    """Complain of a *schema* that is none before anybody is paid to follow it.

    Raises:
        InvalidInputError: It is none.
    """
    if schema is not None:
        records = await load("ai.batch.records")
        await anyio.to_thread.run_sync(records.Schema, schema)


async def fitting(reply: Reply, schema: dict[str, Any] | None) -> Reply:
    """*reply*, which is no good one when its text is not in *schema*."""
    if schema is None or not reply.ok:
        return reply
    records = await load("ai.batch.records")
    _, wrong = await anyio.to_thread.run_sync(lambda: records.Schema(schema).read(reply.text))
    return reply.but(ok=False, partial=True, error=wrong, code=MISFIT) if wrong else reply


def structured_request(
    run: Run,
    ai: str,
    prompt: str,
    *,
    schema: Mapping[str, Any],
    lines: str,
    max_tokens: int | None = None,
    timeout_s: float | None = None,
) -> Request:
    """*prompt* for an answer in *schema*, or as *lines* describe it where the AI cannot be held to a schema."""
    if keeps_schema(run.roster, ai):
        prompt = f"{prompt}\n\nAnswer in JSON as the schema says."
        return build_request(prompt, run.roster, ai, json_schema=schema, max_tokens=max_tokens, timeout_s=timeout_s)
    return build_request(f"{prompt}\n\n{lines}", run.roster, ai, max_tokens=max_tokens, timeout_s=timeout_s)


def object_schema(**properties: Mapping[str, Any]) -> dict[str, Any]:
    """A strict JSON Schema in which every property is required, as providers want it."""
    return {
        "type": "object",
        "properties": dict(properties),
        "required": list(properties),
        "additionalProperties": False,
    }


def list_of(items: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "array", "items": dict(items)}


def really(outcome: Outcome) -> str:
    """The AI that answered in the end: a fallback, where one did."""
    return getattr(outcome, "answered_by", None) or outcome.ai
