"""What an agent may call, and what comes of a call."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from core.tooling import Policy
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


@runtime_checkable
class Governed(Protocol):
    """Tools for which a person has laid down whether they run, in the row of the server they are from."""

    def policy(self, name: str) -> Policy | None:
        """What that person said of the tool *name*; None: nothing, so that what reads runs, and all else asks."""
        ...


@runtime_checkable
class Noted(Protocol):
    """Tools of which some are left out."""

    def notes(self) -> Sequence[str]:
        """What is left out, and what else a person should know: sentences that a model may read too."""
        ...


class ToolSource(Protocol):
    """Tools that belong to somebody else, by the name of their server, and found when they are first needed."""

    def names(self) -> list[str]:
        """The servers that may be named."""
        ...

    async def tools(self, names: Sequence[str]) -> Tools:
        """The tools of *names*: of a server, all that may be used now; or one of them, as in `github.search_code`.

        Raises:
            MootError: A server is unknown or cannot be reached, or a tool that is named is not there or held back.
        """
        ...

    async def request(
        self, server: str, method: str, params: Mapping[str, Any] | None = None, *, extension: str
    ) -> dict[str, Any]:
        """What *server* answers to a request of an *extension* of the protocol.

        Raises:
            MootError: It cannot be asked, or answers with an error.
        """
        ...
