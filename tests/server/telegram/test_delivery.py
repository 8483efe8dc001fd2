"""Answers arrive once, whatever breaks: connections, the store, the bot itself."""

from __future__ import annotations

from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from bot_api_storm import Storm
from echo_provider import EchoProvider
from fake_bot_api import TOKEN, FakeBotApi
from open_telegram import OWNER, seen, telegram
from scripted_ai import Hold
from telegram_program import TelegramProgram, configured

from core.redact import redact
from server.telegram.bot_api import BotApi
from server.telegram.flood import Flood, Limits
from server.telegram.refusals import SecondPollerError, TelegramError, UnknownOutcomeError


async def test_a_sending_whose_outcome_is_unknown_doubles_no_answer() -> None:
    async with telegram({"gpt": ["once"]}) as bot:
        bot.api.storm = Storm(broken_after=0.5)
        bot.api.write("Hello")
        await bot.api.answer("once")
        bot.api.storm = Storm()
        await seen(lambda: not bot.bot.turns.under_way)
        assert sum("once" in one.text for one in bot.api.said()) == 1
        assert {one.text for one in bot.api.said()} <= {"once", "…"}


async def test_a_sign_that_was_sent_twice_goes_when_its_button_is_pressed() -> None:
    async with telegram({"gpt": ["once"]}) as bot:
        bot.api.write("Hello")
        answer = await bot.api.answer("once")
        await seen(lambda: not bot.bot.turns.under_way)
        left = bot.api._send_message({"chat_id": OWNER, "text": "…"})
        turn = answer.button("cost:").partition(":")[2]
        stray = bot.api.shown[OWNER, left["message_id"]]
        bot.api.press(stray, f"stop:{turn}")
        await bot.api.until(lambda: stray not in bot.api.said())
        assert answer in bot.api.said()


async def test_too_many_requests_are_waited_out() -> None:
    async with telegram({"gpt": ["patience"]}) as bot:
        bot.api.storm = Storm(too_many=0.4, retry_after=1)
        bot.api.write("Hello")
        await bot.api.answer("patience")


async def test_what_is_left_when_the_bot_ends_is_answered_by_the_next_one() -> None:
    api = FakeBotApi()
    slow = Hold("never")
    async with telegram({"gpt": [slow]}, api=api) as bot:
        bot.api.write("Hello")
        await slow.reached.wait()
    async with telegram({"gpt": ["from the second"]}, api=api, paired=False) as bot:
        await bot.api.answer("from the second")
        assert sum("from" in one.text for one in bot.api.said()) == 1


@pytest.mark.slow
async def test_a_bot_that_is_killed_again_and_again_answers_everybody_once(tmp_path: Path) -> None:
    api, provider = FakeBotApi(), EchoProvider()
    api.storm = Storm(too_many=0.02, broken_before=0.02, broken_after=0.02, twice=0.2, shuffled=0.5)
    async with api.served(), provider.served():
        ais = {"echo": (provider.url, "delay=0.1,words=3")}
        await anyio.to_thread.run_sync(lambda: configured(tmp_path, api.url, ais, people=range(1, 11)))
        program = TelegramProgram(tmp_path)
        with anyio.fail_after(240):
            for round_ in range(4):
                await program.start()
                for chat in range(1, 11):
                    api.write(f"Q{chat}x{round_}!", chat=chat)
                await api.until(lambda: len(provider.prompts) > round_ * 10, 60)  # noqa: B023 - within the round
                await program.kill()
            await program.start()
            for chat in range(1, 11):
                for number in range(4):
                    await api.answer(f"Q{chat}x{number}! w0 w1 w2", chat)
            assert await program.stop() == 0
    for chat in range(1, 11):
        texts = [one.text for one in api.said(chat)]
        for number in range(4):
            assert sum(f"Q{chat}x{number}!" in text for text in texts) == 1, texts
        assert not any(f"Q{other}x" in text for other in range(1, 11) if other != chat for text in texts)


async def test_only_what_may_be_done_twice_is_tried_again() -> None:
    async with FakeBotApi().served() as fake, BotApi(TOKEN, base=fake.url) as api:
        fake.storm = Storm(broken_after=1.0)
        with pytest.raises(UnknownOutcomeError):
            await api.call("sendMessage", chat_id=OWNER, text="once")
        assert len(fake.said()) == 1
        fake.storm = Storm(broken_before=0.5)
        assert (await api.call("getMe"))["username"] == "moot_test_bot"


async def test_a_conflict_is_one_sentence() -> None:
    async with FakeBotApi().served() as fake, BotApi(TOKEN, base=fake.url) as api:
        fake.storm = Storm(second_poller=1.0)
        with pytest.raises(SecondPollerError, match="Another program reads the updates of this bot"):
            await api.call("getUpdates", timeout=0)


async def test_what_answers_in_another_form_is_no_answer() -> None:
    async with FakeBotApi().served() as fake, BotApi(TOKEN, base=fake.url) as api:
        with pytest.raises(TelegramError, match="Telegram refused danceForMe: Not Found"):
            await api.call("danceForMe")


async def test_a_preview_neither_waits_nor_fails() -> None:
    async with FakeBotApi().served() as fake, BotApi(TOKEN, base=fake.url) as api:
        fake.storm = Storm(too_many=1.0, retry_after=60)
        assert await api.attempt("sendChatAction", chat_id=OWNER, action="typing") is None
        fake.storm = Storm()
        assert await api.attempt("sendChatAction", chat_id=OWNER, action="typing") is None
        assert await api.attempt("sendChatAction", chat_id=8, action="typing") is True


async def test_a_sign_that_has_to_wait_holds_up_no_message() -> None:
    async with FakeBotApi().served() as fake, BotApi(TOKEN, base=fake.url) as api:
        fake.storm = Storm(too_many=1.0, retry_after=60)
        assert await api.attempt("sendChatAction", chat_id=OWNER, action="typing") is None
        fake.storm = Storm()
        with anyio.fail_after(10):
            assert await api.call("sendMessage", chat_id=OWNER, text="Here it is.")
        fake.storm = Storm(too_many=1.0, retry_after=60)
        assert await api.attempt("sendMessage", chat_id=OWNER, text="And here") is None
        fake.storm = Storm()
        assert await api.attempt("sendMessage", chat_id=OWNER, text="And here") is None


async def test_a_file_is_fetched_up_to_a_limit() -> None:
    async with FakeBotApi().served() as fake, BotApi(TOKEN, base=fake.url) as api:
        name = fake.file(b"x" * 1000)
        assert await api.download(name) == b"x" * 1000
        with pytest.raises(TelegramError, match="more than 10 bytes"):
            await api.download(name, most=10)


def test_the_token_is_a_secret_from_the_start() -> None:
    BotApi(TOKEN)
    assert TOKEN not in redact(f"https://api.telegram.org/bot{TOKEN}/getMe")


class _Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def test_previews_leave_room_in_groups() -> None:
    clock = _Clock()
    flood = Flood(Limits(), clock)
    assert [flood.free(-5) for _ in range(5)] == [True, True, True, False, False]
    clock.now = 3.0
    assert flood.free(-5)


def test_a_chat_that_is_closed_takes_nothing_until_then() -> None:
    clock = _Clock()
    flood = Flood(Limits(), clock)
    flood.closed(7, 10)
    assert flood.waits(7) and not flood.free(7) and flood.free(8)
    clock.now = 10.1
    assert flood.free(7)
