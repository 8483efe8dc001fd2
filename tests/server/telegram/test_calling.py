"""How people call the bot by its name, and by commands, in ways that no manual has."""

from __future__ import annotations

from typing import Any

import pytest
from fake_bot_api import FakeBotApi
from open_telegram import GROUP, GUEST, OWNER, telegram
from samples import PNG

from server.telegram.calling import command_in, mentioned, without_name

NAME = "moot_test_bot"
EVE = {"id": 9, "is_bot": False, "first_name": "Eve"}


def command(offset: int, length: int) -> dict[str, Any]:
    return {"type": "bot_command", "offset": offset, "length": length}


@pytest.mark.parametrize(
    ("text", "rest"),
    [
        ("@moot_test_bot hi", "hi"),
        ("@Moot_Test_Bot, hi", "hi"),
        ("@moot_test_bot:\nhi", "hi"),
        ("hi @moot_test_bot", "hi "),
        ("@moot_test_bot2 hi", "@moot_test_bot2 hi"),
        ("@moot_test_bot_2 hi", "@moot_test_bot_2 hi"),
        ("write to a@moot_test_bot", "write to a@moot_test_bot"),
        ("hi @moot_test_bot there", "hi @moot_test_bot there"),
        ("@moot_test_bot", ""),
    ],
)
def test_the_name_goes_where_it_only_calls_the_bot(text: str, rest: str) -> None:
    assert without_name(text, NAME) == rest


@pytest.mark.parametrize(
    ("text", "entities", "found"),
    [
        ("/ask hi", [command(0, 4)], ("ask", " hi", "")),
        ("@moot_test_bot /new", [{"type": "mention", "offset": 0, "length": 14}, command(15, 4)], ("new", "", "")),
        ("/ask@Moot_Test_Bot hi", [command(0, 18)], ("ask", " hi", "ours")),
        ("/ask@other_bot hi", [command(0, 14)], ("", "/ask@other_bot hi", "others")),
        ("what is /ask", [command(8, 4)], ("", "what is /ask", "")),
        ("/ask hi", [command(-4, 4)], ("", "/ask hi", "")),
        ("/ask hi", [command(0, 0)], ("", "/ask hi", "")),
        ("/ask hi", [command(0, -3)], ("", "/ask hi", "")),
        ("/ask hi", [command(0, 10**9)], ("ask hi", "", "")),
        ("/ask hi", [], ("", "/ask hi", "")),
    ],
)
def test_a_command_stands_at_the_beginning_or_behind_the_name(
    text: str, entities: list[dict[str, Any]], found: tuple[str, str, str]
) -> None:
    assert command_in(text, entities, NAME) == found


@pytest.mark.parametrize("offset", [-5, 0, 9_999, 10**30])
def test_a_mention_that_points_elsewhere_is_none(offset: int) -> None:
    entities = [{"type": "mention", "offset": offset, "length": 14}]
    assert not mentioned("hi @moot_test_bot", entities, 4242, NAME)


async def test_a_command_behind_the_name_is_that_command_and_asks_no_ai() -> None:
    async with telegram(group=True) as bot:
        bot.api.write("@moot_test_bot /new", chat=GROUP, user=OWNER)
        await bot.api.answer("A new conversation", chat=GROUP)


async def test_the_name_alone_is_answered_with_who_answers_here() -> None:
    async with telegram(group=True) as bot:
        bot.api.write("@moot_test_bot", chat=GROUP, user=OWNER)
        await bot.api.answer("Write, and gpt answers.", chat=GROUP)


async def test_a_command_that_is_passed_on_is_data_as_it_stands() -> None:
    async with telegram({"gpt": ["About forgetting."]}) as bot:
        bot.api.write("/forget all", forward_origin={"type": "user", "sender_user": EVE})
        await bot.api.answer("About forgetting.")
        assert "\n/forget all\n" in bot.asked[0]


def photo(api: FakeBotApi) -> dict[str, Any]:
    return {"photo": [{"file_id": api.file(PNG), "width": 1, "height": 1, "file_size": len(PNG)}]}


@pytest.mark.parametrize("text", ["@moot_test_bot What is that?", "/ask What is that?", "@moot_test_bot", "/ask"])
async def test_the_picture_of_a_message_that_is_answered_goes_along(text: str) -> None:
    async with telegram({"gpt": ["A dot."]}, people=(GUEST,), group=True) as bot:
        answered = {"message_id": 5, "from": EVE, **photo(bot.api)}
        bot.api.write(text, chat=GROUP, user=GUEST, reply_to_message=answered)
        await bot.api.answer("A dot.", chat=GROUP)
        (request,) = bot.app.clients["gpt"].requests
        assert sum(hasattr(part, "media_type") for part in request.messages[-1].parts) == 1


async def test_a_question_about_a_message_whose_file_cannot_be_read_is_answered_and_that_is_told() -> None:
    async with telegram({"gpt": ["With unzip."]}) as bot:
        large = {"file_id": "F", "file_name": "backup.zip", "file_size": 50_000_000}
        answered = {"message_id": 5, "from": EVE, "document": large}
        bot.api.write("How do I open this?", reply_to_message=answered)
        await bot.api.answer("backup.zip is larger than 20 MB")
        await bot.api.answer("With unzip.")


async def test_a_message_whose_file_cannot_be_read_is_no_question_by_itself() -> None:
    async with telegram() as bot:
        large = {"file_id": "F", "file_name": "backup.zip", "file_size": 50_000_000}
        bot.api.write("/ask", reply_to_message={"message_id": 5, "from": EVE, "document": large})
        await bot.api.answer("No answer: backup.zip is larger than 20 MB")
