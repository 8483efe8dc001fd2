"""Rows through batch endpoints: over the wire of each protocol, through deaths, troubles and refusals."""

from __future__ import annotations

import hashlib
import json
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import anyio
import anyio.lowlevel
import pytest
from fake_batches import FakeBatches

from ai.batch.pauses import Pauses
from ai.batch.provider_pass import RemotePass, errand_of, remote_batches
from ai.batch.rows import Ask
from ai.layers.permit import ask_before_sending
from ai.runs.app import App, open_app
from core.errors import BudgetExceededError, ConfigError, InvalidInputError
from core.events import CallFinished
from core.values import Request

AIS = {"gpt": "openai", "claude": "anthropic", "mistral": "mistral", "gemini": "gemini"}
PATHS = {"claude": "", "gemini": "/gemini"}
each_ai = pytest.mark.parametrize("ai", list(AIS))


@pytest.fixture
async def fake() -> AsyncIterator[FakeBatches]:
    fake = FakeBatches()
    runner = await fake.start()
    yield fake
    await runner.cleanup()


@pytest.fixture
async def app(fake: FakeBatches, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[App]:
    async with opened(fake, isolated, monkeypatch) as app:
        yield app


def opened(fake: FakeBatches, isolated: Path, monkeypatch: pytest.MonkeyPatch, **defaults: Any) -> Any:
    rows = {
        name: {
            "provider": provider,
            "api_key": "k",
            "base_url": fake.base_url + PATHS.get(name, "/v1"),
        }
        for name, provider in AIS.items()
    }
    path = isolated / "credentials.json"
    path.write_text(json.dumps({"ais": rows, "defaults": {"detach": False, **defaults}}))
    path.chmod(0o600)
    monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
    return open_app()


class DiedError(Exception):
    """The end of a process, as far as its job is concerned."""


class Journal:
    """What is kept; writing a key that ends with `fatal` is the last thing the process does, without doing it."""

    def __init__(self) -> None:
        self.kept: dict[str, Any] = {}
        self.fatal = "never"

    async def recall(self, keys: Sequence[str]) -> Mapping[str, Any]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    @property
    def waiting(self) -> int:
        return 0

    async def enter(self) -> None:
        return

    def leave(self) -> None:
        return

    async def keep(self, key: str, value: Any) -> None:
        if key.endswith(self.fatal):
            raise DiedError
        self.kept.setdefault(key, json.loads(json.dumps(value)))

    def results(self) -> dict[int, Any]:
        return {value["i"]: value for key, value in self.kept.items() if key.startswith("row:")}


def asks(ai: str, *prompts: str) -> list[Ask]:
    return [
        Ask(SimpleNamespace(id=n), n, ai, Request.of(prompt), hashlib.sha256(prompt.encode()).hexdigest()[:40])
        for n, prompt in enumerate(prompts)
    ]


async def passed(
    app: App, journal: Journal, wanted: list[Ask], *, waits: list[float] | None = None, notes: list[str] | None = None
) -> RemotePass:
    """One pass of the job `job` over *wanted*, by a process that may be the next."""
    ai = wanted[0].ai
    left: Iterator[list[Ask]] = iter([wanted[:2], wanted[2:], []])

    async def read() -> list[Ask]:
        return next((some for some in left if some), [])

    async def tell(note: str) -> None:
        if notes is not None:
            notes.append(note)

    async def sleep(seconds: float) -> None:
        if waits is not None:
            waits.append(seconds)
        await anyio.lowlevel.checkpoint()

    async with app.run("batch", run_id="job") as run:
        going = RemotePass(run, [ai], memory=journal, pauses=Pauses(sleep=sleep))
        try:
            with anyio.fail_after(20):
                await going.run(read, tell)
        except ExceptionGroup as group:
            raise group.exceptions[0] from None
    return going


@each_ai
async def test_each_row_gets_the_answer_or_the_error_that_is_its_own(ai: str, app: App, fake: FakeBatches) -> None:
    journal = Journal()
    wanted = asks(ai, "one", "please expire", "refuse me", "cut it", "garble", "one", "last")
    going = await passed(app, journal, wanted)
    found = journal.results()
    assert fake.prompts == ["one", "please expire", "refuse me", "cut it", "garble", "last"], "duplicates go out once"
    assert found[0]["text"] == "answer to one" and found[6]["text"] == "answer to last"
    assert found[0]["input_tokens"] == 100 and found[0]["output_tokens"] == 10
    assert "refused" in found[2]["error"] or "rejected" in found[2]["error"]
    assert "max_tokens" in found[3]["error"]
    assert "error" in found[4], "a line that is not as documented spoils its own row alone"
    if ai in ("gpt", "claude"):
        assert "expired before this row" in found[1]["error"] and "--retry-failed" in found[1]["error"]
        assert not found[1]["billed"]
    assert not await going.missing(wanted)


@each_ai
async def test_a_batch_that_is_recorded_is_taken_up_again_and_never_handed_in_twice(
    ai: str, app: App, fake: FakeBatches
) -> None:
    journal = Journal()
    fake.held = True
    wanted = asks(ai, "a", "b", "c")
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(passed, app, journal, wanted)
        await fake.looked.wait()
        tasks.cancel_scope.cancel()
    assert not journal.results()
    fake.held = False
    await passed(app, journal, wanted)
    await passed(app, journal, wanted)
    assert len(fake.batches) == 1
    assert [value["text"] for value in journal.results().values()] == ["answer to c", "answer to b", "answer to a"]


@each_ai
async def test_a_death_between_the_provider_s_acceptance_and_the_record_hands_nothing_in_twice(
    ai: str, app: App, fake: FakeBatches
) -> None:
    journal = Journal()
    wanted = asks(ai, "a", "b", "c")
    other = asks(ai, "x", "y", "z")
    journal.fatal = ":id"
    with pytest.raises(DiedError):
        await passed(app, journal, wanted)
    await passed_as(app, "other", other)  # as many rows, and newer
    assert not [key for key in journal.kept if key.endswith(":id")]
    journal.fatal = "never"
    await passed(app, journal, wanted)
    assert len(fake.batches) == 2, "the other's and ours"
    assert {value["text"] for value in journal.results().values()} == {"answer to a", "answer to b", "answer to c"}


@each_ai
async def test_what_may_not_leave_any_more_is_not_handed_in(ai: str, app: App, fake: FakeBatches) -> None:
    asked = anyio.Event()

    async def never() -> None:
        asked.set()
        await anyio.sleep_forever()

    ask_before_sending(never)  # as where another process has the job by now
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(passed, app, Journal(), asks(ai, "a", "b"))
        await asked.wait()
        tasks.cancel_scope.cancel()
    assert not fake.batches


async def passed_as(app: App, job: str, wanted: list[Ask]) -> None:
    left = iter([wanted, []])

    async def read() -> list[Ask]:
        return next(left)

    async def tell(note: str) -> None:
        return

    async with app.run("batch", run_id=job) as run:
        await RemotePass(run, [wanted[0].ai], memory=Journal()).run(read, tell)


async def called_off(app: App, journal: Journal, ai: str) -> int:
    async with app.run("batch", run_id="another") as run:
        errand = errand_of(run, ai, memory=journal, role="row", pauses=Pauses(first_s=0), job="job")
        await errand.open(lambda errand, chunk: None)
        return await errand.call_off()


@each_ai
async def test_what_nobody_follows_any_more_is_called_off_once(ai: str, app: App, fake: FakeBatches) -> None:
    journal = await handed_in(app, fake, ai)
    fake.troubles = [503] if ai == "gpt" else []
    assert await called_off(app, journal, ai) == 1
    (batch,) = fake.batches.values()
    assert batch.ending == "cancelled"
    batch.ending = ""
    assert await called_off(app, journal, ai) == 0
    assert not batch.ending


@each_ai
async def test_a_batch_that_has_ended_meanwhile_needs_no_calling_off(ai: str, app: App, fake: FakeBatches) -> None:
    journal = await handed_in(app, fake, ai)
    fake.held = False
    await called_off(app, journal, ai)
    (batch,) = fake.batches.values()
    assert not batch.ending


@each_ai
async def test_what_was_handed_in_at_the_moment_of_death_is_called_off_where_its_mark_is_known(
    ai: str, app: App, fake: FakeBatches
) -> None:
    journal = Journal()
    journal.fatal = ":id"
    with pytest.raises(DiedError):
        await passed(app, journal, asks(ai, "a", "b"))
    journal.fatal = "never"
    fake.held = True
    marks = remote_batches(app.roster, ai).marks
    assert await called_off(app, journal, ai) == marks
    (batch,) = fake.batches.values()
    assert batch.ending == ("cancelled" if marks else "")


async def test_what_cannot_be_called_off_is_not_forgotten(app: App, fake: FakeBatches) -> None:
    journal = await handed_in(app, fake, "gpt")
    right = journal.kept["provider:row:gpt:0:id"]
    journal.kept["provider:row:gpt:0:id"] = "batch-of-another-account"
    with pytest.raises(ConfigError, match="no such batch"):
        await called_off(app, journal, "gpt")
    journal.kept["provider:row:gpt:0:id"] = right
    assert await called_off(app, journal, "gpt") == 1


async def handed_in(app: App, fake: FakeBatches, ai: str) -> Journal:
    """The journal of a process that died while the provider works."""
    journal = Journal()
    fake.held = True
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(passed, app, journal, asks(ai, "a", "b"))
        await fake.looked.wait()
        tasks.cancel_scope.cancel()
    return journal


@each_ai
async def test_a_submission_whose_reply_is_lost_is_found_and_not_repeated(ai: str, app: App, fake: FakeBatches) -> None:
    fake.deaf = 1
    journal = Journal()
    await passed(app, journal, asks(ai, "a", "b"))
    assert len(fake.batches) == 1 and len(journal.results()) == 2


async def test_a_death_in_the_middle_of_the_results_keeps_each_once(app: App, fake: FakeBatches) -> None:
    journal, told = Journal(), []
    app.bus.add_sink(lambda event: told.append(event.answer.text) if isinstance(event, CallFinished) else None)
    wanted = asks("gpt", "a", "b", "c")
    journal.fatal = f":{wanted[1].key}"
    with pytest.raises(DiedError):
        await passed(app, journal, wanted)
    assert len(journal.results()) == 1
    journal.fatal = "never"
    await passed(app, journal, wanted)
    assert len(journal.results()) == 3 and len(fake.batches) == 1
    assert told == ["answer to c", "answer to b", "answer to a"], "events and ledger have each once"


async def test_looks_grow_rarer_and_troubles_on_the_way_pass(app: App, fake: FakeBatches) -> None:
    fake.held, fake.troubles = True, [503, 500, 429]
    waits: list[float] = []
    notes: list[str] = []
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: passed(app, Journal(), asks("gpt", "a", "b"), waits=waits, notes=notes))
        while len(waits) < 12:
            await anyio.lowlevel.checkpoint()
        fake.held = False
    looks = waits[3:]
    assert looks == sorted(looks) and looks[0] == 2.0 and max(looks) <= 120
    assert "0 of 2 answered at the provider, in 1 batch" in notes and notes[-1] == ""


async def test_the_provider_s_limits_make_chunks(app: App, fake: FakeBatches, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ai.batch.submissions.CHUNK_BYTES", 400)
    journal = Journal()
    wanted = asks("gpt", *(f"row {n}" for n in range(5)))
    journal.fatal = "2:plan"
    with pytest.raises(DiedError):
        await passed(app, journal, wanted)
    assert len(fake.batches) == 2
    journal.fatal = "never"
    await passed(app, journal, wanted)
    assert sorted(fake.prompts) == [f"row {n}" for n in range(5)]
    assert len(journal.results()) == 5


@pytest.mark.parametrize(
    ("ai", "ending", "words"),
    [
        ("gpt", "failed", "bad file"),
        ("gpt", "cancelled", "was cancelled"),
        ("mistral", "failed", "bad file"),
        ("mistral", "cancelled", "was cancelled"),
        ("gemini", "failed", "could not run the batch"),
        ("gemini", "expired", "expired before this row"),
    ],
)
async def test_rows_of_a_batch_that_ended_badly_say_why(
    ai: str, ending: str, words: str, app: App, fake: FakeBatches
) -> None:
    fake.ending = ending
    wanted = asks(ai, "a", "b")
    going = await passed(app, Journal(), wanted)
    missing = await going.missing(wanted)
    assert len(missing) == 2
    assert all(words in str(error) and "--retry-failed" in str(error) for error in missing.values())
    assert len(fake.batches) == 1


async def test_a_row_without_a_result_is_an_error_that_may_have_cost_something(app: App, fake: FakeBatches) -> None:
    wanted = asks("gpt", "a", "skip me")
    going = await passed(app, Journal(), wanted)
    (error,) = (await going.missing(wanted)).values()
    assert "gave no result for this row" in str(error) and error.maybe_billed


async def test_a_batch_the_provider_does_not_know_pauses_the_job(app: App, fake: FakeBatches) -> None:
    journal = Journal()
    journal.fatal = "0:end"
    with pytest.raises(DiedError):
        await passed(app, journal, asks("gpt", "a"))
    journal.kept["provider:row:gpt:0:id"] = "batch-of-another-account"
    journal.fatal = "never"
    with pytest.raises(ConfigError, match="no such batch.*what is finished is kept"):
        await passed(app, journal, asks("gpt", "a"))
    assert len(fake.batches) == 1


async def test_a_budget_is_reserved_before_anything_is_handed_in(
    fake: FakeBatches, isolated: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    budget = {"per_day_tokens": 10_000}
    async with opened(fake, isolated, monkeypatch, budget=budget) as app:
        with pytest.raises(BudgetExceededError):
            await passed(app, Journal(), asks("gpt", *"abc"))
        assert not fake.batches
        await passed(app, Journal(), asks("gpt", "d"))  # what it really took stands in place of the reservation
        await passed(app, Journal(), asks("gpt", "e"))
    assert fake.prompts == ["d", "e"]


def test_an_ai_without_a_batch_endpoint_says_so() -> None:
    from ai.roster.roster import Roster
    from core.config import AIConfig, Config

    roster = Roster.open(Config(rows={"groq": AIConfig.model_validate({"provider": "groq", "api_key": "k"})}))
    with pytest.raises(InvalidInputError, match="'groq' has no batch endpoint that Moot knows; leave out"):
        remote_batches(roster, "groq")
