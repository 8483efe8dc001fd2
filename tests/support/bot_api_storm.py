"""What goes wrong between a bot and Telegram, and how often."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass
class Storm:
    """How often what goes wrong, of one: each of its own."""

    too_many: float = 0.0
    broken_before: float = 0.0
    broken_after: float = 0.0
    failed: float = 0.0
    second_poller: float = 0.0
    twice: float = 0.0
    shuffled: float = 0.0
    retry_after: int = 1
