"""The finished calls of a batch as JSON, and the records that are written of them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ai.wire.strict_schema import without_nulls
from core.errors import InvalidInputError
from core.redact import redact
from core.values import Answer, Failure

_WHOLE = "stop"
"""How an answer ends of which nothing else is kept."""


def answer_value(answer: Answer, index: int) -> dict[str, Any]:
    """*answer* to row *index*, as far as a batch needs it, without what is not known."""
    usage = answer.usage
    value = {
        "ai": answer.ai,
        "i": index,
        "model": answer.model,
        "text": answer.text,
        "finish_reason": None if answer.finish_reason == _WHOLE else answer.finish_reason,
        "answered_by": answer.answered_by,
        "input_tokens": usage.input_tokens,
        "output_tokens": usage.output_tokens,
        "cost_usd": answer.cost_usd,
        "latency_s": round(answer.latency_s, 3),
    }
    return {name: known for name, known in value.items() if known is not None}


def failure_value(failure: Failure, index: int) -> dict[str, Any]:
    error = failure.error
    return {
        "ai": failure.ai,
        "i": index,
        "text": error.partial,
        "error": f"{error.kind}: {error}",
        "code": error.code,
        "billed": error.maybe_billed,
        "latency_s": round(failure.latency_s, 3),
    }


class Schema:
    """What answers must look like: a JSON Schema.

    Raises:
        InvalidInputError: It is none.
    """

    def __init__(self, schema: Mapping[str, Any]) -> None:
        from jsonschema import validators
        from jsonschema.exceptions import SchemaError
        from referencing import Registry

        if not isinstance(schema, Mapping) or not isinstance(schema.get("$schema", ""), str):
            raise InvalidInputError("The schema is not a JSON Schema, which is an object. Correct it.")
        kind = validators.validator_for(schema)
        try:
            kind.check_schema(schema)
        except SchemaError as error:
            raise InvalidInputError(f"The schema is not a JSON Schema: {error.message}") from None
        self._schema = schema
        self._validator = kind(schema, registry=Registry())  # which fetches nothing that a $ref names

    def read(self, text: str) -> tuple[Any, str | None]:
        """The value in *text*, and what is wrong with it if something is."""
        try:
            value = json.loads(_unfenced(text), parse_constant=_refuse)
        except (ValueError, RecursionError):
            return None, "The answer is not JSON."
        value = without_nulls(value, self._schema)
        try:
            wrong = next(self._validator.iter_errors(value), None)
        except Exception as error:  # a reference that leads nowhere, a pattern that is none: jsonschema raises many
            return None, f"The schema cannot be applied ({type(error).__name__}). Correct it and start anew."
        if wrong is None:
            return value, None
        return None, f"The answer does not fit the schema at {wrong.json_path}: {redact(wrong.message)[:200]}"


def _refuse(constant: str) -> None:
    """NaN and the infinities are no JSON (RFC 8259, section 6), and could be written into none."""
    raise ValueError(constant)


def record(
    value: Mapping[str, Any], *, index: int, id: str | int, ai: str, schema: Schema | None = None
) -> dict[str, Any]:
    """What is written of one row and AI. An answer that is another row's too has cost nothing here."""
    duplicate = value["i"] != index
    error: str | None = value.get("error")
    code: str | None = value.get("code")
    parsed = None
    if error is None and schema is not None:
        parsed, error = schema.read(value["text"])
        code = "schema_mismatch" if error else None
    free = duplicate or ("error" in value and not value["billed"])
    return {
        "index": index,
        "id": id,
        "ai": ai,
        "model": value.get("model", ""),
        "status": "ok" if error is None else "error",
        "text": value["text"],
        "json": parsed,
        "error": error,
        "code": code,
        "finish_reason": value.get("finish_reason", None if "error" in value else _WHOLE),
        "duplicate_of": value["i"] if duplicate else None,
        "input_tokens": 0 if duplicate else value.get("input_tokens"),
        "output_tokens": 0 if duplicate else value.get("output_tokens"),
        "cost_usd": 0.0 if free else value.get("cost_usd"),
        "latency_s": 0.0 if duplicate else value["latency_s"],
    }


def _unfenced(text: str) -> str:
    """*text* without a fence around all of it."""
    bare = text.strip()
    opening, _, rest = bare.partition("\n")
    fenced = opening.strip() in ("```", "```json") and rest.endswith("\n```")
    return rest[: -len("\n```")] if fenced else text
