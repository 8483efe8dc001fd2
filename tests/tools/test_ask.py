from __future__ import annotations

from pathlib import Path

import pytest
from scripted_ai import scripted_app

from ai.roster.roster import Roster
from ai.runs.run import Materials
from core.config import AIConfig, Config, Defaults
from core.errors import (
    InvalidInputError,
    MootError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
    TruncatedError,
    UnknownAIError,
)
from core.values import Request, Response, Usage
from tools.ask_many import ask_many
from tools.ask_one import ask_one
from tools.status import status


async def test_ask_one_asks_the_named_ai_and_attributes_the_answer() -> None:
    async with scripted_app({"a": [], "b": [Response("42", "gpt-6.1-sol", usage=Usage(1_000, 100))]}) as app:
        async with app.run("ask_one") as run:
            reply = await ask_one(run, "What is the answer?", ai="b", system="Be brief.", temperature=0.2)
        (request,) = app.clients["b"].requests
    assert (request.system, request.temperature, request.max_tokens) == ("Be brief.", 0.2, None)
    assert (reply.ai, reply.model, reply.text, reply.input_tokens, reply.output_tokens) == (
        "b",
        "gpt-6.1-sol",
        "42",
        1_000,
        100,
    )
    assert reply.cost_usd == pytest.approx(0.003)
    assert "## b" in reply.markdown() and "gpt-6.1-sol" in reply.markdown() and reply.markdown().endswith("42")


async def test_ask_one_without_a_name_asks_the_default_one() -> None:
    async with scripted_app({"a": [], "b": ["yes"]}, ai="b") as app, app.run("ask_one") as run:
        assert (await ask_one(run, "Well?")).ai == "b"


async def test_a_plain_question_is_sent_as_it_is() -> None:
    async with scripted_app({"a": ["yes"]}) as app:
        async with app.run("ask_one") as run:
            await ask_one(run, "Well?")
        (request,) = app.clients["a"].requests
    assert [message.text for message in request.messages] == ["Well?"] and request.system is None


async def test_a_timeout_given_shortens_the_ai_s_own() -> None:
    async with scripted_app({"a": ["yes"]}) as app:
        async with app.run("ask_one") as run:
            await ask_one(run, "Well?", timeout_s=7)
        (request,) = app.clients["a"].requests
    assert request.deadlines is not None and (request.deadlines.total, request.deadlines.idle) == (7, 60.0)


async def test_no_answer_is_an_error_with_the_reason() -> None:
    async with scripted_app({"a": [QuotaExceededError("'a' has no credit left.")]}) as app, app.run("ask_one") as run:
        with pytest.raises(MootError, match="a: quota_exceeded: 'a' has no credit left"):
            await ask_one(run, "Well?")


async def test_an_answer_that_broke_off_is_kept_and_says_so_first() -> None:
    async with scripted_app({"a": [TruncatedError("'a' broke off.", partial="half an ")]}) as app:
        async with app.run("ask_one") as run:
            reply = await ask_one(run, "Well?")
    assert not reply.ok and reply.text == "half an "
    assert reply.markdown().splitlines()[0] == "## PARTIAL: a broke off"


async def test_an_answer_cut_by_length_says_so() -> None:
    async with scripted_app({"a": [Response("once", "m", finish_reason="length")]}) as app:
        async with app.run("ask_one") as run:
            reply = await ask_one(run, "Well?")
    assert reply.ok and "Cut off" in (reply.note or "") and "Cut off" in reply.markdown()
    assert reply.partial


async def test_a_panel_with_an_answer_cut_by_length_is_partial() -> None:
    cut = Response("once", "m", finish_reason="length")
    async with scripted_app({"a": [cut], "b": ["two"]}) as app, app.run("ask_many") as run:
        replies = await ask_many(run, "Count.")
    assert replies.partial and [reply.partial for reply in replies.replies] == [True, False]
    assert replies.summary == "PARTIAL: 2 of 2 AIs answered; 1 cut off at the length limit (cost unknown)."


async def test_an_answer_outside_the_schema_is_no_whole_one() -> None:
    schema = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"]}
    async with scripted_app({"a": ["nope", "nope"], "b": ['{"n": 1}']}) as app:
        async with app.run("ask_many") as run:
            replies = await ask_many(run, "Count.", ais=["a", "b"], schema=schema)
        async with app.run("ask_one") as run:
            assert (await ask_one(run, "Count.", ai="a", schema=schema)).partial
    assert [reply.partial for reply in replies.replies] == [True, False]
    assert replies.partial and replies.summary.startswith("PARTIAL: 2 of 2 AIs answered; 1 outside the schema")


@pytest.mark.parametrize(
    ("response", "kind"),
    [
        (Response("", "m"), "empty_answer"),
        (Response(" \n", "m"), "empty_answer"),
        (Response("half", "m", finish_reason="content_filter"), "truncated"),  # type: ignore[arg-type]
    ],
)
async def test_of_whoever_says_nothing_or_ends_strangely_no_answer_is_made(response: Response, kind: str) -> None:
    """A client may be anybody's: that of a package, or of the program itself."""
    async with scripted_app({"a": [response], "b": ["two"]}) as app, app.run("ask_many") as run:
        replies = await ask_many(run, "Count.")
    assert replies.partial and [(reply.ok, reply.code) for reply in replies.replies][1] == (True, None)
    assert not replies.replies[0].ok and (replies.replies[0].error or "").startswith(kind)


async def test_ask_many_returns_every_answer_in_order() -> None:
    async with scripted_app({"a": ["one"], "b": ["two"], "c": ["three"]}) as app, app.run("ask_many") as run:
        replies = await ask_many(run, "Count.")
    assert [(reply.ai, reply.text) for reply in replies.replies] == [("a", "one"), ("b", "two"), ("c", "three")]
    assert replies.summary == "3 of 3 AIs answered (cost unknown)."


async def test_partial_results_say_so_in_the_first_line() -> None:
    async with scripted_app({"a": ["one"], "b": [ServerError("'b' failed.")]}) as app, app.run("ask_many") as run:
        replies = await ask_many(run, "Count.")
    first, *rest = replies.markdown().splitlines()
    assert first.startswith("PARTIAL: 1 of 2 AIs answered") and "Missing: b" in first
    assert "server: 'b' failed." in "\n".join(rest)


async def test_all_failed_is_one_error_with_each_reason() -> None:
    ais = {"a": [ServerError("'a' failed.")], "b": [QuotaExceededError("'b' has no credit left.")]}
    async with scripted_app(ais) as app, app.run("ask_many") as run:
        with pytest.raises(MootError) as caught:
            await ask_many(run, "Count.")
    assert str(caught.value) == (
        "None of the 2 AIs answered.\n- a: server: 'a' failed.\n- b: quota_exceeded: 'b' has no credit left."
    )


async def test_an_ai_named_twice_is_asked_once() -> None:
    async with scripted_app({"a": ["one"]}) as app, app.run("ask_many") as run:
        assert len((await ask_many(run, "Count.", ais=["a", "a"])).replies) == 1


async def test_bad_names_are_refused_with_the_fix() -> None:
    async with scripted_app({"a": []}) as app, app.run("ask_many") as run:
        with pytest.raises(UnknownAIError, match="Configured: a"):
            await ask_many(run, "Count.", ais=["a", "x"])
        with pytest.raises(InvalidInputError, match="leave it out"):
            await ask_many(run, "Count.", ais=[])


async def test_an_ai_without_a_key_is_missing_with_its_reason_and_spares_the_others() -> None:
    async with scripted_app({"a": ["one"]}) as app, app.run("ask_many") as run:
        app.roster.problems["k"] = "No key for 'k': set K."
        replies = await ask_many(run, "Count.", ais=["a", "k"])
    assert [reply.ok for reply in replies.replies] == [True, False]
    assert "No key for 'k'" in (replies.replies[1].error or "")


async def test_status_lists_who_is_ready_and_why_others_are_not() -> None:
    async with scripted_app({"a": []}) as app, app.run("status") as run:
        app.roster.seats["a"].model = "gpt-5"
        app.roster.problems["k"] = "No key for 'k'."
        found = await status(run)
    assert [(ai.name, ai.ready) for ai in found.ais] == [("a", True), ("k", False)]
    assert "gpt-6.1-sol" in (found.ais[0].problem or "")
    assert "No key for 'k'." in found.markdown() and "1 of 2 AIs" in found.markdown()


async def test_status_tells_of_names_nobody_has_and_of_a_ledger_that_takes_nothing() -> None:
    rows = {"a": AIConfig(provider="openai_compatible", base_url="http://127.0.0.1:9/v1", fallback=["ghost", "a"])}
    config = Config(rows=rows, defaults=Defaults(ai="nobody"))
    materials = Materials(unrecorded=lambda: "The store is damaged.")
    async with scripted_app({"a": []}, config=config, materials=materials) as app, app.run("status") as run:
        found = await status(run)
    assert found.problems == [
        "credentials.json: defaults.ai names 'nobody', which is not there. Add it, or correct the name.",
        "credentials.json: ais.a.fallback names 'ghost', which is not there. Add it, or correct the name.",
        "credentials.json: ais.a.fallback names 'a' itself. Remove it.",
        "The store is damaged.",
    ]


async def test_status_tells_a_missing_program_and_shows_no_path() -> None:
    row = AIConfig(provider="command", command=["/home/somebody/bin/no-such-program", "-p"])
    roster = Roster.open(Config(rows={"cli": row}))
    async with scripted_app({}) as app, app.run("status") as run:
        app.roster.seats.update(roster.seats)
        found = await status(run)
    assert not found.ais[0].ready
    assert "Its program 'no-such-program' was not found" in found.markdown()
    assert "/home/somebody" not in found.model_dump_json()


@pytest.mark.parametrize("named", [True, False])
async def test_more_ais_than_are_asked_together_are_not_cut_down_in_silence(named: bool) -> None:
    async with scripted_app({f"a{number}": [] for number in range(17)}) as app, app.run("ask_many") as run:
        with pytest.raises(InvalidInputError, match="17 AIs are too many: name at most 16"):
            await ask_many(run, "hi", ais=app.roster.names if named else None)


async def test_status_tells_of_a_pause_the_provider_asked_for() -> None:
    async with scripted_app({"a": [RateLimitedError("slow down", retry_after=500.0)]}) as app:
        async with app.run("status") as run:
            await run.ask_many([("a", Request.of("hi"))])
            found = await status(run)
    assert "pause of 500 s more" in (found.ais[0].problem or "")


async def test_status_says_what_is_kept_where_and_how_long_as_the_readme_does() -> None:
    async with scripted_app({"a": []}) as app, app.run("status") as run:
        found = await status(run)
    assert "Kept on this machine" in found.markdown()
    page = (Path(__file__).parents[2] / "SECURITY.md").read_text()
    for name in (
        "jobs.db",
        "batches",
        "threads.db",
        "history.db",
        "chat_lines",
        "prompts",
        "cache.db",
        "moot.db",
        "track.db",
    ):
        assert f"`{name}`" in page
        assert any(name in line.partition(":")[0] for line in found.kept)
    assert "(SECURITY.md)" in (Path(__file__).parents[2] / "README.md").read_text()
