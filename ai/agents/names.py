"""Names by which a model may call tools."""

from __future__ import annotations

import re

from core.errors import InvalidInputError

_NAME = r"[A-Za-z0-9_-]{1,64}"


def checked_name(name: str) -> str:
    """*name*, which every provider takes for a function's.

    Raises:
        InvalidInputError: Some would refuse it.
    """
    if not isinstance(name, str) or not re.fullmatch(_NAME, name):
        raise InvalidInputError(f"A tool's name has 1 to 64 letters, digits, - or _, and {name!r} does not. Rename it.")
    return name
