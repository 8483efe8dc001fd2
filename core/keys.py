"""Where the key of an AI is: in its row, in the system's keyring, in the environment."""

from __future__ import annotations

import os
from collections.abc import Sequence

from pydantic import SecretStr

from core.config import AIConfig
from core.errors import ConfigError
from core.redact import register_secret
from core.secrecy.config_row import bare_key
from core.sections import FILE

KEYRING_SERVICE = "moot"


def environment_key(names: Sequence[str]) -> str | None:
    """The first of the environment variables *names* that is set."""
    return next((value for name in names if (value := os.environ.get(name, "").strip())), None)


def resolve_key(
    explicit: str | SecretStr | None, row: AIConfig, env_names: Sequence[str], *, name: str = ""
) -> str | None:
    """Explicit argument, then credentials.json, then the keyring where *name*'s row says so, then environment.

    Raises:
        ConfigError: The keyring cannot be read.
    """
    stored = keyring_key(name) if row.keyring and not (explicit or row.api_key) else None
    for candidate in (explicit, row.api_key, stored, environment_key(env_names)):
        value = candidate.get_secret_value() if isinstance(candidate, SecretStr) else candidate
        if value and (key := _bare(value, name, of_row=candidate is row.api_key)):
            register_secret(key)
            return key
    return None


def _bare(value: str, name: str, *, of_row: bool) -> str:
    """The key in *value*, from wherever.

    Raises:
        ConfigError: It cannot be one; the message names the AI.
    """
    try:
        return bare_key(value)
    except ValueError as error:
        where = f"{FILE}: ais.{name}.api_key" if of_row else f"The key of {name!r}"
        raise ConfigError(f"{where} {error}.") from None


def keyring_key(name: str) -> str | None:
    """The key stored for *name* in the system's keyring.

    Raises:
        ConfigError: The `keyring` extra is not installed, or the keyring is locked or missing.
    """
    try:
        import keyring
        from keyring.errors import KeyringError
    except ImportError:
        raise ConfigError(f"{FILE}: ais.{name}.keyring needs the extra: uv tool install '.[keyring]'.") from None
    try:
        stored: str | None = keyring.get_password(KEYRING_SERVICE, name)
    except (KeyringError, OSError, RuntimeError) as error:
        raise ConfigError(f"The keyring cannot be read for {name!r}: {type(error).__name__}. Unlock it.") from error
    return stored
