"""The seats the embedded model plays, so that asking many AIs can be tried without a key.

One model of 135 million parameters serves them all but one, which is there when it is named. Their prompts were tried
with it: under these wordings it keeps simple facts (Tokyo, 7+5), under more elaborate ones it loses them and writes
nonsense.
"""

from __future__ import annotations

from dataclasses import dataclass

from ai.local.weights import BETTER, TINY, Model

NICKNAME = "tiny demo model"
"""What every view calls it: nobody should take its word for advice."""


@dataclass(frozen=True, slots=True)
class Persona:
    name: str
    title: str
    system: str
    model: Model = TINY


PERSONAS = (
    Persona("local-plain", "Plain", "You are a helpful assistant. Answer briefly."),
    Persona(
        "local-skeptic",
        "Skeptic",
        "You are a helpful assistant who doubts easy answers. Answer briefly, then say what could go wrong.",
    ),
    Persona(
        "local-maker",
        "Maker",
        "You are a helpful assistant who makes things. Answer briefly and say what to do first.",
    ),
)

BETTER_SEAT = Persona(
    "local-better", "Better", "You are a helpful assistant. Answer briefly, in a whole sentence.", BETTER
)

NAMED = (*PERSONAS, BETTER_SEAT)
"""All that can be named."""

_BY_NAME = {seat.name: seat for seat in NAMED}


def persona(name: str) -> Persona | None:
    """The seat called *name*, if it is one of an embedded model's."""
    return _BY_NAME.get(name)
