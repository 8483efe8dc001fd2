"""What a batch writes: one record for each row and AI, in input order, as JSONL or CSV, appended as they come.

Beside the file stands a small sidecar, `NAME.moot`, that says which run it belongs to. What is written is never asked
again, and nothing that is written is ever lost: a start that finds the file reads it and goes on behind it; what cannot
be placed is set aside as it is (`core/batch/kept.py`). Failed records are asked again into a second file,
`NAME.retry`, which takes the place of the first when it is complete. All blocks.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from re import escape, fullmatch

from core.batch.kept import keep_bytes
from core.batch.records import Piece, Record, encoded, is_table, pieces
from core.errors import NO_ROOM, InvalidInputError, StoreError
from core.files.atomic import new_private_file, put_in_place

_READ_AT_ONCE = 1_048_576


@dataclass(frozen=True)
class Sidecar:
    """Which run an output belongs to. `run` has a digest for each thing that makes it another run."""

    run: Mapping[str, str]
    job: str = ""
    width: int | None = None
    """Calls at once for each AI; None leaves it to the AIs' own settings. A later start may change it."""
    generation: int = 0
    """Grows each time the failed records are asked again."""
    finished: bool = False
    digest: str = ""
    """Of the output as it was when it was finished, SHA-256."""
    mending: bool = False
    """Whether a finished output that was changed since is being put together again."""
    kept: tuple[str, ...] = ()
    """Names of what was set aside of this output, oldest first."""

    @classmethod
    def of(cls, output: Path) -> Sidecar | None:
        """The one beside *output*, or None.

        Raises:
            InvalidInputError: It cannot be read.
        """
        path = _beside(output)
        try:
            fields = json.loads(path.read_bytes())
            found = cls(**{**fields, "kept": tuple(fields.get("kept", ()))})
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, AttributeError, RecursionError):
            found = None
        if found is None or not found._sound(output):
            raise InvalidInputError(
                f"{path.name!r} beside the output cannot be read. Give another output, or move both files away."
            )
        return found

    def _sound(self, output: Path) -> bool:
        """Whether all of it is of the kind it should be, and names no file but those that were set aside."""
        width, texts = self.width, (self.job, self.digest, *self.kept)
        return (
            isinstance(self.run, dict)
            and all(isinstance(one, str) for one in (*self.run.values(), *texts))
            and (width is None or (type(width) is int and width > 0))
            and (type(self.generation) is int and self.generation >= 0)
            and all(type(one) is bool for one in (self.finished, self.mending))
            and all(fullmatch(rf"{escape(output.name)}(\.retry)?\.moot-kept-\d+", name) for name in self.kept)
        )

    def write(self, output: Path) -> None:
        """Put it beside *output*, whole or not at all.

        Raises:
            StoreError: It cannot be written.
        """
        path = _beside(output)
        try:
            put_in_place(path, json.dumps(asdict(self)))
        except OSError as error:
            raise _refusal(path, error) from None

    def claim(self, output: Path) -> Sidecar:
        """Put it beside *output* unless there is one by now; the one that is there then."""
        path = _beside(output)
        try:
            new_private_file(path, json.dumps(asdict(self)))
        except FileExistsError:
            return Sidecar.of(output) or self
        except OSError as error:
            raise _refusal(path, error) from None
        return self

    def check(self, run: Mapping[str, str], output: Path) -> None:
        """Raise InvalidInputError unless *output* is of *run*; the message says what is different."""
        other = [name for name, digest in run.items() if self.run.get(name) != digest]
        if other:
            raise InvalidInputError(
                f"{output.name!r} belongs to another run: other {' and '.join(other)}. "
                "Give another output, or move this file and its '.moot' file away."
            )


def find_run(output: Path, run: Mapping[str, str]) -> Sidecar:
    """The sidecar of the run that *output* belongs to, or a new one when there is no output yet.

    Raises:
        InvalidInputError: The output belongs to another run, or cannot be written.
    """
    if not output.parent.is_dir():
        raise InvalidInputError(f"The folder of {output.name!r} does not exist. Create it, or correct the path.")
    if output.is_dir():
        raise InvalidInputError(f"{output.name!r} is a folder. Name a file for the output.")
    if output.exists() and not output.is_file():  # it would be replaced in the end, /dev/null too
        raise InvalidInputError(f"{output.name!r} is a device or a pipe. Name a file for the output.")
    sidecar = Sidecar.of(output)
    if sidecar is not None:
        sidecar.check(run, output)
        return sidecar
    if output.exists() and output.stat().st_size:
        raise InvalidInputError(f"{output.name!r} exists and is not of a batch. Give another output, or move it away.")
    return Sidecar(run)


@dataclass
class Tally:
    """What records say taken together."""

    ok: int = 0
    failed: int = 0
    cut: int = 0
    """Of those that are ok, how many end where the provider, or a limit, cut them off."""
    cost_usd: float = 0.0
    cost_complete: bool = True
    first_errors: list[str] = field(default_factory=list)

    @property
    def done(self) -> int:
        return self.ok + self.failed

    def add(self, record: Record) -> None:
        failed = record["status"] != "ok"
        self.failed += failed
        self.ok += not failed
        self.cut += not failed and record.get("finish_reason") == "length"
        cost = record.get("cost_usd")
        if cost is None:
            self.cost_complete = self.cost_complete and failed
        else:
            self.cost_usd += float(cost)
        if failed and len(self.first_errors) < 5:
            self.first_errors.append(f"{record['id']} ({record['ai']}): {record['error']}")


class DiskFullError(StoreError):
    """There is no room for the output now; the same write may succeed later."""


@dataclass(frozen=True)
class Look:
    """What is in an output."""

    tally: Tally
    end: int
    """Where the records end that follow one another as they should."""
    size: int
    torn: bool
    """Whether all behind that is the beginning of one piece."""

    @property
    def in_order(self) -> bool:
        return self.end == self.size


class OutOfOrderError(StoreError):
    """The output holds what does not belong there; nothing was changed."""


class Results:
    """One output file, to be read up to where it is in order and to be continued there."""

    def __init__(self, path: Path, ais: Sequence[str]) -> None:
        self.path = path
        self._ais = ais
        self._table = is_table(path)
        self._size = 0
        self._file: int | None = None

    def look(self) -> Look:
        """What is there. Changes nothing."""
        tally, end, torn = Tally(), 0, False
        try:
            for piece, placed in self._placed():
                if not placed:
                    torn = piece.torn
                    break
                assert piece.record is not None
                tally.add(piece.record)
                end = piece.end
            size = self.path.stat().st_size if self.path.exists() else 0
        except OSError as error:
            raise _refusal(self.path, error) from None
        if not tally.done and self._table and self._heading_only(size):
            end = size
        return Look(tally, end, size, torn)

    def open(self) -> Tally:
        """Tell what is there; then `append` goes on behind it. A piece that broke off at the end is set aside.

        Raises:
            OutOfOrderError: Something stands there that this batch has not written so.
            StoreError: The file cannot be read or written.
        """
        look = self.look()
        if not look.in_order and not look.torn:
            raise OutOfOrderError(f"{self.path.name!r} was changed by somebody else.")
        try:
            flags = os.O_RDWR | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            self._file = os.open(self.path, flags, 0o600)
            if not look.in_order:
                self._cut(look)
        except OSError as error:
            raise _refusal(self.path, error) from None
        self._size = look.end
        return look.tally

    def _cut(self, look: Look) -> None:
        assert self._file is not None
        keep_bytes(self.path, os.pread(self._file, look.size - look.end, look.end))
        os.ftruncate(self._file, look.end)

    def append(self, records: Sequence[Record]) -> None:
        """Add *records* as a whole, or nothing.

        Raises:
            DiskFullError: There is no room now; try again.
            StoreError: They cannot be written.
        """
        assert self._file is not None, "open() comes first"
        data = encoded(records, table=self._table, heading=not self._size)
        try:
            written = os.write(self._file, data)
        except OSError as error:
            raise _refusal(self.path, error) from None
        if written != len(data):
            os.ftruncate(self._file, self._size)
            raise DiskFullError(_FULL.format(name=self.path.name))
        self._size += len(data)

    def close(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def records(self) -> Iterator[Record]:
        """The records that follow one another as they should, from the first."""
        for piece, placed in self._placed():
            if not placed:
                return
            assert piece.record is not None
            yield piece.record

    def digest(self) -> str:
        """Of all bytes of the file, SHA-256; empty where there is none."""
        found = hashlib.sha256()
        try:
            with self.path.open("rb") as file:
                while data := file.read(_READ_AT_ONCE):
                    found.update(data)
        except FileNotFoundError:
            return ""
        except OSError as error:
            raise _refusal(self.path, error) from None
        return found.hexdigest()

    def _placed(self) -> Iterator[tuple[Piece, bool]]:
        """Each piece, and whether it is the record that belongs there. A last line without its end is none."""
        for position, piece in enumerate(pieces(self.path)):
            index, ai = divmod(position, len(self._ais))
            record = None if piece.torn else piece.record
            yield piece, record is not None and record["index"] == index and record["ai"] == self._ais[ai]

    def _heading_only(self, size: int) -> bool:
        """Whether a table has its heading and nothing else."""
        heading = encoded((), table=True, heading=True)
        return size == len(heading) and self.path.read_bytes() == heading


def begin_again(sidecar: Sidecar, output: Path) -> Sidecar:
    """The failed records of a finished output are asked once more: the next generation."""
    again = replace(sidecar, generation=sidecar.generation + 1, finished=False)
    again.write(output)
    return again


def retry_path(output: Path) -> Path:
    return output.with_name(f"{output.name}.retry")


def _beside(output: Path) -> Path:
    return output.with_name(f"{output.name}.moot")


_FULL = "The disk is full, so {name!r} cannot be written. Free some space; the batch then goes on by itself."


def _refusal(path: Path, error: OSError) -> StoreError:
    if error.errno in NO_ROOM:
        return DiskFullError(_FULL.format(name=path.name))
    return StoreError(f"{path.name!r} cannot be written ({error.strerror}). Check the folder and its permissions.")
