"""One scale of effort for all AIs, and how each endpoint calls its levels."""

from __future__ import annotations

from collections.abc import Sequence

_SCALE = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
"""From least to most. `xhigh` is how some call their most."""


def nearest(effort: str, offered: Sequence[str]) -> str | None:
    """The level of *offered* that is nearest to *effort*, the lower of two; None where none is offered.

    What is asked to think at all is not told to think nothing, where another level is there.
    """
    thinking = [level for level in offered if level != "none"] if effort != "none" else offered
    known = [level for level in thinking or offered if level in _SCALE]
    if not known:
        return offered[0] if offered else None
    wanted = _SCALE.index(effort)
    return min(known, key=lambda level: (abs(_SCALE.index(level) - wanted), _SCALE.index(level)))
