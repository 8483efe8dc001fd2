"""The providers, as data. A new OpenAI-compatible one is a new row; anything a user wants different is a setting.

Model ids and retirement dates are as of November 2026. Every default can be overridden in credentials.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import Literal

Dialect = Literal["openai_chat", "anthropic", "gemini", "command"]


@dataclass(frozen=True, slots=True)
class Quirks:
    """Where an OpenAI-compatible endpoint departs from OpenAI's own API."""

    max_tokens_field: str = "max_tokens"
    stream_usage: bool = True
    """Whether `stream_options.include_usage` is understood."""
    json_schema: bool = True
    """Whether `response_format: json_schema` is understood; else JSON mode plus the schema in the prompt."""
    effort_field: Literal["reasoning_effort", "reasoning.effort"] | None = "reasoning_effort"


@dataclass(frozen=True, slots=True)
class Provider:
    """One row. `model` None means: the first model the endpoint itself lists."""

    name: str
    dialect: Dialect = "openai_chat"
    base_url: str | None = None
    env_keys: tuple[str, ...] = ()
    model: str | None = None
    needs_key: bool = True
    price_id: str | None = None
    quirks: Quirks = field(default_factory=Quirks)
    max_tokens: int | None = None
    """Sent when the caller sets none, where the protocol requires a value."""
    headers: tuple[tuple[str, str], ...] = ()
    context_window: int | None = None
    """Tokens of prompt and answer together, where the price list does not say."""
    batches: str | None = None
    """The module beside this one that speaks its batch endpoint."""
    embedded: bool = False
    """Served by the model that ships with Moot."""


_ROWS = (
    Provider(
        "openai",
        base_url="https://api.openai.com/v1",
        env_keys=("OPENAI_API_KEY",),
        model="gpt-6.1-sol",
        price_id="openai",
        batches="openai_batch",
        quirks=Quirks(max_tokens_field="max_completion_tokens"),
    ),
    Provider(
        "anthropic",
        dialect="anthropic",
        base_url="https://api.anthropic.com",
        env_keys=("ANTHROPIC_API_KEY",),
        model="claude-opus-5-5",
        price_id="anthropic",
        batches="anthropic_batch",
        max_tokens=16_384,
    ),
    Provider(
        "gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com",
        env_keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        model="gemini-4-argon",
        price_id="google",
        batches="gemini_batch",
    ),
    Provider("xai", base_url="https://api.x.ai/v1", env_keys=("XAI_API_KEY",), model="grok-4.7", price_id="x-ai"),
    Provider(
        "deepseek",
        base_url="https://api.deepseek.com",
        env_keys=("DEEPSEEK_API_KEY",),
        model="deepseek-v4-pro",
        price_id="deepseek",
        quirks=Quirks(json_schema=False),
    ),
    Provider(
        "mistral",
        base_url="https://api.mistral.ai/v1",
        env_keys=("MISTRAL_API_KEY",),
        model="mistral-large-4",
        price_id="mistral",
        batches="mistral_batch",
        quirks=Quirks(stream_usage=False),
    ),
    Provider(
        "openrouter",
        base_url="https://openrouter.ai/api/v1",
        env_keys=("OPENROUTER_API_KEY",),
        model="openai/gpt-6.1-sol",
        price_id="openrouter",
        quirks=Quirks(effort_field="reasoning.effort"),
        headers=(("X-Title", "Moot"),),
    ),
    Provider(
        "groq",
        base_url="https://api.groq.com/openai/v1",
        env_keys=("GROQ_API_KEY",),
        model="openai/gpt-oss-120b",
        price_id="groq",
        quirks=Quirks(max_tokens_field="max_completion_tokens"),
    ),
    Provider(
        "perplexity",
        base_url="https://api.perplexity.ai",
        env_keys=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        model="sonar-pro",
        price_id="perplexity",
        quirks=Quirks(stream_usage=False),
    ),
    Provider(
        "together",
        base_url="https://api.together.xyz/v1",
        env_keys=("TOGETHER_API_KEY",),
        model="deepseek-ai/DeepSeek-V4-Pro-0813",
        price_id="together",
    ),
    Provider(
        "ollama", base_url="http://localhost:11434/v1", env_keys=("OLLAMA_API_KEY",), needs_key=False, price_id="free"
    ),
    Provider("lmstudio", base_url="http://localhost:1234/v1", needs_key=False, price_id="free"),
    Provider("openai_compatible", needs_key=False),
    Provider(
        "local",
        model="SmolLM2-135M-Instruct",
        needs_key=False,
        price_id="free",
        max_tokens=256,
        context_window=2_730,
        embedded=True,
    ),
    Provider("command", dialect="command", needs_key=False),
)

PROVIDERS = {row.name: row for row in _ROWS}


@dataclass(frozen=True, slots=True)
class Retirement:
    on: date
    use: str


RETIREMENTS = {
    **dict.fromkeys(
        ("gpt-4.1-nano", "o4-mini", "o3-mini", "o1", "gpt-4", "gpt-4-turbo", "gpt-3.5-turbo"),
        Retirement(date(2026, 10, 23), "gpt-6.1-terra"),
    ),
    **dict.fromkeys(("gpt-5", "gpt-5-mini", "gpt-5-nano", "o3"), Retirement(date(2026, 12, 11), "gpt-6.1-sol")),
    **dict.fromkeys(
        ("gpt-4o", "gpt-4o-mini", "gpt-4.1", "gpt-4.1-mini"), Retirement(date(2027, 1, 14), "gpt-6.1-terra")
    ),
    **dict.fromkeys(("gpt-5.1", "gpt-5.4-nano"), Retirement(date(2027, 4, 1), "gpt-6.1-terra")),
    "claude-sonnet-4-5": Retirement(date(2026, 11, 30), "claude-sonnet-5-5"),
    **dict.fromkeys(
        ("claude-opus-4-0", "claude-sonnet-4-0", "claude-3-7-sonnet-latest", "claude-3-5-haiku-latest"),
        Retirement(date(2026, 6, 15), "claude-sonnet-5-5"),
    ),
    **dict.fromkeys(
        ("gemini-3-pro-preview", "gemini-2.0-flash", "gemini-2.0-flash-lite"),
        Retirement(date(2026, 6, 1), "gemini-3.8-flash"),
    ),
}
"""Model ids that are switched off, or will be. A dated suffix such as `-2026-01-31` counts as the same model."""


def retirement_warning(model: str, today: date) -> str | None:
    """One sentence when *model* is, or will be, switched off."""
    base, _, suffix = model.rpartition("-20")
    name = base if base and suffix[:2].isdigit() else model
    gone = RETIREMENTS.get(name)
    if gone is None:
        return None
    tense = "was switched off" if gone.on <= today else "will be switched off"
    return f"Model {model!r} {tense} on {gone.on.isoformat()}: use {gone.use!r} instead."
