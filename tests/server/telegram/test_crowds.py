"""What one person sends quickly, and what happens around it: nobody else waits for it, and nothing loses its order."""

from __future__ import annotations

import anyio
import anyio.to_thread
import pytest
from open_telegram import GROUP, GUEST, OWNER, Telegram, seen, telegram
from samples import PNG
from scripted_ai import Hold

from server.telegram.values import Turn


async def sentences(bot: Telegram) -> int:
    """How many sentences were to be said, once all that was written is seen to."""
    await seen(lambda: not bot.bot._queues and not bot.api.waiting)
    (told,) = await anyio.to_thread.run_sync(bot.bot.kept.read, "SELECT COUNT(*) AS n FROM turns WHERE kind = 'say'")
    return int(told["n"])


async def test_of_a_flood_of_commands_few_are_answered_so_that_others_are_heard() -> None:
    async with telegram(people=(GUEST,), group=True) as bot:
        for number in range(60):
            bot.api.write(f"/nothing{number}@moot_test_bot", chat=GROUP, user=OWNER)
        await bot.api.answer("There is no", chat=GROUP)
        assert await sentences(bot) <= 15
        bot.api.write("/status", chat=GUEST)
        await bot.api.answer("answers under way", chat=GUEST)


async def test_whoever_asks_too_much_is_told_so_a_few_times_alone() -> None:
    slow = Hold("at last")
    async with telegram({"gpt": [slow]}, group=True) as bot:
        for number in range(40):
            bot.api.write(f"/ask Question {number}", chat=GROUP, user=OWNER)
        await slow.reached.wait()
        await bot.api.answer("wait already", chat=GROUP)
        assert await sentences(bot) <= 15


async def test_what_is_said_after_an_album_comes_after_it() -> None:
    async with telegram({"gpt": ["Two dots.", "Blue ones."]}) as bot:
        for _ in range(2):
            photo = [{"file_id": bot.api.file(PNG), "width": 1, "height": 1, "file_size": len(PNG)}]
            bot.api.write(photo=photo, media_group_id="a1")
        bot.api.write("And of what colour?")
        await bot.api.answer("Blue ones.")
        first, second = bot.app.clients["gpt"].requests
        assert sum(hasattr(part, "media_type") for part in first.messages[-1].parts) == 2
        assert second.messages[-1].text.endswith("And of what colour?")


async def test_two_albums_are_two_questions_in_their_order() -> None:
    async with telegram({"gpt": ["Cats.", "Dogs."]}) as bot:
        for album in ("cats", "dogs"):
            for number in range(2):
                photo = [{"file_id": bot.api.file(PNG), "width": 1, "height": 1, "file_size": len(PNG)}]
                bot.api.write(photo=photo, media_group_id=album, **({} if number else {"caption": album}))
        await bot.api.answer("Dogs.")
        assert ["cats" in asked.splitlines()[-1] for asked in bot.asked] == [True, False]


async def test_an_album_that_is_to_be_forgotten_at_once_is() -> None:
    async with telegram({"gpt": []}) as bot:
        photo = [{"file_id": bot.api.file(PNG), "width": 1, "height": 1, "file_size": len(PNG)}]
        bot.api.write(photo=photo, media_group_id="a1", caption="My passport")
        bot.api.write("/forget all")
        await bot.api.answer("Forgotten: 1 ")
        assert not bot.bot.turns.under_way


async def test_questions_that_follow_quickly_all_reach_the_ai_where_each_takes_the_place_of_the_one_before(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slow = Hold("never")
    async with telegram({"gpt": [slow, "Paris"]}, follow_up="supersede") as bot:
        bot.api.write("What is the capital")
        await slow.reached.wait()
        turns, late, close = bot.bot.turns, anyio.Event(), bot.bot.turns._close

        async def closed_late(turn: Turn) -> None:
            if turn.job:  # the first, which was asked
                await late.wait()
            await close(turn)

        monkeypatch.setattr(turns, "_close", closed_late)
        bot.api.write("of France")
        await seen(lambda: len(turns.asked_now("7.0")) == 2)
        bot.api.write("please")
        await seen(lambda: len(turns.asked_now("7.0")) == 3)
        late.set()
        await bot.api.answer("Paris")
        assert all(word in bot.asked[-1] for word in ("the capital", "of France", "please"))


async def test_what_waits_in_a_group_that_becomes_a_supergroup_is_answered_there() -> None:
    slow, new = Hold("first"), -1009
    async with telegram({"gpt": [slow, "second"]}, people=(GUEST,), group=True) as bot:
        bot.api.write("/ask One", chat=GROUP, user=GUEST)
        await slow.reached.wait()
        bot.api.write("/ask Two", chat=GROUP, user=GUEST)
        await seen(lambda: bot.bot.turns.waiting(f"{GROUP}.0.{GUEST}") == 2)
        bot.api.moved[GROUP] = new
        bot.api.write(None, chat=GROUP, user=OWNER, migrate_to_chat_id=new)
        await seen(lambda: bot.bot.turns.waiting(f"{new}.0.{GUEST}") == 2)
        bot.bot._access._known.clear()  # it is some seconds later
        slow.gate.set()
        await bot.api.answer("first", chat=new)
        await bot.api.answer("second", chat=new)


async def test_what_is_under_way_in_a_group_that_became_a_supergroup_is_stopped_there() -> None:
    slow, new = Hold("never"), -1009
    async with telegram({"gpt": [slow]}, people=(GUEST,), group=True) as bot:
        bot.api.write("/ask One", chat=GROUP, user=GUEST)
        await slow.reached.wait()
        bot.api.moved[GROUP] = new
        bot.api.write(None, chat=GROUP, user=OWNER, migrate_to_chat_id=new)
        bot.api.write("/stop", chat=new, user=GUEST)
        await bot.api.answer("stopped", chat=new)
        assert bot.app.clients["gpt"].cancelled == 1
