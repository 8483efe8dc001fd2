"""What may happen to whom: each scenario starts a batch, lets so many things happen, and waits for the end."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from kills import Found, World, say
from postgres_server import PostgresServer

ROWS_EACH = 150
"""Rows between two things that happen."""
STOPS_S = (5.0, 20.0, 60.0)
WORKERS = 3
Process = subprocess.Popen[bytes]


@dataclass
class Play:
    """One scenario under way."""

    world: World
    times: int
    chance: random.Random
    stops_s: tuple[float, ...]

    def moments(self) -> list[int]:
        """How many calls are accepted when the next thing happens."""
        return [(number + 1) * self.world.rows // (self.times + 1) for number in range(self.times)]

    def seconds(self) -> float:
        return self.chance.choice(self.stops_s)


def _batch(play: Play) -> None:
    world, process = play.world, play.world.batch()
    for moment in play.moments():
        world.until_accepted(moment)
        world.kill(process)
        process = world.batch()
    _until_ended(world, process)


def _batch_stops(play: Play) -> None:
    world, process = play.world, play.world.batch()
    for moment in play.moments():
        world.until_accepted(moment)
        if play.chance.random() < 0.5:
            world.stop(process, play.seconds())
        else:
            world.kill(process)
            process = world.batch()
    _until_ended(world, process)


def _host(play: Play) -> None:
    world, host = play.world, play.world.host()
    _ask_host(world, host)
    for moment in play.moments():
        world.until_accepted(moment)
        world.kill(host)
        host = world.host()
    _until_done(world)


def _two_hosts(play: Play) -> None:
    """Whichever has the job or not; the other one takes it up."""
    world = play.world
    hosts = [world.host(), world.host()]
    _ask_host(world, hosts[0])
    for moment in play.moments():
        world.until_accepted(moment)
        n = play.chance.randrange(2)
        if play.chance.random() < 0.3:
            world.stop(hosts[n], play.seconds())
        else:
            world.kill(hosts[n])
            hosts[n] = world.host()
    _until_done(world)


def _worker(play: Play) -> None:
    world = play.world
    assert world.batch("--background").wait() == 0
    worker = world.worker()
    for moment in play.moments():
        world.until_accepted(moment)
        world.kill(worker)
        worker = world.worker()
    _until_done(world)


def _all_embedded(play: Play) -> None:
    """A batch, a worker and a host on one machine: any of them may have the job."""
    world = play.world
    starts: list[Callable[[], Process]] = [world.batch, world.worker, world.host]
    processes = [start() for start in starts]
    for moment in play.moments():
        world.until_accepted(moment)
        n = play.chance.randrange(3)
        if play.chance.random() < 0.3:
            world.stop(processes[n], play.seconds())
        else:
            world.kill(processes[n])
            processes[n] = starts[n]()
    _until_done(world)


def _fleet(*happenings: str) -> Callable[[Play], None]:
    def run(play: Play) -> None:
        world, chance = play.world, play.chance
        holder = world.batch()
        workers = [world.worker(n) for n in range(WORKERS)]
        for moment in play.moments():
            world.until_accepted(moment)
            n = chance.randrange(WORKERS)
            match chance.choice(happenings):
                case "kill holder":
                    world.kill(holder)
                    holder = world.batch()
                case "kill worker":
                    world.kill(workers[n])
                    workers[n] = world.worker(n)
                case "kill server":
                    begun = world.kill_server(chance.choice((0.5, 1.0, 4.0)))
                    assert begun == 0, f"{begun} calls began while PostgreSQL was away"
                case "stop holder":
                    world.stop(holder, play.seconds())
                case _:
                    world.stop(workers[n], play.seconds())
        _until_ended(world, holder)

    return run


EMBEDDED: Mapping[str, Callable[[Play], None]] = {
    "batch": _batch,
    "batch, also stopped": _batch_stops,
    "host": _host,
    "two hosts, also stopped": _two_hosts,
    "detached worker": _worker,
    "batch, worker and host mixed, also stopped": _all_embedded,
}
FLEET: Mapping[str, Callable[[Play], None]] = {
    "fleet: holder": _fleet("kill holder"),
    "fleet: worker": _fleet("kill worker"),
    "fleet: PostgreSQL": _fleet("kill server"),
    "fleet: holder and worker": _fleet("kill holder", "kill worker"),
    "fleet: holder and worker stopped": _fleet("stop holder", "stop worker"),
    "fleet: all mixed, also stopped": _fleet("kill holder", "kill worker", "kill server", "stop holder", "stop worker"),
}


def play(
    name: str,
    folder: Path,
    *,
    times: int,
    seed: str,
    server: PostgresServer | None = None,
    stops_s: tuple[float, ...] = STOPS_S,
) -> Found:
    """Run one scenario, in which so many things happen."""
    folder.mkdir(parents=True, exist_ok=True)
    with ExitStack() as stack:
        world = World(folder, stack, rows=ROWS_EACH * (times + 1), server=server if name in FLEET else None)
        (FLEET | EMBEDDED)[name](Play(world, times, random.Random(f"{seed} {name}"), stops_s))
        world.settle()
        _until_done(world)
        _end_well(world)
        return world.found()


def _ask_host(world: World, host: Process) -> None:
    world.output = world.work / "in.jsonl.results.jsonl"
    say(host, {"id": 2, "method": "tools/call", "params": {"name": "batch", "arguments": {"file": "in.jsonl"}}})
    world.until(lambda: world.accepted() > 0)  # the answer itself comes only when the batch is over, or seconds later


def _until_ended(world: World, process: Process) -> None:
    world.until(lambda: process.poll() is not None, 300)
    assert process.returncode == 0, world.told()


def _until_done(world: World) -> None:
    world.until(lambda: bool(states := world.states()) and set(states) <= {"done", "failed", "cancelled"}, 300)


def _end_well(world: World) -> None:
    """End what still runs as a user would, so that all of the ledger is written."""
    for process in world.processes:
        if process.poll() is None:
            if process.stdin:
                process.stdin.close()
            else:
                process.terminate()
    for process in world.processes:
        process.wait(30)
