"""`moot usage` of a fleet: what PostgreSQL adds up can be printed in every form."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Literal

import pytest

from core.events import CallFinished, CallStarted
from core.usage.ledger import Ledger, usage_report
from core.values import Answer, Usage
from server.cli.showing.usage import show_usage


@pytest.fixture
def ledger(fleet_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Ledger]:
    monkeypatch.setenv("MOOT_STORE", fleet_url)
    ledger = Ledger()
    for call in ("c1", "c2"):
        ledger(CallStarted("r", call, "a", "m"))
        ledger(CallFinished("r", call, Answer("a", "m", "x", 1.0, Usage(7, 2), 0.5)))
    ledger.flush()
    yield ledger
    ledger.close()


@pytest.mark.parametrize("form", ["table", "json", "csv"])
def test_every_form_can_be_printed(
    form: Literal["table", "json", "csv"], ledger: Ledger, capsys: pytest.CaptureFixture[str]
) -> None:
    assert show_usage("ai", "7d", form) == 0
    shown = capsys.readouterr().out
    assert "14" in shown
    if form == "json":
        (row,) = json.loads(shown)["rows"]
        assert (row["calls"], row["input_tokens"], row["output_tokens"], row["cost_usd"]) == (2, 14, 4, 1.0)


def test_the_report_is_json(ledger: Ledger) -> None:
    assert json.loads(json.dumps(usage_report(ledger, datetime.now(UTC))))["by_ai"][0]["input_tokens"] == 14
