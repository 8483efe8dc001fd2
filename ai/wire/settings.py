"""What a provider's client is built from: one frozen value, ready to use."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import parse_qsl, urlsplit, urlunsplit

import anyio.to_thread

from ai.wire.classify.failure import Who
from ai.wire.response.fold import LONGEST_ANSWER, AnswerFold
from core.values import Deadlines, Effort, Request

Platform = Literal["bedrock", "vertex"]


@dataclass(frozen=True, slots=True)
class Endpoint:
    base_url: str
    api_key: str = field(repr=False)
    query: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Parameters of every request's address, such as `api-version`."""

    @classmethod
    def at(cls, address: str, api_key: str, query: Mapping[str, str]) -> Endpoint:
        """The endpoint at *address*, whose own parameters come after the path of every request."""
        parts = urlsplit(address)
        bare = urlunsplit(parts._replace(query="", fragment=""))
        own = dict(parse_qsl(parts.query, keep_blank_values=True))
        return cls(bare, api_key, tuple({**own, **query}.items()))


@dataclass(frozen=True, slots=True)
class Quirks:
    """Where an OpenAI-compatible endpoint departs from OpenAI's own API."""

    api: Literal["chat", "responses"] = "chat"
    """Which of OpenAI's two protocols it speaks; where it does not speak the one, the other is tried."""
    summaries: bool = True
    """Whether a model may be asked to sum up its thoughts (Responses alone)."""
    max_tokens_field: str = "max_tokens"
    stream_usage: bool = True
    """Whether `stream_options.include_usage` is understood."""
    json_schema: bool = True
    """Whether `response_format: json_schema` is understood; else JSON mode plus the schema in the prompt."""
    strict: bool = True
    """Whether a JSON schema is held to exactly; a schema that the strict mode cannot say goes without it."""
    json_object: bool = True
    """Whether `response_format: json_object` is understood, where `json_schema` is not; else the prompt alone asks."""
    schema_in_prompt: bool = False
    """Whether the schema stands in the prompt too, for endpoints that take `response_format` and do not honour it."""
    effort_field: Literal["reasoning_effort", "reasoning.effort"] | None = "reasoning_effort"
    efforts: tuple[Effort | Literal["xhigh"], ...] = ("none", "minimal", "low", "medium", "high", "max")
    """The levels of effort that are understood; any other is sent as the nearest of them. None: it is not sent."""
    system_role: Literal["system", "developer", "user"] = "system"
    """How the system prompt is sent; `user`: before the first message."""
    temperature: bool = True
    images: bool = True
    tools: Literal["native", "emulated"] = "native"
    """How functions are offered; `emulated`: the form of the answer stands for them, where a model knows none."""
    strict_tools: bool = False
    """Whether a call of a function is held to its schema exactly, where that can be said."""
    kept_reasoning: bool = True
    """Whether reasoning is asked for, and sent back, in the form that the next turn of a conversation wants."""
    short_ids: bool = False
    """Whether the id of a call has to have nine letters and digits (Mistral)."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Everything one client needs to know.

    Attributes:
        model: None means the first model the endpoint lists.
        fixed_quirks: The names of quirks that the user has set.
        keep_thoughts: Whether thoughts that are written into the answer stay there.
        longest_answer: Characters of one answer, after which it is cut off.
        key_header: The header that takes the key instead of a bearer token.
        platform: Whose cloud serves the models by ways of its own; None: the makers do.
        region, project: Where on that platform.
        native: What Ollama's own protocol is sent beside the request.
        locate: Starts whatever serves the endpoint and says where it is; called before each request, may block.
    """

    who: Who
    model: str | None
    endpoint: Endpoint | None = None
    locate: Callable[[], Endpoint] | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    quirks: Quirks = field(default_factory=Quirks)
    fixed_quirks: frozenset[str] = frozenset()
    max_tokens: int | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    keep_thoughts: bool = False
    longest_answer: int = LONGEST_ANSWER
    key_header: str | None = None
    platform: Platform | None = None
    region: str | None = None
    project: str | None = None
    native: Mapping[str, Any] = field(default_factory=dict)

    def at(self) -> Endpoint:
        """Where to ask now. Blocks: a program may have to be started, or asked for a key."""
        found = self.locate() if self.locate else self.endpoint
        assert found is not None, "a command has no endpoint"
        return found

    async def found(self) -> Endpoint:
        """Where to ask now, without blocking."""
        if self.locate is None:
            return self.at()
        return await anyio.to_thread.run_sync(self.locate)

    def instruct(self, fold: AnswerFold, request: Request) -> None:
        """Have *fold* read an answer to *request* as these settings want it."""
        fold.offers(request)
        fold.keeps_thoughts = self.keep_thoughts
        fold.longest = self.longest_answer
