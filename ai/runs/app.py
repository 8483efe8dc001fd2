"""The one place that wires a running Moot: configuration, the roster of AIs, the event bus, the caller.

Doors use `open_app()`. `initialize_all_clients_async()` and `cleanup_async_ai_clients()` are the same for programs
that cannot hold a context manager open.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, nullcontext
from dataclasses import dataclass, field, replace
from datetime import date
from functools import partial
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from ai.caller import Caller, used
from ai.providers.added import include_added
from ai.roster.roster import Roster
from ai.runs.run import Materials, Run, new_run_id, open_run
from ai.wire.transport import SharedHTTP
from core.config import Config, load_config
from core.events import EventBus
from core.files.atomic import private_folder
from core.files.workspace import Workspace
from core.jobs.jobs import Jobs
from core.memory.threads import Threads
from core.paths import credentials_path
from core.people.person import Person, acting
from core.usage.ledger import Ledger
from core.usage.metrics import Metrics

if TYPE_CHECKING:
    from ai.agents.offered import ToolSource
    from ai.runs.memo import Memo

Borrow = Callable[[Config], "AbstractAsyncContextManager[ToolSource]"]
"""How a door opens the servers of `mcp_servers`, whose tools are borrowed."""


UPLOADS = "uploads"
"""The folder, among what is a person's own, with the files that they brought along."""


@dataclass(frozen=True)
class App:
    """A running Moot."""

    config: Config
    roster: Roster
    bus: EventBus
    caller: Caller
    ledger: Ledger = field(default_factory=Ledger, kw_only=True)
    materials: Materials = field(default_factory=Materials, kw_only=True)
    jobs: Jobs = field(default_factory=Jobs, kw_only=True)
    others: dict[str, Materials] = field(default_factory=dict, kw_only=True)
    """What people other than the owner work with, by their names; made when they come."""

    def materials_of(self, person: Person) -> Materials:
        """What *person* works with: their own threads, and of files those that they brought. Blocks the first time."""
        if person.owns:
            return self.materials
        if person.name not in self.others:
            folder = person.folder()
            uploads = private_folder(folder / UPLOADS)
            self.others[person.name] = replace(
                self.materials,
                workspace=Workspace(local_only=self.materials.workspace.local_only).with_uploads(uploads),
                threads=Threads(folder / "threads.db"),
                borrowed=None,  # they act with the owner's accounts
            )
        return self.others[person.name]

    def warnings(self) -> list[str]:
        """What a user should mend though nothing stops for it: bad rows, models that are switched off."""
        today = date.today()
        retired = [warning for seat in self.roster.seats.values() if (warning := seat.warning(today))]
        unrecorded = [self.ledger.problem] if self.ledger.problem else []
        return [
            *self.config.problems,
            *self.roster.warnings(),
            *self.materials.workspace.refused_roots,
            *retired,
            *unrecorded,
        ]

    def run(
        self, tool: str, *, run_id: str | None = None, memo: Memo | None = None, materials: Materials | None = None
    ) -> AbstractAsyncContextManager[Run]:
        """A run of *tool*; a *run_id* is given to subscribe before it starts, a *memo* and a *materials* by a job."""
        materials = materials or self.materials_of(acting())
        return open_run(
            run_id or new_run_id(), tool, self.caller, self.bus, materials=materials, memo=memo, jobs=self.jobs
        )


@asynccontextmanager
async def open_app(
    config: Config | None = None,
    *,
    http: SharedHTTP | None = None,
    by_hand: bool = False,
    send_secrets: bool = False,
    borrow: Borrow | None = None,
) -> AsyncIterator[App]:
    """Open every configured AI, synchronous and asynchronous; close all connections in the end, also when cancelled.

    Args:
        by_hand: A person types the paths of files, and may name any file of theirs; a model stays below the roots.
        send_secrets: That person said that what looks like a secret is meant to be sent.
        borrow: For a door that lends the tools of other servers; called only where some are configured.
    """
    config = config if config is not None else load_config(credentials_path())
    files = config.files
    opening = partial(Workspace.open, files.roots, files.local_only, by_hand=by_hand, send_secrets=send_secrets)
    workspace = await anyio.to_thread.run_sync(opening)
    await anyio.to_thread.run_sync(include_added)
    async with borrow(config) if borrow and config.mcp_servers else nullcontext() as borrowed:
        roster = Roster.open(config, http)
        bus = EventBus()
        ledger = Ledger()
        bus.add_sink(ledger, tokens=False)
        bus.add_sink(Metrics(), tokens=False)
        caller = Caller(roster, bus)
        materials = Materials(workspace, unrecorded=ledger.check, borrowed=borrowed)
        app = App(config, roster, bus, caller, ledger=ledger, materials=materials)
        try:
            with used(caller):
                yield app
        finally:
            with anyio.CancelScope(shield=True):
                await _close(app)


async def _close(app: App) -> None:
    roster, ledger, materials, jobs = app.roster, app.ledger, app.materials, app.jobs
    async with AsyncExitStack() as stack:  # each is closed, whatever the others do
        for other in app.others.values():
            stack.push_async_callback(anyio.to_thread.run_sync, other.threads.close)
        stack.push_async_callback(anyio.to_thread.run_sync, ledger.close)
        stack.push_async_callback(anyio.to_thread.run_sync, materials.threads.close)
        stack.push_async_callback(anyio.to_thread.run_sync, materials.track_record.close)
        stack.push_async_callback(roster.aclose)
        stack.push_async_callback(jobs.aclose)


_open: AsyncExitStack | None = None


async def initialize_all_clients_async() -> App:
    """Open all configured AIs for `call_ai_async` and its siblings. Pair it with `cleanup_async_ai_clients()`."""
    global _open  # noqa: PLW0603 - the pair of functions stands in for a context manager
    await cleanup_async_ai_clients()
    stack = AsyncExitStack()
    app = await stack.enter_async_context(open_app())
    _open = stack
    return app


async def cleanup_async_ai_clients() -> None:
    """Close everything `initialize_all_clients_async()` opened; harmless when nothing is open."""
    global _open
    stack, _open = _open, None
    if stack is not None:
        await stack.aclose()
