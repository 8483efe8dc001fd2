"""GET /v1/models: everybody who can be asked."""

from __future__ import annotations

import time
from typing import Any

from starlette.requests import Request
from starlette.responses import Response

from server.web.openai_api.asking import Door
from server.web.openai_api.reply import whole_reply
from server.web.openai_api.targets import PANELS, Panel, listed, target

_STARTED = int(time.time())
"""When an AI was made is not known; clients want a number."""


async def list_models(door: Door, request: Request) -> Response:
    models = [_model(id_, owner) for id_, owner in listed(door.app().roster)]
    return whole_reply({"object": "list", "data": models})


async def show_model(door: Door, request: Request) -> Response:
    """One of them; of an AI's other models, which are not listed, any."""
    id_, roster = request.path_params["id"], door.app().roster
    if id_ in PANELS:
        return whole_reply(_model(id_, "moot"))
    found = target(roster, id_)
    assert not isinstance(found, Panel), "those are in PANELS"
    return whole_reply(_model(found, roster.seat(found).provider.name))


def _model(id_: str, owner: str) -> dict[str, Any]:
    return {"id": id_, "object": "model", "created": _STARTED, "owned_by": owner}
