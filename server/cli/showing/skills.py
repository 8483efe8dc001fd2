"""Skills for a person: where each is from, what it holds, and why others are none."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import anyio
import anyio.to_thread

from core.config import Config, load_config
from core.errors import InvalidInputError
from core.files.workspace import Workspace
from core.paths import credentials_path
from core.skills.borrowed import SkillPins, Unpinned, borrowed_skills
from core.skills.choosing import chosen_skills, server_of
from core.skills.finding import Found, find_all
from core.skills.skill import MAIN, Skill
from core.untrusted import clean, one_line
from server.cli.options import NONE, OK, note, print_json
from server.mcp_client.borrowed import Borrowed, borrowing

_LONGEST_TOLD = 100
_NONE_YET = (
    "no skill was found. One is a folder with a SKILL.md in ~/.agents/skills, or in .agents/skills of a project."
)


def show_skills(servers: Sequence[str], *, as_json: bool) -> int:
    """Print the skills of this machine, or those of *servers*.

    Raises:
        MootError: A server cannot be asked.
    """
    found = anyio.run(_listed, servers)
    if as_json:
        print_json({"skills": [_told(one) for one in found.skills], "problems": found.problems})
        return OK
    for one in found.skills:
        lies = f"  ({one.place})" if not one.foreign else ""
        print(clean(f"{_name(one)}{lies}  {one_line(one.description, _LONGEST_TOLD)}"))
        if one.note:
            note(f"{_name(one)}: {one.note}.")
    for problem in found.problems:
        note(clean(problem))
    if not found.skills:
        note(_NONE_YET)
    return OK


def show_skill(name: str, path: str | None, *, as_json: bool) -> int:
    """Print what the skill called *name* says, or one of its files.

    Raises:
        MootError: There is none, or it cannot be read.
    """
    skill, text = anyio.run(_read, name, path)
    if as_json:
        print_json(_told(skill) | {"frontmatter": skill.frontmatter, "path": path or MAIN, "text": text})
        return OK
    print(text.rstrip("\n"))
    if path is None:
        others = ", ".join(one.path for one in skill.files if one.path != MAIN)
        note(clean(f"{skill.full_name}, from {skill.place}" + (f"; its other files: {others}" if others else "")))
    return OK


def accept_skill(name: str, agreed: Callable[[str], bool]) -> int:
    """Pin the skill called *name*, which a server serves, as it is now. Exit code 1 where nobody agreed.

    Raises:
        MootError: There is none, or none of a server.
    """
    skill, _ = anyio.run(_read, name, "")
    if not skill.foreign:
        raise InvalidInputError(f"{skill.full_name!r} lies on this machine, where nothing has to be accepted.")
    note(
        clean(f"{skill.full_name}: {one_line(skill.description)} Its files: " + ", ".join(f.path for f in skill.files))
    )
    if not agreed(f"Take {skill.full_name!r} as it is now?"):
        return NONE
    SkillPins().accept(skill)
    note(f"{skill.full_name} may be used as it is now.")
    return OK


async def _listed(servers: Sequence[str]) -> Found:
    if not servers:
        config = await anyio.to_thread.run_sync(load_config, credentials_path())
        return await anyio.to_thread.run_sync(find_all, await anyio.to_thread.run_sync(_workspace, config))
    found = Found()
    async with _lending() as (lent, _):
        for server in servers:
            served = await borrowed_skills(lent.request, server)
            found.skills += served.skills
            found.problems += served.problems
    return found


async def _read(name: str, path: str | None) -> tuple[Skill, str]:
    """The skill called *name*, and the text of one of its files; of none where *path* is empty."""
    config = await anyio.to_thread.run_sync(load_config, credentials_path())
    workspace = await anyio.to_thread.run_sync(_workspace, config)
    if server_of(name, config.mcp_servers) is None:
        (skill,) = await chosen_skills([name], workspace)
        return skill, await _text(skill, path)
    async with _lending() as (lent, servers):
        (skill,) = await chosen_skills([name], workspace, lend=lent.request, servers=servers, pins=Unpinned())
        return skill, await _text(skill, path)


async def _text(skill: Skill, path: str | None) -> str:
    if path is None:
        return await skill.body()
    return await skill.text(path) if path else ""


def _workspace(config: Config) -> Workspace:
    return Workspace.open(config.files.roots, config.files.local_only)


@asynccontextmanager
async def _lending() -> AsyncIterator[tuple[Borrowed, list[str]]]:
    config = await anyio.to_thread.run_sync(load_config, credentials_path())
    async with borrowing(config) as lent:
        yield lent, list(config.mcp_servers)


def _name(skill: Skill) -> str:
    return skill.name if skill.origin in ("user", "moot") and not skill.foreign else skill.full_name


def _told(skill: Skill) -> dict[str, Any]:
    return {
        "name": skill.name,
        "full_name": skill.full_name,
        "description": skill.description,
        "origin": skill.origin,
        "place": skill.place,
        "served": skill.shared,
        "local_only": skill.local_only,
        "allowed_tools": skill.allowed_tools,
        "files": [{"path": one.path, "size": one.size} for one in skill.files],
        "note": skill.note,
    }
