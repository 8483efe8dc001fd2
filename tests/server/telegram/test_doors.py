"""How updates come in and how the bot is managed: the webhook, the terminal, guests."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import nullcontext
from pathlib import Path

import anyio
import anyio.to_thread
import httpx2
import pytest
from fake_bot_api import TOKEN, FakeBotApi
from moot_program import ENTRY
from open_telegram import OWNER, telegram
from scripted_ai import scripted_app
from web_house import open_house

from core.config import Config, load_config
from core.errors import ConfigError, InvalidInputError
from core.messaging import TelegramConfig
from core.paths import credentials_path
from server.setup.keys import remove_key, set_key
from server.telegram.running import find_token
from server.telegram.store import TelegramStore
from server.telegram.webhook import Webhook, check_url, run_webhook


async def test_a_webhook_takes_updates_from_whoever_knows_the_secret_alone() -> None:
    kept = TelegramStore()
    async with FakeBotApi().served() as api:
        config = Config(telegram=TelegramConfig(api_url=api.url))
        webhook = Webhook("https://moot.example.org/telegram", TOKEN, kept)
        async with scripted_app({"gpt": ["yes"]}, config=config) as app:
            async with (
                open_house(lambda: nullcontext(app), room=webhook.room("")) as house,
                httpx2.AsyncClient(base_url=house.url) as door,
            ):
                await api.until(lambda: api.webhook)
                assert api.webhook["url"] == "https://moot.example.org/telegram"
                code = await anyio.to_thread.run_sync(webhook._bot.members.pairing_code)  # type: ignore[union-attr]
                update = {"update_id": 5, "message": api.message(code)}
                for secret in ("", "wrong"):
                    refused = await door.post(
                        "/telegram", json=update, headers={"x-telegram-bot-api-secret-token": secret}
                    )
                    assert refused.status_code == 403
                headers = {"x-telegram-bot-api-secret-token": api.webhook["secret_token"]}
                for odd in (b"{", b"[1]", b"null", b"[" * 100_000, b"\xff\xfe"):
                    assert (await door.post("/telegram", content=odd, headers=headers)).status_code == 400
                for large in (b" " * 2_000_000, _in_pieces()):
                    assert (await door.post("/telegram", content=large, headers=headers)).status_code == 413
                for odd in (b"{}", b'{"update_id": 1e999}', b'{"update_id": 1, "message": "x"}'):
                    assert (await door.post("/telegram", content=odd, headers=headers)).status_code == 200
                for told in (update, update, {"update_id": 6, "message": api.message("Hello")}):
                    assert (await door.post("/telegram", json=told, headers=headers)).status_code == 200
                await api.answer("You own this bot now")
                await api.answer("yes")
    await anyio.to_thread.run_sync(kept.close)


@pytest.mark.parametrize(
    "url",
    [
        "http://a.example/x",
        "https://a.example",
        "https://a.example/",
        "x",
        "https://a/x?y=1",
        "https://u:p@a.example/x",
        "https://a.example:x/x",
        "https://[a/x",
    ],
)
def test_an_address_that_telegram_does_not_take_is_told(url: str) -> None:
    with pytest.raises(InvalidInputError, match="begins with https:// and has a path"):
        run_webhook(url, "127.0.0.1", 0)


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("https://a.example:81/telegram", "port 443, 80, 88 or 8443"),
        ("https://a.example//telegram", "plain letters"),
        ("https://a.example/telegram/", "plain letters"),
        ("https://a.example/tele%20gram", "plain letters"),
        ("https://a.example/{x}", "plain letters"),
        ("https://a.example/té", "plain letters"),
        ("https://a.example/mcp", "serves something else"),
        ("https://a.example/base/metrics", "serves something else"),
        ("https://a.example/v1/models", "serves something else"),
        ("https://a.example/api/x", "serves something else"),
    ],
)
def test_a_webhook_stands_where_telegram_comes_and_nothing_else_does(url: str, told: str) -> None:
    with pytest.raises(InvalidInputError, match=told):
        run_webhook(url, "127.0.0.1", 0)


def test_a_webhook_may_stand_beside_the_door_or_below_its_path() -> None:
    for url in ("https://a.example/telegram", "https://a.example:8443/moot/telegram-7", "https://a.example:443/a/b"):
        check_url(url)


def test_the_token_is_kept_with_the_keys() -> None:
    with pytest.raises(InvalidInputError, match="That is no token of a bot"):
        set_key("telegram", "nonsense-that-is-long-enough")
    assert "moot telegram" in set_key("telegram", TOKEN)
    config = load_config(credentials_path())
    assert config.problems == () and find_token(config.telegram) == TOKEN
    assert TOKEN not in repr(config)
    remove_key("telegram")
    assert load_config(credentials_path()).telegram.token is None
    with pytest.raises(ConfigError):
        remove_key("telegram")


def test_the_terminal_pairs_invites_lists_and_removes(tmp_path: Path) -> None:
    def moot(*arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        environment = os.environ | {"MOOT_HOME": str(tmp_path)}
        done = subprocess.run(
            [sys.executable, ENTRY, "telegram", *arguments],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == code, done.stderr
        return done

    assert len(moot("pair").stdout.strip()) == 11
    invited = moot("invite", "Ada", "--ais", "gptt", "--per-day-usd", "2")
    assert len(invited.stdout.strip()) == 11 and "no AI is called 'gptt'" in invited.stderr
    assert json.loads(moot("people", "--json").stdout) == {"people": [], "groups": []}
    for number in ("5", "0", "9" * 30):
        assert "may not use the bot anyway" in moot("remove", number, code=2).stderr
    assert "moot keys set telegram" in moot(code=2).stderr


async def _in_pieces() -> AsyncIterator[bytes]:
    """As much, whose length no header tells."""
    for _ in range(20):
        yield b" " * 100_000


@pytest.mark.parametrize("allowed", [False, True])
async def test_a_guest_is_answered_only_where_that_is_allowed(allowed: bool) -> None:
    async with telegram({"gpt": ["as a guest"] if allowed else []}, guest_mode=allowed) as bot:
        told = bot.api.message("@moot_test_bot Who?", chat=-55, user=OWNER, guest_query_id="g1")
        bot.api.update(guest_message=told)
        if allowed:
            (call,) = await bot.api.until(lambda: bot.api.done("answerGuestQuery"))
            assert call.given["guest_query_id"] == "g1"
            assert "as a guest" in call.given["result"]["input_message_content"]["message_text"]
        else:
            bot.api.write("/status", chat=9)
            await bot.api.answer("This bot is private", chat=9)
            assert not bot.api.said(-55)
