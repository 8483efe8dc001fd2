"""What the demo tells to do next is what works where it was started."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from server.cli.running.demo import _how_to_start

UV = os.path.join(os.getcwd(), ".uv", "bin", "uv")


@pytest.fixture
def without_test_tools(monkeypatch: pytest.MonkeyPatch) -> None:
    """As the first command of the quick start leaves the environment."""
    monkeypatch.delitem(sys.modules, "pytest")
    monkeypatch.setattr(sys, "path", [])


def test_after_the_quick_start_no_test_tools_are_fetched(
    without_test_tools: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("UV", UV)
    assert _how_to_start() == ".uv/bin/uv run --no-dev moot"


def test_where_they_are_there_they_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("UV", UV)
    assert _how_to_start() == ".uv/bin/uv run moot"


def test_a_uv_on_the_path_is_called_by_its_name(
    without_test_tools: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "uv"
    program.touch(mode=0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("UV", str(program))
    assert _how_to_start() == "uv run --no-dev moot"


def test_an_installed_program_is_called_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("UV", raising=False)
    assert _how_to_start() == "moot"
