"""Several processes behind one port: the first starts them, starts those anew that end, and relays what happens.

Each process is the whole server, with jobs of its own; what belongs to all of them is in the store. So it does not
matter which one answers.
"""

from __future__ import annotations

import json
import os
import shutil
import socket
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from dataclasses import asdict
from functools import partial
from pathlib import Path

import uvicorn
from starlette.types import ASGIApp
from uvicorn.supervisors import Multiprocess

from core.errors import ConfigError
from core.files.atomic import new_private_file
from core.logs import configure_logging
from core.names.naming import module_name
from core.paths import data_dir
from core.people.tokens import Tokens
from server.jobs.worker import start_worker
from server.web.access.address import Address
from server.web.access.doors import Doors
from server.web.assembly import Place, assemble, uvicorn_settings
from server.web.house import House
from server.web.running.metrics import SHARED_FOLDER
from server.web.running.starting import say_nothing_of_it
from server.web.stream.relay import Membership, Relay

_TOLD = "MOOT_WEB_WORKER"


def serve_with_workers(place: Place, address: Address, bound: socket.socket, workers: int) -> int:
    """Serve at *bound* with so many processes until told to end; the exit code.

    Raises:
        ConfigError: It cannot start.
    """
    with Relay(data_dir() / "run") as relay:
        told = {"place": asdict(place), "address": asdict(address), "relay": str(relay.path)}
        os.environ[_TOLD] = json.dumps(told)
        os.environ[SHARED_FOLDER] = counted = tempfile.mkdtemp(prefix="metrics.", dir=relay.path.parent)
        app = module_name("server.web.workers") + ":worker_application"
        config = uvicorn.Config(app, factory=True, workers=workers, **uvicorn_settings())
        say_nothing_of_it()
        try:
            Multiprocess(config, sockets=[bound]).run()
        finally:
            shutil.rmtree(counted, ignore_errors=True)
        problem = _why_not(relay.path)
        if problem.exists():
            why = problem.read_text(encoding="utf-8")
            problem.unlink()
            raise ConfigError(why)
    return 0


def _why_not(relay: Path) -> Path:
    """Where the first process that cannot start says why, so that it is said once."""
    return relay.with_suffix(".problem")


def _leave_word(relay: Path, problem: str) -> None:
    with suppress(FileExistsError):
        new_private_file(_why_not(relay), problem)


def worker_application() -> ASGIApp:
    """The application of one of the processes."""
    configure_logging()
    told = json.loads(os.environ[_TOLD])
    place = Place(**told["place"] | {"allowed": tuple(told["place"]["allowed"])})
    address = Address(**told["address"] | {"names": tuple(told["address"]["names"])})
    house = House(address, Tokens(), Doors(data_dir()))
    member = Membership(Path(told["relay"]), house.hub.hear)
    house.leads = member.leads

    @asynccontextmanager
    async def joined(house: House) -> AsyncIterator[None]:
        async with member.joined() as name:
            house.hub.join(name, member.send)
            yield

    application = assemble(house, place, detach=start_worker, first=[joined])
    application.told = partial(_leave_word, Path(told["relay"]))
    return application
