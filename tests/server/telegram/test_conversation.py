"""A chat with the bot, from the message to the answer."""

from __future__ import annotations

from open_telegram import telegram


async def test_a_question_is_answered_in_one_message() -> None:
    async with telegram({"gpt": ["**Blue** light scatters."]}) as bot:
        bot.api.write("Why is the sky blue?")
        answer = await bot.api.answer("Blue light scatters.")
        assert [one.text for one in bot.api.said()] == [answer.text]
        assert bot.asked == ["Why is the sky blue?"]
