"""What the sections of credentials.json share: strictness, bounds, and how a mistake in them is told."""

from __future__ import annotations

from typing import Annotated, Any, get_args

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, ValidationError, ValidationInfo, field_validator
from pydantic_core import PydanticCustomError

FILE = "credentials.json"
"""How messages call the file: by name only, since they may reach a model."""

Dollars = Annotated[float, Field(gt=0, le=1_000_000)]
Tokens = Annotated[int, Field(gt=0, le=1_000_000_000_000)]
Seconds = Annotated[float, Field(gt=0, le=86_400)]
RowName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$")]


class Strict(BaseModel):
    """A section, or a part of one. What it does not know it refuses, and `true` is not the number 1."""

    model_config = ConfigDict(extra="forbid", frozen=True, hide_input_in_errors=True)

    @field_validator("*", mode="before")
    @classmethod
    def _no_switch_for_a_number(cls, given: Any, info: ValidationInfo) -> Any:
        if isinstance(given, bool) and info.field_name and _is_number(cls.model_fields[info.field_name].annotation):
            raise PydanticCustomError("number_expected", "Input should be a number")
        return given


def _is_number(annotation: Any) -> bool:
    """Whether *annotation* has room for a number and none for a switch, in a union or annotated too."""
    kinds = {annotation, *get_args(annotation)}
    kinds |= {inner for kind in kinds for inner in get_args(kind)}
    return bool(kinds & {int, float}) and not kinds & {bool, Any}


class Named(Strict):
    """Checks what an entry is called."""

    name: RowName


_WORDS = {
    "model_type": "Input should be an object in braces",
    "model_attributes_type": "Input should be an object in braces",
    "int_parsing_size": "Input should be a smaller number",
    "int_from_float": "Input should be a whole number",
}
"""Where pydantic's own words speak of Python."""


def sentence(where: str, error: ValidationError) -> str:
    """Name file and key, and say what is expected; never the value, which may be a key."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join([where, *map(str, first["loc"])])
    if first["type"] == "extra_forbidden":
        return f"{FILE}: {path} is not a known setting. Remove it or check its spelling."
    return f"{FILE}: {path}: {_WORDS.get(first['type'], first['msg'])}."
