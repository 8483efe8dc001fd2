"""`moot telegram`: the bot as a process of its own, by long polling, or in the HTTP door, by a webhook."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import anyio
import anyio.to_thread

from core.config import load_config
from core.errors import ConfigError
from core.keys import keyring_key
from core.messaging import TOKEN_SHAPE, TOKEN_VARIABLE, TelegramConfig
from core.paths import credentials_path
from core.redact import register_secret
from core.stores.held import held
from server.jobs.worker import serving_jobs, told_to_end
from server.mcp_client.borrowed import open_lending_app
from server.side_tasks import keep_memory_indexed
from server.telegram.bot import AT_ONCE, OpenBot, open_bot, with_areas
from server.telegram.managing import note_name
from server.telegram.polling import Poller, tell
from server.telegram.refusals import TokenRefusedError
from server.telegram.store import TelegramStore

_SWITCH_S = 0.001
"""How long a thread may compute before another one's turn: a question waits for a dozen threads that read and write,
each of which would else wait 5 ms for its turn while many answers are being written."""
NAME = "telegram"
"""What the token is called in the keyring and by `moot keys`."""


def find_token(config: TelegramConfig) -> str:
    """The token of the bot: of credentials.json, the keyring, or the environment.

    Raises:
        ConfigError: There is none, or it cannot be one.
    """
    token = config.token.get_secret_value() if config.token else ""
    if not token and config.keyring:
        token = keyring_key(NAME) or ""
    token = (token or os.environ.get(TOKEN_VARIABLE, "")).strip()
    if not token:
        raise ConfigError(
            f"The bot has no token. Make a bot with @BotFather, then: moot keys set telegram (or set {TOKEN_VARIABLE})."
        )
    register_secret(token)
    if not re.fullmatch(TOKEN_SHAPE, token):
        raise ConfigError(
            "That is no token of a bot: it looks like 123456789:AAE... Copy it from @BotFather again, then: "
            "moot keys set telegram"
        )
    return token


@contextmanager
def alone() -> Iterator[None]:
    """Be the only bot of this data folder while the block runs: two would answer everything twice.

    Raises:
        ConfigError: Another one runs.
        StoreError: It cannot be told whether one does.
    """
    lock = held("telegram.lock")
    if lock is None:
        raise ConfigError("Another moot telegram of this data folder runs. Stop it first.")
    try:
        yield
    finally:
        lock.close()


def run_polling() -> int:
    """Serve the bot until told to end; the exit code.

    Raises:
        ConfigError: It cannot start as things are, or its token was revoked.
    """
    token = find_token(load_config(credentials_path()).telegram)
    sys.setswitchinterval(_SWITCH_S)
    with alone():
        anyio.run(_poll, token)
    return 0


async def _poll(token: str) -> None:
    kept = TelegramStore()
    try:
        async with open_lending_app() as opened, anyio.create_task_group() as tasks:
            tasks.start_soon(_end_when_told, tasks.cancel_scope)
            app = await with_areas(opened)
            tasks.start_soon(keep_memory_indexed, app)
            async with serving_jobs(app, at_once=AT_ONCE), open_bot(app, token, kept) as bot:
                await greet(bot)
                try:
                    await Poller(bot.api, kept, bot.take, bot.cannot_keep).run()
                except TokenRefusedError as error:
                    raise ConfigError(str(error)) from error
    except BaseExceptionGroup as group:
        raise _first(group) from None
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(kept.close)


async def _end_when_told(scope: anyio.CancelScope) -> None:
    async for _ in told_to_end():
        scope.cancel()
        return


async def greet(bot: OpenBot) -> None:
    """Tell whoever started the bot where it is, and how it gets an owner."""
    await anyio.to_thread.run_sync(note_name, bot.kept, bot.me.username)
    tell(f"@{bot.me.username} listens: https://t.me/{bot.me.username}")
    if await anyio.to_thread.run_sync(bot.members.owner) is None:
        tell("It has no owner and answers nobody. In another terminal: moot telegram pair")


def _first(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """What a group is about, where it is about one thing."""
    first = group.exceptions[0]
    if isinstance(first, BaseExceptionGroup):
        return _first(first)
    return first if len(group.exceptions) == 1 else group
