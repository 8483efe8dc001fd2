"""The fake provider as a program of its own, for tests that run the command line in their own process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

import fake_provider


@contextmanager
def provider_process(*log: str) -> Iterator[str]:
    """Its base URL, for as long as the block runs; *log* is the path of what it shall write."""
    command = [sys.executable, fake_provider.__file__, *log]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout and process.stdin
        yield process.stdout.readline().strip()
        process.stdin.close()
