"""What a batch reads: the rows of a JSONL or CSV file, or the files of a folder, one after the other.

Everything here streams and blocks: call it in a thread. A row that cannot be asked, because it is broken, lacks a
field of the template or holds a key, is a `BadRow` with its place and the reason; it never ends the reading.
"""

from __future__ import annotations

import codecs
import hashlib
import json
import os
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from core.batch.csv_rows import table
from core.batch.lines import UTF16, BadRow, lines, opened
from core.batch.template import Template
from core.errors import InvalidInputError
from core.files.workspace import FileRefusedError, Workspace
from core.secrecy.check import holds_key, secret_in
from core.untrusted import is_text

_BAD_SHOWN = 10
_SAMPLED = 300


@dataclass(frozen=True, slots=True)
class Row:
    """One prompt; *index* counts the good rows from 0, *id* is the row's own or its place in the input."""

    index: int
    id: str | int
    prompt: str
    local_only: bool = False
    """Whether it may go only to AIs on this machine."""


@dataclass(frozen=True)
class BatchInput:
    """Where rows come from.

    Args:
        path: A `.csv` or `.tsv` file, a folder, or anything else, which is read as JSONL.
        strict: A model named the path: every row is searched for secrets of any kind, which takes 2 ms each. Else
            only API keys and private keys are looked for; *send_secrets* leaves that out too.
    """

    path: Path
    template: Template | None = None
    strict: bool = False
    send_secrets: bool = False
    name: str = ""
    """What *local_only* patterns are compared with: its name below its root."""
    local_only: tuple[str, ...] = ()

    def rows(self) -> Iterator[Row | BadRow]:
        """The rows in order.

        Raises:
            InvalidInputError: The file cannot be read at all.
        """
        index = 0
        for id_, place, fields in self._records():
            if isinstance(fields, BadRow):
                yield fields
                continue
            try:
                prompt = self._prompt(fields)
            except InvalidInputError as error:
                yield BadRow(place, str(error))
                continue
            if reason := self._refused(prompt):
                yield BadRow(place, reason)
                continue
            yield Row(index, id_, prompt, self._stays(id_))
            index += 1

    def _records(self) -> Iterator[tuple[str | int, str, Mapping[str, Any] | BadRow]]:
        try:
            if self.path.is_dir():
                yield from _folder(self.path)
                return
            if _is_table(self.path):
                for number, place, fields in table(self.path, confined=self.strict):
                    yield _own_id(fields, number), place, fields
                return
            with opened(self.path, confined=self.strict) as file:
                yield from _jsonl(file, self.path.name)
        except FileNotFoundError:
            raise InvalidInputError(f"There is no file {self.path.name!r}. Correct the path of the input.") from None
        except OSError as error:
            raise InvalidInputError(
                f"{self.path.name!r} cannot be read ({error.strerror}). Check the path and its permissions."
            ) from None

    def _prompt(self, fields: Mapping[str, Any]) -> str:
        if self.template is not None:
            text = self.template.fill(fields)
        elif isinstance(fields.get("prompt"), str):
            text = fields["prompt"]
        elif self.path.is_dir():
            text = fields["text"]
        else:
            raise InvalidInputError(
                f"has no field 'prompt' that is text; it has: {', '.join(fields) or 'none'}. Name fields in a template."
            )
        if not text or text.isspace():
            raise InvalidInputError("the prompt is empty.")
        if not is_text(text):
            raise InvalidInputError("is not valid UTF-8.")
        return text

    def _refused(self, prompt: str) -> str | None:
        if self.strict:
            found = secret_in(prompt, "")
            return f"not sent: {found}." if found else None
        if not self.send_secrets and holds_key(prompt):
            return "not sent: it holds what looks like a key."
        return None

    @property
    def may_stay(self) -> bool:
        """Whether rows of it may go only to AIs on this machine; of a folder that shows only when it is read."""
        return bool(self.local_only) and (self.path.is_dir() or self._stays(""))

    def _stays(self, id_: str | int) -> bool:
        if not self.local_only:
            return False
        name = self.name or self.path.name
        workspace = Workspace(local_only=self.local_only)
        return workspace.is_local_only(f"{name}/{id_}" if self.path.is_dir() else name)


@dataclass
class Survey:
    """What one pass over the input found."""

    total: int = 0
    bad: int = 0
    first_bad: list[BadRow] = field(default_factory=list)
    sample: list[str] = field(default_factory=list)
    """Some prompts, drawn evenly, for an estimate of the whole."""
    digest: str = ""
    """Of the ids and prompts of all good rows: two inputs with the same one ask the same."""


def survey(source: BatchInput) -> Survey:
    """Read everything once. Blocks, some 10 µs a row.

    Raises:
        InvalidInputError: The input cannot be read, or holds no row that can be asked.
    """
    found, digest, rng = Survey(), hashlib.sha256(), random.Random(0)  # noqa: S311 - which prompts are measured
    for row in source.rows():
        if isinstance(row, BadRow):
            found.bad += row.lines
            if len(found.first_bad) < _BAD_SHOWN:
                found.first_bad.append(row)
            continue
        found.total += 1
        digest.update(f"{row.id}\0{len(row.prompt)}\0{row.prompt}".encode("utf-8", "surrogatepass"))
        if len(found.sample) < _SAMPLED:
            found.sample.append(row.prompt)
        elif (place := rng.randrange(found.total)) < _SAMPLED:
            found.sample[place] = row.prompt
    found.digest = digest.hexdigest()
    if not found.total:
        name = source.path.name
        if found.bad:
            raise InvalidInputError(f"No row of {name!r} can be asked. The first: {found.first_bad[0]}")
        headed = _is_table(source.path) and source.path.stat().st_size
        what = "has a heading and no rows" if headed else "is empty"
        raise InvalidInputError(f"{name!r} {what}: there is nothing to ask.")
    return found


def _is_table(path: Path) -> bool:
    return path.suffix.lower() in (".csv", ".tsv")


def _jsonl(file: IO[bytes], name: str) -> Iterator[tuple[str | int, str, Mapping[str, Any] | BadRow]]:
    for number, line in enumerate(lines(file, name), 1):
        place = f"line {number}"
        if isinstance(line, BadRow):
            yield number, place, line
            continue
        if number == 1 and line.startswith(UTF16):
            raise InvalidInputError(f"{name!r} is UTF-16 text. Save it as UTF-8.")
        if line.strip():
            fields = _parsed(line.removeprefix(codecs.BOM_UTF8) if number == 1 else line, place)
            yield _own_id(fields, number), place, fields


def _parsed(line: bytes, place: str) -> Mapping[str, Any] | BadRow:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        return BadRow(place, "is not valid JSON.")
    if isinstance(value, str):
        return {"prompt": value}
    if isinstance(value, dict):
        return value
    return BadRow(place, "is neither an object nor a string: write one of them on each line.")


def _own_id(fields: Mapping[str, Any] | BadRow, number: int) -> str | int:
    given = None if isinstance(fields, BadRow) else fields.get("id")
    if isinstance(given, str):
        return given if is_text(given) else number
    return given if isinstance(given, int) and not isinstance(given, bool) else number


def _folder(folder: Path) -> Iterator[tuple[str | int, str, Mapping[str, Any] | BadRow]]:
    """The files of *folder* and below, by name; hidden ones are left out."""
    workspace = Workspace(roots=(folder.resolve(),))
    for parent, folders, names in os.walk(folder):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        for name in sorted(names):
            if name.startswith("."):
                continue
            path = (Path(parent) / name).relative_to(folder).as_posix()
            try:
                text = workspace.read_text(path).text
            except FileRefusedError as error:
                yield path, path, BadRow(path, str(error))
            else:
                yield path, path, {"text": text, "name": name, "path": path}
