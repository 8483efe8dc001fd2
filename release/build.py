"""Builds what hosts and registries install, from the project itself: `uv run python release/build.py -o dist`.

    moot-VERSION.mcpb   the bundle for hosts that install with one click, such as Claude Desktop (manifest 0.4)
    server.json         the entry in the MCP registry (schema 2025-12-11)

Whose Moot it is stands in one place, the `mcp-name` line of the README: replace OWNER there by the account.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tomllib
import zipfile
from collections.abc import Iterator
from inspect import cleandoc
from pathlib import Path
from typing import Any

from ai.providers.catalog import PROVIDERS, Provider
from build_hooks.wheel import files_of
from server.toolbox import RECIPES, Recipe

ROOT = Path(__file__).resolve().parents[1]
SCHEMA = "https://static.modelcontextprotocol.io/schemas/2025-12-11/server.schema.json"
PLACEHOLDER = "OWNER"
SUMMARY = "Ask other AIs from your assistant: one, many at once, or a panel that debates to a verdict."
"""At most 100 characters, which is all that the registry takes."""

_ENTRY_POINT = "moot/__main__.py"
_BESIDE_THE_CODE = ("build_hooks/wheel.py", "pyproject.toml", "uv.lock", "README.md", "LICENSE")
_EPOCH = (1980, 1, 1, 0, 0, 0)
"""The same sources give the same bytes: no file says when it was packed."""


def main() -> int:
    """Build both into the folder that was named, and say where they are."""
    parser = argparse.ArgumentParser(description="Build the bundle and the registry entry.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="the folder to write into")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    project = read_project()
    bundle = folder / f"moot-{project['version']}.mcpb"
    write_bundle(bundle, manifest(project))
    entry = folder / "server.json"
    entry.write_text(_pretty(registry_entry(project, registry_name())), encoding="utf-8")
    sys.stdout.write(f"{bundle}\n{entry}\n")
    if f".{PLACEHOLDER}/" in registry_name():
        sys.stderr.write(f"Before you publish, replace {PLACEHOLDER} in the README's mcp-name line by your account.\n")
    return 0


def read_project() -> dict[str, Any]:
    """The `project` table of pyproject.toml."""
    project: dict[str, Any] = _pyproject()["project"]
    return project


def registry_name() -> str:
    """The name in the registry, which PyPI's copy of the README proves to be ours.

    Raises:
        ValueError: The README has no such line.
    """
    found = re.search(r"<!-- mcp-name: (\S+) -->", (ROOT / "README.md").read_text(encoding="utf-8"))
    if found is None:
        raise ValueError("README.md has no <!-- mcp-name: ... --> line; the registry asks for one.")
    return found[1]


def manifest(project: dict[str, Any]) -> dict[str, Any]:
    """The bundle's manifest (MCPB 0.4): uv makes the environment, keys are asked for and kept by the host."""
    providers = [provider for provider in PROVIDERS.values() if provider.needs_key]
    return {
        "manifest_version": "0.4",
        "name": "moot",
        "display_name": "Moot",
        "version": project["version"],
        "description": project["description"],
        "author": {"name": "The Moot authors"},
        "license": project["license"],
        "keywords": project["keywords"],
        "server": {
            "type": "uv",
            "entry_point": _ENTRY_POINT,
            "mcp_config": {
                "command": "uv",
                "args": ["run", "--directory", "${__dirname}", "--frozen", "--no-default-groups", "moot", "serve"],
                "env": {provider.env_keys[0]: f"${{user_config.{_key(provider)}}}" for provider in providers},
            },
        },
        "tools": [{"name": recipe.name, "description": _first_sentence(recipe)} for recipe in RECIPES],
        "prompts_generated": True,
        "compatibility": {
            "platforms": ["darwin", "linux", "win32"],
            "runtimes": {"python": project["requires-python"]},
        },
        "user_config": {_key(provider): _asked(provider) for provider in providers},
    }


def registry_entry(project: dict[str, Any], name: str) -> dict[str, Any]:
    """What the MCP registry says: `uvx` starts the package, and the keys are secrets that may be left out."""
    variables = [
        {"name": provider.env_keys[0], "description": _purpose(provider), "isSecret": True, "format": "string"}
        for provider in PROVIDERS.values()
        if provider.needs_key
    ]
    return {
        "$schema": SCHEMA,
        "name": name,
        "title": "Moot",
        "description": SUMMARY,
        "version": project["version"],
        "packages": [
            {
                "registryType": "pypi",
                "identifier": project["name"],
                "version": project["version"],
                "runtimeHint": "uvx",
                "transport": {"type": "stdio"},
                "packageArguments": [{"type": "positional", "value": "serve"}],
                "environmentVariables": variables,
            }
        ],
    }


def write_bundle(path: Path, described: dict[str, Any]) -> None:
    """Pack the manifest, the code and the lock file that fixes what uv installs beside it."""
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as bundle:
        _add(bundle, "manifest.json", _pretty(described).encode())
        for file in _files():
            _add(bundle, file.relative_to(ROOT).as_posix(), file.read_bytes())


def _files() -> Iterator[Path]:
    """What the wheel holds, where a clone has it, and what uv needs to build it again."""
    yield from (ROOT / name for name in _BESIDE_THE_CODE)
    yield from files_of(ROOT)


def _add(bundle: zipfile.ZipFile, name: str, content: bytes) -> None:
    entry = zipfile.ZipInfo(name, _EPOCH)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o644 << 16
    bundle.writestr(entry, content)


def _asked(provider: Provider) -> dict[str, Any]:
    """One key. Without the empty default a host would pass `${user_config...}` itself as the key."""
    title = f"{provider.name} API key"
    described = f"{_purpose(provider)} Leave it empty if you have none."
    return {"type": "string", "title": title, "description": described, "sensitive": True, "default": ""}


def _key(provider: Provider) -> str:
    return f"{provider.name}_api_key"


def _purpose(provider: Provider) -> str:
    return f"Lets Moot ask {provider.name}."


def _first_sentence(recipe: Recipe) -> str:
    text = " ".join(cleandoc(recipe.run.__doc__ or "").split())
    return re.split(r"(?<=\.)\s", text, maxsplit=1)[0]


def _pyproject() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.exit(main())
