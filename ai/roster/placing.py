"""Where an AI is asked, from its row and its provider: addresses with places in them, platforms, keys of programs."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Mapping
from dataclasses import replace
from importlib.util import find_spec
from typing import Any

from ai.providers.catalog import Dialect, Provider
from ai.roster.key_command import KeyCommand
from ai.wire.classify.failure import Who
from ai.wire.settings import Endpoint
from core.config import AIConfig
from core.errors import ConfigError
from core.keys import environment_key

_PLACE = re.compile(r"\{(\w+)\}")


def filled_in(name: str, row: AIConfig, provider: Provider) -> str | None:
    """The provider's address with its places filled in; None where it has none.

    Raises:
        ConfigError: Nobody says what belongs into one of them.
    """

    def value(found: re.Match[str]) -> str:
        place = found[1]
        given = region(row, provider) if place == "region" else os.environ.get(place, "").strip().rstrip("/")
        if given:
            return given
        if place == "region":
            raise ConfigError(
                f'credentials.json: ais.{name}.region is missing. Example: "us-east-1"; '
                f"or set {provider.region_env[0]}."
            )
        raise ConfigError(
            f"credentials.json: ais.{name}.base_url is missing. Give the address of your resource, or set {place}."
        )

    return _PLACE.sub(value, provider.base_url) if provider.base_url else None


def region(row: AIConfig, provider: Provider) -> str | None:
    return row.region or environment_key(provider.region_env)


def check_platform(name: str, row: AIConfig, provider: Provider, key: str | None) -> None:
    """Refuse a row of Bedrock or Vertex that lacks what its calls would fail for.

    Raises:
        ConfigError: The message names it.
    """
    if provider.platform is None:
        return
    if not (row.model or provider.model):
        raise ConfigError(f"credentials.json: ais.{name}.model is missing: {provider.name} does not list its models.")
    if provider.platform == "bedrock" and not key and not row.key_command and find_spec("botocore") is None:
        raise ConfigError(
            f"{name!r} has no key, and signing with AWS credentials needs the extra 'aws': install moot-mcp[aws], or "
            f"set {provider.env_keys[0]}."
        )
    if provider.platform == "vertex" and not region(row, provider):
        raise ConfigError(
            f'credentials.json: ais.{name}.region is missing. Example: "global"; or set {provider.region_env[0]}.'
        )
    if provider.platform == "vertex" and not (row.project or environment_key(provider.project_env)):
        raise ConfigError(
            f"credentials.json: ais.{name}.project is missing: the Google Cloud project; "
            f"or set {provider.project_env[0]}."
        )


def located_by(who: Who, row: AIConfig, endpoint: Endpoint | None) -> Callable[[], Endpoint] | None:
    """What finds *endpoint* with a key of the row's program; None where it has none."""
    if row.key_command is None or endpoint is None:
        return None
    command = KeyCommand(who.ai, who.provider, row.key_command)
    return lambda: replace(endpoint, api_key=command.key())


def native_options(row: AIConfig) -> Mapping[str, Any]:
    """What a row says of Ollama's own settings, in its protocol's words."""
    said: dict[str, Any] = {"options": {"num_ctx": row.num_ctx}} if row.num_ctx is not None else {}
    if row.keep_alive is not None:
        said["keep_alive"] = row.keep_alive
    if row.think is not None:
        said["think"] = row.think
    return said


def dialect(row: AIConfig, provider: Provider) -> Dialect:
    """The protocol to speak: Ollama's own where the row says what only that can carry.

    Raises:
        ConfigError: It says so of another provider.
    """
    if not native_options(row):
        return provider.dialect
    if provider.name != "ollama":
        raise ConfigError(
            "credentials.json: 'num_ctx', 'keep_alive' and 'think' are for the provider 'ollama' alone. Remove them."
        )
    return "ollama"
