"""The functions of `moot`, as programs use them: alone, inside an open one, blocking, in threads and in forks."""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
from fake_provider import FakeProvider
from provider_process import provider_process

import moot
from moot.testing import ScriptedAI, scripted


@pytest.fixture
def elsewhere() -> Iterator[str]:
    """The address of a provider in a process of its own."""
    with provider_process() as base_url:
        yield base_url


FORKS = pytest.mark.skipif(sys.platform == "win32", reason="there is no fork on Windows")


async def test_a_question_alone_opens_what_it_needs_and_closes_it() -> None:
    with scripted(gpt=ScriptedAI("four")) as ais:
        reply = await moot.ask("What is 2+2?", ai="gpt")
    assert isinstance(reply, moot.Reply)
    assert (reply.text, reply.ai) == ("four", "gpt")
    assert ais["gpt"].prompts == ["What is 2+2?"]


async def test_inside_an_open_one_all_calls_share_it() -> None:
    with scripted(a=ScriptedAI("1", "2", "3"), b=ScriptedAI("4")):
        async with moot.open() as m:
            assert m.ais == ["a", "b"]
            assert (await m.ask("one", ai="a")).text == "1"
            assert (await moot.ask("two", ai="a")).text == "2"
            replies = await m.ask_many("three", ais=["a", "b"])
            opened = m.app
            async with moot.open(ais={"other": ScriptedAI("9")}) as inner:
                assert (await moot.ask("inner", ai="other")).text == "9"
                assert inner.app is not opened
            assert m.app is opened
    assert [reply.text for reply in replies.replies] == ["3", "4"]
    with pytest.raises(moot.InvalidInputError, match="not open"):
        await m.ask("late")


async def test_clients_of_a_programs_own_take_the_place_of_all_configured_ones() -> None:
    async with moot.open(ais={"mine": ScriptedAI("yes")}) as m:
        assert await moot.call_ai_async("mine", "Is it there?") == "yes"
        assert m.ais == ["mine"]


async def test_a_panel_is_one_call() -> None:
    answer = '{"answer": "tabs", "confidence": 0.9, "argument": "They are one key."}'
    with scripted(a=ScriptedAI(answer), b=ScriptedAI(answer)):
        verdict = await moot.consensus("Tabs or spaces?\nA) tabs\nB) spaces", ais=["a", "b"])
    assert isinstance(verdict, moot.Consensus)
    assert verdict.calls == 2


async def test_a_batch_is_awaited_to_its_end_and_two_of_them_do_not_disturb_each_other() -> None:
    replies: dict[int, moot.BatchReport] = {}
    with scripted(a=ScriptedAI(*["yes"] * 5)):
        async with moot.open() as m, anyio.create_task_group() as tasks:

            async def ask(rows: int) -> None:
                replies[rows] = await m.batch(items=[f"{rows}/{n}" for n in range(rows)], ais=["a"])

            with anyio.fail_after(30):
                tasks.start_soon(ask, 2)
                tasks.start_soon(ask, 3)
    assert {rows: (report.done, report.failed) for rows, report in replies.items()} == {2: (2, 0), 3: (3, 0)}
    assert [row["text"] for row in replies[3].rows] == ["yes"] * 3


async def test_a_wrong_option_is_a_type_error_before_anything_is_sent() -> None:
    with scripted(a=ScriptedAI()):
        with pytest.raises(TypeError, match=r"ask\(\) has no option 'temprature'. Did you mean 'temperature'\?"):
            await moot.ask("x", temprature=0.1)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"debate\(\) has no option 'zzz'. Its options are: question, ais,"):
            await moot.debate("x", zzz=1)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"ask\(\): missing a required argument: 'prompt'"):
            await moot.ask()  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="'max_tokenz'. Did you mean 'max_tokens'"):
            await moot.call_ai_async("a", "x", max_tokenz=1)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match=r"'seed'. A field of the provider's own goes into extra=\{...\}"):
            await moot.call_multiple_ais(["a"], "x", seed=1)  # type: ignore[call-arg]
        with pytest.raises(TypeError, match="'sytem'. Did you mean 'system'"):
            await (await moot.create_async_ai_client("a")).generate("x", sytem="y")  # type: ignore[call-arg]


async def test_a_wrong_value_names_the_option() -> None:
    with scripted(a=ScriptedAI()):
        with pytest.raises(moot.InvalidInputError, match=r"ask\(\): 'temperature': Input should be less than or equal"):
            await moot.ask("x", temperature=7)
        with pytest.raises(ValueError, match=r"ask_many\(\): 'ais'\[1\]: Input should be a valid string"):
            await moot.ask_many("x", ais=["a", 2])  # type: ignore[list-item]


async def test_what_is_the_providers_own_goes_into_extra() -> None:
    with scripted(a=ScriptedAI("yes")) as ais:
        assert await moot.call_ai_async("a", "x", extra={"seed": 7}, system="Be brief.") == "yes"
    assert (ais["a"].requests[0].extra, ais["a"].requests[0].system) == ({"seed": 7}, "Be brief.")


async def test_an_ais_failure_is_raised_as_what_it_is() -> None:
    errors = (moot.RefusedError("No. Ask another."), moot.BadResponseError("Garbage. Ask another."))
    with scripted(a=ScriptedAI(*errors), b=ScriptedAI("yes")):
        async with moot.open():
            with pytest.raises(moot.RefusedError, match="No."):
                await moot.call_ai_async("a", "x", deadlines=moot.Deadlines(total=5))
            outcomes = await moot.call_multiple_ais(["b"], "x")
            with pytest.raises(moot.UnknownAIError, match="'nobody'"):
                await moot.call_ai_async("nobody", "x")
            assert [type(outcome) for outcome in outcomes] == [moot.Answer]
            assert isinstance((await moot.call_multiple_ais(["a"], "x"))[0], moot.Failure)


def test_without_an_event_loop_the_same_names_block() -> None:
    with scripted(a=ScriptedAI("1", "2", "3", "4")):
        assert moot.sync.ask("one", ai="a").text == "1"
        assert moot.sync.call_ai("a", "two") == "2"
        assert moot.call_ai("a", "three") == "3"
        assert [type(one) for one in moot.sync.call_multiple_ais(["a"], "four")] == [moot.Answer]


async def test_they_work_inside_a_running_loop_as_in_a_notebook() -> None:
    with scripted(a=ScriptedAI("1", "2")):
        async with moot.open():
            assert moot.sync.ask("one", ai="a").text == "1"
            with moot.sync.open() as m:
                assert m.ask("two", ai="a").text == "2"


def test_an_open_one_serves_many_threads() -> None:
    with scripted(a=ScriptedAI(*[lambda request: request.messages[0].text] * 20)):
        with moot.sync.open() as m, ThreadPoolExecutor(8) as pool:
            texts = list(pool.map(lambda n: m.ask(f"q{n}", ai="a").text, range(20)))
            assert m.ais == ["a"] and m.warnings == []
        with pytest.raises(moot.InvalidInputError, match="not open"):
            m.ask("late")
    assert texts == [f"q{n}" for n in range(20)]


def test_each_thread_may_have_a_loop_of_its_own(elsewhere: str, isolated: Path) -> None:
    path = credentials(isolated, elsewhere)

    async def both() -> list[str]:
        async with moot.open(credentials=path):
            return [await moot.call_ai_async("near", "x"), await moot.call_ai_async("near", "y")]

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(lambda _: asyncio.run(both()), range(8))) == [["yes ", "yes "]] * 8


@FORKS
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_asks_by_itself(elsewhere: str, isolated: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOT_CREDENTIALS", str(credentials(isolated, elsewhere)))
    with moot.sync.open() as m:
        assert m.ask("before the fork", ai="near").text == "yes "
        with multiprocessing.get_context("fork").Pool(2) as pool:
            assert pool.map_async(forked, range(4)).get(60) == ["yes yes yes "] * 4
            with pytest.raises(moot.AITimeoutError, match="Ask again") as caught:
                pool.apply_async(fail).get(60)
        assert m.ask("behind it", ai="near").text == "yes "
    assert caught.value.phase == "idle"


def fail() -> None:
    raise moot.AITimeoutError("It was silent. Ask again.", phase="idle", ai="near")


def forked(number: int) -> str:
    return moot.sync.call_ai("near", f"{number}") + moot.call_ai("near", "b") + moot.sync.ask("c", ai="near").text


def credentials(folder: Path, base_url: str) -> Path:
    path = folder / "mine.json"
    row = f'{{"provider": "openai_compatible", "base_url": "{base_url}", "model": "tokens=1,word=yes"}}'
    path.write_text(f'{{"ais": {{"near": {row}}}}}')
    path.chmod(0o600)
    return path


async def test_the_credentials_may_be_named(provider: FakeProvider, isolated: Path) -> None:
    async with moot.open(credentials=credentials(isolated, provider.base_url)) as m:
        assert (await m.ask("hi", ai="near")).text == "yes "
    with pytest.raises(moot.InvalidInputError, match=r"there is no file 'none.json'"):
        async with moot.open(credentials=isolated / "none.json"):
            pass


async def test_it_is_opened_once() -> None:
    with scripted():
        async with moot.open() as m:
            with pytest.raises(moot.InvalidInputError, match="open already"):
                await m.__aenter__()
            await m.aclose()
            await m.aclose()


async def test_call_ai_takes_the_vendors_synchronous_way(provider: FakeProvider, isolated: Path) -> None:
    async with moot.open(credentials=credentials(isolated, provider.base_url)):
        assert await anyio.to_thread.run_sync(moot.call_ai, "near", "hi") == "yes "


async def test_one_that_is_open_elsewhere_is_not_used_from_another_event_loop() -> None:
    with scripted(a=ScriptedAI("1")):
        async with moot.open() as m:
            for call in (m.ask, m.debate):
                with pytest.raises(moot.InvalidInputError, match="opened in another event loop"):
                    await anyio.to_thread.run_sync(anyio.run, partial(call, "hi"))
            assert (await m.ask("hi")).text == "1"


def test_a_blocking_one_is_opened_once_and_stays_open() -> None:
    with scripted(a=ScriptedAI("1")), moot.sync.open() as m:
        with pytest.raises(moot.InvalidInputError, match="open already"):
            m.__enter__()
        assert m.ask("hi").text == "1"


@FORKS
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_one_that_was_opened_before_a_fork_says_so_and_hangs_nobody() -> None:
    global inherited
    with scripted(a=ScriptedAI("1")), moot.sync.open() as inherited:
        with multiprocessing.get_context("fork").Pool(1) as pool:
            assert "opened before the process was forked" in pool.apply_async(ask_inherited).get(60)
        assert inherited.ask("hi").text == "1"


inherited: Any = None


def ask_inherited() -> str:
    with pytest.raises(moot.InvalidInputError) as caught:
        inherited.ask("hi")
    inherited.__exit__(None, None, None)
    return str(caught.value)


@pytest.mark.parametrize("ais", ["gpt", [None], [3]])
def test_ais_are_a_list_of_names(ais: Any) -> None:
    with scripted(gpt=ScriptedAI()), pytest.raises(moot.InvalidInputError, match="'ais' is a list of names"):
        moot.sync.call_multiple_ais(ais, "hi")


@pytest.mark.parametrize(
    "wrong",
    [
        {"temperature": "hot"},
        {"temperature": float("nan")},
        {"temperature": -1},
        {"max_tokens": 0},
        {"max_tokens": 1.5},
        {"effort": "much"},
        {"system": 3},
    ],
)
def test_a_wrong_value_is_an_invalid_input_before_anything_is_sent(wrong: Any) -> None:
    with scripted(a=ScriptedAI()), pytest.raises(moot.InvalidInputError, match=f"'{next(iter(wrong))}' is"):
        moot.sync.call_ai("a", "hi", **wrong)


def test_a_prompt_and_a_name_are_texts() -> None:
    with scripted(a=ScriptedAI()):
        with pytest.raises(moot.InvalidInputError, match="no text"):
            moot.sync.call_ai("a", None)  # type: ignore[arg-type]
        with pytest.raises(moot.InvalidInputError, match="'ais' is a list of names"):
            moot.call_ai(None, "hi")  # type: ignore[arg-type]
    with pytest.raises(moot.InvalidInputError, match="called by its name"):
        moot.call_ai(None, "hi")  # type: ignore[arg-type]
