"""The tool `batch` and its job: from rows to an output, through stops and retries, by the public ways in."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from scripted_ai import Hold, ScriptedApp, Step, scripted_app

from ai.runs.run import Materials
from core.batch.input import BatchInput
from core.batch.output import DiskFullError, Results
from core.batch.template import Template
from core.config import BudgetLimits
from core.errors import AuthenticationError, InvalidInputError, ServerError
from core.files.workspace import Workspace
from core.jobs.values import Job
from core.limits.budget import Budget
from core.values import Request, Response
from server.jobs.worker import serving_jobs
from tools.batch import BatchReport, batch
from tools.batching.spec import Prepared, estimated, prepare
from tools.batching.start import start_batch


@asynccontextmanager
async def working(ais: dict[str, list[Step]], root: Path | None = None) -> AsyncIterator[ScriptedApp]:
    """An app that works on its jobs."""
    materials = Materials(Workspace((root.resolve(),), ("private/*",))) if root else None
    async with scripted_app(ais, materials=materials) as app:
        with anyio.fail_after(20):
            async with serving_jobs(app):
                yield app


async def told(app: ScriptedApp, **arguments: Any) -> BatchReport:
    async with app.run("batch") as run:
        return await batch(run, **arguments)


async def prepared(
    folder: Path,
    prompts: list[str],
    ais: list[str],
    *,
    output: str = "out.jsonl",
    source: str = "in.jsonl",
    **options: Any,
) -> Prepared:
    path = folder / source
    path.write_text("".join(json.dumps(prompt) + "\n" for prompt in prompts))
    return await anyio.to_thread.run_sync(lambda: prepare(BatchInput(path), folder / output, ais, **options))


async def done(app: ScriptedApp, batch: Prepared, **options: Any) -> Job:
    job = await start_batch(app.jobs, batch, **options)
    return await app.jobs.wait(job.id, 60)


async def records(batch: Prepared) -> list[Any]:
    return await anyio.to_thread.run_sync(lambda: list(Results(Path(batch.spec.output), batch.spec.ais).records()))


async def written(batch: Prepared) -> list[tuple[int, str, str, str]]:
    return [(one["index"], one["ai"], one["status"], one["text"] or one["error"]) for one in await records(batch)]


def saying(*words: str) -> list[Step]:
    """Answers by what was asked, in whatever order."""

    def answer(request: Request) -> str:
        return f"re {request.messages[-1].text}"

    return [answer for _ in words]


async def test_prompts_given_inline_are_answered_at_once() -> None:
    async with working({"a": saying("x", "y")}) as app:
        report = await told(app, items=["x", {"who": "y"}], ais=["a"], template=None, skip_bad=True)
        assert report.summary.startswith("1 of 1 answered")
        report = await told(app, items=[{"who": "y"}], ais=["a"], template="Hi {who}")
    assert report.rows[0]["text"] == "re Hi y" and "> re Hi y" in report.markdown()
    assert report.output == "" and report.job


async def test_a_batch_with_an_answer_that_was_cut_off_is_partial_and_says_so(tmp_path: Path) -> None:
    cut = Response("the beginning", "m", finish_reason="length")
    async with working({"a": [cut, "two"]}, tmp_path) as app:
        report = await told(app, items=["one", "two"], ais=["a"])
    assert report.partial and (report.done, report.failed) == (2, 0)
    assert report.summary.startswith("PARTIAL: 2 of 2 answered (")
    assert "), 1 cut off at the length limit: raise max_tokens for the rest." in report.summary


async def test_a_file_below_the_roots_is_answered_beside_it(tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("id,q\nr1,one\nr2,two\n")
    async with working({"a": saying("1", "2")}, tmp_path) as app:
        report = await told(app, file="in.csv", template="Q: {q}", ais=["a"])
    assert report.summary == "2 of 2 answered (cost unknown). The results are in in.csv.results.jsonl."
    assert str(tmp_path) not in report.model_dump_json()
    lines = (tmp_path / "in.csv.results.jsonl").read_text().splitlines()
    assert [(json.loads(line)["id"], json.loads(line)["text"]) for line in lines] == [
        ("r1", "re Q: one"),
        ("r2", "re Q: two"),
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        ({}, "Give either 'items' or 'file'."),
        ({"items": ["x"], "file": "in.csv"}, "Give either 'items' or 'file'."),
        ({"file": "../out.csv"}, "lies outside"),
        ({"file": "nope.csv"}, "does not exist"),
        ({"file": ".env"}, "files of that name hold secrets"),
        ({"file": "."}, "is a root itself"),
        ({"file": "half.jsonl"}, "1 rows cannot be asked: line 2: is not valid JSON. Mend them, or set skip_bad."),
        ({"items": ["x"], "template": "{nope}"}, "has no field 'nope'"),
        ({"items": ["x"], "schema": {"type": "nonsense"}}, "is not a JSON Schema"),
        ({"items": ["x"], "ais": ["nobody"]}, "No AI named 'nobody'"),
    ],
)
async def test_what_cannot_work_is_one_sentence_and_becomes_no_job(
    tmp_path: Path, arguments: dict[str, Any], complaint: str
) -> None:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "out.csv").write_text("prompt\nx\n")
    (root / ".env").write_text("A=b")
    (root / "half.jsonl").write_text('"fine"\n{\n')
    async with working({"a": []}, root) as app:
        with pytest.raises(ValueError) as caught:
            await told(app, **({"ais": ["a"]} | arguments))
        assert complaint in str(caught.value)
        assert await app.jobs.list_jobs() == []


async def test_a_dry_run_says_what_it_may_cost_and_sends_nothing() -> None:
    async with working({"a": []}) as app:
        report = await told(app, items=["x" * 400] * 10, ais=["a"], max_tokens=50, dry_run=True)
    assert report.summary.startswith("Dry run, nothing was sent: 10 rows for a: 10 calls, about ")
    assert "up to 500 out" in report.summary


async def test_a_dry_run_says_when_a_budget_would_end_the_batch(tmp_path: Path) -> None:
    async with working({"a": []}) as app:
        app.roster.budget = Budget(tmp_path, BudgetLimits(per_call_tokens=200, per_day_tokens=1_000), {})
        told_of = [
            (await told(app, items=["x" * 400] * rows, ais=["a"], max_tokens=50, dry_run=True)).summary
            for rows in (5, 10)
        ]
        await anyio.to_thread.run_sync(app.roster.budget.close)
    assert "budget" not in told_of[0]
    assert "A budget would stop it before its end: " in told_of[1] and "per_day_tokens" in told_of[1]


async def test_a_long_batch_gives_its_job_at_once_and_its_progress_in_jobs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.batch._PATIENCE_S", 0.05)
    monkeypatch.setattr("tools.batching.run._TELL_S", 0.0)
    hold = Hold("late")
    async with working({"a": ["first", hold]}) as app:
        app.roster.seats["a"].concurrency.limit = app.roster.seats["a"].concurrency.ceiling = 1
        report = await told(app, items=["1", "2"], ais=["a"])
        assert report.job and f'jobs(action="get", id="{report.job}"' in report.summary
        await hold.reached.wait()
        while (job := await app.jobs.get(report.job)).progress.get("done") != 1:
            await anyio.sleep(0)
        assert (job.total, job.progress["failed"]) == (2, 0)
        hold.gate.set()
        assert (await app.jobs.wait(report.job, 10)).state == "done"


async def test_the_same_start_again_asks_nothing_and_another_is_refused(tmp_path: Path) -> None:
    async with working({"a": saying("1", "2"), "b": []}) as app:
        one = await prepared(tmp_path, ["1", "2"], ["a"])
        first = await done(app, one)
        assert (await done(app, await prepared(tmp_path, ["1", "2"], ["a"]))).id == first.id
        for prompts, ais in ((["1"], ["a"]), (["1", "2"], ["b"])):
            with pytest.raises(InvalidInputError, match="belongs to another run"):
                await prepared(tmp_path, prompts, ais, source="other.jsonl")
    assert await written(one) == [(0, "a", "ok", "re 1"), (1, "a", "ok", "re 2")]


async def test_only_the_failed_rows_are_asked_again_and_keep_their_place(tmp_path: Path) -> None:
    broken = ServerError("broke", ai="a")
    async with working({"a": ["one", broken, "three"], "b": [broken, "zwei", "drei"]}) as app:
        for seat in app.roster.seats.values():
            seat.concurrency.limit = seat.concurrency.ceiling = 1
        one = await prepared(tmp_path, ["1", "2", "3"], ["a", "b"], width=1)
        job = await done(app, one)
        assert (job.state, job.progress["failed"]) == ("done", 2)
        app.clients["a"]._steps.append("two")
        app.clients["b"]._steps.append("eins")
        again = await done(app, one, retry_failed=True)
        assert (again.id, again.state, again.progress["failed"]) == (job.id, "done", 0)
    assert [row[3] for row in await written(one)] == ["one", "eins", "two", "zwei", "three", "drei"]
    assert sorted(path.name for path in tmp_path.glob("out*")) == ["out.jsonl", "out.jsonl.moot"]


async def test_a_deleted_output_is_made_again_from_what_was_kept(tmp_path: Path) -> None:
    async with working({"a": saying("1", "2")}) as app:
        one = await prepared(tmp_path, ["1", "2"], ["a"])
        await done(app, one)
        before = await written(one)
        (tmp_path / "out.jsonl").unlink()
        await done(app, one)
    assert await written(one) == before


async def test_the_output_alone_is_enough_when_the_journal_is_gone(tmp_path: Path, isolated: Path) -> None:
    async with working({"a": saying("1")}) as app:
        one = await prepared(tmp_path, ["1", "2"], ["a"], width=1)
        app.clients["a"]._steps.append(AuthenticationError("no", ai="a"))
        assert (await done(app, one)).state == "paused"
    for path in (isolated / "home").glob("jobs.db*"):
        path.unlink()
    async with working({"a": saying("2")}) as app:
        assert (await done(app, one)).state == "done"
    assert [row[3] for row in await written(one)] == ["re 1", "re 2"]


async def test_a_refused_key_pauses_and_the_same_start_goes_on(tmp_path: Path) -> None:
    async with working({"a": [AuthenticationError("wrong key", ai="a")]}) as app:
        one = await prepared(tmp_path, ["1", "2"], ["a"], width=1)
        paused = await done(app, one)
        assert paused.state == "paused" and "wrong key" in paused.reason
        app.clients["a"]._steps += saying("1", "2")
        assert (await done(app, one)).state == "done"
    assert len(await written(one)) == 2


async def test_a_full_disk_is_told_and_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tools.batching.run._AGAIN_S", 0.01)
    append: Callable[..., None] = Results.append
    full = [True]

    def refuse(self: Results, records: Any) -> None:
        if full[0]:
            raise DiskFullError("The disk is full, so 'out.jsonl' cannot be written.")
        append(self, records)

    monkeypatch.setattr(Results, "append", refuse)
    async with working({"a": saying("1")}) as app:
        one = await prepared(tmp_path, ["1"], ["a"])
        job = await start_batch(app.jobs, one)
        while "disk is full" not in (await app.jobs.get(job.id)).progress.get("problem", ""):
            await anyio.sleep(0.01)
        full[0] = False
        job = await app.jobs.wait(job.id, 10)
        assert (job.state, job.progress["problem"]) == ("done", "")
    assert await written(one) == [(0, "a", "ok", "re 1")]


async def test_an_input_that_changed_under_a_waiting_batch_pauses_it(tmp_path: Path) -> None:
    async with working({"a": []}) as app:
        one = await prepared(tmp_path, ["1"], ["a"])
        (tmp_path / "in.jsonl").write_text('"something longer"\n')
        job = await done(app, one)
    assert job.state == "paused" and "is not what it was" in job.reason


async def test_answers_are_held_against_the_schema(tmp_path: Path) -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    answers: list[Step] = ['{"n": 1}', '```json\n{"n": 2}\n```', '{"n": "x"}', "three"]
    async with working({"a": answers}) as app:
        one = await prepared(tmp_path, list("1234"), ["a"], schema=schema, width=1)
        app.roster.seats["a"].concurrency.limit = 1
        assert (await done(app, one)).progress["failed"] == 2
        assert app.clients["a"].requests[0].json_schema == schema
    found = await records(one)
    assert [row["json"] for row in found] == [{"n": 1}, {"n": 2}, None, None]
    assert "does not fit the schema at $.n" in found[2]["error"] and "is not JSON" in found[3]["error"]


async def test_a_schema_never_makes_anything_fetched(tmp_path: Path) -> None:
    schema = {"$ref": "http://127.0.0.1:9/schema.json"}
    async with working({"a": ["1"]}) as app:
        one = await prepared(tmp_path, ["1"], ["a"], schema=schema)
        await done(app, one)
    (record,) = await records(one)
    assert "The schema cannot be applied" in record["error"]


async def test_rows_marked_local_only_go_to_no_ai_elsewhere(tmp_path: Path) -> None:
    (tmp_path / "private").mkdir()
    (tmp_path / "private" / "in.jsonl").write_text('"secret plan"\n')
    async with working({"a": []}, tmp_path) as app:
        report = await told(app, file="private/in.jsonl", ais=["a"])
    assert report.failed == 1 and "not on this machine" in report.errors[0]


async def test_the_estimate_of_a_sample_is_scaled_to_the_whole(tmp_path: Path) -> None:
    async with scripted_app({"a": []}) as app:
        small = await estimated(app.roster, await prepared(tmp_path, ["word " * 50] * 300, ["a"], output="s.jsonl"))
        large = await estimated(app.roster, await prepared(tmp_path, ["word " * 50] * 3_000, ["a"], output="l.jsonl"))
    inputs = [int(text.split("about ")[1].split(" ")[0].replace(",", "")) for text in (small, large)]
    assert inputs[1] == 10 * inputs[0]


def test_a_template_is_part_of_what_makes_a_run(tmp_path: Path) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"q": "x"}\n')
    one = prepare(BatchInput(source, Template("A {q}")), tmp_path / "o.jsonl", ["a"])
    two = prepare(BatchInput(source, Template("B {q}")), tmp_path / "o.jsonl", ["a"])
    assert one.spec.run != two.spec.run


async def test_batches_that_begin_at_once_do_not_trip_over_each_others_files(isolated: Path) -> None:
    folder = isolated / "home" / "batches"
    folder.mkdir(parents=True)
    (folder / "gone.jsonl").symlink_to(folder / "taken away by another")
    async with scripted_app({"a": []}) as app, app.run("batch") as run, anyio.create_task_group() as tasks:

        async def plan() -> None:
            report = await batch(run, items=["x"], ais=["a"], dry_run=True)
            assert report.total == 1

        for _ in range(20):
            tasks.start_soon(plan)
