"""What a job has handed to a provider, by the names under which its journal keeps it."""

from __future__ import annotations

from collections.abc import Collection
from typing import Literal

REMOTE = "provider:"
"""How the names begin."""
Step = Literal["plan", "id", "end", "off"]
"""Of a chunk of rows: what is in it, the provider's id for it, that it has ended there, that it was called off."""


def remote_key(role: str, ai: str, number: int, step: Step) -> str:
    return f"{REMOTE}{role}:{ai}:{number}:{step}"


def open_at_provider(keys: Collection[str]) -> set[tuple[str, str]]:
    """The roles and AIs of which a provider may still be working on something; *keys* are those of `REMOTE`."""
    steps = [key.removeprefix(REMOTE).rpartition(":") for key in keys]
    over = {chunk for chunk, _, step in steps if step in ("end", "off")}
    chunks = [chunk.rpartition(":")[0] for chunk, _, step in steps if step == "plan" and chunk not in over]
    return {(role, ai) for role, _, ai in (chunk.partition(":") for chunk in chunks)}
