"""`kill -9` of the HTTP door under running chats; twenty times it is `bench/web_kills.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from web_kills import play


@pytest.mark.slow
def test_nothing_is_paid_twice_and_a_watcher_sees_every_end(tmp_path: Path) -> None:
    found = play(tmp_path, times=5, seed="web")
    assert not found.wrong, found.wrong
