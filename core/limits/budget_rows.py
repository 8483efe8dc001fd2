"""The tables of `budget.db` and what is done to them: reservations, and sums that are kept instead of made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from core.limits.budget_spool import Closing

MIGRATIONS = (
    """
    CREATE TABLE holds (
        id TEXT PRIMARY KEY, owner TEXT NOT NULL, open INTEGER NOT NULL,
        day TEXT NOT NULL, run TEXT NOT NULL, ai TEXT NOT NULL, usd REAL NOT NULL, tokens INTEGER NOT NULL
    );
    CREATE INDEX holds_by_day ON holds (day, ai);
    CREATE INDEX holds_by_run ON holds (run, ai);
    CREATE INDEX holds_open ON holds (owner) WHERE open
    """,
    # Sums that are kept instead of made, so that a reservation costs the same after a million calls as after ten.
    """
    CREATE TABLE totals (
        span TEXT NOT NULL, value TEXT NOT NULL, ai TEXT NOT NULL,
        day TEXT NOT NULL, usd REAL NOT NULL, tokens INTEGER NOT NULL,
        PRIMARY KEY (span, value, ai)
    ) WITHOUT ROWID;
    INSERT INTO totals SELECT 'day', day, ai, day, SUM(usd), SUM(tokens) FROM holds GROUP BY day, ai;
    INSERT INTO totals SELECT 'run', run, ai, MAX(day), SUM(usd), SUM(tokens) FROM holds GROUP BY run, ai;
    DROP INDEX holds_by_day;
    DROP INDEX holds_by_run;
    DELETE FROM holds WHERE NOT open
    """,
    "ALTER TABLE holds ADD COLUMN person TEXT NOT NULL DEFAULT ''",
)


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one call may take: `low_usd` for a short answer, `high_usd` for the longest; None: price unknown."""

    ai: str
    model: str
    input_tokens: int
    output_tokens: int
    low_usd: float | None
    high_usd: float | None

    @property
    def tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    @property
    def payer(self) -> str:
        """Whose budget it takes from: `gpt/gpt-6-mini` is on the bill of `gpt`."""
        return self.ai.partition("/")[0]


@dataclass(frozen=True, slots=True)
class Hold:
    """A reservation that waits for what the call really cost."""

    id: str
    estimate: Estimate


class Account(NamedTuple):
    """What a call is put down to."""

    day: str
    run: str
    person: str
    ai: str


def spent_in(connection: Any, span: str, value: str, ai: str | None) -> tuple[float, int]:
    """Dollars and tokens that are spent or reserved in that span, by *ai* or by all."""
    row = connection.execute(
        "SELECT COALESCE(SUM(usd) FILTER (WHERE usd > 0), 0), COALESCE(SUM(tokens) FILTER (WHERE tokens > 0), 0) "
        "FROM totals WHERE span = ? AND value = ? AND (? IS NULL OR ai = ?)",
        (span, value, ai, ai),
    ).fetchone()
    return row[0], row[1]


def open_hold(connection: Any, hold: Hold, owner: str, day: str, run: str, person: str) -> None:
    """Reserve what *hold* estimates."""
    estimate = hold.estimate
    usd, tokens = estimate.high_usd or 0, estimate.tokens
    row = (hold.id, owner, True, day, run, estimate.payer, usd, tokens, person)
    columns = "id, owner, open, day, run, ai, usd, tokens, person"
    connection.execute(f"INSERT INTO holds ({columns}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", row)  # noqa: S608 - ours
    add(connection, Account(day, run, person, estimate.payer), usd, tokens)


def close_holds(connection: Any, closings: Sequence[Closing]) -> None:
    """Put what was taken in place of what was held. A hold that was voided meanwhile counts by what was taken."""
    sums: dict[Account, tuple[float, int]] = {}
    for one in closings:
        query = "SELECT day, run, person, usd, tokens FROM holds WHERE id = ?"
        if (found := connection.execute(query, (one.hold,)).fetchone()) is None:
            continue  # closed by now: committed, and the connection was lost before we heard of it
        day, run, person, held_usd, held_tokens = found
        connection.execute("DELETE FROM holds WHERE id = ?", (one.hold,))
        account = Account(day, run, person, one.ai)
        usd, tokens = sums.get(account, (0.0, 0))
        sums[account] = usd + one.usd - held_usd, tokens + one.tokens - held_tokens
    for account, (usd, tokens) in sums.items():
        add(connection, account, usd, tokens)


def add(connection: Any, account: Account, usd: float, tokens: int) -> None:
    """Put *usd* and *tokens* down to *account*; they may be below 0."""
    spans = [("day", account.day)]
    spans += [("run", account.run)] if account.run else []
    spans += [("person", f"{account.person} {account.day}")] if account.person else []
    for span, value in spans:
        connection.execute(_UPSERT, (span, value, account.ai, account.day, usd, tokens))


_UPSERT = (
    "INSERT INTO totals VALUES (?, ?, ?, ?, ?, ?) ON CONFLICT (span, value, ai) DO UPDATE "
    "SET day = CASE WHEN totals.day < excluded.day THEN excluded.day ELSE totals.day END, "
    "usd = totals.usd + excluded.usd, tokens = totals.tokens + excluded.tokens"
)
