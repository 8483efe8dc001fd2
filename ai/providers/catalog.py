"""The providers, as data. A new OpenAI-compatible one is a new row; anything a user wants different is a setting.

Model ids are as of November 2026; `retirements.py` says which end when. Every default can be overridden in
credentials.json.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from ai.wire.settings import Platform, Quirks

Dialect = Literal["openai_chat", "anthropic", "gemini", "ollama", "command"]


@dataclass(frozen=True, slots=True)
class Provider:
    """One row. `model` None means: the first model the endpoint itself lists."""

    name: str
    dialect: Dialect = "openai_chat"
    base_url: str | None = None
    """`{region}` stands for the row's region, any other name in braces for a variable of the environment."""
    region_env: tuple[str, ...] = ()
    project_env: tuple[str, ...] = ()
    platform: Platform | None = None
    key_header: str | None = None
    """The header that takes the key, where it is no bearer token."""
    from_environment: bool = True
    """Whether its key in the environment alone makes it an AI; else a row has to name it."""
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
    module: str | None = None
    """Of a provider that another package adds: its module with `AsyncClient` and `SyncClient`; None: the dialect's."""
    embedded: bool = False
    """Served by the model that ships with Moot."""


_AWS_REGION = ("AWS_REGION", "AWS_DEFAULT_REGION")
_GOOGLE_REGION = ("GOOGLE_CLOUD_LOCATION", "CLOUD_ML_REGION")
_GOOGLE_PROJECT = ("GOOGLE_CLOUD_PROJECT", "ANTHROPIC_VERTEX_PROJECT_ID")

_ROWS = (
    Provider(
        "openai",
        base_url="https://api.openai.com/v1",
        env_keys=("OPENAI_API_KEY",),
        model="gpt-6.1-sol",
        price_id="openai",
        batches="openai",
        quirks=Quirks(api="responses", max_tokens_field="max_completion_tokens", strict_tools=True),
    ),
    Provider(
        "anthropic",
        dialect="anthropic",
        base_url="https://api.anthropic.com",
        env_keys=("ANTHROPIC_API_KEY",),
        model="claude-opus-5-5",
        price_id="anthropic",
        batches="anthropic",
        max_tokens=16_384,
    ),
    Provider(
        "gemini",
        dialect="gemini",
        base_url="https://generativelanguage.googleapis.com",
        env_keys=("GOOGLE_API_KEY", "GEMINI_API_KEY"),
        model="gemini-4-argon",
        price_id="google",
        batches="gemini",
    ),
    Provider(
        "xai",
        base_url="https://api.x.ai/v1",
        env_keys=("XAI_API_KEY",),
        model="grok-4.7",
        price_id="x-ai",
        quirks=Quirks(efforts=("low", "medium", "high")),
    ),
    Provider(
        "deepseek",
        base_url="https://api.deepseek.com",
        env_keys=("DEEPSEEK_API_KEY",),
        model="deepseek-v4-pro",
        price_id="deepseek",
        quirks=Quirks(json_schema=False, efforts=("high", "max")),
    ),
    Provider(
        "mistral",
        base_url="https://api.mistral.ai/v1",
        env_keys=("MISTRAL_API_KEY",),
        model="mistral-large-4",
        price_id="mistral",
        batches="mistral",
        quirks=Quirks(stream_usage=False, efforts=("none", "high"), short_ids=True),
    ),
    Provider(
        "openrouter",
        base_url="https://openrouter.ai/api/v1",
        env_keys=("OPENROUTER_API_KEY",),
        model="openai/gpt-6.1-sol",
        price_id="openrouter",
        quirks=Quirks(
            effort_field="reasoning.effort",
            efforts=("none", "minimal", "low", "medium", "high", "xhigh"),
            schema_in_prompt=True,
        ),
        headers=(("X-Title", "Moot"),),
    ),
    Provider(
        "groq",
        base_url="https://api.groq.com/openai/v1",
        env_keys=("GROQ_API_KEY",),
        model="openai/gpt-oss-120b",
        price_id="groq",
        quirks=Quirks(max_tokens_field="max_completion_tokens", efforts=("low", "medium", "high")),
    ),
    Provider(
        "perplexity",
        base_url="https://api.perplexity.ai",
        env_keys=("PERPLEXITY_API_KEY", "PPLX_API_KEY"),
        model="sonar-pro",
        price_id="perplexity",
        quirks=Quirks(stream_usage=False, efforts=("minimal", "low", "medium", "high"), schema_in_prompt=True),
    ),
    Provider(
        "together",
        base_url="https://api.together.xyz/v1",
        env_keys=("TOGETHER_API_KEY",),
        model="deepseek-ai/DeepSeek-V4-Pro-0813",
        price_id="together",
        quirks=Quirks(efforts=("low", "medium", "high"), schema_in_prompt=True),
    ),
    Provider(
        "ollama",
        base_url="http://localhost:11434/v1",
        env_keys=("OLLAMA_API_KEY",),
        needs_key=False,
        price_id="free",
        quirks=Quirks(efforts=("none", "low", "medium", "high"), schema_in_prompt=True),
    ),
    Provider(
        "azure",
        base_url="{AZURE_OPENAI_ENDPOINT}/openai/v1",
        env_keys=("AZURE_OPENAI_API_KEY",),
        key_header="api-key",
        from_environment=False,
        price_id="azure",
        quirks=Quirks(api="responses", max_tokens_field="max_completion_tokens", strict_tools=True),
    ),
    Provider(
        "bedrock",
        base_url="https://bedrock-mantle.{region}.api.aws/openai/v1",
        env_keys=("AWS_BEARER_TOKEN_BEDROCK",),
        region_env=_AWS_REGION,
        platform="bedrock",
        needs_key=False,
        from_environment=False,
        price_id="aws",
    ),
    Provider(
        "bedrock_anthropic",
        dialect="anthropic",
        base_url="https://bedrock-mantle.{region}.api.aws/anthropic",
        env_keys=("AWS_BEARER_TOKEN_BEDROCK",),
        region_env=_AWS_REGION,
        platform="bedrock",
        needs_key=False,
        from_environment=False,
        price_id="aws",
        max_tokens=16_384,
    ),
    Provider(
        "vertex",
        dialect="gemini",
        model="gemini-4-argon",
        region_env=_GOOGLE_REGION,
        project_env=_GOOGLE_PROJECT,
        platform="vertex",
        needs_key=False,
        from_environment=False,
        price_id="google",
    ),
    Provider(
        "vertex_anthropic",
        dialect="anthropic",
        model="claude-opus-5-5",
        region_env=_GOOGLE_REGION,
        project_env=_GOOGLE_PROJECT,
        platform="vertex",
        needs_key=False,
        from_environment=False,
        price_id="anthropic",
        max_tokens=16_384,
    ),
    Provider(
        "github",
        base_url="https://models.github.ai/inference",
        env_keys=("GITHUB_MODELS_TOKEN", "GITHUB_TOKEN"),
        from_environment=False,  # that token is for many things, and there in many places
        model="openai/gpt-6-luna",
        quirks=Quirks(schema_in_prompt=True),
    ),
    Provider(
        "huggingface",
        base_url="https://router.huggingface.co/v1",
        env_keys=("HF_TOKEN",),
        from_environment=False,
        model="openai/gpt-oss-120b",
        price_id="huggingface_together",
        quirks=Quirks(efforts=("low", "medium", "high"), schema_in_prompt=True),
    ),
    Provider(
        "cerebras",
        base_url="https://api.cerebras.ai/v1",
        env_keys=("CEREBRAS_API_KEY",),
        model="qwen-3.8-27b",
        price_id="cerebras",
        quirks=Quirks(max_tokens_field="max_completion_tokens", efforts=("low", "medium", "high")),
    ),
    Provider(
        "fireworks",
        base_url="https://api.fireworks.ai/inference/v1",
        env_keys=("FIREWORKS_API_KEY",),
        model="accounts/fireworks/models/qwen3p8-max",
        price_id="fireworks",
        quirks=Quirks(efforts=("none", "low", "medium", "high")),
    ),
    Provider(
        "cohere",
        base_url="https://api.cohere.ai/compatibility/v1",
        env_keys=("COHERE_API_KEY", "CO_API_KEY"),
        model="command-a-03-2025",
        price_id="cohere",
        quirks=Quirks(stream_usage=False, efforts=("none", "high")),
    ),
    Provider(
        "zai",
        base_url="https://api.z.ai/api/paas/v4",
        env_keys=("ZAI_API_KEY", "Z_AI_API_KEY"),
        model="glm-5.3",
        price_id="zai",
        quirks=Quirks(json_schema=False, efforts=()),
    ),
    Provider(
        "moonshot",
        base_url="https://api.moonshot.ai/v1",
        env_keys=("MOONSHOT_API_KEY", "MOONSHOTAI_API_KEY"),
        model="kimi-k3.1-pro",
        price_id="moonshotai",
        quirks=Quirks(efforts=(), schema_in_prompt=True),
    ),
    Provider(
        "qwen",
        base_url="https://dashscope-intl.aliyuncs.com/compatible-mode/v1",
        env_keys=("DASHSCOPE_API_KEY", "QWEN_API_KEY"),
        model="qwen3.8-max",
        quirks=Quirks(efforts=(), schema_in_prompt=True),
    ),
    Provider(
        "minimax",
        base_url="https://api.minimax.io/v1",
        env_keys=("MINIMAX_API_KEY",),
        model="MiniMax-M3",
        price_id="minimax",
        quirks=Quirks(efforts=(), schema_in_prompt=True),
    ),
    Provider(
        "nvidia",
        base_url="https://integrate.api.nvidia.com/v1",
        env_keys=("NVIDIA_API_KEY",),
        model="nvidia/nemotron-3-ultra-550b-a55b",
        quirks=Quirks(efforts=("low", "medium", "high"), schema_in_prompt=True),
    ),
    Provider(
        "sambanova",
        base_url="https://api.sambanova.ai/v1",
        env_keys=("SAMBANOVA_API_KEY",),
        model="gpt-oss-120b",
        quirks=Quirks(efforts=("low", "medium", "high"), schema_in_prompt=True),
    ),
    Provider(
        "lmstudio",
        base_url="http://localhost:1234/v1",
        needs_key=False,
        price_id="free",
        quirks=Quirks(efforts=("low", "medium", "high"), schema_in_prompt=True),
    ),
    Provider(
        "openai_compatible",
        needs_key=False,
        quirks=Quirks(efforts=("low", "medium", "high"), schema_in_prompt=True),
    ),
    Provider(
        "local",
        model="SmolLM2-135M-Instruct",
        needs_key=False,
        price_id="free",
        max_tokens=256,
        context_window=2_730,
        quirks=Quirks(tools="emulated"),
        embedded=True,
    ),
    Provider("command", dialect="command", needs_key=False, quirks=Quirks(tools="emulated")),
)

PROVIDERS = {row.name: row for row in _ROWS}
