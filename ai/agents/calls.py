"""The tools that one turn calls: each refused, asked about, made once, kept, and told to the model as data."""

from __future__ import annotations

import hashlib
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import anyio

from ai.agents.approvals import canonical
from ai.agents.executor import ToolExecutor
from ai.agents.offered import ToolExecutionResult
from ai.agents.results import bounded, without_secrets_in
from ai.agents.world import World, place
from core.errors import ApprovalNeededError
from core.jobs.approvals import Approval, Why
from core.untrusted import Fence, one_line
from core.values import Answer, ToolCall, ToolResult

MOST_AT_ONCE = 16
"""Calls of one turn; further ones are refused."""
_SAME = 3
"""The same call so often ends the loop."""
_SHOWN = 300
_NO = "A person said no to this call. Do not try it again; go on without it."
_NOBODY = "This call needs a person's word, and nobody can be asked here. Go on without it."
_UNSURE = "Whether it happened is not known, so it is not repeated. Say so in your answer."


@dataclass(frozen=True, slots=True)
class ToolStep:
    """One call as its readers see it: `arguments` is JSON, `note` one line about the outcome."""

    agent: str
    tool: str
    arguments: str
    success: bool
    note: str
    latency_s: float


class ToolCalls:
    """Makes the calls of the agent *name*.

    Attributes:
        steps: What was called so far, also inside its sub-agents.
        seconds: How long the calls took, those made at once counted once.
        repeated: The tool whose same call came too often; empty: none did.
    """

    def __init__(self, world: World, name: str, tools: ToolExecutor, fence: Fence) -> None:
        self._world = world
        self._name = name
        self._tools = tools
        self._fence = fence
        self._seen: Counter[tuple[str, str]] = Counter()
        self._unsure: set[tuple[str, str]] = set()
        self.steps: list[ToolStep] = []
        self.seconds = 0.0
        self.repeated = ""

    async def make(self, where: str, answer: Answer) -> list[ToolResult]:
        """The results of what *answer*, the turn at *where*, calls, in its order.

        Raises:
            ApprovalNeededError: A person has to be asked; every other call of the turn is made and kept.
        """
        began = time.perf_counter()
        turn = _Turn(self, where, answer)
        await turn.make()
        self.seconds += time.perf_counter() - began
        self._learn(answer.tool_calls, turn.results)
        self.steps += turn.steps
        return [self._told(call, turn.results[n]) for n, call in enumerate(answer.tool_calls)]

    def _told(self, call: ToolCall, result: ToolExecutionResult) -> ToolResult:
        text = result.result if result.success else result.error
        return ToolResult(call.id, self._fence.around("result", text, tool=call.name), not result.success, call.name)

    def _learn(self, calls: Sequence[ToolCall], results: Mapping[int, ToolExecutionResult]) -> None:
        """Note what may have happened. After something has changed, the same call may well give something else."""
        for number, call in enumerate(calls):
            spec, result = self._tools.spec(call.name), results[number]
            if not result.known:
                self.unsure_of(call)
            elif spec is not None and not spec.read_only and result.success:
                kept = self._seen[signature(call)]
                self._seen.clear()
                self._seen[signature(call)] = kept

    def unsure_of(self, call: ToolCall) -> None:
        """Note that nobody knows whether *call* happened: from now on a person is asked before it is made again."""
        self._unsure.add(signature(call))

    def refused(self, call: ToolCall, *, cut: bool) -> str | None:
        """Why *call* is not made; None where it may be. *cut*: the turn ended in the middle of it, perhaps."""
        if broken := call.broken:
            what = f"The arguments of {call.name} are" if call.name else "Your call is"
            return f"{what} no JSON object: {one_line(broken, 200)} Call it again."
        if cut:
            return f"Your turn was cut off while it called {call.name}. Call it again, with less."
        if why := self._tools.refused(call.name):
            return why
        self._seen[signature(call)] += 1
        if self._seen[signature(call)] >= _SAME:
            self.repeated = self.repeated or call.name
            return f"{call.name} was called with the same arguments {_SAME} times, so it is not called again."
        return None

    def why_ask(self, call: ToolCall) -> Why | None:
        """What a person has to be asked before *call*; None where it runs by itself."""
        if signature(call) in self._unsure:
            return "unknown"
        return "changes" if self._tools.policy(call.name) == "ask" else None


class _Turn:
    """The calls of one turn."""

    def __init__(self, calls: ToolCalls, where: str, answer: Answer) -> None:
        self._calls = calls
        self._world, self._tools, self._name = calls._world, calls._tools, calls._name
        self._where = where
        self._answer = answer
        self.results: dict[int, ToolExecutionResult] = {}
        self.steps: list[ToolStep] = []
        self._waiting: list[ApprovalNeededError] = []

    async def make(self) -> None:
        """Make what only reads at once, what changes things in order, and raise what has to be asked at the end."""
        sure: list[int] = []
        asked: list[int] = []
        for number, call in enumerate(self._answer.tool_calls):
            last = number == len(self._answer.tool_calls) - 1
            why = self._calls.refused(call, cut=last and self._answer.finish_reason == "length")
            if number >= MOST_AT_ONCE:
                why = f"At most {MOST_AT_ONCE} calls are made at once. Call {call.name} again in your next turn."
            if why is not None:
                self.results[number] = ToolExecutionResult.failed(why)
                self._note(number, call, self.results[number], 0.0)
            else:
                (sure if self._calls.why_ask(call) is None else asked).append(number)
        reads = [n for n in sure if self._reads(n)]
        async with anyio.create_task_group() as tasks:
            for number in reads:
                tasks.start_soon(self._one, number)
        for number in sure:
            if number not in reads:
                await self._one(number)
        for number in asked:
            await self._one(number)
        if self._waiting:
            raise self._waiting[0]

    def _reads(self, number: int) -> bool:
        spec = self._tools.spec(self._answer.tool_calls[number].name)
        return spec is not None and spec.read_only

    async def _one(self, number: int) -> None:
        call = self._answer.tool_calls[number]
        try:
            result, seconds = await self._result(f"{self._where}.{number}", call)
        except ApprovalNeededError as error:  # the others go on first
            self._waiting.append(error)
            return
        self.results[number] = result
        if not result.known:  # the same call may stand in this turn once more
            self._calls.unsure_of(call)
        self._note(number, call, result, seconds)

    async def _result(self, where: str, call: ToolCall) -> tuple[ToolExecutionResult, float]:
        if self._tools.keeps_itself(call.name):
            return await self._run(where, call)
        key = f"tool:{where}:{call.name}:{_hash(canonical(call.arguments))}"
        spec = self._tools.spec(call.name)
        if (kept := await self._world.noted(key)) is None:
            if no := await self._word(where, call):
                return no, 0.0
            if spec is not None and not spec.read_only and (no := await self._begin(key, where, call)):
                return no, 0.0

            async def made() -> dict[str, Any]:
                result, seconds = await self._run(where, call)
                return _dumped(result, seconds) | ({"local": True} if self._world.local_only else {})

            kept = await self._world.kept(key, made)
        elif kept["success"]:
            self._tools.recalled(call.name, call.arguments, kept["result"])
        if kept.get("local"):
            self._world.stay_local()
        return _loaded(kept)

    async def _word(self, where: str, call: ToolCall) -> ToolExecutionResult | None:
        """What stands in place of *call* where a person did not allow it; None where it goes on."""
        why = self._calls.why_ask(call)
        return None if why is None else await self._ask(where, call, why)

    async def _begin(self, key: str, where: str, call: ToolCall) -> ToolExecutionResult | None:
        """Note that *call* begins; what stands in its place where it had begun before and shall not be tried again.

        An earlier process began it, and nobody knows whether it happened. Each try has a note and a question of its
        own, so that a yes counts for one of them.
        """
        tries = 1
        while await self._world.noted(f"began:{key}:{tries}"):
            tries += 1
        if tries > 1 and (no := await self._ask(f"{where}, try {tries}", call, "unknown")):
            return no
        await self._world.note(f"began:{key}:{tries}", True)
        return None

    async def _ask(self, where: str, call: ToolCall, why: Why) -> ToolExecutionResult | None:
        question = Approval(call.name, canonical(call.arguments), self._name, where, why)
        word = await self._world.decide(question)
        if word:
            return None
        if why == "unknown":
            return ToolExecutionResult.failed(f"{call.name}: {_UNSURE}", known=False)
        return ToolExecutionResult.failed(_NOBODY if word is None else _NO)

    async def _run(self, where: str, call: ToolCall) -> tuple[ToolExecutionResult, float]:
        shown = one_line(canonical(call.arguments), _SHOWN)
        id_, began = self._world.tool_started(self._name, call.name, shown), time.perf_counter()
        result = ToolExecutionResult.failed(f"{call.name} was cancelled.", known=False)
        token = place.set(where)
        try:
            result = await self._bounded(call)
        finally:
            place.reset(token)
            seconds = time.perf_counter() - began
            note = _line(result)
            told = self._world.tool_finished
            told(id_, self._name, call.name, success=result.success, note=note, latency_s=seconds)
        return result, seconds

    async def _bounded(self, call: ToolCall) -> ToolExecutionResult:
        result = await self._tools.call(call.name, call.arguments)
        text = await without_secrets_in(bounded(result.result if result.success else result.error))
        if result.success:
            return ToolExecutionResult(True, result=text, known=result.known)
        sentence = text if result.known else f"{text} {_UNSURE}"
        return ToolExecutionResult(False, error=sentence, known=result.known)

    def _note(self, number: int, call: ToolCall, result: ToolExecutionResult, seconds: float) -> None:
        shown = one_line(canonical(call.arguments), _SHOWN)
        self.steps.append(ToolStep(self._name, call.name, shown, result.success, _line(result), seconds))


def signature(call: ToolCall) -> tuple[str, str]:
    """What makes two calls the same one."""
    return call.name, canonical(call.arguments)


def _line(result: ToolExecutionResult) -> str:
    return one_line(result.result if result.success else result.error, _SHOWN)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _dumped(result: ToolExecutionResult, seconds: float) -> dict[str, Any]:
    said = {"result": result.result} if result.success else {"error": result.error}
    return {"success": result.success, **said, "known": result.known, "seconds": round(seconds, 3)}


def _loaded(kept: Mapping[str, Any]) -> tuple[ToolExecutionResult, float]:
    result = ToolExecutionResult(kept["success"], kept.get("result", ""), kept.get("error", ""), kept["known"])
    return result, kept["seconds"]
