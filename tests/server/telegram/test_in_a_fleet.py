"""A bot in a fleet: its chats are answered where their transcripts are."""

from __future__ import annotations

import pytest
from open_telegram import telegram
from postgres_server import PostgresServer


@pytest.fixture(autouse=True)
def fleet(postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOT_STORE", postgres.database())


async def test_a_chat_is_answered_by_the_bot_itself_which_knows_what_was_said_before() -> None:
    async with telegram({"gpt": ["Ada.", "I told you."]}) as bot:
        bot.api.write("Who wrote the first program?")
        await bot.api.answer("Ada.")
        bot.api.write("Who?")
        await bot.api.answer("I told you.")
        assert bot.asked[1] == "Who wrote the first program?\nAda.\nWho?"


async def test_what_is_forgotten_is_gone_from_the_database_of_the_fleet(
    postgres: PostgresServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = postgres.database()
    monkeypatch.setenv("MOOT_STORE", url)
    async with telegram({"gpt": ["The zebracanary, I see."]}) as bot:
        bot.api.write("My zebracanary is called Otto.")
        await bot.api.answer("I see.")
        told = "SELECT count(*) FROM moot_jobs.calls WHERE value LIKE '%zebracanary%'"
        asked = "SELECT count(*) FROM moot_jobs.texts WHERE arguments || coalesce(result, '') LIKE '%zebracanary%'"
        assert [postgres.query(url, query)[0][0] > 0 for query in (told, asked)] == [True, True]
        bot.api.write("/forget all")
        await bot.api.answer("orgotten")
        assert [postgres.query(url, query)[0][0] for query in (told, asked)] == [0, 0]
