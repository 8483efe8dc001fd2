"""What a process does that reads what anybody may have sent: bounded in time and memory, it answers in any case.

Its script reads a line of JSON (`path`, where modules are found, `memory_bytes`, `cpu_s`, and limits of its own) from
standard input, and hands it here; behind the line stands the file. Importing this loads nothing heavy.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping
from typing import Any


def answer(
    asked: Mapping[str, Any],
    read: Callable[[bytes, Any], Mapping[str, Any]],
    refusals: type[Exception] | tuple[type[Exception], ...] = (),
) -> None:
    """Write what *read* finds in the file to standard output, or `problem`: a refusal's word, else the error's name."""
    _bound(asked["memory_bytes"], asked["cpu_s"])
    found: Mapping[str, Any]
    try:
        found = read(sys.stdin.buffer.read(), asked)
    except refusals as error:
        found = {"problem": str(error)}
    except BaseException as error:  # a parser raises nearly anything for a broken file, MemoryError among it
        found = {"problem": type(error).__name__}
    sys.stdout.write(json.dumps(found))


def _bound(memory: int, seconds: int) -> None:
    if sys.platform == "win32":  # has no such limits; the parent's clock still ends it
        return
    import resource

    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, seconds + 1))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
