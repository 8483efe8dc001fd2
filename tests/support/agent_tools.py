"""Tools for agents in tests: they write down what they are called with, and do what a test says."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from ai.agents.offered import ToolExecutionResult, Tools
from core.values import Response, ToolCall, ToolSpec, Usage

OBJECT = {"type": "object", "properties": {"x": {}}}
Does = Callable[[str, Mapping[str, Any]], Awaitable[ToolExecutionResult]]


class Recorder:
    """`read` only reads, `write` changes things; `calls` has every call in order."""

    def __init__(self, does: Does | None = None, names: Mapping[str, bool] | None = None) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        self._does = does
        self._names = {"read": True, "write": False} if names is None else names

    def specs(self) -> Sequence[ToolSpec]:
        return [ToolSpec(name, f"It is {name}.", OBJECT, read_only) for name, read_only in self._names.items()]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        self.calls.append((name, dict(arguments)))
        if self._does is not None:
            return await self._does(name, arguments)
        return ToolExecutionResult.of(f"{name} gave {arguments.get('x')}")


class Lent:
    """The tools of a server called `lent`, as doors hand them to runs."""

    def __init__(self, tools: Tools) -> None:
        self._tools = tools

    def names(self) -> list[str]:
        return ["lent"]

    async def tools(self, names: Sequence[str]) -> Tools:
        return self._tools

    async def request(
        self, server: str, method: str, params: Mapping[str, Any] | None = None, *, extension: str
    ) -> dict[str, Any]:
        raise AssertionError("no request of an extension is expected")


def calling(*calls: tuple[str, Mapping[str, Any]], text: str = "", finish: Any = "tool_calls") -> Response:
    """A turn that calls tools."""
    made = tuple(ToolCall(f"id{n}", name, arguments) for n, (name, arguments) in enumerate(calls))
    return Response(text, "scripted-1", finish, Usage(10, 5), "r", made)
