"""What those who work together have looked up: each thing once, under an id by which a claim can cite it.

The id comes from the call itself, so that it is the same for everybody and when a run is resumed. Only what reads is
remembered, and only for as long as a run lasts; whoever is not on this machine has a memory of their own.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio

from ai.agents.offered import ToolExecutionResult, Tools
from core.values import ToolSpec

HINT = "Each result begins with an id such as [L3F9A2]. Cite it behind every claim that rests on that result."
"""For the system prompt of whoever has these tools."""
_SHORTEST = 5
_MOST = 2_000


@dataclass(frozen=True, slots=True)
class Lookup:
    """One call that was made: the id by which it is cited, what was asked, and what came of it."""

    id: str
    name: str
    arguments: Mapping[str, Any]
    result: str


@dataclass
class _Call:
    """A call under way, or over; `looked_up` is None where it failed, so that the next one makes it anew."""

    done: anyio.Event = field(default_factory=anyio.Event)
    looked_up: Lookup | None = None
    failed: ToolExecutionResult | None = None


class Lookups:
    """The calls of one run."""

    def __init__(self) -> None:
        self._calls: dict[tuple[str, str], _Call] = {}
        self._found: dict[str, Lookup] = {}

    def around(self, tools: Tools, *, shared_by: str = "") -> Tools:
        """*tools*, whose reading calls are made once.

        Args:
            shared_by: Who may see what is looked up: those of another group make their own calls. AIs on this machine
                and others are two groups, since private files are there for the first alone.
        """
        return _Remembering(tools, self, shared_by)

    def cited(self, id: str) -> Lookup | None:
        """The call that *id* stands for; None where nothing of that id was looked up."""
        return self._found.get(id.strip("[]").upper())

    @property
    def all(self) -> list[Lookup]:
        """Every call that was made, in order."""
        return list(self._found.values())

    def forget(self) -> None:
        """Look everything up anew from now on, since something was changed; what was cited stays what it was."""
        self._calls.clear()

    def remember(self, name: str, arguments: Mapping[str, Any], result: str, *, shared_by: str = "") -> None:
        """Take *result*, which a resumed run was given out of its journal, as what the call gave; id and all."""
        key = _key(name, arguments, shared_by)
        call = self._calls.setdefault(key, _Call())
        if call.looked_up is None:
            self._keep(call, name, arguments, result.removeprefix(f"[{self._id(key)}] "), key)
            call.done.set()

    async def made_once(
        self, tools: Tools, name: str, arguments: Mapping[str, Any], shared_by: str
    ) -> ToolExecutionResult:
        """What the call gives, made by whoever asks first; the others wait for it."""
        key = _key(name, arguments, shared_by)
        while (known := self._calls.get(key)) is not None:
            await known.done.wait()
            if known.looked_up is not None:
                return _told(known.looked_up)
            if known.failed is not None:
                return known.failed
        if len(self._found) >= _MOST:
            return await tools.call(name, arguments)
        call = self._calls[key] = _Call()
        try:
            done = await tools.call(name, arguments)
            if not done.success:
                call.failed = done
                return done
            return _told(self._keep(call, name, arguments, done.result, key))
        finally:
            if call.looked_up is None and self._calls.get(key) is call:
                del self._calls[key]  # also where this one was cancelled: somebody who waits makes it then
            call.done.set()

    def _keep(self, call: _Call, name: str, arguments: Mapping[str, Any], result: str, key: tuple[str, str]) -> Lookup:
        call.looked_up = Lookup(self._id(key), name, dict(arguments), result)
        self._found[call.looked_up.id] = call.looked_up
        return call.looked_up

    def _id(self, key: tuple[str, str]) -> str:
        digest = hashlib.sha256("\n".join(key).encode()).hexdigest().upper()
        ids = (f"L{digest[:length]}" for length in range(_SHORTEST, len(digest)))
        return next((one for one in ids if one not in self._found), f"L{digest}")


class _Remembering:
    """Tools around others, as `Lookups.around` gives them."""

    def __init__(self, tools: Tools, lookups: Lookups, shared_by: str) -> None:
        self._tools = tools
        self._lookups = lookups
        self._shared_by = shared_by
        self._reading = {spec.name for spec in tools.specs() if spec.read_only}

    def specs(self) -> Sequence[ToolSpec]:
        return self._tools.specs()

    def recalled(self, name: str, arguments: Mapping[str, Any], result: str) -> None:
        """Take what a resumed run was given out of its journal as looked up."""
        if name in self._reading:
            self._lookups.remember(name, arguments, result, shared_by=self._shared_by)

    def changed(self) -> None:
        """Take it that anything may be otherwise from now on."""
        self._lookups.forget()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        if name not in self._reading:
            return await self._tools.call(name, arguments)
        return await self._lookups.made_once(self._tools, name, arguments, self._shared_by)


def _told(lookup: Lookup) -> ToolExecutionResult:
    return ToolExecutionResult.of(f"[{lookup.id}] {lookup.result}")


def _key(name: str, arguments: Mapping[str, Any], shared_by: str) -> tuple[str, str]:
    """The same for the same call, in whatever order its arguments come."""
    given = json.dumps(dict(arguments), sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return f"{shared_by}/{name}", given
