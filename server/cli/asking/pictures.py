"""A picture from standard input: `pngpaste - | moot ask -i - "What is this?"`."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from server.cli.asking.reading import input_bytes


@contextmanager
def picture_from_input() -> Iterator[str]:
    """A file, for its owner alone, that holds what is piped in for as long as the block runs."""
    with tempfile.TemporaryDirectory(prefix="moot-") as folder:
        path = Path(folder) / "standard-input"
        path.touch(mode=0o600)
        path.write_bytes(input_bytes())
        yield str(path)
