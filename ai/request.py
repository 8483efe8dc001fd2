"""A request as such: what no AI could answer is refused before it is paid for, and by what it is known again."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import fields, is_dataclass
from typing import get_args

from core.errors import InvalidInputError
from core.untrusted import is_text
from core.values import Effort, Image, Request, Text, ToolCall, ToolSpec

LONGEST_PROMPT = 2_000_000
"""Characters; more fits no model's context."""


def check_request(request: Request) -> None:
    """Refuse a prompt that is empty, too long, or no text.

    Raises:
        InvalidInputError: It cannot be sent; the message says what to change.
    """
    for message in request.messages:
        if not all(isinstance(part.text, str) for part in message.parts if isinstance(part, Text)):
            raise InvalidInputError("The prompt is no text. Give a str.")
    _check_values(request)
    texts = [message.text for message in request.messages]
    if all(not text or text.isspace() for text in texts) and not _is_only_shown(request):
        raise InvalidInputError("The prompt is empty: say what the AI should answer.")
    if (length := sum(map(len, texts))) > LONGEST_PROMPT:
        raise InvalidInputError(
            f"The prompt has {length:,} characters; at most {LONGEST_PROMPT:,} are accepted. Shorten it."
        )
    if not all(map(is_text, (request.system or "", *texts))):
        raise InvalidInputError("The prompt is not valid UTF-8 text. Convert it to UTF-8 and ask again.")


def _is_only_shown(request: Request) -> bool:
    """Whether it shows pictures without a word, which the protocols allow; a blank text beside them some do not."""
    parts = [part for message in request.messages for part in message.parts]
    return any(isinstance(part, Image) for part in parts) and not any(isinstance(part, Text) for part in parts)


def _check_values(request: Request) -> None:
    heat, longest = request.temperature, request.max_tokens
    if heat is not None and not (isinstance(heat, int | float) and 0 <= heat < math.inf):
        raise InvalidInputError(f"'temperature' is {heat!r}: give a number from 0 on, such as 0.7.")
    if longest is not None and not (isinstance(longest, int) and longest > 0):
        raise InvalidInputError(f"'max_tokens' is {longest!r}: give a whole number from 1 on.")
    if request.effort is not None and request.effort not in get_args(Effort):
        raise InvalidInputError(f"'effort' is {request.effort!r}: give one of {', '.join(get_args(Effort))}.")
    if not isinstance(request.system, str | None):
        raise InvalidInputError("'system' is no text. Give a str.")


def request_key(identity: str, request: Request) -> str:
    """The same for the same request to the same AI, whatever its deadlines and priority; else different."""
    content = {name: getattr(request, name) for name in _ASKED}
    content |= {name: value for name in _LATER if (value := getattr(request, name))}
    plain = json.dumps([identity, content], sort_keys=True, default=_plain)
    return hashlib.sha256(plain.encode()).hexdigest()


_LATER = ("tool_choice", "stop", "top_p")
"""Fields that came later: left out where they say nothing, so that what was kept before is found again."""
_ASKED = [field.name for field in fields(Request) if field.name not in ("deadlines", "priority", *_LATER)]


def _plain(value: object) -> object:
    if isinstance(value, bytes):
        return hashlib.sha256(value).hexdigest()
    if isinstance(value, ToolSpec):  # no model is told more of it
        return {"name": value.name, "description": value.description, "parameters": value.parameters}
    if isinstance(value, ToolCall):
        told = {field: getattr(value, field) for field in value.__dataclass_fields__}
        return told if value.broken else {name: one for name, one in told.items() if name != "broken"}
    if is_dataclass(value):
        return {field: getattr(value, field) for field in value.__dataclass_fields__}
    return repr(value)


def result_key(role: str, ai: str, key: str) -> str:
    """Under what a job's journal keeps an answer: who was asked, as what, and what."""
    return f"{role}:{ai}:{key}"
