"""A prompt with placeholders: `Summarise {title}: {text}`. `{{` and `}}` stand for braces."""

from __future__ import annotations

import json
from collections.abc import Mapping
from string import Formatter
from typing import Any

from core.errors import InvalidInputError

_LITERAL = "Write {{ and }} for braces that are meant literally."


class Template:
    """A template, checked.

    Raises:
        InvalidInputError: The braces do not match, or there is something other than a name between them.
    """

    def __init__(self, text: str) -> None:
        try:
            pieces = list(Formatter().parse(text))
        except ValueError as error:
            raise InvalidInputError(f"The template cannot be read: {error}. {_LITERAL}") from None
        for _, name, spec, conversion in pieces:
            if name is not None and (not name.strip() or spec or conversion):
                raise InvalidInputError(f"The template's {{{name}...}} is not the name of a field. {_LITERAL}")
        self.text = text
        self._pieces = [(literal, name) for literal, name, _, _ in pieces]

    @property
    def names(self) -> list[str]:
        """The fields it wants."""
        return [name for _, name in self._pieces if name is not None]

    def fill(self, fields: Mapping[str, Any]) -> str:
        """The prompt for one row.

        Raises:
            InvalidInputError: A field is missing; the message names it and those there are.
        """
        for name in self.names:
            if name not in fields:
                raise InvalidInputError(
                    f"has no field {name!r}, which the template wants; it has: {', '.join(fields) or 'none'}."
                )
        return "".join(literal + ("" if name is None else _plain(fields[name])) for literal, name in self._pieces)


def _plain(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else json.dumps(value, ensure_ascii=False)
