"""The schema of an answer: written out, in a file, or in short as `name, age int, tags [str]`."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

from core.errors import InvalidInputError

_TYPES = {
    "str": "string",
    "string": "string",
    "int": "integer",
    "integer": "integer",
    "float": "number",
    "number": "number",
    "bool": "boolean",
    "boolean": "boolean",
}
_FIELD = re.compile(r"([A-Za-z_]\w*)(?:\s+(\[)?(\w+)(?(2)\]))?")


def read_schema(given: str) -> dict[str, Any]:
    """The JSON Schema that *given* is, names, or says in short.

    Raises:
        InvalidInputError: It is none of these.
    """
    text = given.strip()
    if not text.startswith("{"):
        path = Path(given.removeprefix("@")).expanduser()
        if given.startswith("@") or path.suffix == ".json" or path.is_file():
            text = _read(path)
        else:
            return _in_short(text)
    try:
        schema = json.loads(text)
    except ValueError as error:
        raise InvalidInputError(f"--schema is not valid JSON: {error}. Mend it, or write 'name, age int'.") from None
    if not isinstance(schema, dict):
        raise InvalidInputError("--schema is not a JSON Schema: write an object.")
    return schema


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InvalidInputError(
            f"--schema: {path.name!r} cannot be read ({type(error).__name__}). Correct the path."
        ) from None


def _in_short(text: str) -> dict[str, Any]:
    properties: dict[str, Any] = {}
    for field in (part.strip() for part in text.split(",")):
        found = _FIELD.fullmatch(field)
        kind = _TYPES.get((found[3] or "str").lower()) if found else None
        if found is None or kind is None:
            raise InvalidInputError(
                f"--schema: {field!r} is neither a file nor a field. Write 'name, age int', or a JSON Schema."
            )
        one = {"type": kind}
        properties[found[1]] = {"type": "array", "items": one} if found[2] else one
    return {"type": "object", "properties": properties, "required": list(properties), "additionalProperties": False}
