"""An agent for programs: an AI with tools that holds a conversation.

agent = Agent("gpt", tools=[get_weather], system="Be brief.", budget_usd=0.50)
print(await agent.chat("Is it warmer in Oslo or in Bergen?"))
async for token in agent.chat("And in a week?"):
    print(token, end="")
"""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import anyio
import anyio.to_thread

from ai.agents.allowance import Allowance, Limits
from ai.agents.builtin.ground import Ground
from ai.agents.builtin.named import builtin, check_named
from ai.agents.executor import ToolExecutor
from ai.agents.figures import AgentMetrics
from ai.agents.function_tools import as_tools
from ai.agents.loop import MOST_TURNS, Brief, Ended, run_agent
from ai.agents.offered import Tools
from ai.agents.world import Approver, Bare
from ai.caller import Caller, running_caller
from ai.client import AsyncAIClient, Emit, FellBack, Retrying, TextStream, Thinking
from core.errors import InvalidInputError
from core.events import CallFellBack, CallRetrying, CallStarted, Event, EventBus, Thought, Token
from core.tooling import Policy
from core.values import Answer, Failure, Message, Request, Response, Text

_SEAT = "agent"
"""Under what name a client of the program's own is asked."""
_BETWEEN = "\n\n"
_MOST = 1_000_000_000_000
"""Of dollars, tokens or seconds that may be set as a limit: more is none."""


class Agent(AsyncAIClient):
    """An AI with tools. `chat` goes on with the conversation in `history`; `complete` answers one request by itself.

    Args:
        ai: The name of a configured AI, or a client of the program's own.
        tools: Functions, objects with name, description, parameters and execute, anything that is `Tools`, and the
            names of built-in ones, such as `workspace`: then the folder in which the program was started.
        max_turns: Requests to the model for one chat; in the last one its tools are closed.
        budget_usd, budget_tokens, timeout_s: For each chat, with everything below it.
        approvals: By a tool's name or a pattern: `allow`, `ask` or `never`.
        approve: Asks a person whether a call may be made; without it, what would have to be asked is not done.

    Raises:
        InvalidInputError: A tool or a limit cannot be used; the message says why.
    """

    def __init__(
        self,
        ai: str | AsyncAIClient,
        *,
        tools: Iterable[Any] = (),
        system: str | None = None,
        name: str | None = None,
        max_turns: int = MOST_TURNS,
        budget_usd: float | None = None,
        budget_tokens: int | None = None,
        timeout_s: float | None = None,
        approvals: Mapping[str, Policy] | None = None,
        approve: Approver | None = None,
    ) -> None:
        _check(max_turns, budget_usd, budget_tokens, timeout_s)
        _check_kinds(tools=tools, system=system, name=name, approvals=approvals, approve=approve)
        self._own = ai if isinstance(ai, AsyncAIClient) else None
        seat = _SEAT if isinstance(ai, AsyncAIClient) else ai
        given = list(tools)
        self._named = [check_named(one) for one in given if isinstance(one, str)]
        self._tools = as_tools(one for one in given if not isinstance(one, str))
        self._rules = dict(approvals or {})
        self._brief = Brief(name or seat, seat, ToolExecutor(self._tools, rules=self._rules), system, max_turns)
        self._limits = Limits(budget_usd, budget_tokens, timeout_s)
        self._approve = approve
        self._history: tuple[Message, ...] = ()
        self._metrics = AgentMetrics(self._brief.name)
        self._busy = False
        self._chance = secrets.randbits(64)

    @property
    def history(self) -> tuple[Message, ...]:
        """The conversation so far, with all calls of tools and their results. A chat that failed is not in it."""
        return self._history

    def metrics(self) -> AgentMetrics:
        """What all chats so far took."""
        return self._metrics

    def chat(self, text: str, **options: Any) -> Chat:
        """Go on with the conversation: await it for the answer, or iterate it for its tokens. Once.

        Args:
            options: Fields of `Request`, such as `temperature`.

        Raises:
            InvalidInputError: When it is used a second time, or while another chat of this agent goes on.
            AIError: There is no answer; the subclass says why.
        """
        if not isinstance(text, str):
            raise InvalidInputError(f"A chat goes on with a text, and this is a {type(text).__name__}. Give a str.")
        return Chat(_Conversation(self), Request.of(text, **options))

    async def complete(self, request: Request, emit: Emit) -> Response:
        return _response(await self._run(request, emit))

    async def converse(self, request: Request, emit: Emit) -> Response:
        """Answer the one message of *request* after the history, and add both to it."""
        if self._busy:
            raise InvalidInputError("This agent still answers. Wait for it, or make a second agent.")
        self._busy = True
        try:
            messages = (*self._history, *request.messages)
            ended = await self._run(replace(request, messages=messages), emit)
        finally:
            self._busy = False
        response = _response(ended)
        self._history = ended.messages
        return response

    @property
    def tasks(self) -> Any:
        """Where its streams are written while it is open; None otherwise."""
        return self._tasks

    async def _run(self, request: Request, emit: Emit) -> Ended:
        run = secrets.token_hex(8)
        await self._open_named()
        async with self._caller() as caller:
            world = Bare(caller, run=run, chance=self._chance, approve=self._approve)
            with caller.bus.hearing(run, _Relay(emit, self._brief.name).hear):
                ended = await run_agent(world, self._brief, request, Allowance(self._limits))
        self._metrics.add(ended.outcome, ended.steps)
        return ended

    async def _open_named(self) -> None:
        if self._named:
            names, self._named = self._named, []
            self._tools = [*await anyio.to_thread.run_sync(_built_in, names), *self._tools]
            self._brief = replace(self._brief, tools=ToolExecutor(self._tools, rules=self._rules))

    @asynccontextmanager
    async def _caller(self) -> AsyncIterator[Caller]:
        if self._own is None:
            async with running_caller() as caller:
                yield caller
            return
        from ai.roster.roster import Roster
        from ai.roster.stand_ins import seat_ais
        from core.config import Config

        roster = Roster(Config())
        seat_ais(roster, {_SEAT: self._own})
        try:
            yield Caller(roster, EventBus())
        finally:
            await anyio.to_thread.run_sync(roster.close)


class Chat(TextStream):
    """One answer of an agent: awaited it is the text, iterated its tokens."""

    _task: asyncio.Task[None] | None = None

    def _begin(self, pump: Callable[[], Coroutine[Any, Any, None]]) -> None:
        if self._client._tasks is not None:
            super()._begin(pump)
            return
        # Nobody owns a task group here, so the stream owns the task: it ends with its iterator, whose end cancels it.
        self._task = asyncio.get_running_loop().create_task(pump())


class _Conversation(AsyncAIClient):
    """The agent as its chats see it, with a history."""

    def __init__(self, agent: Agent) -> None:
        self._agent = agent
        self._tasks = agent.tasks

    async def complete(self, request: Request, emit: Emit) -> Response:
        return await self._agent.converse(request, emit)


class _Relay:
    """Hands on what the agent's own turns write, with a blank line between two of them; not what its sub-agents do."""

    def __init__(self, emit: Emit, role: str) -> None:
        self._emit = emit
        self._role = role
        self._calls: set[str] = set()
        self._wrote = self._pause = False

    def hear(self, event: Event | Thought) -> None:
        match event:
            case CallStarted() if event.role == self._role:
                self._calls.add(event.call)
                self._pause = self._wrote
            case Token() if event.call in self._calls:
                if self._pause:
                    self._emit(_BETWEEN)
                self._wrote, self._pause = True, False
                self._emit(event.text)
            case Thought() if event.call in self._calls:
                self._emit(Thinking(event.text))
            case CallRetrying() if event.call in self._calls:
                self._emit(Retrying(event.attempt, event.wait_s, event.reason))
            case CallFellBack() if event.call in self._calls:
                self._emit(FellBack(event.to, event.reason))


def _built_in(names: Sequence[str]) -> list[Tools]:
    """The built-in tools of *names*, on the folder in which the program was started. Blocks."""
    from core.files.workspace import Workspace
    from core.memory.threads import Threads

    ground = Ground(Workspace.open(None), Threads())
    return [builtin(name, ground) for name in names]


def _check(max_turns: int, usd: float | None, tokens: int | None, seconds: float | None) -> None:
    if not isinstance(max_turns, int) or isinstance(max_turns, bool) or max_turns < 1:
        raise InvalidInputError(f"'max_turns' is {max_turns!r}: give a whole number from 1 on.")
    kinds: Mapping[str, Any] = {"budget_tokens": int}
    for name, value in (("budget_usd", usd), ("budget_tokens", tokens), ("timeout_s", seconds)):
        number = isinstance(value, kinds.get(name, int | float)) and not isinstance(value, bool)
        if value is not None and not (number and 0 < value <= _MOST):
            what = "whole number" if name in kinds else "number"
            raise InvalidInputError(f"{name!r} is {value!r}: give a {what} above 0, or leave it out for no limit.")


def _check_kinds(*, tools: object, system: object, name: object, approvals: object, approve: object) -> None:
    whats = (
        ("tools", not isinstance(tools, str) and isinstance(tools, Iterable), "a list, such as ['workspace']"),
        ("system", system is None or isinstance(system, str), "a text"),
        ("name", name is None or isinstance(name, str), "a text"),
        ("approvals", approvals is None or isinstance(approvals, Mapping), "a dict, such as {'send_*': 'ask'}"),
        ("approve", approve is None or callable(approve), "an async function that takes an Approval and gives a bool"),
    )
    for what, fits, wanted in whats:
        if not fits:
            raise InvalidInputError(f"{what!r} has to be {wanted}.")


def _response(ended: Ended) -> Response:
    """The outcome as a client gives it.

    Raises:
        AIError: There is no answer.
    """
    if isinstance(ended.outcome, Failure):
        raise ended.outcome.error
    answer: Answer = ended.outcome
    return Response(
        answer.text,
        answer.model,
        answer.finish_reason,
        answer.usage,
        answer.request_id,
        answered_by=answer.answered_by,
        fallback_reason=answer.fallback_reason,
        key=answer.key,
        cached=answer.cached,
        parts=(Text(answer.text),),
    )
