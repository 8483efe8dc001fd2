"""What a recipe holds: the run it happens in, through which it asks AIs and marks its steps."""

from __future__ import annotations

import hashlib
import itertools
import json
import random
import secrets
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, TypeVar

import anyio
import anyio.to_thread

from ai.call_ends import ended
from ai.caller import Caller
from ai.client import Embedded, Sound, Transcribed
from ai.lazy import load
from ai.roster.billing import attributed, settle, settle_failure
from core.errors import AIError, AITimeoutError, InvalidInputError
from core.events import (
    CallFailed,
    CallFinished,
    CallStarted,
    EventBus,
    RunFinished,
    RunStarted,
    StepDone,
    ToolFinished,
    ToolStarted,
)
from core.files.workspace import Workspace
from core.jobs.questions import Question
from core.limits.budget_rows import Estimate
from core.memory.origin import Origin
from core.memory.threads import Threads
from core.usage.tokens import text_tokens
from core.usage.track_record import TrackRecord
from core.values import Answer, Failure, Outcome, Request, Response, Usage

if TYPE_CHECKING:
    from ai.agents.builtin.lookups import Lookups
    from ai.agents.offered import ToolSource
    from ai.agents.world import Approver
    from ai.roster.configured_ai import ConfiguredAI
    from ai.roster.roster import Roster
    from ai.runs.memo import Memo
    from core.jobs.jobs import Jobs

T = TypeVar("T")
M = TypeVar("M", Embedded, Transcribed)

_BYTES_A_TOKEN_HEARD = 200
"""Of speech at 16 kbit a second, which models take as some ten tokens."""

_batch_ids = itertools.count(1)
_tool_ids = itertools.count(1)


@dataclass(frozen=True)
class Materials:
    """What recipes work with besides AIs: files that may be read, the user's threads, and how panels went before.

    `unrecorded` says why the ledger takes no calls now, if it takes none; it may block for a second. `borrowed` are the
    tools of other servers; None where there are none, or where this door lends none. `origin` is where it was asked.
    """

    workspace: Workspace = field(default_factory=Workspace)
    threads: Threads = field(default_factory=Threads)
    track_record: TrackRecord = field(default_factory=TrackRecord)
    unrecorded: Callable[[], str | None] = lambda: None
    borrowed: ToolSource | None = None
    origin: Origin = field(default_factory=Origin)


class Run:
    """One run of one tool. Everything asked through it belongs to it in the event stream.

    A run that belongs to a job keeps every finished answer before the recipe gets it, and never asks for it again:
    a resumed run walks through the recipe anew, and is given what is kept. What failed is asked again. Nothing is
    published of an answer that is only given again: the events, the ledger and the budget tell of calls really made.
    """

    def __init__(
        self,
        run_id: str,
        caller: Caller,
        bus: EventBus,
        *,
        materials: Materials | None = None,
        memo: Memo | None = None,
        jobs: Jobs | None = None,
    ) -> None:
        self.id = run_id
        self.jobs = jobs
        self.local_only = False
        """Set once a recipe has read something that may not leave this machine: no request of this run may, then."""
        self.places: Counter[str] = Counter()
        """How many agents of a kind have begun: by that each is known again when the run is resumed."""
        self.approve: Approver | None = None
        """Asks a person whether a tool may be called, where somebody sits before a run that is no job."""
        self._materials = materials or Materials()
        self._caller = caller
        self._bus = bus
        self._memo = memo

    @property
    def caller(self) -> Caller:
        """For what asks by the thousand and has its own keys, as `ai/batch/rows.py`; recipes use `ask_many`."""
        return self._caller

    @property
    def memory(self) -> Memo | None:
        """What the job remembers; None where the run is no job."""
        return self._memo

    @property
    def roster(self) -> Roster:
        return self._caller.roster

    @property
    def workspace(self) -> Workspace:
        return self._materials.workspace

    @cached_property
    def lookups(self) -> Lookups:
        """What its agents looked up: each thing once."""
        from ai.agents.builtin.lookups import Lookups

        return Lookups()

    @property
    def materials(self) -> Materials:
        return self._materials

    @property
    def track_record(self) -> TrackRecord:
        return self._materials.track_record

    @property
    def threads(self) -> Threads:
        return self._materials.threads

    @property
    def origin(self) -> Origin:
        return self._materials.origin

    @property
    def borrowed(self) -> ToolSource | None:
        return self._materials.borrowed

    async def unrecorded(self) -> str | None:
        """Why the ledger takes no calls now; None when it does."""
        return await anyio.to_thread.run_sync(self._materials.unrecorded)

    async def ask(self, ai: str, request: Request, *, role: str = "") -> Answer:
        """Ask one AI.

        Raises:
            AIError: It gave no answer.
        """
        (outcome,) = await self.ask_many([(ai, request)], role=role)
        if isinstance(outcome, Failure):
            raise outcome.error
        return outcome

    async def ask_many(
        self, asks: Sequence[tuple[str, Request]], *, role: str = "", tools: Sequence[str] = ()
    ) -> list[Outcome]:
        """Ask many at once; an outcome for each, in the order asked. An agent goes through its turns.

        Args:
            tools: Names of tools that each of them may use; agents beside their own.
        """
        if tools or any(self.roster.agent(ai) for ai, _ in asks):
            agents = await load("ai.runs.agents")  # which imports this module
            outcomes: list[Outcome] = await agents.ask_with_tools(self, asks, tools=tools, role=role)
            return outcomes
        asks = [(ai, self._at_home(request)) for ai, request in asks]
        if self._memo is not None:
            return await self._memo.call_many(self._caller, asks, run=self.id, role=role)
        return await self._caller.call_many(asks, run=self.id, role=role)

    async def ask_turn(
        self, ai: str, request: Request, *, role: str, place: str, admit: Callable[[], Awaitable[None]]
    ) -> Outcome:
        """One turn of an agent, which stands at *place*; *admit* is awaited where it is really asked."""
        asks = [(ai, self._at_home(request))]
        if self._memo is None:
            await admit()
            return (await self._caller.call_many(asks, run=self.id, role=role))[0]
        asked = self._memo.call_many(self._caller, asks, run=self.id, role=role, place=place, admit=admit)
        return (await asked)[0]

    def _at_home(self, request: Request) -> Request:
        return replace(request, local_only=True) if self.local_only else request

    async def call(self, key: str, fn: Callable[[], Awaitable[T]]) -> T:
        """What *fn* gives, which must be JSON; in a resumed job what it gave the first time, without running it.

        Args:
            key: A name for the step, the same every time; append a hash of what goes into it.
        """
        return await (self._memo.call(key, fn) if self._memo is not None else fn())

    async def ask_user(self, message: str, schema: Mapping[str, Any]) -> dict[str, Any] | None:
        """What the user of a host that speaks MCP's tasks fills in; None when they decline.

        The answer is kept with the job: a resumed one asks only what was not answered.

        Args:
            schema: A JSON schema of flat fields. Questions of one run must differ in it or in the message, by which
                their answers are found again.

        Raises:
            InvalidInputError: This run is no job, so there is nobody to wait for.
        """
        if self._memo is None or self.jobs is None:
            raise InvalidInputError("This needs to ask the user something, which only a job can wait for.")
        questions, question = self.jobs.questions, Question(message, schema)
        key = hashlib.sha256(json.dumps([message, schema], sort_keys=True).encode()).hexdigest()
        return await self._memo.once(f"user:{key}", lambda: questions.ask(self.id, question))

    async def received(
        self,
        ai: str,
        outcome: Response | AIError,
        *,
        price: float,
        role: str,
        keep: Callable[[Outcome], Awaitable[None]],
    ) -> Outcome:
        """What *ai* answered by another way than a call, at *price* times its list price: kept, then told of.

        No latency is known of it, so none is told.
        """
        call = f"b{next(_batch_ids)}"
        seat = self.roster.seat(ai)
        made: Outcome
        if isinstance(outcome, Response):
            cost_usd = (await load("core.usage.prices")).cost_usd
            answer = attributed(seat, seat, replace(outcome, key=seat.lanes[0].alias), 0.0, None, cost_usd)
            made = answer if answer.cost_usd is None else replace(answer, cost_usd=answer.cost_usd * price)
        else:
            made = Failure(ai, outcome)
        await keep(made)
        self._bus.publish(CallStarted(self.id, call, seat.name, seat.model, role))
        ended = CallFinished(self.id, call, made) if isinstance(made, Answer) else CallFailed(self.id, call, made)
        self._bus.publish(ended)
        return made

    async def embed(self, ai: str, fields: Mapping[str, Any]) -> Embedded:
        """What the endpoint of *ai* makes of texts: asked once, within the budgets, and written into the ledger.

        Raises:
            AIError: It gave none, or a budget refuses it.
            NotUsableError: It makes no embeddings.
        """
        seat = self.roster.seat(ai)
        most = Usage(text_tokens(json.dumps(fields.get("input"))), 0)
        return await self._once(seat, most, "embedding", partial(seat.client.embed, fields))

    async def transcribe(self, ai: str, sound: Sound) -> Transcribed:
        """What *ai* hears in *sound*: asked once, within the budgets, and written into the ledger.

        What it costs is known where the endpoint counts tokens, at their price for text.

        Raises:
            AIError: It gave nothing, or a budget refuses it.
            NotUsableError: It hears nothing.
        """
        seat = self.roster.seat(ai)
        heard = len(sound.data) // _BYTES_A_TOKEN_HEARD
        return await self._once(seat, Usage(heard, heard // 2), "transcript", partial(seat.client.transcribe, sound))

    async def _once(self, seat: ConfiguredAI, most: Usage, role: str, ask: Callable[[], Awaitable[M]]) -> M:
        """What *seat* gives to *ask*, which is no chat; *most* is what it may take."""
        budget = self.roster.budget
        cost_usd = (await load("core.usage.prices")).cost_usd
        price = cost_usd(most, model=seat.model, price_id=seat.provider.price_id) or None  # 0: billed by another unit
        wish = Estimate(seat.name, seat.model, most.input_tokens or 0, most.output_tokens or 0, price, price)
        hold = next(iter(await budget.reserve(self.id, [wish]) if budget else []), None)
        call, started = f"e{next(_batch_ids)}", time.perf_counter()
        self._bus.publish(CallStarted(self.id, call, seat.name, seat.model, role))
        try:
            made = await _in_time(seat, ask)
        except AIError as error:
            self._bus.publish(CallFailed(self.id, call, Failure(seat.name, error, time.perf_counter() - started)))
            if hold:
                settle_failure(budget, hold, error)
            raise
        except BaseException as raised:  # cut off by us, and perhaps on the bill
            self._bus.publish(ended(self.id, call, seat.name, raised, time.perf_counter() - started))
            if hold and budget:
                budget.settle(hold, usd=None, tokens=None)
            raise
        response = Response("", made.model, usage=made.usage, key=seat.lanes[0].alias)
        answer = attributed(seat, seat, response, time.perf_counter() - started, None, cost_usd)
        self._bus.publish(CallFinished(self.id, call, answer))
        if hold:
            settle(budget, hold, answer.cost_usd, answer.usage)
        return made

    def rng(self, *label: object) -> random.Random:
        """Chance for the step called *label*: the same again when this run is resumed, whatever came in between."""
        return random.Random(f"{self.id}:{label}")  # noqa: S311 - shuffles and fences; no other AI knows the run's id

    async def tell(self, total: int, progress: Mapping[str, Any]) -> None:
        """Write down how far the job is; harmless where the run is none."""
        if self._memo is not None and self.jobs is not None:
            await self.jobs.set_progress(self.id, total, progress)

    def tool_started(self, agent: str, tool: str, arguments: str) -> str:
        """Tell that an agent calls a tool; the id of the call."""
        call = f"t{next(_tool_ids)}"
        self._bus.publish(ToolStarted(self.id, call, agent, tool, arguments))
        return call

    def tool_finished(self, call: str, agent: str, tool: str, *, success: bool, note: str, latency_s: float) -> None:
        self._bus.publish(ToolFinished(self.id, call, agent, tool, success, note, latency_s))

    def step(self, name: str) -> None:
        """Tell that a milestone of the recipe is reached."""
        self._bus.publish(StepDone(self.id, name))


async def _in_time(seat: ConfiguredAI, ask: Callable[[], Awaitable[M]]) -> M:
    total = seat.deadlines.total
    with anyio.move_on_after(total):
        return await ask()
    text = f"{seat.name!r} did not finish within {total:g} s. Send less at once, or raise its 'timeout'."
    raise AITimeoutError(text, phase="total", ai=seat.name, provider=seat.provider.name)


def new_run_id() -> str:
    return secrets.token_hex(8)


@asynccontextmanager
async def open_run(
    run_id: str,
    tool: str,
    caller: Caller,
    bus: EventBus,
    *,
    materials: Materials | None = None,
    memo: Memo | None = None,
    jobs: Jobs | None = None,
) -> AsyncIterator[Run]:
    """A run from RunStarted to RunFinished, however it ends."""
    bus.publish(RunStarted(run_id, tool))
    try:
        yield Run(run_id, caller, bus, materials=materials, memo=memo, jobs=jobs)
    except anyio.get_cancelled_exc_class():
        bus.publish(RunFinished(run_id, "cancelled"))
        raise
    except BaseException:
        bus.publish(RunFinished(run_id, "failed"))
        raise
    bus.publish(RunFinished(run_id, "done"))
