"""Reads the body of a request: what is wrong is named, and what cannot be done is refused and never just left out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import partial
from typing import Annotated, Any, ClassVar, Self, TypeVar

import anyio.to_thread
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator
from starlette.requests import Request as HTTPRequest

from server.web.openai_api.errors import RefusedRequestError

MOST_MESSAGES = 4_000
_LARGE = 100_000
"""Bytes, above which reading would hold up all other streams."""

Named = Annotated[str, Field(min_length=1, max_length=500)]
Temperature = Annotated[float | None, Field(ge=0, le=2)]
TopP = Annotated[float | None, Field(ge=0, le=1)]
Count = Annotated[int | None, Field(ge=1)]


class PanelOptions(BaseModel):
    """Moot's own field `moot`: who sits on a panel, and how it works. None: the panel's own default."""

    model_config = ConfigDict(extra="forbid")

    ais: Annotated[list[str] | None, Field(max_length=16)] = None
    rounds: Annotated[int | None, Field(ge=0, le=4)] = None
    judge: str | None = None
    referee: str | None = None
    threshold: Annotated[float | None, Field(ge=0.5, le=1)] = None
    samples: Annotated[int | None, Field(ge=1, le=16)] = None


class Body(BaseModel):
    """What all shapes share. A field that no shape knows is refused, unless it changes nothing."""

    model_config = ConfigDict(extra="allow")

    HARMLESS: ClassVar[frozenset[str]] = frozenset()
    """Fields about billing, caching or the person asking, which change no answer."""
    IDLE: ClassVar[Mapping[str, Any]] = {}
    """Fields that are not supported, with the value that asks for nothing."""
    INSTEAD: ClassVar[Mapping[str, str]] = {}
    """What to do instead of giving an unsupported field."""

    model: Named
    stream: bool = False
    moot: PanelOptions | None = None

    @model_validator(mode="after")
    def _nothing_left_out(self) -> Self:
        for name, value in (self.__pydantic_extra__ or {}).items():
            if value is not None and name not in self.HARMLESS and self.IDLE.get(name) != value:
                raise RefusedRequestError(self._refusal(name), param=name)
        return self

    def _refusal(self, name: str) -> str:
        if instead := self.INSTEAD.get(name):
            return f"{name!r}: {instead}"
        near = get_close_matches(name, type(self).model_fields, n=1, cutoff=0.8)
        if near and name not in self.IDLE:
            return f"{name!r} is no field here. Did you mean {near[0]!r}?"
        return f"{name!r} is not supported here, and would change nothing. Leave it out."


B = TypeVar("B", bound=Body)
Read = TypeVar("Read")


async def read_body(request: HTTPRequest, kind: type[B]) -> B:
    """The body of *request*.

    Raises:
        RefusedRequestError: It is no JSON, or not of that form; the message names the field and the fix.
    """
    return await worked_out(request, partial(_read, await request.body(), kind))


async def worked_out(request: HTTPRequest, work: Callable[[], Read]) -> Read:
    """What *work* gives, which goes through the body of *request*: in a thread where that is large."""
    if len(await request.body()) > _LARGE:
        return await anyio.to_thread.run_sync(work)
    return work()


def _read(raw: bytes, kind: type[B]) -> B:
    try:
        return kind.model_validate_json(raw)
    except ValidationError as error:
        raise _complaint(error, kind) from None


def _complaint(error: ValidationError, kind: type[Body]) -> RefusedRequestError:
    detail = error.errors(include_url=False, include_input=False)[0]
    own = detail.get("ctx", {}).get("error")
    if isinstance(own, RefusedRequestError):
        return own
    if detail["type"] == "json_invalid":
        return RefusedRequestError("The body is no JSON. Send a JSON object.", code="invalid_json")
    where = _place(detail["loc"])
    if not where:
        return RefusedRequestError("The body is no JSON object. Send one.", code="invalid_json")
    if detail["type"] == "missing":
        return RefusedRequestError(f"{where!r} is missing. Add it.", param=where, code="missing_required_parameter")
    if detail["type"] == "extra_forbidden":
        known = ", ".join(PanelOptions.model_fields)
        return RefusedRequestError(f"{where!r} is no option of a panel. There are: {known}.", param=where)
    return RefusedRequestError(f"{where!r}: {detail['msg']}. Correct it.", param=where, code="invalid_value")


def _place(steps: tuple[int | str, ...]) -> str:
    """Where it is, as people write it: `messages[0].content`. What pydantic adds for a union's members is cut off."""
    words: list[str] = []
    for step in steps:
        if isinstance(step, int):
            words.append(f"[{step}]")
        elif step.isidentifier() and step not in _MEMBERS:
            words.append(f".{step}" if words else step)
        else:
            break
    return "".join(words)


_MEMBERS = frozenset({"str", "int", "float", "bool", "dict", "list", "none"})
