"""JSON in one spelling, so that two texts that mean the same have one hash (after RFC 8785)."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from typing import Any


def canonical(value: Any) -> str:
    """*value* with its keys in order, its numbers in one form, and nothing that is not needed.

    Raises:
        ValueError: JSON has no such value: NaN, an infinite number, or half a character.
    """
    text = json.dumps(_ordered(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    text.encode()
    return text


def digest(value: Any) -> str:
    """The SHA-256 of *value* in its one spelling, in hexadecimal; raises what `canonical` does."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def _ordered(value: Any) -> Any:
    match value:
        case Mapping():
            return {key: _ordered(value[key]) for key in sorted(value, key=_by_code_units)}
        case list() | tuple():
            return [_ordered(one) for one in value]
        case float() if math.isfinite(value) and value.is_integer() and abs(value) < 2**53:
            return int(value)
        case _:
            return value


def _by_code_units(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")
