"""Asks the person before a host whether an agent's tool may be called.

Hosts of the newer era are answered with what is to be asked, and make the call again with the answer; older ones are
asked while the call goes on. The job that waits is named in the state that travels along, which the SDK seals.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

from mcp.server.mcpserver import Context
from mcp.shared.exceptions import MCPError
from mcp.types import ElicitRequest, ElicitRequestFormParams, ElicitResult, InputRequiredResult
from mcp_types.version import MODERN_PROTOCOL_VERSIONS
from pydantic import ValidationError

from ai.runs.app import App
from core.errors import InvalidInputError
from core.jobs.approvals import Approval

PREFIX = "approve-"
"""How the name of such a question begins, before the approval's id."""
SCHEMA = {
    "type": "object",
    "properties": {"allow": {"type": "boolean", "title": "Allow this call", "default": False}},
    "required": ["allow"],
}
"""The form that is filled in."""


def job_of(ctx: Context[App]) -> str | None:
    """The job whose question this call answers; None for a new call."""
    state = ctx.request_state
    if not state:
        return None
    try:
        told = json.loads(state)
        return str(told["job"])
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidInputError("The state of this call cannot be read. Call the tool again.") from error


def can_ask(ctx: Context[App]) -> bool:
    """Whether the host shows its user a form."""
    told = ctx.client_capabilities.elicitation if ctx.client_capabilities else None
    return told is not None and (told.form is not None or told.url is None)


async def take_answers(ctx: Context[App], app: App, job: str) -> None:
    """Hand on what the host brought along; what answers no question that still stands is ignored."""
    standing = {f"{PREFIX}{one.id}": one for one in await app.jobs.approvals(job)}
    for name, said in (ctx.input_responses or {}).items():
        if name in standing and isinstance(said, ElicitResult) and (yes := word(said)) is not None:
            await _hand_on(app, job, standing[name], yes=yes)


async def ask(ctx: Context[App], app: App, job: str, approvals: Sequence[Approval]) -> InputRequiredResult | bool:
    """What to answer a newer host with; of an older one, whether it answered everything.

    Who has put off a question is not asked it again in the same call: a host would ask for ever.
    """
    if ctx.protocol_version in MODERN_PROTOCOL_VERSIONS:
        if any(f"{PREFIX}{one.id}" in (ctx.input_responses or {}) for one in approvals):
            return False
        requests: dict[str, Any] = {f"{PREFIX}{one.id}": _request(one) for one in approvals}
        return InputRequiredResult(input_requests=requests, request_state=json.dumps({"job": job}))
    for one in approvals:
        if (yes := await _elicited(ctx, one)) is None:
            return False
        await _hand_on(app, job, one, yes=yes)
    return True


async def _elicited(ctx: Context[App], approval: Approval) -> bool | None:
    """The word of the person before an older host; None where it brings none, such as an error."""
    try:
        # read here and not by the SDK, which takes "true", "y" and 1 for a yes, too
        said = await ctx.session.elicit_form(approval.sentence(), SCHEMA, ctx.request_id)
    except (MCPError, ValidationError):
        return None
    return word(said)


async def _hand_on(app: App, job: str, approval: Approval, *, yes: bool) -> None:
    """Give the job the person's word; where somebody was faster at another door, theirs stands, and the job goes on."""
    with suppress(InvalidInputError):
        await app.jobs.approve(job, approval.id, yes=yes)


def word(said: ElicitResult) -> bool | None:
    """What a filled form says; None where the user put it off, or the form is not filled in as it was asked for."""
    if said.action == "decline":
        return False
    allow = (said.content or {}).get("allow") if said.action == "accept" else None
    return allow if isinstance(allow, bool) else None


def _request(approval: Approval) -> ElicitRequest:
    return ElicitRequest(params=ElicitRequestFormParams(message=approval.sentence(), requested_schema=SCHEMA))
