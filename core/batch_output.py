"""What a batch writes: one record for each row and AI, in input order, as JSONL or CSV, appended as they come.

Beside the file stands a small sidecar, `NAME.moot`, that says which run it belongs to. What is written is never asked
again: a start that finds the file reads it, cuts a record that broke off, and goes on behind it. Failed records are
asked again into a second file, `NAME.retry`, which takes the place of the first when it is complete. All blocks.
"""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import IO, Any

from core.errors import NO_ROOM, InvalidInputError, StoreError
from core.files import new_private_file, put_in_place
from core.untrusted import clean

FIELDS = (
    "index", "id", "ai", "model", "status", "text", "json", "error", "finish_reason", "duplicate_of",
    "input_tokens", "output_tokens", "cost_usd", "latency_s",
)  # fmt: skip
Record = Mapping[str, Any]
_encode = json.JSONEncoder(ensure_ascii=False).encode


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

    @classmethod
    def of(cls, output: Path) -> Sidecar | None:
        """The one beside *output*, or None.

        Raises:
            InvalidInputError: It cannot be read.
        """
        path = _beside(output)
        try:
            fields = json.loads(path.read_bytes())
            return cls(**fields)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError):
            raise InvalidInputError(
                f"{path.name!r} beside the output cannot be read. Give another output, or remove both files."
            ) from None

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
        cost = record.get("cost_usd")
        if cost is None:
            self.cost_complete = self.cost_complete and failed
        else:
            self.cost_usd += float(cost)
        if failed and len(self.first_errors) < 5:
            self.first_errors.append(f"{record['id']} ({record['ai']}): {record['error']}")


class DiskFullError(StoreError):
    """There is no room for the output now; the same write may succeed later."""


class Results:
    """One output file, to be read up to where it is whole and to be continued there."""

    def __init__(self, path: Path, ais: Sequence[str]) -> None:
        self.path = path
        self._ais = ais
        self._csv = path.name.removesuffix(".retry").endswith(".csv")
        self._size = 0
        self._file: int | None = None

    def open(self) -> Tally:
        """Cut what broke off, and tell what is there; then `append` goes on.

        Raises:
            StoreError: The file cannot be read or written.
        """
        tally = Tally()
        try:
            for record, end in self._whole():
                tally.add(record)
                self._size = end
            flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | getattr(os, "O_BINARY", 0) | getattr(os, "O_NOFOLLOW", 0)
            self._file = os.open(self.path, flags, 0o600)
            os.ftruncate(self._file, self._size)
        except OSError as error:
            raise _refusal(self.path, error) from None
        return tally

    def append(self, records: Sequence[Record]) -> None:
        """Add *records* as a whole, or nothing.

        Raises:
            DiskFullError: There is no room now; try again.
            StoreError: They cannot be written.
        """
        assert self._file is not None, "open() comes first"
        data = self._encoded(records)
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
        """The whole records, from the first."""
        return (record for record, _ in self._whole())

    def _whole(self) -> Iterator[tuple[Record, int]]:
        """Records with where each ends, up to the first that is broken or out of place."""
        if not self.path.exists():
            return
        with self.path.open("rb") as file:
            read = _read_csv(file) if self._csv else _read_jsonl(file)
            for position, (record, end) in enumerate(read):
                index, ai = divmod(position, len(self._ais))
                if record.get("index") != index or record.get("ai") != self._ais[ai]:
                    return
                yield record, end

    def _encoded(self, records: Sequence[Record]) -> bytes:
        if not self._csv:
            return "".join(_encode(dict(record)) + "\n" for record in records).encode()
        lines = io.StringIO()
        writer = csv.writer(lines, lineterminator="\n")
        if not self._size:
            writer.writerow(FIELDS)
        for record in records:
            writer.writerow([_cell(name, record.get(name)) for name in FIELDS])
        return lines.getvalue().encode()


def begin_again(sidecar: Sidecar, output: Path) -> Sidecar:
    """The failed records of a finished output are asked once more: the next generation."""
    again = replace(sidecar, generation=sidecar.generation + 1, finished=False)
    again.write(output)
    return again


def retry_path(output: Path) -> Path:
    return output.with_name(f"{output.name}.retry")


def _beside(output: Path) -> Path:
    return output.with_name(f"{output.name}.moot")


def _read_jsonl(file: IO[bytes]) -> Iterator[tuple[Record, int]]:
    end = 0
    for line in file:
        end += len(line)
        try:
            record = json.loads(line)
        except ValueError:
            return
        if not line.endswith(b"\n") or not isinstance(record, dict):
            return
        yield record, end


def _read_csv(file: IO[bytes]) -> Iterator[tuple[Record, int]]:
    end = 0
    torn = False

    def lines() -> Iterator[str]:
        nonlocal end, torn
        for line in file:
            end += len(line)
            torn = not line.endswith(b"\n")
            yield line.decode("utf-8", "replace")

    csv.field_size_limit(2**31 - 1)
    reader = csv.reader(lines())
    if next(reader, None) != list(FIELDS):
        return
    for cells in reader:
        if torn or len(cells) != len(FIELDS):
            return
        yield {name: _value(name, cell) for name, cell in zip(FIELDS, cells, strict=True)}, end


_NUMBERS = {"index": int, "duplicate_of": int, "input_tokens": int, "output_tokens": int, "cost_usd": float}


def _value(name: str, cell: str) -> Any:
    if name in _NUMBERS or name == "latency_s":
        return _NUMBERS.get(name, float)(cell) if cell else None
    if name == "json":
        return json.loads(cell) if cell else None
    return cell


def _cell(name: str, value: Any) -> Any:
    if name == "json":
        return "" if value is None else json.dumps(value, ensure_ascii=False)
    if isinstance(value, str):
        text = clean(value)
        # a spreadsheet would run a text that begins like a formula
        return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
    return value


_FULL = "The disk is full, so {name!r} cannot be written. Free some space; the batch then goes on by itself."


def _refusal(path: Path, error: OSError) -> StoreError:
    if error.errno in NO_ROOM:
        return DiskFullError(_FULL.format(name=path.name))
    return StoreError(f"{path.name!r} cannot be written ({error.strerror}). Check the folder and its permissions.")
