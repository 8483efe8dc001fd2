"""From a row of credentials.json and its provider to what a client is built from."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ai.local.engines import LocalEngines
from ai.local.weights import MODELS, Model
from ai.providers.catalog import PROVIDERS, Provider
from ai.roster.names import match, without_model
from ai.roster.placing import check_platform, filled_in, located_by, native_options, region
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Endpoint
from core.config import AIConfig, Defaults
from core.errors import ConfigError, MissingKeyError
from core.keys import environment_key, resolve_key


def provider_of(name: str, row: AIConfig) -> Provider:
    """Whose protocol, address and defaults the AI called *name* has.

    Raises:
        ConfigError: Its row names none that is known.
    """
    name = without_model(name)
    asked = row.provider or (name if name in PROVIDERS else None)
    if asked is None:
        raise ConfigError(f"credentials.json: ais.{name}.provider is missing. Use one of: {', '.join(PROVIDERS)}.")
    if asked not in PROVIDERS:
        raise ConfigError(
            f"credentials.json: ais.{name}.provider: {asked!r} is unknown. Use one of: {', '.join(PROVIDERS)}."
        )
    return PROVIDERS[asked]


def client_settings(
    name: str, row: AIConfig, provider: Provider, defaults: Defaults, engines: LocalEngines
) -> ClientSettings:
    """What the clients of the AI called *name* are built from.

    Raises:
        ConfigError: Something it needs is missing; the message names it.
    """
    who = Who(name, provider.name, provider.env_keys)
    if provider.dialect == "command" and not row.command:
        raise ConfigError(f'credentials.json: ais.{name}.command is missing. Example: ["claude", "-p"].')
    key = resolve_key(None, row, provider.env_keys, name=without_model(name))
    if provider.needs_key and not key and not row.key_command:
        raise MissingKeyError(f"No key for {name!r}: {who.key_hint}.")
    check_platform(name, row, provider, key)
    base_url = row.base_url or filled_in(name, row, provider)
    quirks = _quirks(row)
    serves_itself = provider.embedded or provider.dialect == "command"
    if not base_url and not serves_itself and provider.platform != "vertex":
        raise ConfigError(f"credentials.json: ais.{name}.base_url is missing. Example: http://localhost:8000/v1.")
    endpoint = None if serves_itself else Endpoint.at(base_url or "", key or "", row.query)
    return ClientSettings(
        who=who,
        model=row.model or provider.model,
        endpoint=endpoint,
        locate=engines.of(embedded_model(name, row, provider)).locate
        if provider.embedded
        else located_by(who, row, endpoint),
        key_header=provider.key_header if key else None,
        platform=provider.platform,
        region=region(row, provider),
        project=row.project or environment_key(provider.project_env),
        native=native_options(row),
        headers={**dict(provider.headers), **row.headers},
        quirks=replace(provider.quirks, **quirks),
        fixed_quirks=frozenset(quirks),
        max_tokens=provider.max_tokens,
        deadlines=defaults.deadlines(row),
        command=tuple(row.command or ()),
        env=tuple(row.env),
        keep_thoughts=row.keep_thoughts,
        longest_answer=defaults.longest_answer,
    )


def embedded_model(name: str, row: AIConfig, provider: Provider) -> Model:
    """The embedded model that the AI called *name* is.

    Raises:
        ConfigError: There is none of the name that its row says.
    """
    asked = row.model or provider.model or ""
    if found := match(asked, MODELS):
        return MODELS[found]
    raise ConfigError(f"credentials.json: ais.{name}.model: {asked!r} is unknown. Use one of: {', '.join(MODELS)}.")


def _quirks(row: AIConfig) -> dict[str, Any]:
    """What the row sets of them, by the names of `Quirks`."""
    said: dict[str, Any] = row.quirks.model_dump(exclude_none=True)
    if row.api:
        said["api"] = row.api
    if "stream_options" in said:
        said["stream_usage"] = said.pop("stream_options")
    if "efforts" in said:
        said["efforts"] = tuple(said["efforts"])
    return said
