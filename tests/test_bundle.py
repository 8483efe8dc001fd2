"""The bundle and the registry entry: what they say is the project's own, and the bundle runs as a host runs it."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import anyio
import pytest
from fake_provider import FakeProvider
from host_programs import npm_command
from jsonschema import Draft7Validator
from mcp import Client, StdioServerParameters
from mcp.types import CallToolResult

from ai.providers.catalog import PROVIDERS
from build_hooks.wheel import FOLDERS
from server.toolbox import RECIPES

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
SCHEMA = ROOT / "tests" / "support" / "mcpb-manifest-v0.4.schema.json"
KEYED = [provider for provider in PROVIDERS.values() if provider.needs_key]


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the README's command builds, in another folder."""
    (line,) = re.findall(r"^uv run python (release/.*) dist$", (ROOT / "README.md").read_text(), re.M)
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, *line.split(), str(folder)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def bundle(built: Path) -> Path:
    (path,) = built.glob("*.mcpb")
    return path


@pytest.fixture
def manifest(bundle: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads(zipfile.ZipFile(bundle).read("manifest.json"))
    return read


@pytest.fixture
def entry(built: Path) -> dict[str, Any]:
    read: dict[str, Any] = json.loads((built / "server.json").read_text())
    return read


def test_the_manifest_is_valid_by_the_official_schema(manifest: dict[str, Any]) -> None:
    schema = json.loads(SCHEMA.read_text())
    Draft7Validator.check_schema(schema)
    assert [error.message for error in Draft7Validator(schema).iter_errors(manifest)] == []
    assert list(Draft7Validator(schema).iter_errors(manifest | {"surprise": 1})), "the schema must be a strict one"


def test_the_manifest_lists_the_tools_the_server_has(manifest: dict[str, Any]) -> None:
    assert [tool["name"] for tool in manifest["tools"]] == [recipe.name for recipe in RECIPES]
    for tool, recipe in zip(manifest["tools"], RECIPES, strict=True):
        described = " ".join((recipe.run.__doc__ or "").split())
        assert tool["description"].endswith(".")
        assert described.startswith(tool["description"])


def test_every_key_is_a_secret_that_may_be_left_out_and_reaches_its_variable(manifest: dict[str, Any]) -> None:
    env, asked = manifest["server"]["mcp_config"]["env"], manifest["user_config"]
    given = {
        name: match[1] for name, value in env.items() if (match := re.fullmatch(r"\$\{user_config\.(\w+)\}", value))
    }
    assert set(given) == {provider.env_keys[0] for provider in KEYED}
    assert sorted(given.values()) == sorted(asked)
    for setting in asked.values():
        assert setting["sensitive"] is True
        assert setting.get("required", False) is False
        assert setting["default"] == "", "a host would hand on the name of the setting as the key"


def test_the_version_is_the_projects_everywhere(manifest: dict[str, Any], entry: dict[str, Any], bundle: Path) -> None:
    packed = tomllib.loads(zipfile.ZipFile(bundle).read("pyproject.toml").decode())
    versions = {manifest["version"], entry["version"], entry["packages"][0]["version"], packed["project"]["version"]}
    assert versions == {PROJECT["version"]}
    assert bundle.name == f"moot-{PROJECT['version']}.mcpb"


def test_the_bundle_holds_the_code_and_nothing_of_the_workplace(bundle: Path) -> None:
    names = zipfile.ZipFile(bundle).namelist()
    assert any(name.endswith("ai/wire/classify/refusals.csv") for name in names), "data is code too"
    assert {"manifest.json", "uv.lock", "moot/__main__.py", "server/stdio/snapshot.json", "core/config.py"} <= set(
        names
    )
    assert not [
        name for name in names if "__pycache__" in name or name.startswith(("tests/", "bench/", ".")) or "\\" in name
    ]
    assert len(names) == len(set(names))


def test_the_same_sources_give_the_same_bundle(bundle: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, str(ROOT / "release" / "build.py"), "-o", str(tmp_path)], check=True, capture_output=True
    )
    assert (tmp_path / bundle.name).read_bytes() == bundle.read_bytes()
    assert {file.date_time for file in zipfile.ZipFile(bundle).infolist()} == {(1980, 1, 1, 0, 0, 0)}


def test_the_registry_entry_keeps_the_registrys_rules(entry: dict[str, Any]) -> None:
    """The rules of schema 2025-12-11, and of the registry for packages from PyPI."""
    assert entry["$schema"].endswith("/2025-12-11/server.schema.json")
    assert re.fullmatch(r"[a-zA-Z0-9.-]+/[a-zA-Z0-9._-]+", entry["name"])
    assert 3 <= len(entry["name"]) <= 200
    assert 1 <= len(entry["title"]) <= 100
    assert 1 <= len(entry["description"]) <= 100
    assert re.fullmatch(r"\d+\.\d+\.\d+", entry["version"]), "a range or `latest` is refused"
    (package,) = entry["packages"]
    assert {"registryType", "identifier", "transport"} <= set(package)
    assert package["registryType"] == "pypi"
    assert package["transport"] == {"type": "stdio"}
    assert all(argument["type"] in {"positional", "named"} for argument in package["packageArguments"])
    assert all(variable["format"] == "string" and variable["isSecret"] for variable in package["environmentVariables"])
    assert f"<!-- mcp-name: {entry['name']} -->" in (ROOT / "README.md").read_text()


def test_what_a_registry_client_would_start_is_a_program_of_the_package(entry: dict[str, Any]) -> None:
    (package,) = entry["packages"]
    assert package["runtimeHint"] == "uvx"
    assert package["identifier"] == PROJECT["name"]
    assert package["identifier"] in PROJECT["scripts"], "uvx runs the program that is called like the package"
    assert [argument["value"] for argument in package["packageArguments"]] == ["serve"]


@pytest.mark.slow
async def test_a_host_unpacks_the_bundle_and_its_server_answers(
    bundle: Path, manifest: dict[str, Any], tmp_path: Path, provider: FakeProvider
) -> None:
    unpacked = tmp_path / "extension"
    zipfile.ZipFile(bundle).extractall(unpacked)
    home = tmp_path / "home"
    home.mkdir()
    row = {"provider": "openai_compatible", "base_url": provider.base_url, "model": "tokens=2,word=yes"}
    (home / "credentials.json").write_text(json.dumps({"ais": {"near": row}}))
    (home / "credentials.json").chmod(0o600)
    server = as_a_host_starts_it(manifest, unpacked, {"openai_api_key": "sk-of-the-user"}, home)
    with anyio.fail_after(300):
        async with Client(server, mode="legacy") as client:
            listed = await client.list_tools()
            answered = await client.call_tool("ask_one", {"prompt": "Is it there?", "ai": "near"})
            status = await client.call_tool("status", {})
    assert [tool.name for tool in listed.tools] == [tool["name"] for tool in manifest["tools"]]
    assert isinstance(answered, CallToolResult) and isinstance(status, CallToolResult)
    assert not answered.is_error and "yes yes" in answered.model_dump_json()
    assert {ai["name"] for ai in (status.structured_content or {})["ais"]} == {"near", "openai"}
    assert "sk-of-the-user" not in status.model_dump_json()


def as_a_host_starts_it(
    manifest: dict[str, Any], folder: Path, settings: dict[str, str], home: Path
) -> StdioServerParameters:
    """The command of the manifest with every variable replaced, in a home of its own with the machine's uv cache."""
    asked = manifest["user_config"]
    values = {f"user_config.{name}": settings.get(name, setting["default"]) for name, setting in asked.items()}
    values["__dirname"] = str(folder)

    def replaced(text: str) -> str:
        return re.sub(r"\$\{([\w.]+)\}", lambda match: values[match[1]], text)

    config = manifest["server"]["mcp_config"]
    uv = shutil.which(config["command"]) or str(ROOT / ".uv" / "bin" / "uv")
    cache = subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    env = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "UV_"))}
    env |= {"HOME": str(home), "MOOT_HOME": str(home), "UV_CACHE_DIR": cache}
    env |= {name: replaced(value) for name, value in config["env"].items()}
    return StdioServerParameters(command=uv, args=[replaced(one) for one in config["args"]], env=env, cwd=str(home))


def in_the_clone(name: str) -> str:
    """Where the file *name* of the wheel stands in a clone, which is what the bundle holds."""
    inside = name.removeprefix("moot/")
    return inside if inside.startswith(tuple(f"{folder}/" for folder in FOLDERS)) else name


@pytest.mark.slow
def test_the_bundle_holds_every_file_of_the_wheel(bundle: Path, tmp_path: Path) -> None:
    uv = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
    subprocess.run([uv, "build", "--wheel", "-o", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = tmp_path.glob("*.whl")
    code = {in_the_clone(name) for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    beside = {"manifest.json", "build_hooks/wheel.py", "pyproject.toml", "uv.lock", "README.md", "LICENSE"}
    assert set(zipfile.ZipFile(bundle).namelist()) == code | beside


@pytest.mark.slow
def test_the_official_command_line_accepts_and_packs_the_bundle(bundle: Path, tmp_path: Path) -> None:
    try:
        mcpb = npm_command("@anthropic-ai/mcpb", "2.1.2", "mcpb")
    except FileNotFoundError as problem:
        pytest.skip(str(problem))
    unpacked = tmp_path / "extension"
    steps = (
        ("unpack", str(bundle), str(unpacked)),
        ("validate", str(unpacked / "manifest.json")),
        ("pack", str(unpacked), str(tmp_path / "again.mcpb")),
        ("info", str(tmp_path / "again.mcpb")),
    )
    for step in steps:
        done = subprocess.run([mcpb, *step], capture_output=True, text=True, timeout=120, check=False)
        assert done.returncode == 0, f"{step[0]}: {done.stdout}\n{done.stderr}"
    assert set(zipfile.ZipFile(tmp_path / "again.mcpb").namelist()) == set(zipfile.ZipFile(bundle).namelist())
