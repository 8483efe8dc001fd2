"""Lays the wheel out: one top-level package, `moot`, with the folders of the clone below it.

A clone has the folders `ai`, `core`, `server` and `tools` at its top, names that belong to everybody. In the wheel they
are `moot.ai`, `moot.core` and so on, and every import of them says so: found by syntax tree, changed by one word, the
rest byte for byte. Module paths in strings need no change, since `core/names/naming.py` reads them.
"""

from __future__ import annotations

import ast
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

PACKAGE = "moot"
FOLDERS = ("ai", "core", "server", "tools")
"""What lies below the package in the wheel, and beside it in a clone."""
_LEFT_OUT = {"__pycache__"}


class WheelLayout(BuildHookInterface[Any]):
    """The hook that hatchling calls; an editable install keeps the layout of the clone."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Stage the package and have it included."""
        if version == "editable":
            return
        self._staged = Path(tempfile.mkdtemp(prefix="moot-wheel-"))
        lay_out(Path(self.root), self._staged)
        build_data["force_include"][str(self._staged)] = PACKAGE

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove what was staged."""
        if version != "editable":
            shutil.rmtree(self._staged, ignore_errors=True)


def files_of(root: Path) -> Iterator[Path]:
    """What the wheel is made of, below *root*: code, data and licences."""
    for folder in (PACKAGE, *FOLDERS):
        inside = sorted((root / folder).rglob("*"))
        yield from (file for file in inside if file.is_file() and not _LEFT_OUT & set(file.parts))


def lay_out(root: Path, target: Path) -> None:
    """Copy the package into *target* as the wheel holds it."""
    for file in files_of(root):
        place = file.relative_to(root)
        there = target / (place.relative_to(PACKAGE) if place.parts[0] == PACKAGE else place)
        there.parent.mkdir(parents=True, exist_ok=True)
        if file.suffix == ".py":
            there.write_bytes(below_package(file.read_bytes(), str(place)))
        else:
            shutil.copyfile(file, there)


def below_package(source: bytes, name: str = "<source>") -> bytes:
    """*source* with every import of the four folders led below the package.

    Raises:
        ValueError: An import that would bind another name, such as `import core.values`.
    """
    lines = source.splitlines(keepends=True)
    for line, column in sorted(_heads(ast.parse(source, name), lines, name), reverse=True):
        text = lines[line - 1]
        lines[line - 1] = text[:column] + f"{PACKAGE}.".encode() + text[column:]
    return b"".join(lines)


def _heads(tree: ast.AST, lines: list[bytes], name: str) -> Iterator[tuple[int, int]]:
    """Line and byte at which the name of each module of ours begins."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if not _ours(alias.name):
                    continue
                if alias.asname is None:
                    raise ValueError(f"{name}:{node.lineno}: write 'from {alias.name} import ...', or 'as' a name.")
                yield alias.lineno, alias.col_offset
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and _ours(node.module or ""):
            rest = lines[node.lineno - 1][node.col_offset :]
            words = rest.split(maxsplit=2)
            if words[0] != b"from" or len(words) < 2 or words[1] == b"\\":
                raise ValueError(f"{name}:{node.lineno}: write 'from {node.module}' on one line.")
            yield node.lineno, node.col_offset + rest.index(words[1], len(words[0]))


def _ours(module: str) -> bool:
    return module.partition(".")[0] in FOLDERS
