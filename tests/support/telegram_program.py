"""`moot telegram` as a process of its own, which may be killed and started again, for tests and benchmarks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
from fake_bot_api import TOKEN
from moot_program import ENTRY

from core.stores.sqlite import Store
from server.telegram.members import Members
from server.telegram.schema import MIGRATIONS
from server.telegram.store import TelegramStore


@dataclass
class TelegramProgram:
    """One bot with its data in `home`; what it says goes to `log`."""

    home: Path
    process: subprocess.Popen[bytes] | None = None
    environment: dict[str, str] = field(default_factory=dict)
    arguments: tuple[str, ...] = ()

    @property
    def log(self) -> Path:
        return self.home / "bot.log"

    async def start(self) -> None:
        """Start it, and wait until it listens."""
        before = self.log.stat().st_size if self.log.exists() else 0
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(
                [sys.executable, ENTRY, "telegram", *self.arguments],
                env=os.environ | {"MOOT_HOME": str(self.home)} | self.environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=log,
            )
        with anyio.fail_after(60):
            while b"listens" not in self.log.read_bytes()[before:]:
                assert self.process.poll() is None, self.log.read_text()[-2000:]
                await anyio.sleep(0.02)

    async def kill(self) -> None:
        """End it as a power cut would."""
        assert self.process is not None
        self.process.kill()
        await anyio.to_thread.run_sync(self.process.wait)

    async def stop(self) -> int:
        """Tell it to end; its exit code."""
        assert self.process is not None
        self.process.terminate()
        return await anyio.to_thread.run_sync(lambda: self.process.wait(60) if self.process else 0)


def configured(
    home: Path,
    api_url: str,
    ais: dict[str, tuple[str, str]],
    *,
    people: Sequence[int] = (),
    groups: Sequence[int] = (),
    defaults: dict[str, Any] | None = None,
    **settings: Any,
) -> None:
    """Have *home* know *ais*, each by its base URL and model, and let *people* and *groups* use the bot."""
    home.mkdir(parents=True, exist_ok=True)
    rows = {
        name: {
            "provider": "openai_compatible",
            "base_url": url,
            "api_key": f"key-{name}",
            "model": model,
            "concurrency": 500,
        }
        for name, (url, model) in ais.items()
    }
    section = {"token": TOKEN, "api_url": api_url, **settings}
    path = home / "credentials.json"
    path.write_text(json.dumps({"ais": rows, "telegram": section, "defaults": defaults or {}}))
    path.chmod(0o600)
    kept = TelegramStore(Store(home / "telegram.db", MIGRATIONS))
    members = Members(kept)
    for number, person in enumerate(people):
        code = members.pairing_code() if number == 0 else members.invitation(f"P{person}")
        members.redeem(code, person, f"P{person}")
    for group in groups:
        members.allow_group(group, f"G{-group}")
    kept.close()
