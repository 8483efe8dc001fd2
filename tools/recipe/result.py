"""What every recipe returns: a value whose strings cannot pass for anything but what they are.

Names, models, errors and notes stand on one line; a field that holds whole texts says so with `Prose`. Nothing in it
is a terminal code, hides, turns the writing round, or is fetched by whoever shows it, in text and as data alike.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, Protocol, Self, get_args

from pydantic import BaseModel, model_validator

from core.pictures import without_pictures
from core.untrusted import clean, unbroken


@dataclass(frozen=True, slots=True)
class _ManyLines:
    """Marks a field that may have more than one line."""


Prose = Annotated[str, _ManyLines()]


class Part(BaseModel):
    """The base of what results are made of."""

    @model_validator(mode="after")
    def _only_text(self) -> Self:
        prose = _prose_fields(type(self))
        for name, value in self.__dict__.items():
            self.__dict__[name] = shown(value) if name in prose else _shown_on_lines(value)
        return self

    def but(self, **changes: Any) -> Self:
        """The same result with some fields changed, which are checked like all others."""
        return type(self)(**{**self.__dict__, **changes})


class Result(Part, ABC):
    """The base of what recipes return.

    Attributes:
        partial: Whether somebody who was asked gave no whole answer, or anything else is missing.
        sent_along: What went along with the prompt, and what did not, a line each.
    """

    partial: bool = False
    sent_along: list[str] = []

    @abstractmethod
    def markdown(self) -> str:
        """The result as its readers see it."""


class Shown(Protocol):
    """Whatever shows itself."""

    def markdown(self) -> str: ...


def document(result: Shown) -> str:
    """*result* as a whole, in which no part gives the address of another one's picture."""
    return without_pictures(result.markdown())


def shown(value: Any) -> Any:
    """*value* with every text in it as it may be shown, lines and all."""
    return _through(value, lambda text: without_pictures(clean(text)))


def _shown_on_lines(value: Any) -> Any:
    """*value* with every text on one line; in an object, whose shape nobody here knows, texts keep theirs."""
    if isinstance(value, dict):
        return shown(value)
    return _through(value, lambda text: without_pictures(unbroken(text)))


def _through(value: Any, change: Any) -> Any:
    match value:
        case str():
            return change(value)
        case Mapping():
            return {_through(key, change): _through(inner, change) for key, inner in value.items()}
        case list():
            return [_through(inner, change) for inner in value]
        case _:
            return value


@cache
def _prose_fields(kind: type[Part]) -> frozenset[str]:
    return frozenset(
        name
        for name, field in kind.model_fields.items()
        if any(isinstance(one, _ManyLines) for one in field.metadata) or _has_mark(field.annotation)
    )


def _has_mark(annotation: Any) -> bool:
    return isinstance(annotation, _ManyLines) or any(map(_has_mark, (*get_args(annotation), *_metadata(annotation))))


def _metadata(annotation: Any) -> tuple[Any, ...]:
    return tuple(getattr(annotation, "__metadata__", ()))
