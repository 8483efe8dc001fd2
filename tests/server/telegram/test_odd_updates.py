"""Updates of the wrong shape, and replies that are none of Telegram's: they harm nobody, and go by themselves."""

from __future__ import annotations

import json
from typing import Any

import anyio
import anyio.lowlevel
import anyio.to_thread
import httpx2
import pytest
from fake_bot_api import FakeBotApi
from open_telegram import OWNER, Telegram, telegram

from core.errors import StoreError
from server.telegram.incoming import Bot, chat_of, has_number, read
from server.telegram.refusals import MigratedError, TelegramError, UnknownOutcomeError, result_of

_HUGE = 10**30
_PRESS = {"id": "1", "from": {"id": OWNER}, "message": {"message_id": 1, "chat": {"id": OWNER}}, "data": "cost:1"}
_SAID = {
    "message_id": 5,
    "from": {"id": OWNER, "first_name": "U"},
    "chat": {"id": OWNER, "type": "private"},
    "text": "x",
}
_ODD: tuple[dict[str, Any], ...] = (
    {"message": "hello"},
    {"message": [1, 2]},
    {"message": 7},
    {"message": _SAID | {"chat": {"id": float("inf"), "type": "private"}}},
    {"message": _SAID | {"chat": {"id": float("nan"), "type": "private"}}},
    {"message": _SAID | {"chat": {"id": _HUGE, "type": "private"}}},
    {"message": _SAID | {"chat": {"id": str(OWNER), "type": "private"}}},
    {"message": _SAID | {"chat": {"id": True, "type": "private"}}},
    {"message": _SAID | {"chat": []}},
    {"message": _SAID | {"from": {"id": _HUGE, "first_name": "U"}}},
    {"message": _SAID | {"from": None}},
    {"message": _SAID | {"message_id": _HUGE}},
    {"message": _SAID | {"message_thread_id": _HUGE, "is_topic_message": True}},
    {"message": _SAID | {"entities": {"a": 1}}},
    {"message": _SAID | {"entities": "abc"}},
    {"message": _SAID | {"photo": 5}},
    {"message": _SAID | {"document": [1]}},
    {"message": _SAID | {"document": {"file_id": "F0", "file_size": "large"}}},
    {"message": _SAID | {"reply_to_message": {"from": {"id": 1}}}},
    {"message": _SAID | {"migrate_to_chat_id": "x"}},
    {"message": _SAID | {"migrate_to_chat_id": _HUGE}},
    {"edited_message": _SAID | {"edit_date": float("inf")}},
    {"callback_query": []},
    {"callback_query": "abc"},
    {"callback_query": _PRESS | {"message": [1]}},
    {"callback_query": _PRESS | {"from": {"id": -_HUGE}}},
    {"stopped_message_generation": {"chat": {"id": OWNER}, "draft_id": _HUGE}},
    {"my_chat_member": {"chat": {"id": -_HUGE}, "from": {"id": OWNER}, "new_chat_member": {"status": "member"}}},
    {"my_chat_member": {"chat": {"id": -5}, "from": {"id": OWNER}, "new_chat_member": None}},
)


@pytest.mark.parametrize("told", _ODD, ids=lambda told: json.dumps(told)[:60])
def test_an_odd_update_is_told_apart_and_is_of_a_chat_or_none(told: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"a number is none|^\w+$"):
        read({"update_id": 1} | told, Bot(4242, "moot_test_bot"))
    assert -(2**63) <= chat_of(told) < 2**63


async def test_odd_updates_end_nothing_and_are_forgotten_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    async with telegram({"gpt": ["yes"]}) as bot:
        for told in _ODD:
            bot.api.update(**told)
        bot.api.write("Hello")
        await bot.api.answer("yes")
        await _forgotten(bot)
    assert caplog.text.count("has a shape that nobody knows") == len(_ODD)


async def test_half_a_character_is_kept_and_asked_as_a_sign_for_what_is_missing() -> None:
    async with telegram({"gpt": ["yes"]}) as bot:
        bot.api.write("a\ud800b", entities=[], sender={"first_name": "\udfff"})
        await bot.api.answer("yes")
        assert bot.asked == ["a\ufffdb"]


@pytest.mark.parametrize("number", [_HUGE, True, None, "12", [1], 1.5, float("inf"), 2**63])
def test_what_has_no_number_that_can_be_kept_is_no_update(number: object) -> None:
    assert not has_number({"update_id": number})


@pytest.mark.parametrize("result", [None, {}, "x", 5, [None], ["x"], [{"message": {}}], [{"update_id": "5"}]])
async def test_what_is_no_list_of_updates_is_told_and_asked_for_again(
    result: Any, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with telegram({"gpt": ["yes"]}) as bot:
        updates = bot.api._updates
        wrong = iter([result])

        async def answer(given: dict[str, Any]) -> Any:
            for one in wrong:
                return one
            return await updates(given)

        monkeypatch.setattr(bot.api, "_updates", answer)
        bot.api.write("Hello")
        await bot.api.answer("yes")
        assert not list(wrong)
        assert "are no updates" in capsys.readouterr().err


async def test_what_fails_by_no_exception_ends_one_message_alone(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class PanicException(BaseException):
        pass

    async with telegram({"gpt": ["yes"]}) as bot:
        said = bot.bot._handler._said

        async def panic_once(parts: Any) -> None:
            monkeypatch.setattr(bot.bot._handler, "_said", said)
            raise PanicException("somebody's words")

        monkeypatch.setattr(bot.bot._handler, "_said", panic_once)
        bot.api.write("Hello")
        bot.api.write("Hello?")
        await bot.api.answer("yes")
        await _forgotten(bot)
    assert "PanicException at test_odd_updates.py" in caplog.text and "somebody" not in caplog.text


async def test_a_store_that_is_locked_while_a_failure_is_noted_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    async with telegram({"gpt": ["yes"]}) as bot:
        said, handled = bot.bot._handler._said, bot.bot.kept.handled
        locked = iter([True, True])

        async def fail_once(parts: Any) -> None:
            monkeypatch.setattr(bot.bot._handler, "_said", said)
            raise ZeroDivisionError

        def refuse(*arguments: Any) -> Any:
            if next(locked, False):
                raise StoreError("The store is locked. Try again.")
            return handled(*arguments)

        monkeypatch.setattr(bot.bot._handler, "_said", fail_once)
        monkeypatch.setattr(bot.bot.kept, "handled", refuse)
        bot.api.write("Hello")
        bot.api.write("Hello?")
        await bot.api.answer("yes")
        assert bot.asked == ["Hello?"]


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (200, b""),
        (200, b"<html>"),
        (200, b"null"),
        (200, b"[1]"),
        (200, b'{"ok": true}'),
        (200, b'{"ok": "true", "result": 1}'),
        (200, b"[" * 100_000),
        (302, b"moved"),
        (401, b"<html>proxy</html>"),
        (404, b"<html>nginx</html>"),
        (409, b"nope"),
        (429, b"slow down"),
        (500, b'{"ok": false, "error_code": null, "description": "x"}'),
    ],
)
def test_what_is_none_of_telegrams_replies_is_no_word_about_the_token(status: int, body: bytes) -> None:
    with pytest.raises(UnknownOutcomeError, match=r"not Telegram's API"):
        result_of("getMe", httpx2.Response(status, content=body))


@pytest.mark.parametrize(
    ("told", "seconds"),
    [
        (3, 3),
        (0.01, 0.1),
        (10**9, 3600),
        (float("inf"), 3600),
        (-5, 1),
        (0, 1),
        ("abc", 1),
        (None, 1),
        ([], 1),
        (True, 1),
    ],
)
def test_a_time_to_wait_is_within_bounds_whatever_telegram_says(told: Any, seconds: float) -> None:
    body = {"ok": False, "error_code": 429, "description": "Too Many Requests", "parameters": {"retry_after": told}}
    with pytest.raises(TelegramError) as refused:
        result_of("sendMessage", httpx2.Response(429, content=json.dumps(body).encode()))
    assert refused.value.retry_after == seconds


@pytest.mark.parametrize("parameters", [None, [], "x", {"migrate_to_chat_id": "x"}, {"migrate_to_chat_id": None}])
def test_a_refusal_whose_parameters_are_odd_is_a_refusal(parameters: Any) -> None:
    body = {"ok": False, "error_code": 400, "description": "Bad Request", "parameters": parameters}
    with pytest.raises(TelegramError) as refused:
        result_of("sendMessage", httpx2.Response(400, content=json.dumps(body).encode()))
    assert refused.value.status == 400 and not isinstance(refused.value, MigratedError)


async def test_a_telegram_that_is_away_at_the_start_is_told_and_waited_for(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    api = FakeBotApi()
    me = api._get_me
    wrong = iter([{"id": 1}, None, []])
    monkeypatch.setattr(api, "_get_me", lambda given: next(wrong, me(given)))
    monkeypatch.setattr("server.telegram.bot._AGAIN_S", 0.0)
    async with telegram({"gpt": ["yes"]}, api=api) as bot:
        bot.api.write("Hello")
        await bot.api.answer("yes")
    assert capsys.readouterr().err.count("tells of no bot") == 1


async def test_one_method_that_is_to_rest_holds_up_no_chat() -> None:
    api = FakeBotApi()
    async with telegram({"gpt": ["yes"]}, api=api) as bot:
        await api.until(lambda: api.done("deleteWebhook"))
        with anyio.move_on_after(0.2):
            bot.api.storm.too_many, bot.api.storm.retry_after = 1.0, 3_000
            await bot.bot.api.call("setMyCommands", commands=[])
        bot.api.storm.too_many = 0.0
        bot.api.write("Hello")
        await bot.api.answer("yes")


async def test_a_sentence_that_waits_for_a_chat_longer_than_patience_lasts_was_not_sent() -> None:
    async with telegram() as bot:
        bot.bot.api.flood.closed(OWNER, 60)
        with pytest.raises(TelegramError) as waited:
            await bot.bot.api.call("sendMessage", patience_s=0.05, chat_id=OWNER, text="Hello")
        assert not isinstance(waited.value, UnknownOutcomeError)
        assert not bot.api.done("sendMessage")


async def _forgotten(bot: Telegram) -> None:
    with anyio.fail_after(20):
        while await anyio.to_thread.run_sync(bot.bot.kept.unhandled):
            await anyio.lowlevel.checkpoint()
