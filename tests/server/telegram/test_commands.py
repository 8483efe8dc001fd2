"""Commands: what they say and what they change."""

from __future__ import annotations

import pytest
from open_telegram import OWNER, seen, telegram
from scripted_ai import Hold

from core.config import Config, RoleConfig
from server.telegram.commands import COMMANDS
from server.telegram.speech import languages, say, words


def test_every_language_has_every_sentence_with_the_same_places() -> None:
    from string import Formatter

    def places(text: str) -> set[str | None]:
        return {name for _, name, _, _ in Formatter().parse(text) if name}

    for language in languages():
        assert words(language).keys() == words("en").keys(), language
        for name, sentence in words(language).items():
            assert places(sentence) == places(words("en")[name]), (language, name)


def test_languages_that_are_not_there_are_english() -> None:
    assert say("xx", "stop") == say("en", "stop") == "Stop"
    assert say("pt-br", "stop") == say("pt", "stop") == "Parar"


async def test_the_menu_is_shown_in_every_language() -> None:
    async with telegram() as bot:
        calls = await bot.api.until(lambda: len(found := bot.api.done("setMyCommands")) == len(languages()) and found)
        assert [call.given.get("language_code") for call in calls] == [None, "de", "es", "pt"]
        assert {one["command"] for one in calls[0].given["commands"]} == set(COMMANDS)


@pytest.mark.parametrize(("language", "begins"), [("de", "Hallo"), ("pt-br", "Olá"), ("es", "Hola"), ("fr", "Hello")])
async def test_everybody_is_spoken_to_in_their_language(language: str, begins: str) -> None:
    async with telegram() as bot:
        bot.api.write("/start", language=language)
        await bot.api.answer(begins)


async def test_help_names_the_commands() -> None:
    async with telegram() as bot:
        bot.api.write("/help")
        shown = await bot.api.answer("/forget")
        assert all(f"/{name}" in shown.text for name in COMMANDS if name not in ("start", "help"))


async def test_a_command_that_is_none_is_told() -> None:
    async with telegram() as bot:
        bot.api.write("/dance")
        await bot.api.answer("There is no /dance.")


async def test_a_question_may_go_to_an_ai_by_its_name() -> None:
    async with telegram({"gpt": ["g"], "claude": ["c"]}) as bot:
        bot.api.write("/ask claude Who are you?")
        await bot.api.answer("c")
        bot.api.write("/ask Who are you?")
        await bot.api.answer("g")
        assert bot.asked == ["Who are you?\ng\nWho are you?", "Who are you?"] or len(bot.asked) == 2


async def test_a_command_without_its_question_says_how() -> None:
    async with telegram() as bot:
        bot.api.write("/debate")
        await bot.api.answer("Write the question behind the command: /debate")


async def test_all_ais_answer_at_once() -> None:
    async with telegram({"gpt": ["one"], "claude": ["two"]}) as bot:
        bot.api.write("/all Say a number")
        shown = await bot.api.answer("2 of 2 AIs")
        assert "one" in shown.text and "two" in shown.text


async def test_the_ai_is_chosen_by_a_button() -> None:
    async with telegram({"gpt": [], "claude": ["c"]}) as bot:
        bot.api.write("/ai")
        shown = await bot.api.answer("Who shall answer?")
        bot.api.press(shown, shown.button("ai:claude"))
        await bot.api.until(lambda: bot.api.done("answerCallbackQuery"))
        bot.api.write("Hello")
        await bot.api.answer("c")


async def test_an_ai_that_is_not_there_is_told_with_those_that_are() -> None:
    async with telegram() as bot:
        bot.api.write("/ai nobody")
        await bot.api.answer("There is no AI 'nobody' for you. There are: gpt.")


async def test_the_role_is_sent_along() -> None:
    config = Config(roles={"pirate": RoleConfig(system="Talk like a pirate.")})
    async with telegram({"gpt": ["Arr."]}, config=config) as bot:
        bot.api.write("/role pirate")
        await bot.api.answer("It works as pirate from now on.")
        bot.api.write("Hello")
        await bot.api.answer("Arr.")
        assert bot.app.clients["gpt"].requests[0].system == "Talk like a pirate."


async def test_a_new_conversation_takes_along_only_what_matters() -> None:
    async with telegram({"gpt": ["one", "two", "three"]}) as bot:
        bot.api.write("The password of the shed is swordfish")
        await bot.api.answer("one")
        bot.api.write("/new")
        await bot.api.answer("A new conversation.")
        bot.api.write("Why is grass green?")
        await bot.api.answer("two")
        assert bot.asked[1] == "Why is grass green?"
        bot.api.write("What was the password of the shed?")
        await bot.api.answer("three")
        assert "<earlier-" in bot.asked[2] and "swordfish" in bot.asked[2]
        await seen(lambda: not bot.bot.turns.under_way)
        bot.api.write("/memory")
        shown = await bot.api.answer("Recalled for your last question:")
        assert "user: The password of the shed is swordfish" in shown.text


async def test_memory_shows_what_was_said_last() -> None:
    async with telegram({"gpt": ["Ada did."]}) as bot:
        bot.api.write("/memory")
        await bot.api.answer("Nothing is remembered here.")
        bot.api.write("Who wrote the first program?")
        await bot.api.answer("Ada did.")
        await seen(lambda: not bot.bot.turns.waiting(f"{OWNER}.0"))
        bot.api.write("/memory")
        shown = await bot.api.answer("2 messages are remembered")
        assert "user: Who wrote the first program?" in shown.text and "gpt: Ada did." in shown.text


async def test_memory_links_to_the_message_in_a_supergroup() -> None:
    group = -1001234
    async with telegram({"gpt": ["Ada did."]}) as bot:
        await _allow(bot, group)
        number = bot.api.write("/ask Who?", chat=group, user=OWNER)
        await bot.api.answer("Ada did.", chat=group)
        await seen(lambda: not bot.bot.turns.waiting(f"{group}.0.{OWNER}"))
        bot.api.write("/memory", chat=group, user=OWNER)
        await bot.api.answer("2 messages", chat=group)
        assert f"https://t.me/c/1234/{number}" in bot.api.done("sendMessage")[-1].given["text"]


async def test_forget_all_empties_the_conversation() -> None:
    async with telegram({"gpt": ["one", "two"]}) as bot:
        bot.api.write("The word is xyzzy")
        await bot.api.answer("one")
        await seen(lambda: not bot.bot.turns.waiting(f"{OWNER}.0"))
        bot.api.write("/forget all")
        await bot.api.answer("Forgotten: 2 messages.")
        bot.api.write("What is it?")
        await bot.api.answer("two")
        assert bot.asked[1] == "What is it?"


async def test_forget_as_a_reply_forgets_that_answer_alone() -> None:
    async with telegram({"gpt": ["one", "two", "three"]}) as bot:
        bot.api.write("First xyzzy")
        first = await bot.api.answer("one")
        await seen(lambda: not bot.bot.turns.waiting(f"{OWNER}.0"))
        bot.api.write("Second")
        await bot.api.answer("two")
        await seen(lambda: not bot.bot.turns.waiting(f"{OWNER}.0"))
        ours = {"message_id": first.id, "from": {"id": 4242, "is_bot": True, "first_name": "M"}, "text": "one"}
        bot.api.write("/forget", reply_to_message=ours)
        await bot.api.answer("Forgotten: 2 messages.")
        bot.api.write("Third")
        await bot.api.answer("three")
        assert "xyzzy" not in bot.asked[2] and "Second" in bot.asked[2]


async def test_what_is_forgotten_is_in_no_file_any_more(isolated: object) -> None:
    from pathlib import Path

    home = Path(str(isolated)) / "home"
    async with telegram({"gpt": ["plugh is the answer"]}, people=[8]) as bot:
        bot.api.write("The word is xyzzyword", chat=8)
        await bot.api.answer("plugh", chat=8)
        await seen(lambda: not bot.bot.turns.waiting("8.0"))
        bot.api.write("/forget all", chat=8)
        await bot.api.answer("Forgotten", chat=8)
    left = [path for path in home.rglob("*") if path.is_file() and b"xyzzyword" in path.read_bytes()]
    assert left == []


async def test_status_and_usage_tell_of_whoever_asks() -> None:
    async with telegram(people=[8]) as bot:
        bot.api.write("/status", chat=8)
        await bot.api.answer("1 AIs, 0 answers under way", chat=8)
        bot.api.write("/usage", chat=8)
        await bot.api.answer("You have asked nothing", chat=8)


async def test_stop_ends_everything_that_waits_in_the_chat() -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow]}) as bot:
        bot.api.write("One")
        await slow.reached.wait()
        bot.api.write("Two")
        await seen(lambda: bot.bot.turns.waiting(f"{OWNER}.0") == 2)
        bot.api.write("/stop")
        await bot.api.answer("stopped")
        await seen(lambda: bot.bot.turns.waiting(f"{OWNER}.0") == 0)
        bot.api.write("/stop")
        await bot.api.answer("Nothing is being answered here.")


async def test_too_many_questions_are_refused_with_a_sentence() -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow]}) as bot:
        for number in range(6):
            bot.api.write(f"Question {number}")
        await bot.api.answer("5 of your questions wait already")
        bot.api.write("/stop")
        await bot.api.answer("stopped")


async def _allow(bot: object, group: int) -> None:
    import anyio.to_thread
    from open_telegram import Telegram

    assert isinstance(bot, Telegram)
    await anyio.to_thread.run_sync(bot.bot.members.allow_group, group, "Team")
