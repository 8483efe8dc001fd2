"""Builds a configured AI: which layers stand around its keys, and in what order (`ai/layers/pipeline.py` says why)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import TYPE_CHECKING

from ai.layers.cache import Cache
from ai.layers.concurrency import Concurrency
from ai.layers.deadline import Deadline
from ai.layers.fallback import Fallback
from ai.layers.hedge import Hedge
from ai.layers.key_pool import KeyPool
from ai.layers.permit import permit
from ai.layers.pipeline import Complete, Layer, build_pipeline
from ai.layers.retry import Retry, RetryBudget
from ai.providers.catalog import Provider
from ai.roster.configured_ai import ConfiguredAI
from ai.roster.key_lane import Key, open_lane
from ai.roster.names import without_model
from core.config import AIConfig, Defaults
from core.limits.buckets import Buckets

if TYPE_CHECKING:
    from ai.wire.functions.emulation import Emulation

_LOCAL_SLOTS = 3
_SMALL = (300, 6)
"""Characters of a text and items of a list that the embedded model may write for one argument."""


def build_ai(
    name: str,
    row: AIConfig,
    provider: Provider,
    keys: Sequence[Key],
    *,
    buckets: Buckets,
    defaults: Defaults,
    find: Callable[[str], Complete],
    system: str | None = None,
    check: Callable[[], str | None] | None = None,
    cache: Cache | None = None,
) -> ConfiguredAI:
    """The AI of *row* at *provider*, asked with *keys* (at least one).

    Args:
        find: Gives another AI by its name, for a fallback.
        system: What it is told where neither the request nor the row says anything.
        check: Why it cannot be asked now, as far as files tell.
    """
    concurrency = _concurrency(name, row, provider, buckets, defaults)
    deadlines = defaults.deadlines(row)
    inner: list[Layer] = [concurrency, permit, Deadline(name, provider.name, deadlines)]
    emulation = _emulation(row, provider)
    if emulation is not None:
        from ai.layers.emulation import EmulatedFunctions

        inner.append(EmulatedFunctions(emulation))
    lanes = tuple(
        open_lane(name, key, buckets=buckets, inner=inner, row=row, deadlines=deadlines, first=concurrency.limit)
        for key in keys
    )
    pool = KeyPool(name, lanes) if len(lanes) > 1 else None
    alone = build_pipeline(_shared_layers(row, defaults, cache), pool or lanes[0].complete)
    return ConfiguredAI(
        name=name,
        row=row,
        provider=provider,
        model=row.model or provider.model or _program(row) or "(first offered)",
        system=row.system or system,
        deadlines=deadlines,
        concurrency=concurrency,
        lanes=lanes,
        pool=pool,
        alone=alone,
        check=check,
        fallback=Fallback(row.fallback, find) if row.fallback else None,
        emulation=emulation,
    )


def _emulation(row: AIConfig, provider: Provider) -> Emulation | None:
    """How it is asked for functions, where it knows none."""
    if (row.quirks.tools or provider.quirks.tools) == "native":
        return None
    from ai.wire.functions.emulation import Emulation

    return Emulation(_SMALL if provider.embedded else None)


def _concurrency(name: str, row: AIConfig, provider: Provider, buckets: Buckets, defaults: Defaults) -> Concurrency:
    slots = row.concurrency or (_LOCAL_SLOTS if provider.embedded else defaults.concurrency)
    stays_here = provider.embedded or row.local
    return Concurrency(slots, lease=None if stays_here else buckets.lease(without_model(name)))


def _shared_layers(row: AIConfig, defaults: Defaults, cache: Cache | None) -> list[Layer]:
    """What all keys share; the budget stands above, in the caller, where a fan-out can be reserved as a whole."""
    spare = RetryBudget()
    layers: list[Layer] = [cache] if cache else []
    layers.append(Retry(defaults.attempts, budget=spare))
    if row.hedge_after:
        layers.append(Hedge(row.hedge_after, allow=spare.allow_retry))
    return layers


def _program(row: AIConfig) -> str:
    return PurePath(row.command[0]).name if row.command else ""
