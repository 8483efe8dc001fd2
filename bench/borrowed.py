"""A server of somebody else's, borrowed unchanged: the expected calls of 114 retail tasks, through Moot.

Each task has a database of its own on the server; it counts when that ends as it does without any MCP. Everything is
named as an agent sees it: the tools come from `Borrowed`, pins and all, and are called by the names offered. Beside it:
what a call costs through Moot and through the bare official client, on the same server.
"""

from __future__ import annotations

import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

import anyio
from _measure import Figure, exact, main, ratio
from _retail import Shop, Task

_CALLS = 20


def measure(rounds: int) -> list[Figure]:
    with tempfile.TemporaryDirectory() as place:
        os.environ["MOOT_HOME"] = place  # where the pins go
        return anyio.run(_measured, Shop(Path(place)), rounds)


async def _measured(shop: Shop, rounds: int) -> list[Figure]:
    from core.config import Config
    from core.tooling import McpServerConfig
    from server.mcp_client.borrowed import borrowing

    tasks = await anyio.to_thread.run_sync(shop.tasks)
    row = McpServerConfig.model_validate(shop.row())
    async with borrowing(Config(mcp_servers={"retail": row})) as lent:
        tools = await lent.tools(["retail"])
        right = 0
        for task in tasks:
            await _play(tools, task)
            right += await anyio.to_thread.run_sync(shop.check, task)
        changing = sum(not task.untouched for task in tasks)
        print(f"{right} of {len(tasks)} tasks end in the right database; {changing} of them change it")
        through, bare = [], []
        async with _client(shop) as client:
            for _ in range(rounds):
                through.append(await _timed(lambda: tools.call("retail__calculate", {"expression": "1 + 1"})))
                bare.append(await _timed(lambda: client.call_tool("calculate", {"expression": "1 + 1"})))
    return [
        exact("tasks that end wrong", len(tasks) - right, bound=0, unit=""),
        ratio("a call through Moot / through the bare client, wall", through, bare),
    ]


async def _play(tools: Any, task: Task) -> None:
    for name, arguments in task.calls:
        await tools.call(f"retail__{name}", {**arguments, "state_key": task.key})


def _client(shop: Shop) -> Any:
    from mcp import Client, StdioServerParameters

    row = shop.row()
    return Client(StdioServerParameters(command=row["command"], args=row["args"], env=row["env"]))


async def _timed(call: Any) -> float:
    """The median of many calls, in seconds: the server writes its database at each."""
    taken = []
    for _ in range(_CALLS):
        started = time.perf_counter()
        await call()
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


if __name__ == "__main__":
    main(measure, rounds=3)
