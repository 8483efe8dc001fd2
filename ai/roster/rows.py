"""What the configuration and the environment name: which rows count, and what each is known to lack."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import PurePath

from ai.local.engine import available_reason
from ai.local.personas import Persona
from ai.providers.catalog import PROVIDERS, Provider
from ai.roster.client_settings import embedded_model
from core.config import AIConfig, Config
from core.keys import environment_key
from core.limits.budget import Budget
from core.paths import data_dir


def budget_of(config: Config) -> Budget | None:
    """The budget of the configuration, or None when it sets no limit."""
    by_ai = {name: row.budget for name, row in config.rows.items() if row.budget}
    everyone = config.defaults.budget
    return Budget(data_dir(), everyone, by_ai) if everyone or by_ai else None


def enabled_rows(config: Config) -> Iterator[tuple[str, AIConfig]]:
    """The rows that are enabled, then the providers whose key is in the environment and that no row names."""
    named = set()
    for name, row in config.rows.items():
        named.add(row.provider or name)
        if row.enabled:
            yield name, row
    for provider in PROVIDERS.values():
        wanted = provider.needs_key and provider.from_environment and provider.name not in named | set(config.bad_rows)
        if wanted and environment_key(provider.env_keys):
            yield provider.name, AIConfig(provider=provider.name)


def row_of(seat: Persona) -> AIConfig:
    return AIConfig(provider="local", model=seat.model.name)


def check_of(name: str, row: AIConfig, provider: Provider) -> Callable[[], str | None] | None:
    """What says why an AI cannot be asked here; None where only asking tells."""
    if provider.embedded:
        return partial(available_reason, embedded_model(name, row, provider))
    return partial(_missing_program, row) if row.command else None


def _missing_program(row: AIConfig) -> str | None:
    program = row.command[0] if row.command else ""
    if shutil.which(program):
        return None
    return f'Its program {PurePath(program).name!r} was not found. Install it, or correct "command".'
