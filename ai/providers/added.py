"""Providers that other packages add to the catalogue; see docs/extending.md."""

from __future__ import annotations

import importlib

from ai.providers.catalog import PROVIDERS, Provider
from core.names import extensions

_added: set[str] = set()


def include_added() -> None:
    """Put what packages add into the catalogue, once. A row that cannot be used is told of and left out. Blocks."""
    for name, row in extensions.load(extensions.PROVIDERS).items():
        if name in _added:
            continue
        _added.add(name)
        if why := _wrong(name, row):
            extensions.complain(extensions.PROVIDERS, name, why)
        else:
            PROVIDERS[name] = row


def _wrong(name: str, row: object) -> str:
    """Why *row* cannot be the provider called *name*; empty when it can."""
    if not isinstance(row, Provider):
        return f"it is no moot.Provider but a {type(row).__name__}"
    if row.name != name:
        return f"its entry point is called {name!r}, and the provider {row.name!r}"
    if name in PROVIDERS:
        return "Moot has a provider of that name"
    if row.module is None:
        return ""
    try:
        with extensions.stdout_kept():
            module = importlib.import_module(row.module)
    except (Exception, SystemExit) as error:  # whatever a module of somebody else's does
        return f"its module {row.module!r} cannot be imported ({type(error).__name__}: {error})"
    missing = [kind for kind in ("AsyncClient", "SyncClient") if not hasattr(module, kind)]
    return f"its module {row.module!r} has no {' and no '.join(missing)}" if missing else ""
