"""Which models end, and when. Data; a row is a model id as the provider writes it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date


@dataclass(frozen=True, slots=True)
class Retirement:
    """When a model ends and what to use instead. `routed`: calls are then answered by that one, at its price."""

    on: date
    use: str
    routed: bool = False


AS_OF = date(2026, 11, 28)
"""When this list was last compared with the providers' own pages."""


RETIREMENTS = {
    **dict.fromkeys(
        ("gpt-4.1-nano", "o4-mini", "o3-mini", "o1", "gpt-4", "gpt-4-turbo", "gpt-3.5-turbo"),
        Retirement(date(2026, 10, 23), "gpt-6.1-terra"),
    ),
    **dict.fromkeys(
        ("gpt-5", "gpt-5-mini", "gpt-5-nano", "gpt-5-pro", "o3", "o3-pro"),
        Retirement(date(2026, 12, 11), "gpt-6.1-sol"),
    ),
    **dict.fromkeys(("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"), Retirement(date(2027, 1, 14), "gpt-6-luna")),
    **dict.fromkeys(
        ("whisper-1", "gpt-4o-transcribe", "gpt-4o-mini-transcribe", "gpt-4o-transcribe-diarize"),
        Retirement(date(2027, 2, 26), "gpt-transcribe"),
    ),
    **dict.fromkeys(("gpt-5.1", "gpt-5.4-nano"), Retirement(date(2027, 4, 1), "gpt-6.1-terra")),
    "claude-sonnet-4-5": Retirement(date(2026, 11, 30), "claude-sonnet-5-5"),
    "claude-opus-4-1": Retirement(date(2026, 8, 5), "claude-opus-5-5"),
    **dict.fromkeys(
        ("claude-opus-4-0", "claude-sonnet-4-0", "claude-3-7-sonnet-latest", "claude-3-5-haiku-latest"),
        Retirement(date(2026, 6, 15), "claude-sonnet-5-5"),
    ),
    **dict.fromkeys(
        ("gemini-3-pro-preview", "gemini-2.0-flash", "gemini-2.0-flash-lite"),
        Retirement(date(2026, 6, 1), "gemini-3.8-flash"),
    ),
    "gemini-2.5-pro": Retirement(date(2026, 12, 1), "gemini-3.8-flash", routed=True),
    "gemini-2.5-flash": Retirement(date(2026, 12, 1), "gemini-3.5-flash-lite", routed=True),
}
"""Model ids that are switched off, or will be. A dated suffix such as `-2026-01-31` counts as the same model."""


def is_retired(model: str, today: date) -> bool:
    """Whether *model* is switched off by now, and nobody else answers for it."""
    gone = _retirement(model)
    return gone is not None and gone.on <= today and not gone.routed


def _retirement(model: str) -> Retirement | None:
    base, _, suffix = model.rpartition("-20")
    return RETIREMENTS.get(base if base and suffix[:2].isdigit() else model)


def retirement_warning(model: str, today: date) -> str | None:
    """One sentence when *model* is, or will be, switched off."""
    gone = _retirement(model)
    if gone is None:
        return None
    if gone.routed:
        verb = "are answered" if gone.on <= today else "will be answered"
        return (
            f"Calls to model {model!r} {verb} by {gone.use!r}, at its price, from {gone.on.isoformat()} on: name that."
        )
    tense = "was switched off" if gone.on <= today else "will be switched off"
    return f"Model {model!r} {tense} on {gone.on.isoformat()}: use {gone.use!r} instead."
