"""A tree of 64 sub-agents that each want more, and one budget for all of them: never a cent above it.

The model, over real HTTP, always asks for more sub-agents, as many at once as it likes, answers only where it may not,
writes up to as many tokens as it may, and counts its input as the strictest tokenizers do. Every budget in dollars and
in tokens is tried with several seeds; the figure is the most that was spent, as the provider counted it, over the
budget.
"""

from __future__ import annotations

import json
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import anyio
from _measure import ROOT, Figure, exact, main

sys.path.insert(0, str(ROOT / "tests" / "support"))

from fake_provider import FakeProvider
from playing_provider import Said, encoded

PROVIDER, MODEL = "deepseek", "deepseek-chat"
DOLLARS = (0.002, 0.01, 0.05, 0.25)
TOKENS = (5_000, 50_000, 500_000)
SUB_AGENTS, DEPTH = 64, 4
_AT_ONCE = 6
_PART = "Part"
_MUCH = ("It is much. ", "\u0f40\u0f72\u0f0b", "\U0001fae8\U0001f9ff")
_BYTES_A_TOKEN = 2.2


@dataclass
class Greedy:
    """The model, and what it counted: tokens in and out of each request."""

    chance: random.Random
    counted: list[tuple[int, int]] = field(default_factory=list)
    sub_agents: int = 0

    def __call__(self, asked: dict[str, Any]) -> bytes:
        most = asked.get("max_tokens") or asked.get("max_completion_tokens")
        assert most, "a request without a limit of its answer cannot be held to a budget"
        self.sub_agents += _begins(asked["messages"])
        gave = most if self.chance.random() < 0.5 else self.chance.randint(1, most)
        tokens = (_tokens(asked), gave)
        self.counted.append(tokens)
        if not asked.get("tools") or asked.get("tool_choice") == "none":
            return encoded(asked, Said(["It needs more."], tokens=tokens))
        more = [self.chance.randint(0, 10**9) for _ in range(self.chance.randint(1, _AT_ONCE))]
        calls = [("ask", {"ai": "imp", "task": f"{_PART} {n}. {_MUCH[n % 3] * (n % 300)}"}) for n in more]
        return encoded(asked, Said(["I need more."], calls, tokens))


def _begins(messages: Sequence[dict[str, Any]]) -> bool:
    """Whether a sub-agent asks for the first time."""
    first = next(str(message["content"]) for message in messages if message["role"] == "user")
    return first.startswith(_PART) and not any(message["role"] == "assistant" for message in messages)


def _tokens(asked: dict[str, Any]) -> int:
    """What a strict tokenizer makes of a request: a rare script or an emoji takes a token for each of its bytes."""
    said = [
        str(message.get("content") or "") + json.dumps(message.get("tool_calls", "")) for message in asked["messages"]
    ]
    text = "".join([*said, json.dumps(asked.get("tools", ""))])
    plain = len(text.encode("ascii", "ignore"))
    return int(plain / _BYTES_A_TOKEN) + len(text.encode()) - plain


@dataclass
class Tree:
    """What came of one run."""

    share: float
    requests: int
    sub_agents: int


def measure(rounds: int) -> list[Figure]:
    trees = {
        "dollars": [anyio.run(_run, limit, None, seed) for limit in DOLLARS for seed in range(rounds)],
        "tokens": [anyio.run(_run, None, limit, seed) for limit in TOKENS for seed in range(rounds)],
        "a hundred dollars": [anyio.run(_run, 100.0, None, seed) for seed in range(rounds)],
    }
    return [_figure(name, runs) for name, runs in trees.items()]


def _figure(name: str, runs: Sequence[Tree]) -> Figure:
    most = max(runs, key=lambda one: one.share)
    requests, asked = sum(one.requests for one in runs), max(one.sub_agents for one in runs)
    note = f"{len(runs)} trees, {requests:,} requests, at most {asked} sub-agents"
    return exact(f"most spent / budget, {name}", most.share, bound=1.0, unit="x", note=note)


async def _run(usd: float | None, tokens: int | None, seed: int) -> Tree:
    from ai.agents.allowance import Limits
    from ai.runs.agents import Wanted, run_agents
    from ai.runs.app import open_app
    from core.config import AIConfig, Config
    from core.tooling import AgentConfig
    from core.usage.prices import cost_usd
    from core.values import Request, Usage

    greedy, provider = Greedy(random.Random(f"{usd} {tokens} {seed}")), FakeProvider()
    provider.play = greedy
    async with await provider.start():
        fields = {"provider": PROVIDER, "base_url": provider.base_url, "api_key": "none", "model": MODEL}
        wants: dict[str, Any] = {"ai": "a", "tools": ["ask"], "depth": DEPTH, "agents": SUB_AGENTS, "max_turns": 8}
        agents = {name: AgentConfig.model_validate(wants) for name in ("boss", "imp")}
        config = Config(rows={"a": AIConfig.model_validate(fields)}, agents=agents)
        async with open_app(config) as app, app.run("agent") as run:
            limits = Limits(usd, tokens, None, DEPTH, SUB_AGENTS)
            await run_agents(run, [Wanted("boss", Request.of("Do it all."), limits=limits)])
            price_id = app.roster.seat("a").provider.price_id
    costs = [cost_usd(Usage(*one), model=MODEL, price_id=price_id) for one in greedy.counted]
    assert None not in costs
    spent = sum(cost or 0.0 for cost in costs) / usd if usd else sum(map(sum, greedy.counted)) / (tokens or 1)
    return Tree(spent, len(greedy.counted), greedy.sub_agents)


if __name__ == "__main__":
    main(measure, rounds=5)
