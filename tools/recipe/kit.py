"""What several tools share: parameters, choosing AIs, replies and how they read."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Annotated, Any, Self

from pydantic import BaseModel, Field, model_validator

from ai.lazy import load
from ai.request import check_request
from ai.roster.roster import Roster
from ai.runs.run import Run
from core.errors import InvalidInputError, MootError, NoAnswerError
from core.files.workspace import MAX_IMAGES
from core.limits.budget_rows import Estimate
from core.untrusted import quoted
from core.values import Answer, Deadlines, Effort, Failure, Outcome, Request
from tools.recipe.result import Part, Prose, Result

MOST_AIS = 16
_LOOKUPS_TOLD = 50
MISFIT = "schema"
"""The code of an answer that is whole, but not in the form that was asked for."""

# What several tools take is explained once, in the server's instructions, and bare here: every byte of a tool's schema
# is paid for in every conversation.
Prompt = Annotated[str, Field(description="All of it, with context; an AI sees nothing else.")]
AIName = str | None
AINames = Annotated[list[str] | None, Field(description="Default: all.", max_length=MOST_AIS)]
System = str | None
Temperature = Annotated[float | None, Field(ge=0, le=2)]
MaxTokens = Annotated[int | None, Field(ge=1)]
EffortLevel = Effort | None
TimeoutS = Annotated[float | None, Field(gt=0, le=3600)]


AnswerSchema = Annotated[dict[str, Any] | None, Field(description="JSON Schema for the answer.")]
DryRun = bool
Background = bool
"""Not a parameter of any recipe: doors add it to those that may run as jobs."""


SeatTools = Annotated[list[str] | None, Field(max_length=20)]
RoleName = Annotated[str | None, Field(description="E.g. reviewer, architect.")]
Files = Annotated[list[str] | None, Field(description="Text, code, PDF; patterns too.", max_length=50)]
Images = Annotated[list[str] | None, Field(max_length=MAX_IMAGES)]


class Said(BaseModel):
    """What was said before in a conversation that its user keeps."""

    author: Annotated[str, Field(max_length=100)]
    """`user`, `assistant` for whoever is asked, or another AI's name."""
    text: Annotated[str, Field(max_length=4_000_000)]


MOST_SAID = 1_000
Before = Annotated[list[Said] | None, Field(max_length=MOST_SAID)]
Thread = Annotated[str | None, Field(description="Conversation to continue, by name.")]


class Reply(Result):
    """One AI's answer, or why there is none. Unknown figures are null."""

    ai: str
    model: str
    ok: bool
    text: Prose = ""
    error: str | None = None
    code: str | None = None
    note: str | None = None
    latency_s: float
    input_tokens: int | None = None
    output_tokens: int | None = None
    cost_usd: float | None = None
    cached: bool = False

    @model_validator(mode="after")
    def _partial_unless_whole(self) -> Self:
        if not self.ok:
            self.__dict__["partial"] = True
        return self

    @classmethod
    def of(cls, outcome: Outcome, roster: Roster) -> Reply:
        if isinstance(outcome, Failure):
            return cls(
                ai=outcome.ai,
                model="",
                ok=False,
                text=outcome.error.partial,
                error=f"{outcome.error.kind}: {outcome.error}",
                code=outcome.error.code,
                note="The text broke off." if outcome.error.partial else None,
                latency_s=round(outcome.latency_s, 3),
            )
        return cls(
            ai=outcome.ai,
            model=outcome.model,
            ok=True,
            partial=outcome.finish_reason == "length",
            text=outcome.text,
            note=_note(outcome, roster),
            latency_s=round(outcome.latency_s, 3),
            input_tokens=outcome.usage.input_tokens,
            output_tokens=outcome.usage.output_tokens,
            cost_usd=outcome.cost_usd,
            cached=outcome.cached,
        )

    @classmethod
    def planned(cls, estimate: Estimate) -> Reply:
        """What a dry run says of one call that was not made."""
        size = f"about {estimate.input_tokens:,} tokens in, up to {estimate.output_tokens:,} out"
        return cls(
            ai=estimate.ai,
            model=estimate.model,
            ok=True,
            text=f"Dry run, nothing was sent: {size}, {price_range([estimate])}.",
            latency_s=0,
        )

    @property
    def byline(self) -> str:
        """Who answered, how fast and at what price, on one line."""
        cost = "cost unknown" if self.cost_usd is None else dollars(self.cost_usd)
        return f"{self.model} · {self.latency_s:.1f} s · {tokens(self.input_tokens, self.output_tokens)} · {cost}"

    def markdown(self) -> str:
        """The answer under its attribution, quoted, so that no line of it can pass for one of ours or another's."""
        text = quoted(self.text)
        if self.ok:
            note = f"\n\n*{self.note}*" if self.note else ""
            return f"## {self.ai}\n*{self.byline}*{note}\n\n{text}{along(self.sent_along)}"
        if self.text:
            what = "does not keep to the schema" if self.code == MISFIT else "broke off"
            return f"## PARTIAL: {self.ai} {what}\n{self.error}\n\nWhat had arrived:\n\n{text}"
        return f"## {self.ai} did not answer\n{self.error}"


def along(receipt: Sequence[str]) -> str:
    """The receipt of what was sent along, to stand below an answer."""
    return "\n\nSent along:\n" + "\n".join(f"- {line}" for line in receipt) if receipt else ""


def noted(reply: Reply, note: str | None) -> Reply:
    """*reply* with *note* before its own."""
    return reply.but(note=f"{note} {reply.note or ''}".strip()) if note else reply


def _note(answer: Answer, roster: Roster) -> str | None:
    """What a reader must know before trusting the text."""
    notes = []
    if answer.answered_by:
        notes.append(f"Answered by {answer.answered_by!r} instead. {answer.fallback_reason}")
    if answer.cached:
        notes.append("From the cache: the same question was asked before.")
    if answer.stopped:
        notes.append(f"It stopped before it was done: {answer.stopped}.")
    elif answer.finish_reason == "length":
        notes.append("Cut off at the length limit: raise max_tokens for the rest.")
    if answer.lacked:
        notes.append(answer.lacked)
    if roster.seat(answer.answered_by or answer.ai).local:
        notes.append("From the tiny demo model on this machine: fluent, often wrong.")
    return " ".join(notes) or None


def build_request(
    prompt: str,
    roster: Roster,
    ai: str,
    *,
    timeout_s: float | None = None,
    **options: Any,
) -> Request:
    """The request for one AI; *timeout_s* shortens that AI's own deadlines."""
    request = Request.of(prompt, **options)
    if timeout_s is None:
        return request
    limits = roster.seats[ai].deadlines if ai in roster.seats else Deadlines()
    return replace(request, deadlines=replace(limits, total=timeout_s))


def check_question(question: str) -> None:
    """Refuse a question that is empty or too long before words are put around it.

    Raises:
        InvalidInputError: It cannot be asked.
    """
    check_request(Request.of(question))


async def plan(run: Run, asks: Sequence[tuple[str, Request]]) -> list[Estimate]:
    """What *asks* may take, by the AIs' own defaults. Nothing is sent.

    Raises:
        UnknownAIError, ConfigError: One of them cannot be asked at all.
    """
    estimate = (await load("ai.roster.estimate")).estimate
    return [estimate(run.roster.seat(ai), request) for ai, request in asks]


def price_range(estimates: Sequence[Estimate]) -> str:
    """The estimated cost in words, from short answers to the longest."""
    if any(estimate.high_usd is None for estimate in estimates):
        return "cost unknown"
    low = sum(estimate.low_usd or 0 for estimate in estimates)
    high = sum(estimate.high_usd or 0 for estimate in estimates)
    return "free" if high == 0 else f"{dollars(low)} to {dollars(high)}"


async def refusal(run: Run, estimates: Sequence[Estimate]) -> str:
    """What a dry run adds when a budget would refuse the real one; else nothing."""
    budget = run.roster.budget
    reason = await budget.refusal(run.id, estimates) if budget else None
    return f" A budget would refuse it now: {reason}" if reason else ""


def seat_tools(names: Sequence[str] | None) -> tuple[str, ...]:
    """The tools of a panel's seats, which only read.

    Raises:
        InvalidInputError: One of *names* is another tool.
    """
    from ai.agents.builtin.named import BUILT_IN

    if other := [name for name in names or () if name not in BUILT_IN]:
        known = ", ".join(BUILT_IN)
        raise InvalidInputError(f"'tools' names {other[0][:80]!r}. A panel may have: {known}. Others are for agents.")
    return tuple(names or ())


def looked_up(run: Run) -> list[str]:
    """A line for everything that a panel looked up: its id, by which it is cited, and what was asked."""
    from ai.agents.approvals import canonical

    found = run.lookups.all
    lines = [f"[{one.id}] {one.name}({canonical(one.arguments)})" for one in found[:_LOOKUPS_TOLD]]
    return [*lines, f"{len(found) - len(lines)} more look-ups"] if len(found) > len(lines) else lines


def choose(roster: Roster, ais: Sequence[str] | None) -> list[str]:
    """The AIs to ask: those named, without repetition, else all that can be asked.

    Raises:
        UnknownAIError: A name nobody has.
        ConfigError: Nobody can be asked.
        InvalidInputError: None is named, or there are too many to ask all.
    """
    if ais is None:
        roster.default()
    elif not ais:
        raise InvalidInputError("'ais' is empty: name at least one AI, or leave it out to ask all.")
    names = roster.names if ais is None else roster.expand(ais)
    if len(names) > MOST_AIS:
        raise InvalidInputError(f"{len(names)} AIs are too many: name at most {MOST_AIS} of them in 'ais'.")
    return names


def only_one(roster: Roster, ai: str | None) -> str:
    """The AI that *ai* means, the default one where none is named.

    Raises:
        UnknownAIError: A name nobody has.
        InvalidInputError: It means several.
    """
    if ai is None:
        return roster.default().name
    names = roster.expand([ai])
    if len(names) != 1:
        raise InvalidInputError(f"{ai!r} means {len(names)} AIs: name one of them, or use ask_many for all.")
    return names[0]


class Cost(Part):
    """US dollars for several calls: what is known of it, and whether that is all."""

    known_usd: float
    complete: bool

    @classmethod
    def of(cls, outcomes: Iterable[Outcome]) -> Cost:
        costs = [outcome.cost_usd if isinstance(outcome, Answer) else None for outcome in outcomes]
        known = [cost for cost in costs if cost is not None]
        return cls(known_usd=sum(known), complete=len(known) == len(costs))

    def __str__(self) -> str:
        if self.complete:
            return dollars(self.known_usd)
        return f"at least {dollars(self.known_usd)}" if self.known_usd else "cost unknown"


def all_failed(failures: Sequence[Failure], lacked: str = "") -> MootError:
    """The error that says of every AI why it gave no answer, and what an agent *lacked* for one."""
    reasons = "\n".join(f"- {f.ai}: {f.error.kind}: {f.error}" for f in failures)
    many = f"None of the {len(failures)} AIs answered." if len(failures) > 1 else "No answer."
    told = "\n".join(filter(None, [many, reasons, lacked]))
    return NoAnswerError(told, [f.error.code for f in failures])


def counted(number: int, noun: str) -> str:
    """*number* with *noun*, in the plural where it belongs."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def tokens(inputs: int | None, outputs: int | None) -> str:
    if inputs is None and outputs is None:
        return "tokens unknown"
    return f"{'?' if inputs is None else inputs} + {'?' if outputs is None else outputs} tokens"


def dollars(amount: float) -> str:
    if amount == 0:
        return "free"
    return f"${amount:.4f}" if amount < 1 else f"${amount:.2f}"
