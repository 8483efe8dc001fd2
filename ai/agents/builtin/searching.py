"""Looking for words in the files of a workspace: by ripgrep where it is installed, else by Python in a child process.

Whoever looks only says in which lines of which files something stands. What is shown comes from the file itself, opened
like every file that a model chose, so that neither a link nor a secret gets into a result.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import anyio
import anyio.to_thread

from ai.agents.builtin.tree import Seen, Tree
from core.errors import InvalidInputError
from core.files.opening import read_below
from core.files.workspace import MAX_TEXT_BYTES
from core.programs import basic_environment

MOST_PER_FILE = 50
"""Lines of one file."""
SECONDS = 20.0
"""For one search."""
_CPU_S = 5
_BATCH_BYTES = 8 * 1024 * 1024
_MOST_BYTES = 256 * 1024 * 1024
"""Of files that Python looks through in one search."""
_MOST_OUTPUT = 8 * 1024 * 1024
_HIT = re.compile(rb"([^\0]*)\0(\d+):[^\n]*\n")
_CHILD = Path(__file__).with_name("regex_child.py")
_TOO_SLOW = "The search took too long. Use plain words instead of an expression, or narrow 'files'."


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is looked for.

    Args:
        text: Words, or a regular expression.
    """

    text: str
    is_regex: bool = False
    ignore_case: bool = True

    def check(self) -> None:
        """Raise InvalidInputError where nothing can be looked for."""
        if not self.text or len(self.text) > 1_000 or "\n" in self.text or "\0" in self.text:
            raise InvalidInputError("'text' is one line of 1 to 1,000 characters. Correct it.")
        if self.is_regex:
            try:
                re.compile(self.text)
            except (re.error, RecursionError, OverflowError) as error:
                raise InvalidInputError(
                    f"'text' is no regular expression ({error}). Correct it, or set regex to false."
                ) from None


@dataclass(frozen=True, slots=True)
class Hits:
    """The lines of one file in which it stands."""

    root: Path
    name: str
    lines: tuple[int, ...]


async def search(wanted: Wanted, tree: Tree) -> list[Hits]:
    """The files of *tree* that hold *wanted*, which was checked; each is still to be opened.

    Raises:
        InvalidInputError: It takes too long.
    """
    program = await anyio.to_thread.run_sync(ripgrep, tree.ground.files.roots)
    with anyio.move_on_after(SECONDS):
        return await (_by_ripgrep(program, wanted, tree) if program else _by_python(wanted, tree))
    raise InvalidInputError(_TOO_SLOW)


def ripgrep(roots: Sequence[Path]) -> str | None:
    """Where ripgrep is; what lies in a folder that is looked through is not it."""
    folders = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(entry)]
    trusted = [entry for entry in folders if not any(Path(entry).resolve().is_relative_to(root) for root in roots)]
    return shutil.which("rg", path=os.pathsep.join(trusted)) if trusted else None


async def _by_ripgrep(program: str, wanted: Wanted, tree: Tree) -> list[Hits]:
    found: list[Hits] = []
    for root in tree.ground.files.roots:
        told, code = await _output(_command(program, wanted), root)
        if code == 2 and not told:  # an expression of Python's that is none of Rust's, or a folder that is gone
            return await _by_python(wanted, tree)
        found += await anyio.to_thread.run_sync(_of_ripgrep, told, root, tree)
    return found


def _command(program: str, wanted: Wanted) -> list[str]:
    return [
        program, "--no-config", "--color=never", "--no-heading", "--with-filename", "--line-number", "--null",
        "--no-messages", "--no-follow", "--no-search-zip", "--no-pre", "--no-ignore-global", "--no-ignore-exclude",
        "--no-ignore-parent", "--no-ignore-dot", "--no-require-git", "--sort=path", "--max-columns=1", "--threads=2",
        f"--max-count={MOST_PER_FILE}", f"--max-filesize={MAX_TEXT_BYTES}", "--regex-size-limit=10M",
        "--dfa-size-limit=50M", "--glob=!node_modules", "--glob=!__pycache__",
        *(["--ignore-case"] if wanted.ignore_case else ["--case-sensitive"]),
        *([] if wanted.is_regex else ["--fixed-strings"]), "--regexp", wanted.text, "--", "./",
    ]  # fmt: skip


def _of_ripgrep(told: bytes, root: Path, tree: Tree) -> list[Hits]:
    lines: dict[str, list[int]] = {}
    for name, number in _HIT.findall(told):
        path = os.fsdecode(name.rpartition(b"\n")[2]).removeprefix("./")  # before it may stand a remark of ripgrep's
        lines.setdefault(path, []).append(int(number))
    matches = tree.matcher()
    return [
        Hits(root, name, tuple(numbers))
        for name, numbers in lines.items()
        if matches(name) and tree.may_be_seen(root, name)
    ]


async def _by_python(wanted: Wanted, tree: Tree) -> list[Hits]:
    found: list[Hits] = []
    batches = _batches(tree)
    while batch := await anyio.to_thread.run_sync(next, batches, None):
        lines = await _in_child(wanted, [text for _, text in batch])
        found += [
            Hits(seen.root, seen.name, tuple(numbers))
            for (seen, _), numbers in zip(batch, lines, strict=True)
            if numbers
        ]
    return found


def _batches(tree: Tree) -> Iterator[list[tuple[Seen, bytes]]]:
    """The texts of the files, some MB at a time."""
    batch: list[tuple[Seen, bytes]] = []
    size = total = large = 0
    for seen in tree.files():
        if seen.size > MAX_TEXT_BYTES:
            large += 1
            continue
        try:
            data = read_below(seen.root, seen.name.split("/"), MAX_TEXT_BYTES)
        except OSError:
            continue
        data = _of_utf16(data)
        if b"\0" in data:
            continue
        batch.append((seen, data))
        size += len(data)
        total += len(data)
        if total > _MOST_BYTES:
            tree.left.append(f"only {_MOST_BYTES // 1_048_576} MB were looked through; narrow 'files'")
            break
        if size >= _BATCH_BYTES:
            yield batch
            batch, size = [], 0
    if large:
        tree.left.append(f"{large} files of more than {MAX_TEXT_BYTES // 1_048_576} MB were not looked through")
    if batch:
        yield batch


def _of_utf16(data: bytes) -> bytes:
    """*data*, as UTF-8 where it says that it is UTF-16; ripgrep reads it so, too."""
    if not data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return data
    try:
        return data.decode("utf-16").encode()
    except UnicodeDecodeError:
        return data


async def _in_child(wanted: Wanted, texts: Sequence[bytes]) -> list[list[int]]:
    asked = {
        "pattern": wanted.text if wanted.is_regex else re.escape(wanted.text),
        "flags": int(re.IGNORECASE if wanted.ignore_case else 0),
        "sizes": [len(text) for text in texts],
        "most": MOST_PER_FILE,
        "cpu_s": _CPU_S,
    }
    given = b"".join((json.dumps(asked).encode(), b"\n", *texts))
    command = [sys.executable, "-I", str(_CHILD)]
    done = await anyio.run_process(command, input=given, check=False, stderr=subprocess.DEVNULL)
    if done.returncode:
        raise InvalidInputError(_TOO_SLOW)
    found: list[list[int]] = json.loads(done.stdout)
    return found


async def _output(command: Sequence[str], folder: Path) -> tuple[bytes, int]:
    """What *command* prints, as far as it is looked at, and how it ended."""
    told = bytearray()
    process = await anyio.open_process(
        command,
        stdin=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        cwd=folder,
        env=basic_environment(os.environ),
    )
    async with process:
        assert process.stdout is not None
        async for piece in process.stdout:
            told += piece
            if len(told) > _MOST_OUTPUT:
                process.kill()
                break
        code = await process.wait()
    return bytes(told), code
