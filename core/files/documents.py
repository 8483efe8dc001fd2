"""Text out of documents that are no text: PDF files and those of office programs, each read in a bounded process."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from core.bounded import OutOfBoundsError, found_by
from core.errors import InvalidInputError

MAX_PDF_PAGES = 500
LONGEST_TEXT = 4_000_000
"""Characters; more than any prompt takes."""
SECONDS = 20
"""Of processor time, and half as much again on the clock."""
_MEMORY_BYTES = 1536 * 1024 * 1024
_HEADER_WITHIN = 1024
"""Bytes before the header that viewers tolerate (ISO 32000-1, annex H.3, note 13)."""
_PDF_CHILD, _OFFICE_CHILD = (Path(__file__).with_name(f"{kind}_child.py") for kind in ("pdf", "office"))
_OFFICE = (".docx", ".docm", ".xlsx", ".xlsm", ".pptx", ".pptm", ".odt", ".ods", ".odp")
_OLD = (".doc", ".xls", ".ppt")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_UNPACKED_BYTES = 256 * 1024 * 1024
_NAMED_PAGES = 10


class DocumentError(InvalidInputError):
    """A document that cannot be read; the message says why, and goes on after the document's name."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a document, and what a reader of it must know."""

    text: str
    notes: tuple[str, ...] = ()


def document_of(name: str, data: bytes) -> Document | None:
    """The text of *data*, where it is a document that is no text itself. Blocks: call it in a thread.

    Raises:
        DocumentError: It cannot be read; the message says why.
    """
    if is_pdf(name, data):
        return pdf_text(data)
    lowered = name.lower()
    if data.startswith(_OLE) and lowered.endswith((*_OFFICE, *_OLD)):
        raise DocumentError(
            "is protected by a password, or of an old format. Save it without one, as docx, xlsx or pptx."
        )
    return office_text(data) if data.startswith(b"PK\x03\x04") and lowered.endswith(_OFFICE) else None


def is_pdf(name: str, data: bytes) -> bool:
    """Whether *data* is a PDF file; one that is named so may have a few bytes in front, as some programs leave them."""
    return data.startswith(b"%PDF-") or (name.lower().endswith(".pdf") and b"%PDF-" in data[: _HEADER_WITHIN + 5])


def pdf_text(data: bytes, *, seconds: int = SECONDS) -> Document:
    """The pages of a PDF file and what was filled in. Blocks: call it in a thread.

    Raises:
        DocumentError: It is broken, protected, holds no text, or takes more than it may.
    """
    limits = {"pages": MAX_PDF_PAGES, "characters": LONGEST_TEXT}
    found = _asked(_PDF_CHILD, limits, data[data.index(b"%PDF-") :], seconds)
    match found:
        case {"pages": list(pages), "unread": dict(unread), "fields": dict(fields), "cut": bool(cut)}:
            return _document(pages, unread, fields, cut)
        case {"problem": "password"}:
            raise DocumentError("is protected by a password. Save it without one.")
        case {"problem": "pages", "count": int(count)}:
            raise DocumentError(f"has {count:,} pages; at most {MAX_PDF_PAGES} are read. Split it.")
        case {"problem": "MemoryError"}:
            raise DocumentError(_TOO_MUCH)
        case _:
            raise DocumentError(f"is a PDF that cannot be read ({found.get('problem')}). Save it anew, or as text.")


def office_text(data: bytes, *, seconds: int = SECONDS) -> Document:
    """The text of a document of Word, Excel, PowerPoint or OpenDocument. Blocks: call it in a thread.

    Raises:
        DocumentError: It is broken, protected, holds no text, or takes more than it may.
    """
    limits = {"characters": LONGEST_TEXT, "unpacked_bytes": _UNPACKED_BYTES}
    found = _asked(_OFFICE_CHILD, limits, data, seconds)
    match found:
        case {"blocks": [], "notes": list(notes)}:
            raise DocumentError(f"holds no text{f' ({notes[0]})' if notes else ''}. Send pictures of it instead.")
        case {"blocks": list(blocks), "notes": list(notes), "cut": bool(cut)}:
            told = [*notes, f"cut after {LONGEST_TEXT:,} characters"] if cut else notes
            return Document("\n".join(blocks), tuple(told))
        case {"problem": "password"}:
            raise DocumentError("is protected by a password. Save it without one.")
        case {"problem": "unpacked" | "entries" | "nesting" | "MemoryError"}:
            raise DocumentError(_TOO_MUCH)
        case _:
            raise DocumentError(f"cannot be read ({found.get('problem')}). Save it anew, or as text.")


_TOO_MUCH = "takes more time or memory than one file may. Save it anew, print it into a PDF, or save it as text."


def _asked(child: Path, limits: dict[str, int], data: bytes, seconds: int) -> dict[str, Any]:
    try:
        return found_by(child, data, memory_bytes=_MEMORY_BYTES, seconds=seconds, **limits)
    except OutOfBoundsError:
        raise DocumentError(_TOO_MUCH) from None
    except OSError as error:
        raise DocumentError(f"cannot be read now: no process can be started ({error.strerror}). Try again.") from None


def _document(pages: Sequence[str], unread: dict[str, str], fields: dict[str, str], cut: bool) -> Document:
    blank = [number for number, page in enumerate(pages, 1) if not page.strip() and str(number) not in unread]
    if len(blank) + len(unread) == len(pages) and not fields:
        raise DocumentError("holds no text, only pictures of it. Send pages as images instead.")
    parts = [f"[page {number}]\n{page}" for number, page in enumerate(pages, 1)]
    notes = []
    if fields:
        parts.append("\n".join(["[form]", *(f"{name}: {value}" for name, value in fields.items())]))
        notes.append(f"with the form's {len(fields)} filled-in {'field' if len(fields) == 1 else 'fields'}")
    if blank:
        notes.append(f"{_named(blank)} without text: pictures of it are not read")
    if unread:
        notes.append(f"{_named([*map(int, unread)])} cannot be read ({', '.join(sorted({*unread.values()}))})")
    if cut:
        notes.append(f"cut after {LONGEST_TEXT:,} characters")
    return Document("\n\n".join(parts), tuple(notes))


def _named(pages: Sequence[int]) -> str:
    shown = ", ".join(map(str, pages[:_NAMED_PAGES]))
    more = f" and {len(pages) - _NAMED_PAGES} more" if len(pages) > _NAMED_PAGES else ""
    return f"page{'' if len(pages) == 1 else 's'} {shown}{more}"
