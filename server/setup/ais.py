"""`moot ai add` and `remove`: rows of credentials.json, made and taken out whole."""

from __future__ import annotations

import os
import sys
from typing import Any

import click
from pydantic import ValidationError

from ai.providers.catalog import PROVIDERS, Provider
from ai.roster.names import closest
from core.config import AIConfig
from core.errors import ConfigError, InvalidInputError
from core.keys import environment_key
from core.redact import register_secret
from core.secrecy.config_row import bare_key
from core.sections import FILE
from server.setup.credentials_file import change_rows, rows
from server.setup.keys import read_key
from server.streams import is_terminal

_LONGEST_KEY = 4096


def add_ai(
    name: str,
    *,
    provider: str | None = None,
    base_url: str | None = None,
    model: str | None = None,
    key_from_env: str | None = None,
    local: bool = False,
    replace: bool = False,
) -> str:
    """Add the AI called *name*, and say what to do next.

    Raises:
        InvalidInputError: What is given does not make an AI.
        ConfigError: There is one of that name, or the file cannot be written.
    """
    if name in rows() and not replace:
        raise ConfigError(f"There is an AI {name!r} already. Add --replace to put this one in its place.")
    served = _provider(name, provider, base_url)
    row: dict[str, Any] = {} if served.name == name else {"provider": served.name}
    given = {"base_url": base_url, "model": model, "local": local or None}
    row |= {setting: value for setting, value in given.items() if value is not None}
    _check(name, row, served)
    if key := _key(name, served, key_from_env, base_url):
        row["api_key"] = key
    change_rows(lambda ais: ais.update({name: row}))
    return f"{name} is added to {FILE}. Try it: moot ask -a {name} 'Hello'"


def check_there(name: str) -> None:
    """Complain where no row is called *name*.

    Raises:
        ConfigError: There is none.
    """
    known = rows()
    if name not in known:
        near = closest(name, known)
        hint = f" Did you mean {near!r}?" if near else ""
        raise ConfigError(f"{FILE} has no AI {name!r}.{hint} It has: {', '.join(known) or 'none'}.")


def remove_ai(name: str) -> str:
    """Take the row called *name* out, and say so."""
    check_there(name)
    change_rows(lambda ais: ais.pop(name))
    return f"{name} is removed from {FILE}."


def _provider(name: str, provider: str | None, base_url: str | None) -> Provider:
    asked = provider or (name if name in PROVIDERS else "openai_compatible" if base_url else None)
    if asked is None:
        raise InvalidInputError(
            f"Say who serves {name!r}: --provider with one of {', '.join(PROVIDERS)}, or --base-url with an address."
        )
    if asked not in PROVIDERS:
        near = closest(asked, PROVIDERS)
        hint = f"Did you mean {near!r}? " if near else ""
        raise InvalidInputError(f"--provider {asked!r} is unknown. {hint}Known: {', '.join(PROVIDERS)}.")
    if asked == "openai_compatible" and not base_url:
        raise InvalidInputError("An OpenAI-compatible endpoint needs --base-url, such as http://localhost:8000/v1.")
    return PROVIDERS[asked]


def _check(name: str, row: dict[str, Any], provider: Provider) -> None:
    from core.sections import RowName

    try:
        AIConfig.model_validate(row)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False, include_context=False)[0]
        option = "--" + str(first["loc"][0]).replace("_", "-")
        hint = " It begins with http:// or https://." if option == "--base-url" else ""
        raise InvalidInputError(f"{option} cannot be used.{hint or ' ' + first['msg'] + '.'}") from None
    from pydantic import TypeAdapter

    try:
        TypeAdapter(RowName).validate_python(name)
    except ValidationError:
        raise InvalidInputError(
            f"{name[:80]!r} is no name for an AI: use letters, digits, dots, hyphens and underscores."
        ) from None


def _key(name: str, provider: Provider, variable: str | None, base_url: str | None) -> str | None:
    """The key to store; None where it is in the environment already, or none is needed."""
    if variable is not None:
        value = os.environ.get(variable, "").strip()
        if not value:
            raise InvalidInputError(f"{variable} is not set here. Export it first, or leave out --key-from-env.")
        return _checked(value)
    if not provider.needs_key or environment_key(provider.env_keys):
        return None
    if is_terminal(sys.stdin):
        return _checked(click.prompt(f"Key of {name}", hide_input=True, err=True))
    return _checked(read_key())


def _checked(given: str) -> str:
    try:
        key = bare_key(given)
    except ValueError as error:
        raise InvalidInputError(f"That is no key: it {error}.") from None
    if not key or len(key) > _LONGEST_KEY:
        raise InvalidInputError("No key came: pipe it in, type it in a terminal, or add --key-from-env VARIABLE.")
    register_secret(key)
    return key
