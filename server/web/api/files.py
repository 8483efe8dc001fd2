"""Files that somebody brings along: they go to that person's own area, and are named in `files=` or `images=`."""

from __future__ import annotations

import os
import re
import secrets
import unicodedata
from pathlib import Path
from typing import Annotated

import anyio
import anyio.to_thread
from pydantic import BaseModel, Field
from starlette.exceptions import HTTPException

from ai.runs.app import UPLOADS
from core.errors import NO_ROOM
from core.files.atomic import private_folder
from core.people.person import Person
from server.web.access.gate import MOST_BODY
from server.web.api.endpoint import Asked, Body, Endpoint, Query

_LONGEST_NAME = 180
"""Bytes, with what tells two of the same name apart; most file systems take 255."""
_TOKEN = 4
"""Bytes of that."""
_MOST_FILES = 1_000
_ODD = re.compile(r"[^\w.() -]")


class UploadQuery(Query):
    name: Annotated[str, Field(min_length=1, max_length=300, description="What the file is called.")]


class Uploaded(BaseModel):
    """`path` is what to name in `files` or `images`."""

    path: str
    bytes: int


async def upload(asked: Asked[UploadQuery, Body]) -> Uploaded:
    """Keep a file for whoever asks, to be sent along with a question; the body is the file."""
    name = _safe(asked.query.name, _LONGEST_NAME - 2 * _TOKEN - 1)
    folder = await anyio.to_thread.run_sync(uploads_of, asked.person)
    if await anyio.to_thread.run_sync(lambda: sum(1 for _ in folder.iterdir())) >= _MOST_FILES:
        raise HTTPException(409, f"There are {_MOST_FILES:,} files of yours. Delete some: DELETE /api/files/NAME")
    path = folder / f"{secrets.token_hex(_TOKEN)}-{name}"
    try:
        size = await _written(asked, path)
        if not size:
            raise HTTPException(400, "The body is empty. Send the file as the body.")
        return Uploaded(path=path.name, bytes=size)
    except OSError as error:
        await anyio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))
        if error.errno in NO_ROOM:
            raise HTTPException(507, "The disk is full, so the file cannot be kept. Free some space.") from error
        raise HTTPException(503, "The file cannot be kept in the data folder. Check its permissions.") from error
    except BaseException:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(lambda: path.unlink(missing_ok=True))
        raise


async def _written(asked: Asked[UploadQuery, Body], path: Path) -> int:
    size = 0
    descriptor = await anyio.to_thread.run_sync(lambda: os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    async with anyio.wrap_file(os.fdopen(descriptor, "wb")) as file:
        async for piece in asked.request.stream():
            size += len(piece)
            await file.write(piece)
    return size


async def files(asked: Asked[Query, Body]) -> list[Uploaded]:
    """The files that whoever asks has brought along."""
    folder = await anyio.to_thread.run_sync(uploads_of, asked.person)

    def listed() -> list[Uploaded]:
        return [Uploaded(path=one.name, bytes=one.stat().st_size) for one in sorted(folder.iterdir()) if one.is_file()]

    return await anyio.to_thread.run_sync(listed)


async def delete_file(asked: Asked[Query, Body]) -> None:
    """Delete a file that whoever asks has brought along."""
    folder = await anyio.to_thread.run_sync(uploads_of, asked.person)
    name = asked.path["name"]
    if _safe(name) != name or name in (".", ".."):
        raise HTTPException(404, "There is no such file of yours.")

    def delete() -> bool:
        path = folder / name
        if not path.is_file() or path.is_symlink():
            return False
        path.unlink()
        return True

    if not await anyio.to_thread.run_sync(delete):
        raise HTTPException(404, "There is no such file of yours.")


def uploads_of(person: Person) -> Path:
    """The folder with what *person* brought along. Blocks for a moment."""
    return private_folder(person.folder() / UPLOADS)


def _safe(name: str, most: int = _LONGEST_NAME) -> str:
    """*name* in at most so many bytes and without what could lead elsewhere; its end stays, which tells what it is."""
    bare = unicodedata.normalize("NFC", name).replace("\\", "/").rpartition("/")[2]
    plain = _ODD.sub("_", bare).lstrip(". ").strip().encode()[-most:].decode("utf-8", "ignore")
    return plain.lstrip(". ") or "file"


ENDPOINTS = (
    Endpoint(
        "POST",
        "/api/files",
        upload,
        Uploaded,
        status=201,
        query=UploadQuery,
        raw=True,
        also={413: f"It has more than {MOST_BODY:,} bytes.", 507: "The disk is full."},
    ),
    Endpoint("GET", "/api/files", files, list[Uploaded]),
    Endpoint("DELETE", "/api/files/{name}", delete_file, None, status=204, also={404: "There is no such file."}),
)
