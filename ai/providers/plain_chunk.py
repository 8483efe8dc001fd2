"""The one kind of chunk that nearly all of a stream is made of, read without looking for what it does not hold."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_CHUNK = frozenset(
    {"id", "object", "created", "model", "choices", "usage", "system_fingerprint", "service_tier", "obfuscation"}
)
_CHOICE = frozenset({"index", "delta", "finish_reason", "logprobs"})
_DELTA = frozenset({"role", "content"})


def plain_text(data: Mapping[str, Any]) -> str:
    """The text of a chunk of Chat Completions that says nothing else; empty where it says more, or less."""
    choices = data.get("choices")
    if type(choices) is not list or len(choices) != 1 or not data.keys() <= _CHUNK:
        return ""
    (choice,) = choices
    if data.get("usage") or data.get("object") == "error" or type(choice) is not dict or not choice.keys() <= _CHOICE:
        return ""
    delta = choice.get("delta")
    if choice.get("finish_reason") is not None or choice.get("index", 0) != 0 or type(delta) is not dict:
        return ""
    said = delta.get("content")
    return said if type(said) is str and delta.keys() <= _DELTA else ""
