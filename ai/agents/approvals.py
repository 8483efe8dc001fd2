"""Which tools run by themselves, after a person's word, or not at all. Nothing that a model writes decides it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from typing import Any, get_args

from core.errors import InvalidInputError
from core.tooling import Policy

POLICIES = get_args(Policy)
_STRICTNESS: Mapping[Policy, int] = {"allow": 0, "ask": 1, "never": 2}


def check_policy(policy: object, what: str) -> None:
    """Refuse what is no policy: one that nobody knows must not end as one that allows.

    Raises:
        InvalidInputError: *what*, which has it, is named.
    """
    if policy not in POLICIES:
        *others, last = map(repr, POLICIES)
        raise InvalidInputError(f"{what} is {policy!r}: give {', '.join(others)} or {last}.")


def canonical(arguments: Mapping[str, Any]) -> str:
    """*arguments* as JSON that is the same for the same value (RFC 8785 in all but the form of odd numbers)."""
    return json.dumps(arguments, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)


def strictest(*policies: Policy | None) -> Policy | None:
    """The one that allows least, of those that say anything."""
    said: list[Policy] = [one for one in policies if one is not None]
    return max(said, key=_strictness, default=None)


def _strictness(policy: Policy) -> int:
    return _STRICTNESS[policy]


def ruled(rules: Mapping[str, Policy], names: Sequence[str]) -> Policy | None:
    """What *rules* say of a tool called by *names*: an exact name before a pattern, and of patterns the strictest."""
    for name in names:
        if name in rules:
            return rules[name]
    return strictest(*(rule for pattern, rule in rules.items() for name in names if fnmatchcase(name, pattern)))
