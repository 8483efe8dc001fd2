"""The request of each row of a batch, and the key under which its result is kept."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import fields

from ai.request import request_key
from ai.roster.roster import Roster
from core.batch.input import Row
from core.values import Message, Request
from tools.batching.spec import BatchSpec
from tools.recipe.kit import build_request


def requests(roster: Roster, ai: str, spec: BatchSpec) -> Callable[[Row], tuple[Request, str]]:
    """Makes the request of a row, and the key under which it is known: all but the prompt is the same for all."""
    bare = build_request("", roster, ai, priority="batch", json_schema=spec.answer_schema, **spec.options)
    common = request_key(ai, bare).encode()
    given = {one.name: getattr(bare, one.name) for one in fields(bare) if one.name not in ("messages", "local_only")}

    def make(row: Row) -> tuple[Request, str]:
        request = Request(messages=(Message.user(row.prompt),), local_only=row.local_only, **given)
        digest = hashlib.sha256(common)
        digest.update(b"local" if row.local_only else b"any")
        digest.update(row.prompt.encode())
        return request, digest.hexdigest()[:40]

    return make
