"""The text of one document of Word, Excel, PowerPoint or OpenDocument: a reader of `core/bounded.py`, in a process that
may be killed.

Such a file is an archive of XML (ECMA-376; OASIS OpenDocument 1.3). Nothing in it is run or followed: no macro, no
link, no entity.
"""

from __future__ import annotations

from .office_archive import FullError, Out, Parts, UnreadableError
from .office_sheets import sheets
from .office_texts import opendocument, slides, word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

_KINDS: dict[str, Callable[[Parts, Out], None]] = {
    "word/document": word,
    "xl/worksheets/": sheets,
    "ppt/slides/": slides,
    "content.xml": opendocument,
}
"""By what the archive holds, whatever the file is called."""
_UNREAD = {
    "picture": ("/media/", "Pictures/"),
    "chart": ("/charts/chart", "/charts/chartEx"),
    "diagram": ("/diagrams/data",),
    "embedded file": ("/embeddings/", "/afchunk", "/altChunk"),
    "comment on its slides": ("ppt/comments/",),
}
"""What is counted only, by where it lies."""


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """`blocks` of text, `notes` of what was not read, and whether it was `cut`."""
    import io
    import zipfile
    from contextlib import suppress

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = Parts(archive, asked["unpacked_bytes"])
        parts.check_open()
        out = Out(asked["characters"])
        for begins, read in _KINDS.items():
            if any(name.startswith(begins) for name in parts.names):
                with suppress(FullError):
                    read(parts, out)
                break
        else:
            raise UnreadableError("kind")
        if parts.broken and not out.blocks:
            raise UnreadableError(parts.broken[0])
        if parts.broken:
            count = len(parts.broken)
            out.notes.append(f"{count} broken {'part' if count == 1 else 'parts'} of it not read to the end")
        out.notes += _unread(parts.names)
        return {"blocks": out.blocks, "notes": out.notes, "cut": out.left <= 0}


def _unread(names: list[str]) -> list[str]:
    """What the archive holds besides, in words."""
    told = []
    for kind, places in _UNREAD.items():
        count = sum(any(place in f"/{name}" for place in places) and "/_rels/" not in name for name in names)
        count += sum(name.startswith("Object ") and name.endswith("/content.xml") for name in names) * (kind == "chart")
        if count:
            several = kind.replace(" ", "s ", 1) if kind.startswith("comment") else f"{kind}s"
            told.append(f"{count} {kind if count == 1 else several} in it not read")
    if any(name.lower().endswith("vbaproject.bin") for name in names):
        told.append("its macros are neither read nor run")
    return told
