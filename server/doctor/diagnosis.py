"""What a check of `moot doctor` saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["ok", "warn", "fail"]


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """What one check saw. The sentence ends with the next step where there is one."""

    name: str
    state: State
    sentence: str
    seconds: float | None = None
