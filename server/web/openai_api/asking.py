"""From a request that was read to a reply on its way: who is asked, whether they can, how deep it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request as HTTPRequest

from ai.runs.app import App
from ai.runs.run import new_run_id
from ai.wire.ancestry import DEEPEST, HEADER, depth_of
from core.values import Request
from server.web.openai_api.bodies import Body
from server.web.openai_api.conversation import Signatures
from server.web.openai_api.errors import RefusedRequestError
from server.web.openai_api.flow import Flow, Wish
from server.web.openai_api.panels import check_panel
from server.web.openai_api.reply import Reply, Shape
from server.web.openai_api.targets import Panel, target


@dataclass(frozen=True)
class Door:
    """What all handlers share."""

    app: Callable[[], App]
    signatures: Signatures = field(default_factory=Signatures)


def reply_to(door: Door, http: HTTPRequest, body: Body, request: Request, shape: Callable[[str], Shape]) -> Reply:
    """The reply to *request*, in the *shape* that is made for the run's id.

    Raises:
        RefusedRequestError, UnknownAIError: It cannot be asked.
    """
    app, options = door.app(), _options(body)
    who = target(app.roster, body.model)
    if isinstance(who, Panel):
        check_panel(body.model, who, request, options)
    elif options:
        raise RefusedRequestError(
            "'moot' is for panels. Leave it out, or ask one, such as moot/consensus.", param="moot"
        )
    run_id = new_run_id()
    flow = Flow(app, Wish(who, request, options, check_depth(http)), run_id, streamed=body.stream)
    return Reply(flow, shape(run_id), streamed=body.stream)


def check_depth(http: HTTPRequest) -> int:
    """How many runs stand behind *http*.

    Raises:
        RefusedRequestError: Too many: somebody asks itself.
    """
    depth = depth_of(http.headers.get(HEADER))
    if depth >= DEEPEST:
        text = (
            f"This request comes from a run inside a run, and Moot goes no deeper than {DEEPEST}: one of its AIs has "
            'this endpoint as its "base_url". Take it out of the panel, or give it another address.'
        )
        raise RefusedRequestError(text, status=508, code="loop_detected")
    return depth


def _options(body: Body) -> Mapping[str, Any]:
    return {} if body.moot is None else body.moot.model_dump(exclude_none=True)
