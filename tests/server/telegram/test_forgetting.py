"""Of what was forgotten in a chat no byte is left in the data folder, whoever said it."""

from __future__ import annotations

import anyio.to_thread
import pytest
from open_telegram import GROUP, seen, telegram
from scripted_ai import Hold, Step

from core.paths import data_dir

CANARY = "zebracanary"


def holding() -> list[str]:
    word = CANARY.encode()
    return [path.name for path in data_dir().rglob("*") if path.is_file() and word in path.read_bytes().lower()]


async def found() -> list[str]:
    return await anyio.to_thread.run_sync(holding)


async def test_of_a_chat_that_is_forgotten_no_byte_is_left_though_the_bot_goes_on() -> None:
    said = f"My {CANARY} is called Otto."
    async with telegram({"gpt": [f"I know of your {CANARY} now.", "Fine.", "Hello."]}) as bot:
        bot.api.write(said)
        await bot.api.answer("I know")
        bot.api.write(f"{CANARY}?")
        await bot.api.answer("Fine.")
        assert {"threads.db", "jobs.db"} <= set(await found())
        bot.api.write("/forget all")
        await bot.api.answer("orgotten")
        assert await found() == []
        bot.api.write("Hi")
        await bot.api.answer("Hello.")
        assert CANARY not in bot.asked[-1]
    assert await found() == []


async def test_what_is_under_way_ends_before_all_is_forgotten() -> None:
    slow = Hold(f"Otto is the {CANARY}.")
    async with telegram({"gpt": ["Noted.", slow, "Hello."]}) as bot:
        bot.api.write(f"My {CANARY} is called Otto.")
        await bot.api.answer("Noted.")
        bot.api.write(f"How is my {CANARY} called?")
        await slow.reached.wait()
        bot.api.write(f"And why, {CANARY}?")
        await seen(lambda: bot.bot.turns.waiting("7.0") == 2)
        bot.api.write("/forget all")
        await bot.api.answer("orgotten")
        assert await found() == []
        bot.api.write("Hi")
        await bot.api.answer("Hello.")
        assert CANARY not in bot.asked[-1]
    assert await found() == []


async def test_a_question_under_way_that_is_to_be_forgotten_ends_and_leaves_no_byte() -> None:
    slow = Hold(f"Otto is the {CANARY}.")
    async with telegram({"gpt": [slow, "Hello."]}) as bot:
        asked = bot.api.write(f"How is my {CANARY} called?")
        await slow.reached.wait()
        bot.api.write("/forget", reply_to_message={"message_id": asked, "chat": {"id": 7, "type": "private"}})
        await bot.api.answer("orgotten")
        assert await found() == []
        bot.api.write("Hi")
        await bot.api.answer("Hello.")
        assert CANARY not in bot.asked[-1]
    assert await found() == []


async def test_one_forgotten_message_leaves_the_others_and_no_byte_of_itself() -> None:
    async with telegram({"gpt": ["Noted.", "Kept."]}) as bot:
        first = bot.api.write(f"My {CANARY} is called Otto.")
        await bot.api.answer("Noted.")
        bot.api.write("The boat is blue.")
        await bot.api.answer("Kept.")
        bot.api.write("/forget", reply_to_message={"message_id": first, "chat": {"id": 7, "type": "private"}})
        await bot.api.answer("orgotten")
        left = [path for path in data_dir().rglob("*.db") if b"The boat is blue." in path.read_bytes()]
        assert [path.name for path in left] != []
        assert await found() == []


async def test_what_members_said_to_a_group_that_remembers_together_is_forgotten_with_their_jobs_and_files() -> None:
    async with telegram({"gpt": ["Noted.", "Read.", "Kept."]}, people=(8,), group=True) as bot:
        bot.api.write("/memory shared", chat=GROUP, user=7)
        await bot.api.answer("one conversation", chat=GROUP)
        bot.api.write(f"/ask My {CANARY} is called Otto.", chat=GROUP, user=8)
        shown = await bot.api.answer("Noted.", chat=GROUP)
        ours = {"message_id": shown.id, "from": {"id": 4242, "is_bot": True, "first_name": "Moot"}, "text": "Noted."}
        file = {"file_id": bot.api.file(f"The {CANARY} eats cake.".encode()), "file_name": "a.txt", "file_size": 30}
        bot.api.write(chat=GROUP, user=8, caption="What eats it?", document=file, reply_to_message=ours)
        await bot.api.answer("Read.", chat=GROUP)
        bot.api.write("/ask Of something else", chat=GROUP, user=7)
        await bot.api.answer("Kept.", chat=GROUP)
        assert await found() != []
        bot.api.write("/forget all", chat=GROUP, user=7)
        await bot.api.answer("orgotten", chat=GROUP)
        assert await found() == []


def refused(request: object) -> str:
    raise RuntimeError("refused")


async def test_the_last_question_is_the_last_one_asked_though_it_failed() -> None:
    async with telegram({"gpt": ["Noted.", refused]}) as bot:
        bot.api.write("The boat is blue.")
        await bot.api.answer("Noted.")
        bot.api.write(f"How is my {CANARY} called?")
        await bot.api.answer("No answer")
        assert await found() != []
        bot.api.write("/forget last")
        await bot.api.answer("Forgotten: 1 ")
        assert await found() == []
        bot.api.write("/memory")
        await bot.api.answer("The boat is blue.")
        bot.api.write("/forget last")
        await bot.api.answer("Forgotten: 2 ")


async def test_the_last_question_ends_where_it_is_under_way() -> None:
    slow = Hold("never")
    async with telegram({"gpt": ["Noted.", slow]}) as bot:
        bot.api.write("The boat is blue.")
        await bot.api.answer("Noted.")
        bot.api.write(f"How is my {CANARY} called?")
        await slow.reached.wait()
        bot.api.write("/forget last")
        await bot.api.answer("Forgotten: 1 ")
        assert await found() == []
        bot.api.write("/memory")
        await bot.api.answer("The boat is blue.")


@pytest.mark.parametrize("way", ["all", "last", "reply"])
@pytest.mark.parametrize("stopped", [False, True])
async def test_what_has_no_answer_is_forgotten_and_said_to_be(way: str, stopped: bool) -> None:
    slow = Hold("never")
    steps: list[Step] = [slow if stopped else refused]
    async with telegram({"gpt": steps}) as bot:
        asked = bot.api.write(f"How is my {CANARY} called?")
        if stopped:
            await slow.reached.wait()
            bot.api.write("/stop")
        await bot.api.answer("stopped" if stopped else "No answer")
        reply = {"message_id": asked, "chat": {"id": 7, "type": "private"}}
        given = {"reply_to_message": reply} if way == "reply" else {}
        bot.api.write("/forget" if way == "reply" else f"/forget {way}", **given)
        await bot.api.answer("Forgotten: 1 ")
        assert await found() == []
        bot.api.write("/forget all")
        await bot.api.answer("nothing to forget")


async def test_of_what_a_guest_asked_elsewhere_no_byte_is_left_once_it_is_answered() -> None:
    async with telegram({"gpt": [f"Otto is the {CANARY}."]}, guest_mode=True) as bot:
        told = bot.api.message(f"How is my {CANARY} called?", chat=-55, user=7, guest_query_id="g1")
        bot.api.update(guest_message=told)
        await bot.api.until(lambda: bot.api.done("answerGuestQuery"))
        await seen(lambda: not bot.bot.turns.under_way)
        assert await found() == []


async def test_all_of_a_shared_conversation_is_forgotten_with_those_before_it() -> None:
    async with telegram({"gpt": ["Noted.", "Fine."]}, group=True) as bot:
        bot.api.write("/memory shared", chat=GROUP, user=7)
        await bot.api.answer("one conversation", chat=GROUP)
        bot.api.write(f"/ask My {CANARY} is called Otto.", chat=GROUP, user=7)
        await bot.api.answer("Noted.", chat=GROUP)
        bot.api.write("/new Hello", chat=GROUP, user=7)
        await bot.api.answer("Fine.", chat=GROUP)
        bot.api.write("/forget all", chat=GROUP, user=7)
        await bot.api.answer("Forgotten: 4 ", chat=GROUP)
        assert await found() == []


async def test_who_forgets_all_hears_that_what_everybody_said_together_is_kept() -> None:
    async with telegram({"gpt": ["Noted."]}, group=True) as bot:
        for which in ("shared", "own"):
            bot.api.write(f"/memory {which}", chat=GROUP, user=7)
            await bot.api.answer("one conversation" if which == "shared" else "of their own", chat=GROUP)
            if which == "shared":
                bot.api.write(f"/ask My {CANARY} is called Otto.", chat=GROUP, user=7)
                await bot.api.answer("Noted.", chat=GROUP)
        bot.api.write("/forget all", chat=GROUP, user=7)
        await bot.api.answer("nothing to forget here.\nWhat everybody said here", chat=GROUP)
        assert await found() != []


async def test_a_message_of_a_supergroup_is_none_of_the_group_that_it_was() -> None:
    old, new = -55, -1009
    async with telegram({"gpt": ["Blue.", "Green."]}) as bot:
        await anyio.to_thread.run_sync(bot.bot.members.allow_group, old, "Team")
        bot.api.update(message=bot.api.message("/ask Of the boat", chat=old, user=7, message_id=500))
        await bot.api.answer("Blue.", chat=old)
        bot.api.moved[old] = new
        bot.api.update(message=bot.api.message(chat=old, user=7, message_id=501, migrate_to_chat_id=new))
        bot.api.update(message=bot.api.message(f"/ask Of the {CANARY}", chat=new, user=7, message_id=500))
        shown = await bot.api.answer("Green.", chat=new)
        bot.api.write("/memory", chat=new, user=7)
        await bot.api.answer("Of the boat", chat=new)
        linked = bot.api.done("sendMessage")[-1].given["text"]
        assert linked.count("https://t.me/c/9/500") == 2
        ours = {"message_id": shown.id, "from": {"id": 4242, "is_bot": True, "first_name": "Moot"}, "text": "Green."}
        bot.api.write("/forget", chat=new, user=7, reply_to_message=ours)
        await bot.api.answer("Forgotten: 2 ", chat=new)
        assert await found() == []
        bot.api.write("/forget last 5", chat=new, user=7)
        await bot.api.until(lambda: sum("Forgotten: 2 " in one.text for one in bot.api.said(new)) == 2)
