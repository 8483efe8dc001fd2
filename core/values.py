"""What is asked and what comes back: frozen values that know nothing of providers, storage or doors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypedDict, Unpack

from core.errors import AIError
from core.names.misspelt import check_options

Effort = Literal["none", "minimal", "low", "medium", "high", "max"]
FinishReason = Literal["stop", "length", "tool_calls"]
Priority = Literal["interactive", "background", "batch"]
"""Who waits for the answer: somebody right now, a job behind the scenes, or nobody in particular."""


@dataclass(frozen=True, slots=True)
class Text:
    text: str


@dataclass(frozen=True, slots=True)
class Image:
    data: bytes
    media_type: str
    """A MIME type such as `image/png`."""


@dataclass(frozen=True, slots=True)
class ToolCall:
    """A model's wish to have a function called."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    signature: bytes | None = None
    """What the provider wants back with the call, as it is (Gemini's thought signature)."""
    broken: str = ""
    """What the model wrote instead of arguments that can be read, cut to a bound: it goes back to the model with a
    sentence, and nothing is called."""


@dataclass(frozen=True, slots=True)
class ToolResult:
    """What a called function gave, on its way back to the model."""

    call_id: str
    content: str
    is_error: bool = False
    name: str = ""
    """The function's name; Gemini wants it beside the id."""


@dataclass(frozen=True, slots=True)
class Reasoning:
    """What a provider gave of its reasoning and wants back unchanged with the next turn of the same model.

    A reasoning item of Responses, a thinking block of Messages with its signature, a part of Gemini with its own. It
    means nothing to any other protocol, which leaves it out.
    """

    dialect: str
    """Whose it is: `responses`, `chat`, `anthropic` or `gemini`."""
    item: Mapping[str, Any]


_OWN = "A field of the provider's own goes into extra={...}."

Part = Text | Image | ToolCall | ToolResult | Reasoning


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant"]
    parts: tuple[Part, ...]

    @classmethod
    def user(cls, text: str, *images: Image) -> Message:
        return cls("user", (Text(text), *images))

    @classmethod
    def assistant(cls, text: str) -> Message:
        return cls("assistant", (Text(text),))

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))


@dataclass(frozen=True, slots=True)
class ToolSpec:
    """A function a model may ask for; *parameters* is a JSON Schema."""

    name: str
    description: str
    parameters: Mapping[str, Any]
    read_only: bool = False
    """Whether calling it changes nothing in the world, so that nobody has to be asked first. No model is told."""


@dataclass(frozen=True, slots=True)
class ToolChoice:
    """Whether a model may, must or must not call a function: the one called `name`, or any; and several at once."""

    mode: Literal["auto", "none", "required"] = "auto"
    name: str = ""
    parallel: bool = True


@dataclass(frozen=True, slots=True)
class Deadlines:
    """Seconds; each may be None for no limit.

    `connect` ends the TCP/TLS handshake, `first_token` the silence before the first token, `idle` the silence
    between two tokens (comments and pings do not count as tokens), `total` one whole attempt.
    """

    connect: float | None = 15.0
    first_token: float | None = 120.0
    idle: float | None = 60.0
    total: float | None = 300.0


class RequestOptions(TypedDict, total=False):
    """What may be said of a request beside its prompt: the fields of `Request`, which describes them."""

    system: str | None
    temperature: float | None
    max_tokens: int | None
    effort: Effort | None
    json_schema: Mapping[str, Any] | None
    tools: tuple[ToolSpec, ...]
    extra: Mapping[str, Any]
    deadlines: Deadlines | None
    priority: Priority
    local_only: bool
    tool_choice: ToolChoice | None
    stop: tuple[str, ...]
    top_p: float | None


@dataclass(frozen=True, slots=True)
class Request:
    """One request to one AI. None means: not sent, the provider's own default applies."""

    messages: tuple[Message, ...]
    system: str | None = None
    temperature: float | None = None
    max_tokens: int | None = None
    effort: Effort | None = None
    json_schema: Mapping[str, Any] | None = None
    tools: tuple[ToolSpec, ...] = ()
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Further parameters, passed on to the provider as they are."""
    deadlines: Deadlines | None = None
    priority: Priority = "interactive"
    """Who goes first where requests have to wait for a rate limit."""
    local_only: bool = False
    """Whether it may go only to AIs on this machine, also as a fallback."""
    tool_choice: ToolChoice | None = None
    stop: tuple[str, ...] = ()
    """Texts before which the answer ends."""
    top_p: float | None = None

    @classmethod
    def of(cls, prompt: str, **options: Unpack[RequestOptions]) -> Request:
        """A single user message; *options* are fields of `Request`.

        Raises:
            TypeError: One of them is not; what is the provider's own goes into `extra`.
        """
        check_options(options, RequestOptions.__annotations__, "A request", otherwise=_OWN)
        return cls(messages=(Message.user(prompt),), **options)


@dataclass(frozen=True, slots=True)
class Usage:
    """Token counts as the provider reported them; None where it did not.

    `input_tokens` includes cached ones and `output_tokens` includes reasoning, whatever the provider's own habit.
    """

    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None


@dataclass(frozen=True, slots=True)
class Response:
    """What one client returns: the whole answer and what is known about it."""

    text: str
    model: str
    finish_reason: FinishReason = "stop"
    usage: Usage = Usage()
    request_id: str | None = None
    tool_calls: tuple[ToolCall, ...] = ()
    answered_by: str | None = None
    """The AI that really answered, when a fallback did."""
    fallback_reason: str | None = None
    key: str = ""
    """Which of the AI's keys was used, by its alias; never the key itself."""
    cached: bool = False
    """Whether it came from the answer cache, at no cost."""
    parts: tuple[Part, ...] = ()
    """The turn as it has to be sent back, in order, where there is more to it than `text` and `tool_calls`."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A finished call, attributed. Latency in seconds; cost in US dollars, None when the price is unknown."""

    ai: str
    model: str
    text: str
    latency_s: float
    usage: Usage
    cost_usd: float | None
    finish_reason: FinishReason = "stop"
    request_id: str | None = None
    answered_by: str | None = None
    fallback_reason: str | None = None
    provider: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
    first_token_s: float | None = None
    """Seconds until the model gave its first sign: text or reasoning."""
    key: str = ""
    cached: bool = False
    parts: tuple[Part, ...] = ()
    stopped: str = ""
    """Why an agent ended before it was done, in one sentence; empty: it did not."""
    lacked: str = ""
    """What an agent had not of the tools that it was to have, and how they are had; empty: nothing is known of."""

    @property
    def turn(self) -> Message:
        """What is sent back as the model's own turn when its conversation goes on."""
        said = (Text(self.text),) if self.text else ()
        return Message("assistant", self.parts or (*said, *self.tool_calls))


@dataclass(frozen=True, slots=True)
class Failure:
    """A call that gave no answer, and why."""

    ai: str
    error: AIError
    latency_s: float = 0.0


Outcome = Answer | Failure
