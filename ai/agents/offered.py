"""What an agent may call, and what comes of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from core.values import ToolSpec


@dataclass(frozen=True, slots=True)
class ToolExecutionResult:
    """What one call of a tool gave: `result` where it succeeded, else `error`, one sentence for the model.

    `known` is False where nobody can say whether a call that failed changed anything: it timed out, or its server died.
    Such a call is never repeated by itself.
    """

    success: bool
    result: str = ""
    error: str = ""
    known: bool = True

    @classmethod
    def of(cls, result: str) -> ToolExecutionResult:
        return cls(True, result)

    @classmethod
    def failed(cls, error: str, *, known: bool = True) -> ToolExecutionResult:
        return cls(False, error=error, known=known)


@runtime_checkable
class Tools(Protocol):
    """Some tools under names that are their own.

    `call` never raises for what the tool or its arguments did wrong: that is a result that says so. A cancellation goes
    through, and reaches the tool.
    """

    def specs(self) -> Sequence[ToolSpec]: ...

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult: ...
