"""A chat with the bot, from the message to the answer."""

from __future__ import annotations

import threading

import pytest
from open_telegram import OWNER, seen, telegram
from scripted_ai import Hold

from core.errors import ProviderError
from server.telegram.answers import Drawn, sentence


async def test_a_question_is_answered_in_one_message() -> None:
    async with telegram({"gpt": ["**Blue** light scatters."]}) as bot:
        bot.api.write("Why is the sky blue?")
        answer = await bot.api.answer("Blue light scatters.")
        assert [one.text for one in bot.api.said()] == [answer.text]
        assert bot.asked == ["Why is the sky blue?"]


async def test_the_sign_that_an_answer_comes_is_all_that_is_ever_sent() -> None:
    async with telegram({"gpt": ["Because."]}) as bot:
        bot.api.write("Why?")
        await bot.api.answer("Because.")
        assert [call.given["text"] for call in bot.api.done("sendMessage")] == ["…"]


async def test_the_next_question_knows_the_one_before() -> None:
    async with telegram({"gpt": ["Ada.", "I told you."]}) as bot:
        bot.api.write("Who wrote the first program?")
        await bot.api.answer("Ada.")
        bot.api.write("Who?")
        await bot.api.answer("I told you.")
        assert bot.asked[1] == "Who wrote the first program?\nAda.\nWho?"


async def test_what_is_being_written_is_shown_as_a_draft_in_private() -> None:
    slow = Hold("One two three")
    async with telegram({"gpt": [slow]}) as bot:
        bot.api.write("Count")
        await slow.reached.wait()
        await bot.api.until(lambda: bot.api.done("sendMessageDraft"))
        assert not bot.api.done("sendMessage")
        slow.gate.set()
        await bot.api.answer("One two three")


async def test_where_drafts_do_not_work_the_message_itself_is_edited() -> None:
    slow = Hold("One two three")
    async with telegram({"gpt": [slow]}) as bot:
        bot.api.drafts = False
        bot.api.write("Count")
        shown = await bot.api.answer("…")
        slow.gate.set()
        await bot.api.until(lambda: shown.text == "One two three")
        assert bot.api.said() == [shown]


async def test_markup_that_is_refused_is_sent_as_plain_text() -> None:
    async with telegram({"gpt": ["**Blue** <b>"]}) as bot:
        bot.api.refuse_markup = True
        bot.api.write("Why?")
        await bot.api.answer("Blue <b>")


async def test_a_long_answer_is_cut_where_a_block_ends() -> None:
    blocks = [f"Block {number} " + "word " * 200 for number in range(20)]
    async with telegram({"gpt": ["\n\n".join(blocks)]}) as bot:
        bot.api.write("Tell me all")
        await bot.api.answer("Block 19")
        texts = [one.text for one in bot.api.said()]
        assert len(texts) > 4
        assert all(text.startswith("Block ") for text in texts)
        assert "".join(texts).count("Block ") == 20
        assert [bool(one.markup["inline_keyboard"]) for one in bot.api.said()] == [False] * (len(texts) - 1) + [True]


async def test_a_long_answer_is_read_beside_the_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    read_in = []

    def drawn(kind: str, result: object, markdown: str, turn: int, language: str) -> Drawn:
        read_in.append(threading.current_thread())
        return sentence(f"{len(markdown)} letters")

    monkeypatch.setattr("server.telegram.answers.drawn", drawn)
    async with telegram({"gpt": ["[" * 30_000]}) as bot:
        bot.api.write("Brackets, please")
        await bot.api.answer("letters")
    assert read_in and threading.current_thread() not in read_in


async def test_stop_ends_the_answer() -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow]}) as bot:
        bot.api.drafts = False
        bot.api.write("Count")
        shown = await bot.api.answer("…")
        await slow.reached.wait()
        bot.api.press(shown, shown.button("stop:"))
        await bot.api.until(lambda: "stopped" in shown.text)
        assert bot.app.clients["gpt"].cancelled == 1


async def test_the_button_of_a_draft_ends_the_answer() -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow]}) as bot:
        bot.api.write("Count")
        await slow.reached.wait()
        draft = (await bot.api.until(lambda: bot.api.done("sendMessageDraft")))[0].given["draft_id"]
        bot.api.update(stopped_message_generation={"chat": {"id": OWNER, "type": "private"}, "draft_id": draft})
        await bot.api.answer("stopped")


async def test_a_question_waits_for_the_one_before_it() -> None:
    slow = Hold("First answer")
    async with telegram({"gpt": [slow, "Second answer"]}) as bot:
        bot.api.write("First")
        await slow.reached.wait()
        bot.api.write("Second")
        await seen(lambda: bot.bot.turns.waiting(f"{OWNER}.0") == 2)
        slow.gate.set()
        await bot.api.answer("Second answer")
        assert bot.asked[1] == "First\nFirst answer\nSecond"


async def test_a_question_takes_the_place_of_the_one_before_where_that_is_wished() -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow, "Both"]}, follow_up="supersede") as bot:
        bot.api.write("First")
        await slow.reached.wait()
        bot.api.write("No: second")
        await bot.api.answer("Both")
        assert await bot.api.answer("Overtaken")
        assert bot.asked[1] == "First\n\nNo: second"


async def test_a_panel_shows_the_verdict_first_and_each_ai_in_a_block() -> None:
    async with telegram({"gpt": ["Answer: 4"], "claude": ["Answer: 4"]}) as bot:
        bot.api.write("/consensus What is 2+2? A) 3 B) 4")
        shown = await bot.api.answer("Verdict")
        edit = bot.api.done("editMessageText")[-1].given["text"]
        assert edit.index("Verdict") < edit.index("<blockquote expandable>")
        assert edit.count("<blockquote expandable>") == 2
        bot.api.press(shown, shown.button("cost:"))
        told = (await bot.api.until(lambda: bot.api.done("answerCallbackQuery")))[0].given
        assert told["show_alert"] and told["text"].startswith("Cost")
        bot.api.press(shown, shown.button("who:"))
        await bot.api.answer("claude: ")


async def test_a_button_below_an_answer_has_the_others_asked() -> None:
    async with telegram({"gpt": ["It is 4.", "Answer: 4"], "claude": ["Answer: 4"]}) as bot:
        bot.api.write("What is 2+2? A) 3 B) 4")
        shown = await bot.api.answer("It is 4.")
        bot.api.press(shown, shown.button("agree:"))
        await bot.api.answer("Verdict")


async def test_a_failure_is_one_sentence() -> None:
    async with telegram({"gpt": [ProviderError("gpt: the provider is on fire. Ask later.")]}) as bot:
        bot.api.write("Why?")
        shown = await bot.api.answer("No answer")
        assert "on fire" in shown.text


async def test_chats_do_not_wait_for_one_another() -> None:
    slow = Hold("late")
    async with telegram({"gpt": [slow], "quick": ["soon"]}, people=[8]) as bot:
        bot.api.write("Slow", chat=OWNER)
        await slow.reached.wait()
        bot.api.write("/ask quick Now?", chat=8)
        await bot.api.answer("soon", chat=8)
        slow.gate.set()
        await bot.api.answer("late", chat=OWNER)


async def test_an_edited_question_that_is_not_answered_is_asked_anew() -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow, "Right"]}) as bot:
        number = bot.api.write("Wrong")
        await slow.reached.wait()
        edited = bot.api.message("Right?", edit_date=5) | {"message_id": number}
        bot.api.update(edited_message=edited)
        await bot.api.answer("Right")
        assert bot.asked[1] == "Right?"


async def test_an_edited_question_that_is_answered_is_not_asked_again() -> None:
    async with telegram({"gpt": ["Done"]}) as bot:
        number = bot.api.write("Wrong")
        await bot.api.answer("Done")
        await seen(lambda: not bot.bot.turns.waiting(f"{OWNER}.0"))
        bot.api.update(edited_message=bot.api.message("Right?", edit_date=5) | {"message_id": number})
        await bot.api.answer("is not asked again")
