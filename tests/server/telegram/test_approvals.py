"""An agent's question to a person, as buttons below it."""

from __future__ import annotations

from agent_tools import Lent, Recorder, calling
from open_telegram import GROUP, OWNER, seen, telegram

from ai.runs.run import Materials
from core.config import Config, Defaults
from core.tooling import AgentConfig

_AGENT = Config(defaults=Defaults(drain_s=0.05), agents={"worker": AgentConfig(ai="gpt", tools=["lent"])})


async def test_an_agent_asks_whoever_asked_and_goes_on_with_their_word() -> None:
    tools = Recorder()
    steps = [calling(("write", {"x": "a.txt"})), "All done."]
    async with telegram(
        {"gpt": steps}, people=[8], group=True, config=_AGENT, materials=Materials(borrowed=Lent(tools))
    ) as bot:
        bot.api.write("/ask worker Clean up", chat=GROUP, user=OWNER)
        shown = await bot.api.answer("wants to call write", chat=GROUP)
        assert '"x": "a.txt"' in shown.text and tools.calls == []
        bot.api.press(shown, shown.button("yes:"), user=8)
        refused = await bot.api.until(lambda: bot.api.done("answerCallbackQuery"))
        assert refused[0].given["text"] == "Only who asked may do that."
        assert tools.calls == []
        bot.api.press(shown, shown.button("yes:"), user=OWNER)
        await bot.api.answer("All done.", chat=GROUP)
        assert tools.calls == [("write", {"x": "a.txt"})]
        assert shown.markup == {"inline_keyboard": []}


async def test_what_is_refused_is_not_done() -> None:
    tools = Recorder()
    steps = [calling(("write", {"x": 1})), "Then not."]
    async with telegram({"gpt": steps}, config=_AGENT, materials=Materials(borrowed=Lent(tools))) as bot:
        bot.api.write("/ask worker Clean up")
        shown = await bot.api.answer("wants to call write")
        bot.api.press(shown, shown.button("no:"))
        await bot.api.answer("Then not.")
        assert tools.calls == []


async def test_a_word_counts_once() -> None:
    tools = Recorder()
    steps = [calling(("write", {"x": 1})), "Done."]
    async with telegram({"gpt": steps}, config=_AGENT, materials=Materials(borrowed=Lent(tools))) as bot:
        bot.api.write("/ask worker Clean up")
        shown = await bot.api.answer("wants to call write")
        yes = shown.button("yes:")
        bot.api.press(shown, yes)
        bot.api.press(shown, yes)
        await bot.api.answer("Done.")
        await seen(lambda: len(bot.api.done("answerCallbackQuery")) == 2)
        assert len(tools.calls) == 1
