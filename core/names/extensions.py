"""What other packages add to Moot, by entry points: providers, recipes and tools. docs/extending.md shows how.

Whether there is anything is found without importing what costs; a package that cannot be loaded is told of, and stops
nothing. A host that starts Moot waits for this module: it imports nothing.
"""

from __future__ import annotations

import os
import sys

TYPE_CHECKING = False  # `typing` alone costs a third of a bare interpreter
if TYPE_CHECKING:
    from collections.abc import Iterator
    from contextlib import AbstractContextManager
    from typing import Any

PROVIDERS, RECIPES, TOOLS = "moot.providers", "moot.recipes", "moot.tools"
_announced: list[str] | None = None
_loaded: dict[str, dict[str, Any]] = {}
_problems: list[str] = []


def announced() -> list[str]:
    """The packages that add something, each with the time it was installed at. Blocks for a millisecond, once."""
    global _announced  # noqa: PLW0603 - what is installed while the process runs is there for the next one
    if _announced is None:
        _announced = _scan()
    return _announced


def _scan() -> list[str]:
    found = []
    for folder in sys.path:
        try:
            names = os.listdir(folder or ".")
        except OSError:
            continue
        for name in names:
            if name.endswith((".dist-info", ".egg-info")) and (stamp := _stamp(os.path.join(folder, name))):
                found.append(f"{name}@{stamp}")
    return sorted(found)


def _stamp(folder: str) -> int:
    """When the entry points in *folder* were written; 0 where none is ours."""
    try:
        with open(os.path.join(folder, "entry_points.txt"), "rb") as file:
            return os.fstat(file.fileno()).st_mtime_ns if b"[moot." in file.read() else 0
    except OSError:
        return 0


def names(group: str) -> list[str]:
    """What the packages call their entries of *group*, without importing them."""
    return sorted({entry.name for entry in _entries(group)})


def load(group: str) -> dict[str, Any]:
    """What packages add to *group*, by name, imported once. What cannot be imported is in `problems()`. Blocks."""
    if group not in _loaded:
        _loaded[group] = {}
        for entry in _entries(group):
            if entry.name in _loaded[group]:
                complain(group, entry.name, "another entry has that name", entry)
                continue
            try:
                with stdout_kept():
                    _loaded[group][entry.name] = entry.load()
            except (Exception, SystemExit) as error:  # whatever a module of somebody else's does
                complain(group, entry.name, f"{type(error).__name__}: {error}")
    return _loaded[group]


def stdout_kept() -> AbstractContextManager[Any]:
    """While code of somebody else's is imported: what it prints goes to stderr, since stdout belongs to the host."""
    from contextlib import redirect_stdout

    return redirect_stdout(sys.stderr)


def complain(group: str, name: str, why: str, wrong: Any = None) -> None:
    """Keep what is wrong with the entry *name* of *group*, or with *wrong* of several, which is left out."""
    from core.untrusted import one_line  # somebody else's words, on their way to a terminal

    entries = [entry for entry in _entries(group) if entry.name == name]
    origin = next((entry.dist.name for entry in ([wrong] if wrong else entries) if entry.dist), "?")
    why = one_line(why).removesuffix(".")
    _problems.append(f"The package {origin!r} adds {name!r} ({group}), which is left out: {why}. Mend or uninstall it.")


def problems() -> list[str]:
    """A sentence for each entry that is left out."""
    return list(_problems)


def _entries(group: str) -> Iterator[Any]:
    if not announced():
        return
    from importlib.metadata import entry_points  # several bare interpreters, for those who need it

    try:
        found = list(entry_points(group=group))
    except ValueError as error:  # such as bytes that are no text, in the entries of any package at all
        _unreadable(f"{type(error).__name__}: {error}")
        return
    yield from sorted(found, key=lambda entry: (str(entry.name), entry.dist.name if entry.dist else ""))


def _unreadable(why: str) -> None:
    sentence = f"The entry points of the installed packages cannot be read ({why}), so none adds anything. Mend them."
    if sentence not in _problems:
        _problems.append(sentence)
