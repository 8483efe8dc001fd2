"""What an endpoint turned out not to understand: tried down one step at a time, once, and remembered.

An endpoint that refuses a request over a setting is asked again without it: a refusal costs nothing. What then works is
kept in the data folder for a week, so that no later process tries again what is known to be refused. What a row of
credentials.json says under `quirks` is never touched.
"""

from __future__ import annotations

import json
import logging
import re
import threading
import time
from collections.abc import Collection, Mapping
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

from ai.wire.settings import ClientSettings, Quirks
from core.errors import AIError, ModelNotFoundError, ProviderError, RequestRejectedError, ServerError
from core.files.atomic import write_atomically
from core.paths import data_dir

log = logging.getLogger(__name__)

MOST_STEPS = 8
_KEPT_S = 7 * 86_400
_FILE = "endpoints.json"
_NAMES = tuple(field.name for field in fields(Quirks))
_LEVELS = ("none", "minimal", "low", "medium", "high", "xhigh", "max")
_MAY_BE_A_SETTING = ("unsupported", "schema_refused", "rejected")
_NOT_KNOWN = re.compile(
    r"unsupported|not support|no support|unknown|unrecogni|unexpected|extra|not permitted|not allowed|deprecated"
    r"|instead|verified|only the default|must be|invalid value|not valid|supported values|expected one of",
)
"""What is said of a setting that an endpoint does not take, rather than of the value it was given."""
_WHOLLY = (
    r"unsupported|not support|unknown|unrecogni|unexpected|extra|not permitted|not allowed|deprecated|only the default"
)
"""What is said of a setting that is not taken at all, where a value may simply be out of range."""
_THIS_SCHEMA = re.compile(
    r"invalid schema|additionalproperties|required|too complex|too large|in context|properties|\$ref"
)
"""What is said of one schema, and not of schemas."""
_REASONING_BACK = (
    r"encrypted[ _]content|\binclude\b|reasoning_content|reasoning_details|propert(?:y|ies) '?\"?reasoning"
    r"|invalid.{0,30}signature"
)
"""What is said by who does not give reasoning in a form that goes back, or does not take it."""
_THIS_REASONING = r"encrypted[ _]content.{0,400}(?:could not|cannot|verif|decrypt|pars)|invalid_encrypted"
"""What is said of one turn's reasoning: another account wrote it."""
_SYSTEM = re.compile(
    r"(?:system|developer) (?:role|message|prompt|instruction)|role.{0,40}(?:system|developer)|roles must alternate"
    r"|(?:system|developer)['\"`]* (?:is |are )?(?:not|un)\s?supported|only (?:the )?user and assistant"
    r"|unsupported role"
)
_lock = threading.Lock()


class Learned:
    """What is known of the endpoint called *key*, which began as *quirks*; *fixed* are those that stay as they are."""

    def __init__(self, key: str, quirks: Quirks, fixed: Collection[str] = ()) -> None:
        self._key = key
        self._given = quirks
        self._fixed = frozenset(fixed)
        self.current: Quirks | None = None
        """None until `load`."""

    @classmethod
    def of(cls, settings: ClientSettings) -> Learned:
        """What is known of the endpoint and the model of *settings*."""
        place = settings.endpoint.base_url if settings.endpoint else settings.who.provider
        return cls(f"{place} {settings.model or ''}", settings.quirks, settings.fixed_quirks)

    def load(self) -> Quirks:
        """What is remembered. Reads a file, the first time."""
        if self.current is None:
            self.current = recall(self._key, self._given, self._fixed)
        return self.current

    def without(self, quirks: Quirks, error: AIError, body: Mapping[str, Any]) -> Quirks | None:
        """*quirks* without what *error* refuses of *body*; None where there is nothing to try."""
        lesser = step_down(quirks, error, body, self._fixed)
        return lesser if lesser != quirks else None

    def adopt(self, quirks: Quirks) -> None:
        """Keep *quirks*, with which a request was taken. Writes a file."""
        log.info("%s: %s", self._key, quirks)
        self.current = quirks
        remember(self._key, self._given, quirks)

    def heeded(self, quirks: Quirks, *, fits: bool) -> Quirks:
        """What to do from now on, after an answer that was to be JSON and *fits*, or is none."""
        asks = fits or quirks.schema_in_prompt or "schema_in_prompt" in self._fixed
        return quirks if asks else replace(quirks, schema_in_prompt=True)


def step_down(quirks: Quirks, error: AIError, body: Mapping[str, Any], fixed: Collection[str] = ()) -> Quirks | None:
    """*quirks* without what *error* refuses of *body*; None where it is nothing that can be left out.

    Args:
        fixed: Names that the user has set, and that stay as they are.
    """
    if not isinstance(error, RequestRejectedError | ServerError | ModelNotFoundError) or error.accepted:
        return None
    words = error.words.lower()
    settings = _candidates(quirks, words, body) if _about_a_setting(error, words) else []
    for changes in [*_other_protocol(quirks, error, words), *settings]:
        if not changes.keys() & set(fixed):
            return replace(quirks, **changes)
    return None


def _about_a_setting(error: AIError, words: str) -> bool:
    if not isinstance(error, RequestRejectedError) or error.code not in _MAY_BE_A_SETTING:
        return False
    return error.code == "schema_refused" or _NOT_KNOWN.search(words) is not None


def lasting(kept: Quirks, before: Quirks, after: Quirks, error: ProviderError) -> Quirks:
    """*kept* with what *error* taught between *before* and *after*, unless it spoke of one schema or turn alone."""
    words = error.words.lower()
    if (error.code == "schema_refused" and _THIS_SCHEMA.search(words)) or re.search(_THIS_REASONING, words):
        return kept
    old = asdict(before)
    return replace(kept, **{name: getattr(after, name) for name in _NAMES if getattr(after, name) != old[name]})


def _other_protocol(quirks: Quirks, error: AIError, words: str) -> list[dict[str, Any]]:
    """The other of OpenAI's two protocols, where the one has no address there, or the refusal names the other."""
    if quirks.api == "responses":
        unnamed = error.status == 404 and not re.search(r"model|deployment|engine", words)
        absent = unnamed or error.status == 405
        named = re.search(r"(?:unknown|invalid|unsupported|not found|no such|cannot post)[^.]*/responses", words)
        return [{"api": "chat"}] if absent or named else []
    return [{"api": "responses"}] if re.search(r"v1/responses|responses api\b", words) else []


def _candidates(quirks: Quirks, words: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    found = _about_functions(quirks, words, body)
    if "stream_options" in body and "stream_options" in words:
        found.append({"stream_usage": False})
    if quirks.max_tokens_field in body and (other := _other_name(quirks.max_tokens_field, words)):
        found.append({"max_tokens_field": other})
    if "summary" in (body.get("reasoning") or {}) and re.search(r"summar|reasoning|verified", words):
        found.append({"summaries": False})
    elif ("reasoning_effort" in body or "reasoning" in body) and re.search(r"reasoning|effort|thinking", words):
        found.append({"efforts": _offered(words, quirks, body)})
    if "instructions" in body and "instructions" in words:
        found.append({"system_role": "developer"})
    if ("response_format" in body or "text" in body) and (changes := _looser(quirks, words)):
        found.append(changes)
    if "temperature" in body and "temperature" in words and re.search(_WHOLLY, words):
        found.append({"temperature": False})
    if quirks.system_role != "user" and _SYSTEM.search(words) and _has_system(body):
        found.append({"system_role": _next_role(quirks, words)})
    return found


def _about_functions(quirks: Quirks, words: str, body: Mapping[str, Any]) -> list[dict[str, Any]]:
    """What is refused of the way that functions are offered, and turns with them sent back; never functions as such."""
    found: list[dict[str, Any]] = []
    if quirks.kept_reasoning and _sends_reasoning_back(body) and re.search(_REASONING_BACK, words):
        found.append({"kept_reasoning": False})
    if not quirks.short_ids and "tool call id was" in words:
        found.append({"short_ids": True})
    if quirks.strict_tools and "tools" in body and re.search(r"invalid schema for function|\bstrict\b", words):
        found.append({"strict_tools": False})
    return found


def _sends_reasoning_back(body: Mapping[str, Any]) -> bool:
    """Whether *body* asks for it, or holds some."""
    if "include" in body:
        return True
    said = (key for message in body.get("messages") or () for key in message)
    return any(key.startswith("reasoning") or key == "thinking" for key in said)


def _other_name(name: str, words: str) -> str | None:
    """The field's other name, where the refusal is about the name and not about the number."""
    other = "max_completion_tokens" if name == "max_tokens" else "max_tokens"
    named = re.search(rf"\b{name}\b", words) is not None
    about_name = re.search(r"unsupported|not supported|unknown|unrecogni|unexpected|extra|not permitted|instead", words)
    return other if named and about_name else None


def _offered(words: str, quirks: Quirks, body: Mapping[str, Any]) -> tuple[str, ...]:
    """The levels a refusal lists as allowed, without the one it refuses; none where it lists none."""
    sent = body.get("reasoning_effort") or (body.get("reasoning") or {}).get("effort")
    listed = re.search(r"(?:supported|allowed|valid|one of|must be|expected|permitted)[^.]*?:?(.*)", words, re.S)
    levels = [level for level in _LEVELS if listed and re.search(rf"\b{level}\b", listed[1]) and level != sent]
    return tuple(levels)


def _looser(quirks: Quirks, words: str) -> dict[str, Any] | None:
    if not re.search(r"response_?format|json|schema|structured|additionalproperties|grammar|strict", words):
        return None
    if quirks.json_schema and quirks.strict:
        return {"strict": False}
    if quirks.json_schema:
        return {"json_schema": False}
    return {"json_object": False} if quirks.json_object else None


def _has_system(body: Mapping[str, Any]) -> bool:
    return any(message.get("role") in ("system", "developer") for message in body.get("messages") or ())


def _next_role(quirks: Quirks, words: str) -> str:
    return "developer" if quirks.system_role == "system" and "developer" in words else "user"


def recall(key: str, quirks: Quirks, fixed: Collection[str] = ()) -> Quirks:
    """*quirks* with what is remembered of the endpoint called *key*. Reads a file."""
    known = _read().get(key)
    if not isinstance(known, dict) or time.time() - _time(known) > _KEPT_S:
        return quirks
    changes = {name: known[name] for name in _NAMES if name in known and name not in fixed}
    if isinstance(changes.get("efforts"), list):
        changes["efforts"] = tuple(changes["efforts"])
    return replace(quirks, **{name: value for name, value in changes.items() if _fits(value, getattr(quirks, name))})


def remember(key: str, before: Quirks, after: Quirks) -> None:
    """Keep for *key* in what *after* differs from *before*. Writes a file; one that cannot be written is no loss."""
    old = asdict(before)
    changes = {name: value for name, value in asdict(after).items() if value != old[name]}
    with _lock:
        kept = _read()
        known = kept.get(key)
        kept[key] = (known if isinstance(known, dict) else {}) | changes | {"at": time.time()}
        try:
            write_atomically(_path(), json.dumps(kept, indent=1, sort_keys=True), private=True)
        except OSError as error:
            log.debug("%s cannot be written: %s", _FILE, error)


def _fits(value: object, like: object) -> bool:
    return type(value) is type(like)


def _time(known: Mapping[str, Any]) -> float:
    at = known.get("at")
    return float(at) if isinstance(at, int | float) else 0.0


def _path() -> Path:
    return data_dir() / _FILE


def _read() -> dict[str, Any]:
    try:
        found = json.loads(_path().read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
