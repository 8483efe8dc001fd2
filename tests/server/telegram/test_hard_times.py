"""What goes wrong in the middle of an answer: the answer is there in the end, once, or one sentence is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import anyio
import anyio.to_thread
import pytest
from fake_bot_api import FakeBotApi
from open_telegram import GROUP, OWNER, seen, telegram
from scripted_ai import Hold
from telegram_markup import Refused

from core.errors import StoreError
from server.telegram import bubble, turns


@pytest.fixture(autouse=True)
def soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(turns, "_STORE_AGAIN_S", 0.0)
    monkeypatch.setattr(bubble, "_AGAIN_S", 0.0)


def _failing(times: int, really: Callable[..., Any]) -> Callable[..., Any]:
    left = iter(range(times))

    def fail(*arguments: Any) -> Any:
        if next(left, None) is not None:
            raise StoreError("The store is locked. Try again.")
        return really(*arguments)

    return fail


@pytest.mark.parametrize("method", ["sent", "asked", "over", "turn"])
async def test_a_store_that_is_locked_in_the_middle_of_an_answer_loses_none(
    monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    async with telegram({"gpt": ["yes"]}, drafts=False) as bot:
        monkeypatch.setattr(bot.bot.kept, method, _failing(3, getattr(bot.bot.kept, method)))
        if method == "turn":
            monkeypatch.setattr(bot.bot.kept, "asked", _failing(2, bot.bot.kept.asked))
        bot.api.write("Hello")
        await bot.api.answer("yes")
        await seen(lambda: not bot.bot.turns.under_way)
        assert [one.text for one in bot.api.said()] == ["yes"]
        assert len(bot.asked) == 1


async def test_a_preview_that_fails_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    slow = Hold("yes")

    async def fail(self: bubble.Bubble, text: str) -> bool:
        raise ZeroDivisionError

    monkeypatch.setattr(bubble.Bubble, "_preview", fail)
    async with telegram({"gpt": [slow]}) as bot:
        bot.api.write("Hello")
        await slow.reached.wait()
        slow.gate.set()
        await bot.api.answer("yes")


async def test_an_answer_that_is_there_before_its_sign_is_has_one_message(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeBotApi()
    answered = api._answered

    async def slow_send(path: str, body: bytes) -> Any:
        result = await answered(path, body)
        if path.endswith("/sendMessage"):
            await anyio.sleep(0.3)
        return result

    monkeypatch.setattr(api, "_answered", slow_send)
    async with telegram({"gpt": ["yes"]}, api=api, group=True) as bot:
        bot.api.write("/ask Hello", chat=GROUP, user=OWNER)
        await bot.api.answer("yes", chat=GROUP)
        assert [one.text for one in bot.api.said(GROUP)] == ["yes"]


@pytest.mark.parametrize(
    "words",
    ["Bad Request: TOPIC_CLOSED", "Bad Request: not enough rights to send text messages to the chat", "Bad Request: x"],
)
async def test_a_group_that_does_not_take_the_answer_is_told_of_in_private(
    monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    api = FakeBotApi()
    send = api._send_message

    def refuse(given: dict[str, Any]) -> Any:
        if given["chat_id"] == GROUP:
            raise Refused(400, words)
        return send(given)

    monkeypatch.setattr(api, "_send_message", refuse)
    async with telegram({"gpt": ["yes"]}, api=api, group=True) as bot:
        bot.api.write("/ask Hello", chat=GROUP, user=OWNER, topic=5)
        await bot.api.answer("I could not write my answer where you asked", chat=OWNER)
        await seen(lambda: not bot.bot.turns.under_way)


@pytest.mark.parametrize("words", ["Bad Request: MESSAGE_ID_INVALID", "Bad Request: message to edit not found"])
async def test_a_message_that_cannot_be_written_into_is_sent_anew(monkeypatch: pytest.MonkeyPatch, words: str) -> None:
    api = FakeBotApi()
    edit = api._edit_message_text
    refusals = iter([1, 1])

    def refuse(given: dict[str, Any]) -> Any:
        if next(refusals, None):
            raise Refused(400, words)
        return edit(given)

    monkeypatch.setattr(api, "_edit_message_text", refuse)
    async with telegram({"gpt": ["yes"]}, api=api) as bot:
        bot.api.write("Hello")
        await bot.api.answer("yes")


async def test_an_answer_that_telegram_refuses_as_a_whole_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    api = FakeBotApi()
    edit = api._edit_message_text

    def refuse(given: dict[str, Any]) -> Any:
        if "too much" in given["text"]:
            raise Refused(400, "Bad Request: MESSAGE_TOO_LONG")
        return edit(given)

    monkeypatch.setattr(api, "_edit_message_text", refuse)
    async with telegram({"gpt": ["too much", "fine"]}, api=api) as bot:
        bot.api.write("Hello")
        await bot.api.answer("Telegram does not take this answer")
        bot.api.write("Hello?")
        await bot.api.answer("fine")


async def test_several_presses_of_stop_end_one_answer() -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow, "next"]}) as bot:
        bot.api.drafts = False
        bot.api.write("Count")
        shown = await bot.api.answer("…")
        await slow.reached.wait()
        stop = shown.button("stop:")
        for _ in range(5):
            bot.api.press(shown, stop)
        await bot.api.until(lambda: "stopped" in shown.text)
        await bot.api.until(lambda: len(bot.api.done("answerCallbackQuery")) == 5)
        assert len(bot.api.said()) == 1
        bot.api.write("And?")
        await bot.api.answer("next")


async def test_a_new_conversation_in_the_middle_of_an_answer_lets_it_end_and_begins_after_it() -> None:
    slow = Hold("first")
    async with telegram({"gpt": [slow, "second"]}) as bot:
        bot.api.write("It is 1")
        await slow.reached.wait()
        bot.api.write("/new")
        await bot.api.answer("A new conversation")
        bot.api.write("What is it?")
        slow.gate.set()
        await bot.api.answer("first")
        await bot.api.answer("second")
        assert bot.asked[1].endswith("What is it?") and "first" not in bot.asked[1]


@pytest.mark.parametrize("way", ["migrate_to_chat_id", "migrate_from_chat_id"])
async def test_what_is_said_in_the_supergroup_at_once_waits_until_it_is_known(
    monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    new = -1009
    async with telegram({"gpt": ["yes"]}, group=True) as bot:
        done, there = bot.bot._handler._done, anyio.Event()

        async def late(updates: Any, turns: Any = (), changes: Any = ()) -> None:
            if changes:
                there.set()
                await anyio.wait_all_tasks_blocked()
            await done(updates, turns, changes)

        monkeypatch.setattr(bot.bot._handler, "_done", late)
        old, at = (GROUP, GROUP) if way == "migrate_to_chat_id" else (GROUP, new)
        bot.api.write(None, chat=at, user=OWNER, **{way: new if at == old else old})
        bot.api.write("/ask Hello", chat=new, user=OWNER)
        await bot.api.answer("yes", chat=new)
        assert there.is_set() and [one.text for one in bot.api.said(new)] == ["yes"]


AWAY = "PostgreSQL (/var/run/secret/moot) does not answer. Start it, or correct MOOT_STORE."


async def test_a_store_that_is_away_is_no_command_s_failure_and_its_place_reaches_no_chat(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def away(*_: Any, **__: Any) -> Any:
        raise StoreError(AWAY)

    async with telegram() as bot:
        monkeypatch.setattr("server.telegram.commands.forget_all", away)
        bot.api.write("/forget all")
        shown = await bot.api.answer("what is kept cannot be reached")
        assert "No answer" not in shown.text
        assert not any("secret" in one.text for one in bot.api.shown.values())
        assert AWAY in caplog.text


async def test_what_could_not_be_stopped_while_the_store_was_away_is_stopped_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow]}) as bot:
        bot.api.write("Hello")
        await slow.reached.wait()
        jobs = bot.bot.turns._app.jobs
        cancel, tried = jobs.cancel, [StoreError(AWAY)]

        async def once_away(*given: Any, **more: Any) -> Any:
            if tried:
                raise tried.pop()
            return await cancel(*given, **more)

        monkeypatch.setattr(jobs, "cancel", once_away)
        bot.api.write("/stop")
        await bot.api.answer("what is kept cannot be reached")
        bot.api.write("/stop")
        await bot.api.answer("stopped")
        assert bot.app.clients["gpt"].cancelled == 1


@pytest.mark.parametrize("data", ["cost", "who", "debate"])
async def test_a_button_whose_store_is_away_is_not_too_old(monkeypatch: pytest.MonkeyPatch, data: str) -> None:
    async with telegram({"gpt": ["yes"], "claude": []}) as bot:
        bot.api.write("Hello")
        shown = await bot.api.answer("yes")
        await bot.api.until(lambda: shown.markup and len(shown.markup["inline_keyboard"]) > 1)
        turn = shown.button("cost:").partition(":")[2]

        async def away(*_: Any, **__: Any) -> Any:
            raise StoreError(AWAY)

        monkeypatch.setattr(bot.bot.turns._app.jobs, "result", away)
        bot.api.press(shown, f"{data}:{turn}")
        (told,) = await bot.api.until(lambda: bot.api.done("answerCallbackQuery"))
        assert told.given["text"].startswith("That cannot be done now")
