"""A provider on loopback with a model that calls functions: Chat Completions, streamed or not.

    python playing_provider.py PLAY [LOG]      prints its base URL, serves until stdin closes

PLAY names one of `PLAYS`: what the model says to a request. LOG gets a line for each turn of `long_run`.
"""

from __future__ import annotations

import asyncio
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from subprocess import PIPE, Popen
from typing import Any

from fake_provider import FakeProvider, event


@dataclass(frozen=True)
class Said:
    """One turn of the model: what it writes, then the functions that it calls, and the tokens that it took."""

    words: Sequence[str] = ()
    calls: Sequence[tuple[str, Mapping[str, Any]]] = ()
    tokens: tuple[int, int] = (20, 10)


Play = Callable[[dict[str, Any]], Said]


def encoded(asked: Mapping[str, Any], said: Said) -> bytes:
    """*said* as the body of the answer to *asked*."""
    turn = sum(message["role"] == "assistant" for message in asked["messages"])
    calls = [
        {"id": f"call_{turn}_{n}", "type": "function", "function": {"name": name, "arguments": json.dumps(arguments)}}
        for n, (name, arguments) in enumerate(said.calls)
    ]
    took, gave = said.tokens
    usage = {"prompt_tokens": took, "completion_tokens": gave, "total_tokens": took + gave}
    finish = "tool_calls" if calls else "stop"
    if asked.get("stream"):
        return b"".join(_streamed(said.words, calls, finish, usage))
    message = {"role": "assistant", "content": "".join(said.words) or None} | ({"tool_calls": calls} if calls else {})
    choices = [{"index": 0, "message": message, "finish_reason": finish}]
    fields = {"id": "c1", "object": "chat.completion", "created": 1, "model": "fake-1"}
    return json.dumps(fields | {"choices": choices, "usage": usage}).encode()


def _streamed(words: Sequence[str], calls: list[dict[str, Any]], finish: str, usage: dict[str, int]) -> Iterator[bytes]:
    """Names first, then the arguments in two pieces, as they come from who makes them."""

    def piece(delta: dict[str, Any]) -> bytes:
        return event(choices=[{"index": 0, "delta": delta, "finish_reason": None}])

    yield piece({"role": "assistant", "content": ""})
    yield from (piece({"content": word}) for word in words)
    for n, call in enumerate(calls):
        arguments = call["function"]["arguments"]
        named = call | {"index": n, "function": call["function"] | {"arguments": ""}}
        yield piece({"tool_calls": [named]})
        for part in (arguments[: len(arguments) // 2], arguments[len(arguments) // 2 :]):
            yield piece({"tool_calls": [{"index": n, "function": {"arguments": part}}]})
    yield event(choices=[{"index": 0, "delta": {}, "finish_reason": finish}])
    yield event(choices=[], usage=usage) + b"data: [DONE]\n\n"


def results(asked: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The results of functions in the conversation so far."""
    return [message for message in asked["messages"] if message["role"] == "tool"]


def two_tools(asked: dict[str, Any]) -> Said:
    """The weather in two cities, and then what it comes to."""
    if not results(asked):
        return Said(calls=[("weather", {"city": "Oslo"}), ("weather", {"city": "Bergen"})])
    return Said(["It", " is", " warmer", " in", " Bergen", "."] * 4)


RUN = re.compile(r"run-\d+")
LAST = 19
"""The calls before the answer, one a turn."""


def long_run(asked: dict[str, Any]) -> Said:
    """A run of twenty turns: what it looks up, appends and signs in turn, each under a key of its own."""
    turn, run = len(results(asked)), run_of(asked)
    if turn == LAST:
        return Said([f"{run} is done."])
    name = ("look", "append", "sign", "append")[turn % 4]
    return Said(calls=[(f"acting__{name}", {"key": f"{run}:{turn}"})])


def run_of(asked: Mapping[str, Any]) -> str:
    """The run that a conversation says it is."""
    found = RUN.search(json.dumps([message for message in asked["messages"] if message["role"] == "user"]))
    assert found
    return found[0]


PLAYS: Mapping[str, Play] = {"two_tools": two_tools, "long_run": long_run}


def _log_turns(path: str) -> Callable[[str, dict[str, Any]], None]:
    """Write `a SECONDS RUN TURN` when a turn is accepted, `f ...` when it is answered; by the wall clock."""
    log = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)

    def note(what: str, asked: dict[str, Any]) -> None:
        os.write(log, f"{what} {time.time():.6f} {run_of(asked)} {len(results(asked))}\n".encode())

    return note


@contextmanager
def playing_provider(play: str, *log: str) -> Iterator[str]:
    """The base URL of one in a process of its own, for as long as the block runs."""
    with Popen([sys.executable, __file__, play, *log], stdin=PIPE, stdout=PIPE, text=True) as process:
        assert process.stdout and process.stdin
        yield process.stdout.readline().strip()
        process.stdin.close()


async def _main() -> None:
    play, provider = PLAYS[sys.argv[1]], FakeProvider()
    provider.play = lambda asked: encoded(asked, play(asked))
    if len(sys.argv) > 2:
        provider.log = _log_turns(sys.argv[2])
    async with await provider.start():
        print(provider.base_url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
