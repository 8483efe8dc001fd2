"""The echo bots of the two well-known frameworks, fetched for this, beside ours: what starting them takes."""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import anyio
import anyio.to_thread
from _measure import Figure, exact
from fake_bot_api import TOKEN, FakeBotApi


def peers(options: argparse.Namespace) -> list[Figure]:
    return anyio.run(_peers)


async def _peers() -> list[Figure]:
    figures = []
    async with FakeBotApi().served() as api:
        for name, (package, code) in _PEERS.items():
            environment = os.environ | {"PEER_API": api.url, "PEER_TOKEN": TOKEN}
            with tempfile.TemporaryDirectory(prefix="moot-peer-") as folder:
                python = await anyio.to_thread.run_sync(_fetched, Path(folder), package)
                for _ in range(2):  # the second time its modules are compiled
                    with subprocess.Popen([python, "-c", code], env=environment, stdout=subprocess.PIPE) as process:
                        assert process.stdout is not None
                        told = (await anyio.to_thread.run_sync(process.stdout.readline)).split()
                        process.kill()
            figures.append(exact(f"{name}: CPU until it listens", 1000 * float(told[0]), unit="ms"))
            figures.append(exact(f"{name}: memory then", float(told[1]) / 1024, unit="MB"))
    return figures


def _fetched(folder: Path, package: str) -> str:
    """The interpreter of an environment with *package* in it."""
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = str(folder / "bin" / "python")
    subprocess.run([python, "-m", "pip", "install", "--quiet", package], check=True)
    return python


_TELL = """
def tell():
    import os
    used = os.times()
    rss = next(line for line in open("/proc/self/status") if line.startswith("VmRSS")).split()[1]
    print(used.user + used.system, rss, flush=True)
"""
_PEERS = {
    "aiogram's echo bot": (
        "aiogram==3.31.0",
        _TELL
        + """
import asyncio, os
from aiogram import Bot, Dispatcher
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
async def main():
    session = AiohttpSession(api=TelegramAPIServer.from_base(os.environ["PEER_API"]))
    bot, dispatcher = Bot(os.environ["PEER_TOKEN"], session=session), Dispatcher()
    @dispatcher.message()
    async def echo(message):
        await message.answer(message.text)
    @dispatcher.startup()
    async def started():
        await bot.get_me()
        tell()
    await dispatcher.start_polling(bot)
asyncio.run(main())
""",
    ),
    "python-telegram-bot's echo bot": (
        "python-telegram-bot==22.8",
        _TELL
        + """
import os
from telegram.ext import Application, MessageHandler, filters
async def echo(update, context):
    await update.message.reply_text(update.message.text)
async def started(application):
    tell()
base = os.environ["PEER_API"] + "/bot"
made = Application.builder().token(os.environ["PEER_TOKEN"]).base_url(base).post_init(started).build()
made.add_handler(MessageHandler(filters.TEXT, echo))
made.run_polling()
""",
    ),
}
