"""What somebody at a terminal says to an agent's question."""

from __future__ import annotations

import os
import sys

import pytest

from core.jobs.approvals import Approval
from server.cli.running import approving


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pseudo-terminals")
def test_what_was_typed_before_the_question_answers_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    master, slave = os.openpty()

    class Typing:
        """A terminal at which somebody types `n` once they can have read the question."""

        def fileno(self) -> int:
            return slave

        def readline(self) -> str:
            os.write(master, b"n\n")
            return os.read(slave, 100).decode()

    try:
        os.write(master, b"y\n")
        monkeypatch.setattr(sys, "stdin", Typing())
        assert approving._ask(Approval("push", "{}", "helper", "call:1")) is False
    finally:
        os.close(master)
        os.close(slave)
