"""The kinds of jobs that are no tool's name."""

from __future__ import annotations

BATCH = "batch"
"""What the tool `batch` and `moot batch` start: the tool itself only starts it."""
SLICE = f"{BATCH}/slice"
"""A part of a batch, for another process of a fleet."""
CALL_OFF = f"{BATCH}/call-off"
"""Tells a provider to stop what a cancelled job has handed in."""
