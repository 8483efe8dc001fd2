"""What the tools that Moot brings work on, and what they owe to what is private."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace

from core.files.workspace import Workspace
from core.memory.threads import Threads

LONGEST = 40_000
"""Characters of one result; what is longer is cut, and says how to go on."""


def _nothing() -> None:
    pass


@dataclass(frozen=True)
class Ground:
    """What may be read, and for whom.

    Args:
        workspace: The files; always as a model names them, also where a person stands in their folder.
        threads: The conversations of the person the agent works for.
        stays_here: Whether the AI is on this machine: another one neither reads nor is told of private files.
        on_private: Called before a result leaves that holds something of a private file, so that the run stays here.
    """

    workspace: Workspace = field(default_factory=Workspace)
    threads: Threads | None = None
    stays_here: bool = False
    on_private: Callable[[], None] = _nothing

    @property
    def files(self) -> Workspace:
        """The workspace for paths that a model chose: below the roots, no addresses, no secrets."""
        return replace(self.workspace, here=None, send_secrets=False)
