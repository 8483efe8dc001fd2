"""The tools that Moot brings, by the names that an agent's `tools` take."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from ai.agents.builtin.ground import Ground
from ai.agents.offered import Tools
from core.errors import InvalidInputError


def _workspace(ground: Ground) -> Tools:
    from ai.agents.builtin.workspace import workspace_tools

    return workspace_tools(ground)


def _git(ground: Ground) -> Tools:
    from ai.agents.builtin.history import git_tools

    return git_tools(ground)


def _threads(ground: Ground) -> Tools:
    from ai.agents.builtin.talks import thread_tools

    return thread_tools(ground)


def _clock(ground: Ground) -> Tools:
    from ai.agents.builtin.clock import clock_tools

    return clock_tools()


def _arithmetic(ground: Ground) -> Tools:
    from ai.agents.builtin.arithmetic import arithmetic_tools

    return arithmetic_tools()


BUILT_IN: Mapping[str, Callable[[Ground], Tools]] = {
    "workspace": _workspace,
    "git": _git,
    "threads": _threads,
    "clock": _clock,
    "arithmetic": _arithmetic,
}


def builtin(name: str, ground: Ground) -> Tools:
    """The tools called *name*, on *ground*.

    Raises:
        InvalidInputError: There are none of that name.
    """
    return BUILT_IN[check_named(name)](ground)


def check_named(name: str) -> str:
    """*name*, which is that of built-in tools.

    Raises:
        InvalidInputError: It is none.
    """
    if name not in BUILT_IN:
        raise InvalidInputError(f"There are no built-in tools {name[:80]!r}. There are {', '.join(BUILT_IN)}.")
    return name
