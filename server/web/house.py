"""What the rooms of the HTTP door share: the running Moot, who may come in, and what happens."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import anyio.to_thread

from core.people.person import Person
from core.people.tokens import Tokens
from server.monitoring.lag import LoopLag
from server.web.access.address import Address
from server.web.access.doors import Doors
from server.web.stream.hub import Hub

if TYPE_CHECKING:
    from ai.runs.app import App


@dataclass
class House:
    """One HTTP door while it is open. `app` is there once the application has started."""

    address: Address
    tokens: Tokens
    doors: Doors
    hub: Hub = field(default_factory=Hub)
    lag: LoopLag = field(default_factory=LoopLag)
    opened: App | None = None
    leads: asyncio.Event | None = None
    """Set where this is the process, of several, that does what only one should; None: there is only this one."""
    workers: int = 1
    """How many processes serve, this one among them."""

    async def welcome(self, person: Person) -> None:
        """Have ready what *person* works with, which is made when they first come."""
        if self.opened is not None and not person.owns and person.name not in self.opened.others:
            await anyio.to_thread.run_sync(self.opened.materials_of, person)

    @property
    def app(self) -> App:
        assert self.opened is not None, "nothing is served before the application has started"
        return self.opened
