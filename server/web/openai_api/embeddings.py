"""POST /v1/embeddings, handed to the AI's own endpoint and its reply handed back as it is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from pydantic import Field
from starlette.requests import Request
from starlette.responses import Response

from ai.wire.ancestry import deepen
from server.web.openai_api.asking import Door, check_depth
from server.web.openai_api.bodies import Body, Named, read_body
from server.web.openai_api.errors import RefusedRequestError
from server.web.openai_api.targets import Panel, target

_MOST_INPUTS = 2_048


class EmbeddingsBody(Body):
    HARMLESS = frozenset({"user"})
    IDLE: ClassVar[Mapping[str, Any]] = {}

    model: Named
    input: Annotated[str | list[str] | list[int] | list[list[int]], Field(min_length=1)]
    dimensions: Annotated[int | None, Field(ge=1)] = None
    encoding_format: str | None = None


async def embed(door: Door, http: Request) -> Response:
    body, app = await read_body(http, EmbeddingsBody), door.app()
    if isinstance(body.input, list) and len(body.input) > _MOST_INPUTS and not isinstance(body.input[0], int):
        text = f"'input' has {len(body.input):,} texts; at most {_MOST_INPUTS:,} are taken at once. Send fewer."
        raise RefusedRequestError(text, param="input")
    ai = target(app.roster, body.model)
    if isinstance(ai, Panel):
        text = f"{body.model!r} makes no embeddings. Name an AI and its model, such as openai/text-embedding-3-small."
        raise RefusedRequestError(text, param="model")
    fields = body.model_dump(include={"input", "dimensions", "encoding_format"}, exclude_none=True)
    with deepen(check_depth(http)):
        async with app.run("embed") as run:
            made = await run.embed(ai, fields)
    return Response(made.body, media_type="application/json", headers={"x-moot-run": run.id})
