"""What people send along: fetched from Telegram, read by whoever knows its kind, kept in that person's own area.

A kind more is a `Reader` in the list that `Attachments` is given. A reader turns the bytes into texts and pictures,
which go along with the question by name like any other file; extraction that may take long, or that reads what anybody
can send, belongs into a child process with limits. What cannot be read is one sentence, and the rest goes on.
"""

from __future__ import annotations

import re
import time
import unicodedata
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import anyio
import anyio.to_thread

from ai.runs.app import UPLOADS
from core.bounded import in_thread
from core.errors import MootError
from core.files.atomic import private_folder
from core.people.person import Person
from server.telegram.bot_api import MOST_FILE_BYTES, BotApi
from server.telegram.incoming import SentFile
from server.telegram.refusals import TelegramError, TooLargeError
from server.telegram.speech import say

_AT_ONCE = 4
"""Of a kind: each is a process with memory of its own, and those that are hostile take half a minute."""
_LONGEST_NAME = 180
"""Bytes; most file systems take 255, and a letter may have four."""
_ODD = re.compile(r"[^\w.() -]")
_KEPT_S = 7 * 86_400.0
_MEGABYTE = 1024 * 1024


class CannotReadError(MootError):
    """A reader's refusal: one sentence, for whoever sent the file, in any language."""


@dataclass(frozen=True, slots=True)
class Part:
    """Something that goes along: a text or a document under `files`, or a picture."""

    name: str
    data: bytes
    kind: Literal["file", "picture"] = "file"


@dataclass(frozen=True, slots=True)
class Found:
    """What a reader made of a file; `note` says what was left out."""

    parts: tuple[Part, ...]
    note: str = ""

    @property
    def pictures(self) -> list[Part]:
        return [part for part in self.parts if part.kind == "picture"]


class Reader(Protocol):
    """Reads files of one kind."""

    def takes(self, file: SentFile) -> bool:
        """Whether it reads such a file, by what Telegram says of it. Fetches nothing."""

    async def read(self, file: SentFile, data: bytes) -> Found:
        """What is in *data*.

        Raises:
            CannotReadError: It cannot be read; the sentence says why.
        """


@dataclass
class Fetched:
    """What goes along with one question, and what is to be told of it."""

    files: list[str] = field(default_factory=list)
    images: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    """Of what was read in part, what was left out."""


class Pictures:
    """Pictures as AIs take them; Telegram has made photos small already, what is sent as a file it has not."""

    def __init__(self) -> None:
        self._at_once = anyio.CapacityLimiter(_AT_ONCE)

    def takes(self, file: SentFile) -> bool:
        from core.files.photos import ENDINGS

        named = file.mime.startswith("image/") or file.name.lower().endswith(ENDINGS)
        return file.kind == "picture" or (file.kind == "document" and named and "svg" not in file.mime)

    async def read(self, file: SentFile, data: bytes) -> Found:
        from core.files.photos import PictureError, photo_of

        try:
            photo = await in_thread(partial(photo_of, data, file.name), limiter=self._at_once)
        except PictureError as error:
            raise CannotReadError(str(error)) from error
        kind = photo.image.media_type
        ending = {"image/jpeg": "jpg"}.get(kind, kind.rpartition("/")[2])
        part = Part(f"{Path(file.name).stem}.{ending}", photo.image.data, "picture")
        return Found((part,), ", ".join(photo.notes))


class Texts:
    """Text and code as it is; documents and pages as the text that `core/files/documents.py` finds in them.

    Args:
        pictures: Reads what is a picture under another name.
    """

    def __init__(self, pictures: Pictures) -> None:
        self._at_once = anyio.CapacityLimiter(_AT_ONCE)
        self._pictures = pictures

    def takes(self, file: SentFile) -> bool:
        return file.kind == "document"

    async def read(self, file: SentFile, data: bytes) -> Found:
        from core.files.documents import DocumentError, document_of
        from core.files.letters import text_of
        from core.files.photos import is_picture

        try:
            reads = partial(document_of, file.name, data, pages=True)
            document = await in_thread(reads, limiter=self._at_once)
        except DocumentError as error:
            raise CannotReadError(f"It {error}") from error
        if document is not None:
            return sent_in_part(f"{file.name}.txt", document.text.encode("utf-8", "replace"), document.notes)
        if is_picture(data):
            return await self._pictures.read(file, data)
        if not data.strip():
            raise CannotReadError("It is empty. Send it anew.")
        found = await anyio.to_thread.run_sync(text_of, data)
        if found is None:
            raise UnreadKindError
        return sent_in_part(file.name, found[0].encode("utf-8", "replace"), found[1])


def sent_in_part(name: str, text: bytes, notes: Sequence[str]) -> Found:
    """*text* as far as one file may be long, and whether that is all of it."""
    from core.files.workspace import MAX_TEXT_BYTES

    if len(text) <= MAX_TEXT_BYTES:
        return Found((Part(name, text),), ", ".join(notes))
    first = text[:MAX_TEXT_BYTES].decode("utf-8", "ignore").encode()
    cut = f"only its first {MAX_TEXT_BYTES // _MEGABYTE} MB of text"
    return Found((Part(name, first),), ", ".join([*notes, cut]))


class UnreadKindError(CannotReadError):
    """A kind of file that nobody here reads."""

    def __init__(self) -> None:
        super().__init__("It is of a kind that is not read. Send a picture, PDF, document, text or code.")


class Attachments:
    """Fetches and keeps what goes along with questions.

    Args:
        readers: Asked in order; the first that takes a file reads it.
    """

    def __init__(self, api: BotApi, readers: Sequence[Reader]) -> None:
        self._api = api
        self._readers = tuple(readers)

    def takes(self, file: SentFile) -> bool:
        """Whether anybody reads such a file."""
        return any(reader.takes(file) for reader in self._readers)

    async def fetch(self, files: Sequence[SentFile], person: Person, turn: int, language: str) -> Fetched:
        """What is in *files*, kept in the area of *person* under the number of the *turn*."""
        fetched = Fetched()
        folder = await anyio.to_thread.run_sync(_folder, person)
        read: list[tuple[int, SentFile, Found]] = []
        for number, file in enumerate(files):
            try:
                read.append((number, file, await self._read(file)))
            except TooLargeError:
                problem = say(language, "file_too_large", name=file.name, most=MOST_FILE_BYTES // _MEGABYTE)
                fetched.problems.append(problem)
            except UnreadKindError:
                fetched.problems.append(say(language, "file_unread", name=file.name))
            except (CannotReadError, TelegramError) as error:
                fetched.problems.append(say(language, "file_failed", name=file.name, reason=str(error)))
        for (number, file, _), found in zip(read, _shared_out([found for _, _, found in read]), strict=True):
            for part in found.parts:
                kept = await anyio.to_thread.run_sync(_keep, folder, f"tg{turn}-{number}", part)
                (fetched.images if part.kind == "picture" else fetched.files).append(kept)
            if found.note:
                fetched.notes.append(f"{file.name}: {found.note}.")
        return fetched

    async def _read(self, file: SentFile) -> Found:
        if file.size > MOST_FILE_BYTES:
            raise TooLargeError("That file is larger than bots may download.")
        reader = next((one for one in self._readers if one.takes(file)), None)
        if reader is None:
            raise UnreadKindError
        return await reader.read(file, await self._api.download(file.id))


def _shared_out(read: Sequence[Found]) -> list[Found]:
    """*read* with no more pictures together than go along with one question: each gives as many as the others."""
    from core.files.workspace import MAX_IMAGES

    shares = [0] * len(read)
    for _ in range(MAX_IMAGES):
        more = [number for number, found in enumerate(read) if shares[number] < len(found.pictures)]
        if more:
            shares[min(more, key=lambda number: shares[number])] += 1
    return [_with_pictures(found, share, MAX_IMAGES) for found, share in zip(read, shares, strict=True)]


def _with_pictures(found: Found, share: int, most: int) -> Found:
    """*found* with so many of its pictures, at even distances."""
    pictures = found.pictures
    if len(pictures) <= share:
        return found
    taken = [pictures[number * len(pictures) // share] for number in range(share)]
    told = f"{share or 'none'} of its {len(pictures)} pictures" if len(pictures) > 1 else "left out"
    others = [part for part in found.parts if part.kind != "picture"]
    notes = [found.note, f"{told}, since {most} go along with one question"]
    return Found((*others, *taken), ", ".join(note for note in notes if note))


def forget_files(person: Person, turns: Sequence[int]) -> None:
    """Delete what *person* sent along with those *turns*. Blocks."""
    folder = person.folder() / UPLOADS
    for turn in turns:
        for path in folder.glob(f"tg{turn}-*"):
            path.unlink(missing_ok=True)


def _folder(person: Person) -> Path:
    folder = private_folder(person.folder() / UPLOADS)
    for path in folder.glob("tg*-*"):
        with suppress(OSError):
            if time.time() - path.stat().st_mtime > _KEPT_S:
                path.unlink(missing_ok=True)
    return folder


def _keep(folder: Path, number: str, part: Part) -> str:
    bare = unicodedata.normalize("NFC", part.name).replace("\\", "/").rpartition("/")[2]
    end = _ODD.sub("_", bare).lstrip(". ").strip().encode("utf-8", "replace")[-_LONGEST_NAME:].decode("utf-8", "ignore")
    name = f"{number}-{end.lstrip('. ') or 'file'}"
    path = folder / name
    path.touch(mode=0o600)
    path.write_bytes(part.data)
    return name


def shown_name(kept: str) -> str:
    """What a person calls the file that is *kept* under that name."""
    return re.sub(r"\btg\d+-\d+-", "", kept)
