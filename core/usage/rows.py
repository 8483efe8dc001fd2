"""A row of the ledger: what is written of a call that has ended, and the statement that writes it."""

from __future__ import annotations

import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any, NamedTuple

from core.errors import (
    AIError,
    AsyncUnavailableError,
    BudgetExceededError,
    CircuitOpenError,
    LocalModelError,
    NotUsableError,
    ProviderError,
)
from core.events import CallFailed, CallStarted
from core.people.person import acting
from core.untrusted import in_whole_characters
from core.values import Answer


class Entry(NamedTuple):
    """One row of `calls`. None is unknown; a cost of 0 is known to be 0."""

    at: float
    """Seconds; what is written is UTC in a form that sorts as text."""
    run: str
    tool: str
    ai: str
    provider: str
    model: str
    role: str
    cost_usd: float | None
    latency_s: float
    outcome: str
    """`ok`, `cancelled`, or the kind of the error."""
    key_alias: str = ""
    input_tokens: int | None = None
    output_tokens: int | None = None
    cached_tokens: int | None = None
    reasoning_tokens: int | None = None
    first_token_s: float | None = None
    answered_by: str | None = None
    cached: bool = False
    person: str = ""
    """Who had it asked; empty: the owner of this installation."""


_INSERT = f"INSERT INTO calls ({', '.join(Entry._fields)})"
_MARKS = f"({', '.join('?' * len(Entry._fields))})"
_DEFAULTS = tuple(Entry._field_defaults.get(name) for name in Entry._fields)
_FIRST_COLUMNS = Entry._fields.index("person")
_ROWS_AT_ONCE = 40
"""SQLite takes a thousand values in one statement."""


def insert(connection: Any, rows: Sequence[tuple[Any, ...]]) -> None:
    """Write *rows*, which are columns in the order of an entry's fields."""
    for start in range(0, len(rows), _ROWS_AT_ONCE):
        some = rows[start : start + _ROWS_AT_ONCE]
        connection.execute(
            f"{_INSERT} VALUES {', '.join([_MARKS] * len(some))}",
            [_kept(value) for row in some for value in _whole(row)],
        )


def _whole(row: Sequence[Any]) -> Sequence[Any]:
    """*row* with the columns that came later."""
    return (*row, *_DEFAULTS[len(row) :])


def _kept(value: Any) -> Any:
    """*value* as every database takes it: an endpoint's words may hold halves of characters, which none does."""
    return in_whole_characters(value).replace("\0", "") if isinstance(value, str) else value


def is_row(value: Any) -> bool:
    """Whether *value*, which was read from a file, can be a row; the last columns may be missing, as they once were."""
    return (
        isinstance(value, list)
        and _FIRST_COLUMNS <= len(value) <= len(Entry._fields)
        and all(each is None or isinstance(each, str | int | float) for each in value)
    )


def answered(started: CallStarted, tool: str, answer: Answer) -> Entry:
    """The row of a call that brought an answer."""
    usage = answer.usage
    return Entry(
        at=time.time(),
        run=started.run,
        tool=tool,
        ai=started.ai,
        provider=answer.provider,
        model=answer.model,
        key_alias=answer.key,
        role=started.role,
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cached_tokens=usage.cached_tokens,
        reasoning_tokens=usage.reasoning_tokens,
        cost_usd=answer.cost_usd,
        latency_s=answer.latency_s,
        first_token_s=answer.first_token_s,
        outcome="ok",
        answered_by=answer.answered_by,
        cached=answer.cached,
        person=acting().name,
    )


def failed(started: CallStarted, tool: str, event: CallFailed) -> Entry:
    """The row of a call that brought none; its cost is unknown where it may be on the bill."""
    error = event.failure.error
    sent = event.sent and bool(started.model)  # an AI that is not usable has no model: nobody was asked
    return Entry(
        at=time.time(),
        run=started.run,
        tool=tool,
        ai=started.ai,
        provider=error.provider,
        model=started.model,
        role=started.role,
        cost_usd=_cost_of_failure(error) if sent else 0.0,
        latency_s=event.failure.latency_s,
        outcome="cancelled" if event.cancelled else error.kind,
        person=acting().name,
    )


def values(entry: Entry) -> tuple[Any, ...]:
    """The columns of *entry*, in the order of its fields."""
    return (stamp(datetime.fromtimestamp(entry.at, UTC)), *entry[1:])


def stamp(moment: datetime) -> str:
    """UTC, in a form that sorts as text."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


_FREE = (ProviderError, CircuitOpenError, NotUsableError, BudgetExceededError, AsyncUnavailableError, LocalModelError)


def _cost_of_failure(error: AIError) -> float | None:
    """0 when the provider accepted nothing; else unknown, since what broke off later may be on the bill."""
    refused = (isinstance(error, _FREE) and not error.accepted) or error.retryable
    return 0.0 if refused and not error.partial else None
