"""The skills that somebody names: of this machine, or of a server, which is asked only for those."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import partial

import anyio.to_thread

from core.files.workspace import Workspace
from core.skills.borrowed import Lend, SkillPins, borrowed_skills
from core.skills.finding import Found, find_all
from core.skills.skill import Skill, SkillError


def server_of(name: str, servers: Collection[str]) -> str | None:
    """Which of *servers* the skill called *name* would be from: `docs` of `docs.refunds`; their names may hold dots."""
    return max((one for one in servers if name.startswith(f"{one}.")), key=len, default=None)


async def chosen_skills(
    names: Iterable[str],
    workspace: Workspace,
    *,
    lend: Lend | None = None,
    servers: Collection[str] = (),
    pins: SkillPins | None = None,
    mine: bool | None = None,
) -> list[Skill]:
    """The skills called *names*, each once. None is loaded that is not named.

    Args:
        lend: Asks a server of MCP; None: there are none.
        servers: Those that may be asked.
        mine: Whether skills of whoever owns the installation may be named: also for others where the configuration
            names them; None: where it is the owner who asks.

    Raises:
        SkillError: There is none of one of the names, or it is no good one.
        MootError: A server cannot be asked.
    """
    wanted = list(dict.fromkeys(names))
    if not wanted:
        return []
    here = await anyio.to_thread.run_sync(partial(find_all, workspace, mine=mine))
    asked: dict[str, Found] = {}
    chosen = []
    for name in wanted:
        server = server_of(name, servers)
        if server is None or lend is None or any(one.full_name == name for one in here.skills):
            chosen.append(_named(here, name))
            continue
        if server not in asked:
            asked[server] = await borrowed_skills(lend, server, pins=pins)
        chosen.append(_named(asked[server], name))
    return list({one.full_name: one for one in chosen}.values())


def _named(found: Found, name: str) -> Skill:
    """The skill called *name*; where that is one that is no good, why."""
    try:
        return found.named(name)
    except SkillError:
        why = found.bad.get(name.rpartition(".")[2])
        if why is None:
            raise
        raise SkillError(why) from None
