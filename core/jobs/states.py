"""The words for what a job is in and for how it is cancelled, and how long it is kept."""

from __future__ import annotations

from typing import Literal

JobState = Literal["queued", "running", "paused", "done", "failed", "cancelled"]
OVER: tuple[JobState, ...] = ("done", "failed", "cancelled")
CancelMode = Literal["abort", "drain"]
"""`abort` ends the calls in flight; `drain` starts no new one and keeps the answers of those."""
KEPT_S = 30 * 86_400.0
"""How long a job is kept after it is over."""
