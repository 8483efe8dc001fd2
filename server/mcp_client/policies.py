"""What a row's `approvals` say of a tool: the entry that names it most exactly counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from core.tooling import Policy, fits

_STRICTNESS: dict[Policy, int] = {"allow": 0, "ask": 1, "never": 2}


def decided(tool: str, approvals: Mapping[str, Policy]) -> Policy | None:
    """The policy for *tool*, or None; of two patterns that are as exact, the stricter one."""
    fitting = [(name, policy) for name, policy in approvals.items() if fits(tool, name)]
    if not fitting:
        return None
    return max(fitting, key=lambda one: ("*" not in one[0], len(one[0].replace("*", "")), _STRICTNESS[one[1]]))[1]


def matches(tool: str, patterns: Iterable[str]) -> bool:
    return any(fits(tool, pattern) for pattern in patterns)
