"""Texts as blocks to draw, for what comes as Markdown inside a result, such as the statements of a debate."""

from __future__ import annotations

from typing import Annotated, Any

import anyio.to_thread
from pydantic import BaseModel, Field

from server.web.api.endpoint import Asked, Body, Endpoint, Query
from server.web.stream.markdown import trees
from tools.recipe.result import shown

_MOST = 200
_LONGEST = 400_000


class DrawAsk(Body):
    texts: Annotated[list[Annotated[str, Field(max_length=_LONGEST)]], Field(max_length=_MOST)]


class Drawn(BaseModel):
    blocks: list[list[Any]]
    """Those of each text, in the order of `texts`."""


async def draw(asked: Asked[Query, DrawAsk]) -> Drawn:
    """Markdown as trees of tags and texts, as the event stream has them with `blocks`."""
    texts = asked.body.texts
    return Drawn(blocks=await anyio.to_thread.run_sync(lambda: [trees(shown(text)) for text in texts]))


ENDPOINTS = (Endpoint("POST", "/api/blocks", draw, Drawn, body=DrawAsk),)
