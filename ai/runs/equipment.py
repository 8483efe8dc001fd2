"""What an agent is equipped with by name: built-in tools, those of servers, skills, and others to ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from ai.agents.allowance import Allowance
from ai.agents.builtin.ground import Ground
from ai.agents.builtin.lookups import HINT
from ai.agents.builtin.named import BUILT_IN, builtin
from ai.agents.executor import ToolExecutor
from ai.agents.offered import Tools
from ai.agents.sub_agents import ASK, Run, SubAgents
from core.errors import InvalidInputError
from core.tooling import AgentConfig

if TYPE_CHECKING:
    from ai.agents.skills import Skills
    from ai.agents.world import World
    from ai.runs.run import Run as TheRun

_SHARED = ("workspace", "git", "threads")
"""Tools whose results those who work together share; the time is looked up whenever it is asked for."""


@dataclass(frozen=True)
class Equipment:
    """The tools of one agent, and what its system prompt says of them and of its skills."""

    tools: ToolExecutor
    prompt: str | None


@dataclass(frozen=True)
class Store:
    """Where the agents of *run* are equipped. *ask* runs a sub-agent."""

    run: TheRun
    world: World
    ask: Run

    async def equip(
        self,
        config: AgentConfig,
        tools: Sequence[str],
        skills: Sequence[str],
        allowance: Allowance,
        *,
        stays_here: bool,
    ) -> Equipment:
        """What an agent of *config* has, with *tools* and *skills* beside its own.

        Raises:
            InvalidInputError: There is no such tool or skill.
            MootError: A server cannot be reached.
        """
        names = list(dict.fromkeys([*config.tools, *tools]))
        found = [self._built_in(name, stays_here=stays_here) for name in names if name in BUILT_IN]
        if ASK in names and allowance.depth > 0:
            found.append(SubAgents(self._others(), self.ask, allowance))
        if borrowed := [name for name in names if name not in BUILT_IN and name != ASK]:
            found.append(await self._borrowed(borrowed))
        loaded = await self._skills(config.skills, skills, stays_here=stays_here)
        if loaded is not None:
            found.append(loaded)
        executor = ToolExecutor(found, rules=config.approvals)
        if loaded is not None:
            executor = ToolExecutor(
                found, rules=config.approvals, gate=loaded.gate, wary=lambda: loaded.acting_on_foreign
            )
        said = [
            config.system,
            _left_out(executor.notes),
            HINT if any(name in _SHARED for name in names) else "",
            loaded.prompt() if loaded else "",
        ]
        return Equipment(executor, "\n\n".join(filter(None, said)) or None)

    def _built_in(self, name: str, *, stays_here: bool) -> Tools:
        materials = self.run.materials
        tools = builtin(name, Ground(materials.workspace, materials.threads, stays_here, self.world.stay_local))
        shared_by = "here" if stays_here else ""
        return self.run.lookups.around(tools, shared_by=shared_by) if name in _SHARED else tools

    async def _borrowed(self, names: Sequence[str]) -> Tools:
        source = self.run.materials.borrowed
        servers = source.names() if source else []
        unknown = next((name for name in names if _server(name, servers) is None), None)
        if source is None or unknown is not None:
            known = ", ".join([*BUILT_IN, ASK, *servers])
            raise InvalidInputError(
                f"There is no tool {unknown!r}. There are: {known}. Correct the name, or add a server."
            )
        return await source.tools(names)

    async def _skills(self, own: Sequence[str], given: Sequence[str], *, stays_here: bool) -> Skills | None:
        """The skills of the configuration, which the owner has named, and those that whoever asks names."""
        if not own and not given:
            return None
        from ai.agents.skills import Skills
        from core.skills.choosing import chosen_skills

        source = self.run.materials.borrowed
        choose = partial(
            chosen_skills,
            workspace=self.run.workspace,
            lend=source.request if source else None,
            servers=source.names() if source else (),
        )
        chosen = [*await choose(own, mine=True), *await choose(given)]
        chosen = list({one.full_name: one for one in chosen}.values())
        return Skills(chosen, stays_here=stays_here, on_private=self.world.stay_local)

    def _others(self) -> list[str]:
        roster = self.run.roster
        return list(dict.fromkeys([*roster.names, *roster.agents]))


def _left_out(notes: Sequence[str]) -> str:
    """What the agent should know of tools that it might expect and has not."""
    return "\n".join(["Of your tools:", *(f"- {one}" for one in notes)]) if notes else ""


def _server(name: str, servers: Sequence[str]) -> str | None:
    """The server that *name* is, or is a tool of; names of servers may hold dots."""
    return next((one for one in servers if name == one or name.startswith(f"{one}.")), None)
