"""What each person may ask holds on every way to an answer."""

from __future__ import annotations

import anyio.to_thread
import pytest
from open_telegram import Telegram, seen, telegram

_QUESTION = "What is 2+2? A) 3 B) 4"


async def _invited(bot: Telegram, id: int, ais: tuple[str, ...] = ()) -> None:
    code = await anyio.to_thread.run_sync(bot.bot.members.invitation, f"P{id}", ais)
    await anyio.to_thread.run_sync(bot.bot.members.redeem, code, id, f"P{id}")


@pytest.mark.parametrize("command", ["/all", "/debate", "/consensus"])
async def test_no_panel_asks_an_ai_that_is_not_theirs(command: str) -> None:
    async with telegram({"gpt": [], "claude": ["Answer: 4"], "llama": ["Answer: 4"]}) as bot:
        await _invited(bot, 8, ("claude", "llama"))
        bot.api.write(f"{command} {_QUESTION}", chat=8)
        await bot.api.answer("llama", chat=8)
        await seen(lambda: not bot.bot.turns.under_way)
        assert not bot.app.clients["gpt"].requests


@pytest.mark.parametrize("text", [f"/ask gpt {_QUESTION}", f"/ask {_QUESTION}", _QUESTION])
async def test_no_question_asks_an_ai_that_is_not_theirs(text: str) -> None:
    async with telegram({"gpt": [], "claude": ["It is 4."]}) as bot:
        await _invited(bot, 8, ("claude",))
        bot.api.write(text, chat=8)
        await bot.api.answer("It is 4.", chat=8)
        assert not bot.app.clients["gpt"].requests


async def test_a_button_has_no_ai_asked_that_is_not_theirs() -> None:
    async with telegram({"gpt": [], "claude": ["It is 4."]}) as bot:
        await _invited(bot, 8, ("claude",))
        bot.api.write(_QUESTION, chat=8)
        shown = await bot.api.answer("It is 4.", chat=8)
        bot.api.press(shown, shown.button("debate:"))
        await bot.api.answer("No answer", chat=8)
        assert not bot.app.clients["gpt"].requests
