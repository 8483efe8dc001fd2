"""Clients that a program or its tests bring along, in the places of configured AIs."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from typing import Any

from ai.client import AIClient, AsyncAIClient, Emit
from ai.providers.catalog import PROVIDERS
from ai.roster.build import build_ai
from ai.roster.configured_ai import ConfiguredAI
from ai.roster.key_lane import Key
from ai.roster.roster import Roster
from core.config import AIConfig
from core.errors import AsyncUnavailableError, InvalidInputError
from core.limits.buckets import key_id
from core.values import Request, Response

_AS_IF = "openai_compatible"
"""The provider whose habits are assumed of them: none."""
scripts: list[Mapping[str, AsyncAIClient]] = []
"""What tests have put in the place of all configured AIs, in every thread; the last counts."""


def scripted_ais() -> Mapping[str, AsyncAIClient] | None:
    """The AIs that a test has put in the place of all others; None outside of tests."""
    return scripts[-1] if scripts else None


def seat_ais(roster: Roster, ais: Mapping[str, AsyncAIClient]) -> None:
    """Put *ais*, and nobody else, into *roster*.

    Raises:
        InvalidInputError: One of them is no client.
    """
    for name, client in ais.items():
        if not isinstance(client, AsyncAIClient):
            raise InvalidInputError(
                f"The AI {name!r} is no moot.AsyncAIClient but a {type(client).__name__}. Make one."
            )
    roster.seats.clear()
    roster.problems.clear()
    roster.seats.update({name: _seat(roster, name, client) for name, client in ais.items()})


def _seat(roster: Roster, name: str, client: AsyncAIClient) -> ConfiguredAI:
    def find(other: str) -> Any:
        return roster.seat(other).without_fallback

    return build_ai(
        name,
        AIConfig(),
        PROVIDERS[_AS_IF],
        [Key("", key_id(name), client, _NoSync())],
        buckets=roster.buckets,
        defaults=roster.config.defaults,
        find=find,
    )


class _NoSync(AIClient):
    """In the place of a synchronous client: what a program brings along is asynchronous alone."""

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        raise AsyncUnavailableError("This AI has no synchronous client. Call it from an event loop.")
