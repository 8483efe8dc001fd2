"""What every test gets: no real configuration, no keys, no network beyond loopback, no blocked event loop."""

from __future__ import annotations

import socket
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import installed_moot  # noqa: F401 - before anything of Moot: it decides which one
import pytest
from blockbuster import BlockBuster, blockbuster_ctx
from fake_provider import FakeProvider
from postgres_server import PostgresServer, postgres_server

from ai.providers.added import include_added
from ai.providers.catalog import PROVIDERS
from core import redact

hypothesis.settings.register_profile("moot", deadline=None)  # the machine may be busy
hypothesis.settings.load_profile("moot")
include_added()  # looks at what is installed, once in a process, and not in the middle of a test
_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
_CONNECT = socket.socket.connect
"""As it was before any test: wrapped anew by every one, a thousand tests would make a thousand wrappers."""


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty home of its own, and none of the developer's keys."""
    for provider in PROVIDERS.values():
        for name in provider.env_keys:
            monkeypatch.delenv(name, raising=False)
    monkeypatch.delenv("MOOT_CREDENTIALS", raising=False)
    monkeypatch.delenv("MOOT_STORE", raising=False)
    monkeypatch.setenv("MOOT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(redact, "_known", frozenset())
    monkeypatch.setattr(redact, "_names", frozenset())
    return tmp_path


@pytest.fixture(autouse=True)
def only_loopback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail any test that would talk to another machine."""

    def guarded(self: socket.socket, address: Any) -> None:
        if self.family in (socket.AF_INET, socket.AF_INET6) and address[0] not in _LOOPBACK:
            pytest.fail(f"this test tried to reach {address[0]}")
        _CONNECT(self, address)

    monkeypatch.setattr(socket.socket, "connect", guarded)


@pytest.fixture(autouse=True)
def nothing_blocks() -> Iterator[BlockBuster]:
    """Raise when code of ours blocks the event loop."""
    with blockbuster_ctx(["ai", "core", "server", "tools"]) as buster:
        # The one read at start-up, of a small local file, before anything is served.
        for name in ("io.BufferedReader.read", "io.TextIOWrapper.read", "os.stat"):
            if name in buster.functions:
                buster.functions[name].can_block_in("core/config.py", {"load_config", "_exposed"})
        # A few microseconds into the page cache, before an answer is handed on; a thread would be slower and too late.
        buster.functions["os.write"].can_block_in("core/stores/spool.py", {"put"})
        for name in ("os.stat", "os.mkdir", "os.path.samestat"):
            if name in buster.functions:
                buster.functions[name].can_block_in("core/stores/spool.py", {"put"})
        yield buster


@pytest.fixture(scope="session")
def postgres() -> Iterator[PostgresServer]:
    """A PostgreSQL server for the whole session; started for the first test that wants one."""
    with postgres_server() as server:
        yield server


@pytest.fixture
def fleet_url(postgres: PostgresServer) -> Iterator[str]:
    """A database of its own, with Moot's tables."""
    url = postgres.database()
    yield url
    postgres.drop(url)


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    """A provider on loopback in the test's own event loop."""
    fake = FakeProvider()
    async with await fake.start():
        yield fake
        await fake.hang_up()
