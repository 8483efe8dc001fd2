"""`moot keys`: puts keys where Moot finds them, and says where they are. A key is never printed."""

from __future__ import annotations

import json
import re
import sys
from typing import Any

import click

from ai.providers.catalog import PROVIDERS
from core.config import AIConfig, Config, load_config
from core.errors import ConfigError, InvalidInputError
from core.keys import KEYRING_SERVICE, environment_key, keyring_key
from core.messaging import TOKEN_SHAPE
from core.paths import credentials_path
from core.redact import redact, register_secret
from core.secrecy.config_row import bare_key
from core.sections import FILE
from core.untrusted import clean
from server.setup.credentials_file import change_rows, rows

TELEGRAM = "telegram"
"""What the token of the bot is called where AIs have their names."""
_LONGEST_KEY = 4096
_MOST_READ = 1_000_000


def set_key(name: str, key: str, *, keyring: bool = False) -> str:
    """Store *key* for the AI or provider *name*, and say so.

    Raises:
        InvalidInputError: It is no key.
        ConfigError: There is no such AI, or the key cannot be stored.
    """
    key = _checked(key)
    check_name(name)
    if name == TELEGRAM:
        return _set_token(key, keyring=keyring)
    if keyring:
        _put_into_keyring(name, key)

    def change(ais: dict[str, Any]) -> None:
        row = ais.setdefault(name, {})
        if not isinstance(row, dict):
            raise ConfigError(f"{FILE}: ais.{name} must be an object. Mend it first.")
        if row.get("api_keys"):
            raise ConfigError(f"{FILE}: ais.{name} has api_keys, a list. Change it there.")
        row.pop("api_key", None)
        row.pop("keyring", None)
        row |= {"keyring": True} if keyring else {"api_key": key}

    change_rows(change)
    return f"The key of {name!r} is in {'the keyring' if keyring else FILE}. Try it: moot keys test {name}"


def _set_token(token: str, *, keyring: bool) -> str:
    """Store the token of the bot, and say so."""
    if not re.fullmatch(TOKEN_SHAPE, token):
        raise InvalidInputError(
            "That is no token of a bot: it looks like 123456789:AAE... Copy it from @BotFather again."
        )
    if keyring:
        _put_into_keyring(TELEGRAM, token)

    def change(section: dict[str, Any]) -> None:
        section.pop("token", None)
        section.pop("keyring", None)
        section |= {"keyring": True} if keyring else {"token": token}

    change_rows(change, TELEGRAM)
    return f"The token of the bot is in {'the keyring' if keyring else FILE}. Start it: moot telegram"


def _remove_token() -> str:
    """Forget the stored token of the bot, and say so."""
    section = rows(TELEGRAM)
    if not (section.get("token") or section.get("keyring")):
        raise ConfigError("No token of a bot is stored. moot keys set telegram stores one.")
    if section.get("keyring"):
        _take_from_keyring(TELEGRAM)

    def change(section: dict[str, Any]) -> None:
        section.pop("token", None)
        section.pop("keyring", None)

    change_rows(change, TELEGRAM)
    return "The token of the bot is forgotten."


def read_key() -> str:
    """The key that is piped in; empty where standard input is closed or empty.

    Raises:
        InvalidInputError: What is piped in is no text.
    """
    try:
        return "" if sys.stdin is None else sys.stdin.read(_MOST_READ)
    except UnicodeDecodeError:
        raise InvalidInputError("That is no key: it is no text. Pipe in the key alone.") from None


def remove_key(name: str) -> str:
    """Forget the stored key of *name*, and say so.

    Raises:
        ConfigError: None is stored, or it cannot be removed.
    """
    if name == TELEGRAM:
        return _remove_token()
    row = rows().get(name)
    if not isinstance(row, dict) or not (row.get("api_key") or row.get("keyring")):
        raise ConfigError(f"No key of {name!r} is stored. moot keys list shows where keys come from.")
    if row.get("keyring"):
        _take_from_keyring(name)

    def change(ais: dict[str, Any]) -> None:
        ais[name].pop("api_key", None)
        ais[name].pop("keyring", None)
        if not ais[name] and PROVIDERS.get(name) and PROVIDERS[name].needs_key:
            del ais[name]  # a row that said nothing but the key

    change_rows(change)
    return f"The key of {name!r} is forgotten."


def list_keys(*, as_json: bool) -> int:
    """Print where the key of every AI that needs one comes from. 1: one is missing."""
    config = load_config(credentials_path())
    found = [{"ai": name, "provider": provider, "key": source} for name, provider, source in _sources(config)]
    if as_json:
        click.echo(json.dumps({"keys": found, "problems": list(config.problems)}, indent=2))
    else:
        for one in found:
            click.echo(f"{one['ai']}: {one['key'] or 'no key; run: moot keys set ' + str(one['ai'])}")
        for problem in config.problems:
            click.echo(clean(redact(problem)), err=True)
        if not found:
            click.echo("No AI with a key is configured. Run: moot keys set openai (or another provider)", err=True)
    return 0 if all(one["key"] for one in found) and config.readable else 1


def _checked(key: str) -> str:
    try:
        key = bare_key(key)
    except ValueError as error:
        raise InvalidInputError(f"That is no key: it {error}.") from None
    if not key:
        raise InvalidInputError("No key came: pipe it in, or run this in a terminal and type it.")
    if len(key) > _LONGEST_KEY:
        raise InvalidInputError(f"That is no key: it has more than {_LONGEST_KEY:,} characters.")
    register_secret(key)
    return key


def check_name(name: str) -> None:
    if name == TELEGRAM:
        return
    known = [row.name for row in PROVIDERS.values() if row.needs_key]
    if name not in rows() and name not in known:
        raise ConfigError(f"No AI named {name!r}. Use a row of {FILE} or one of: {', '.join(known)}, {TELEGRAM}.")


def _sources(config: Config) -> list[tuple[str, str, str | None]]:
    """Name, provider and the place of the key, of every AI that needs one or has one."""
    wanted = dict(config.rows)
    named = {row.provider or name for name, row in config.rows.items()}
    for provider in PROVIDERS.values():
        if provider.needs_key and provider.name not in named and environment_key(provider.env_keys):
            wanted[provider.name] = AIConfig(provider=provider.name)
    found = []
    for name, row in wanted.items():
        provider_row = PROVIDERS.get(row.provider or name)
        source = _source(name, row, provider_row.env_keys if provider_row else ())
        if row.enabled and (source or (provider_row and provider_row.needs_key)):
            found.append((name, row.provider or name, source))
    return found


def _source(name: str, row: AIConfig, env_keys: tuple[str, ...]) -> str | None:
    if row.api_key:
        return FILE
    if row.keys:
        return f"{FILE}, {len(row.keys)} keys"
    if row.keyring:
        try:
            return "keyring" if keyring_key(name) else None
        except ConfigError:
            return None
    variable = next((variable for variable in env_keys if environment_key([variable])), None)
    return f"environment ({variable})" if variable else None


def _put_into_keyring(name: str, key: str) -> None:
    keyring_key(name)  # says what is missing
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.set_password(KEYRING_SERVICE, name, key)
    except (KeyringError, OSError, RuntimeError) as error:
        raise ConfigError(f"The keyring did not take it: {type(error).__name__}. Unlock it.") from error


def _take_from_keyring(name: str) -> None:
    if keyring_key(name) is None:
        return
    import keyring
    from keyring.errors import KeyringError

    try:
        keyring.delete_password(KEYRING_SERVICE, name)
    except (KeyringError, OSError, RuntimeError) as error:
        raise ConfigError(f"The keyring did not let go of it: {type(error).__name__}. Unlock it.") from error
