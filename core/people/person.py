"""The person who asks, for as long as something is done for them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.paths import data_dir

LONGEST_NAME = 40
PERSON = "_person"
"""Who had a job done, and what they may, among its arguments: the name of no parameter."""


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, and what they may do.

    Args:
        name: What their jobs, threads and calls are kept under; empty: whoever owns this installation.
        ais: The AIs they may ask; empty: all.
        per_day_usd: What they may spend in a day, UTC, in dollars; None: as much as the configuration allows.
        admin: Whether they may see what everybody spends, and give out tokens.
    """

    name: str = ""
    ais: tuple[str, ...] = ()
    per_day_usd: float | None = None
    admin: bool = False

    @property
    def owns(self) -> bool:
        """Whether this is who owns the installation."""
        return not self.name

    def may_ask(self, ai: str) -> bool:
        """Whether they may ask *ai*; with an AI they may ask its other models, such as `gpt/gpt-6-mini`."""
        return not self.ais or ai in self.ais or ai.partition("/")[0] in self.ais

    def allowed(self, ais: Collection[str]) -> list[str]:
        """Those of *ais* that they may ask, in order."""
        return [ai for ai in ais if self.may_ask(ai)]

    def as_json(self) -> dict[str, Any]:
        """This person for whoever goes on with their job, without their rights over others."""
        return {"name": self.name, "ais": list(self.ais), "per_day_usd": self.per_day_usd}

    @classmethod
    def of_json(cls, told: Mapping[str, Any]) -> Person:
        """Whom `as_json` told of."""
        return cls(str(told["name"]), tuple(map(str, told["ais"])), told["per_day_usd"])

    def folder(self) -> Path:
        """Where what belongs to them alone is kept; the owner's is the data folder itself."""
        return data_dir() if self.owns else data_dir() / "people" / self.name


OWNER = Person(admin=True)

_acting: ContextVar[Person] = ContextVar("moot_acting", default=OWNER)


def acting() -> Person:
    """Whom this task works for."""
    return _acting.get()


def for_acting() -> dict[str, Any]:
    """What the arguments of a job say of whom it is for; nothing where it is for the owner."""
    person = acting()
    return {} if person.owns else {PERSON: person.as_json()}


@contextmanager
def acting_as(person: Person) -> Iterator[None]:
    """Work for *person* while the block runs; tasks that are started in it go on to."""
    token = _acting.set(person)
    try:
        yield
    finally:
        _acting.reset(token)
