"""Text out of documents that are no text: PDF, those of office programs, pages, and what the extra `documents` reads.

Each is read in a process of bounded time and memory.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path, PurePath
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
_PDF_CHILD, _OFFICE_CHILD, _PAGE_CHILD, _FOREIGN_CHILD = (
    Path(__file__).with_name(f"{kind}_child.py") for kind in ("pdf", "office", "page", "foreign")
)
_WORD, _EXCEL = (".docx", ".docm", ".dotx", ".dotm"), (".xlsx", ".xlsm", ".xltx", ".xltm")
_POWERPOINT = (".pptx", ".pptm", ".ppsx", ".ppsm", ".potx", ".potm")
_OPEN = (".odt", ".ods", ".odp", ".odg", ".ott", ".ots", ".otp")
_OFFICE = (*_WORD, *_EXCEL, *_POWERPOINT, *_OPEN)
_OLD = (".doc", ".dot", ".xls", ".xlt", ".ppt", ".pps", ".pot")
_TEXTUAL = (".rtf", ".eml", ".fb2")
"""Those of the foreign ones that can be read as they are, with some goodwill."""
_FOREIGN = (*_OLD, *_TEXTUAL, ".xlsb", ".epub", ".msg", ".pages", ".numbers", ".key", ".hwp", ".hwpx")
_PAGES = (".html", ".htm", ".xhtml")
_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_RTF = b"{\\rtf"
_UNPACKED_BYTES = 256 * 1024 * 1024
_NAMED_PAGES = 10


class DocumentError(InvalidInputError):
    """A document that cannot be read; the message says why, and goes on after the document's name."""


@dataclass(frozen=True, slots=True)
class Document:
    """The text of a document, and what a reader of it must know."""

    text: str
    notes: tuple[str, ...] = ()


def is_document(name: str) -> bool:
    """Whether a file of that name is a document, which may be larger than a text."""
    return name.lower().endswith((".pdf", *_OFFICE, *_FOREIGN))


def document_of(name: str, data: bytes, *, pages: bool = False) -> Document | None:
    """The text of *data*, where it is a document that is no text itself. Blocks: call it in a thread.

    Args:
        pages: Whether HTML is a page to read, rather than code.

    Raises:
        DocumentError: It cannot be read; the message says why.
    """
    if is_document(name) and not data.strip():
        raise DocumentError("is empty. Save it anew.")
    if is_pdf(name, data):
        return pdf_text(data)
    ending = PurePath(name.lower()).suffix
    if ending in _OFFICE and data.startswith(_OLE):
        raise DocumentError(
            "is protected by a password, or of an old format. Save it without one, as docx, xlsx or pptx."
        )
    if ending in _OFFICE and data.startswith(b"PK\x03\x04"):
        return office_text(data)
    if ending in _OLD and not data.startswith((_OLE, _RTF)):
        return _called_old(data)
    if ending in _FOREIGN:
        return foreign_text(data, ending)
    return page_of(data) if pages and ending in _PAGES else None


def _called_old(data: bytes) -> Document | None:
    """The text of what is called a document of old Office and is none, as many programs export it."""
    if data.startswith(b"PK\x03\x04"):
        return office_text(data)
    if data.lstrip()[:1] == b"<":
        return page_of(data)
    return foreign_text(data, ".eml") if data.lstrip()[:13].lower() == b"mime-version:" else None


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
        case {"pages": list(pages), "unread": dict(), "fields": dict(), "beside": dict(), "cut": bool()}:
            return _document(pages, found)
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


def page_of(data: bytes, *, charset: str = "", seconds: int = SECONDS) -> Document:
    """What a person reads of a page of HTML. Blocks: call it in a thread.

    Args:
        charset: As its server said; empty: as it says itself.

    Raises:
        DocumentError: It holds no text, or takes more than it may.
    """
    return _plain(_asked(_PAGE_CHILD, {"characters": LONGEST_TEXT, "charset": charset}, data, seconds))


def can_read_foreign() -> bool:
    """Whether the extra `documents` is installed. Imports nothing."""
    return find_spec("xberg") is not None


def foreign_text(data: bytes, ending: str, *, seconds: int = SECONDS) -> Document:
    """The text of a document of the kind that *ending* says. Blocks: call it in a thread.

    Raises:
        DocumentError: It is broken, holds no text, takes more than it may, or needs what is not installed.
    """
    if data.startswith(_RTF):
        ending = ".rtf"  # whatever it is called: Word takes it, too
    if not can_read_foreign():
        return _as_it_is(data, ending)
    limits = {"characters": LONGEST_TEXT, "unpacked_bytes": _UNPACKED_BYTES, "ending": ending}
    return _plain(_asked(_FOREIGN_CHILD, limits, data, seconds))


def _as_it_is(data: bytes, ending: str) -> Document:
    kind = ending[1:].upper()
    if ending in _TEXTUAL and b"\0" not in data:
        note = f"{kind} as it stands in the file: install moot-mcp[documents] to have it read"
        return Document(data.decode("utf-8", "replace"), (note,))
    raise DocumentError(
        f"is of a kind ({kind}) that the extra 'documents' reads. Install moot-mcp[documents], or save it as PDF."
    )


def _plain(found: dict[str, Any]) -> Document:
    match found:
        case {"text": str(text), "notes": list(notes), "cut": bool(cut)} if text.strip():
            told = [*notes, f"cut after {LONGEST_TEXT:,} characters"] if cut else notes
            return Document(text, tuple(told))
        case {"text": str()}:
            raise DocumentError("holds no text that can be read. Send pictures of it instead.")
        case {"problem": "password"}:
            raise DocumentError("is protected by a password, or against copying. Save it without that.")
        case {"problem": "MemoryError"}:
            raise DocumentError(_TOO_MUCH)
        case _:
            raise DocumentError(f"cannot be read ({found.get('problem')}). Save it anew, as PDF, or as text.")


_TOO_MUCH = "takes more time or memory than one file may. Save it anew, print it into a PDF, or save it as text."


def _asked(child: Path, limits: dict[str, Any], data: bytes, seconds: int) -> dict[str, Any]:
    try:
        return found_by(child, data, memory_bytes=_MEMORY_BYTES, seconds=seconds, **limits)
    except OutOfBoundsError:
        raise DocumentError(_TOO_MUCH) from None
    except OSError as error:
        raise DocumentError(f"cannot be read now: no process can be started ({error.strerror}). Try again.") from None


def _document(pages: Sequence[str], found: dict[str, Any]) -> Document:
    unread, fields, beside = found["unread"], found["fields"], found["beside"]
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
    if pictured := [number for number in beside["pictured"] if number not in blank]:
        notes.append(f"pictures on {_named(pictured)} not read")
    if beside["attached"]:
        several = "file" if beside["attached"] == 1 else "files"
        notes.append(f"{beside['attached']:,} attached {several} not read")
    if found["cut"]:
        notes.append(f"cut after {LONGEST_TEXT:,} characters")
    return Document("\n\n".join(parts), tuple(notes))


def _named(pages: Sequence[int]) -> str:
    shown = ", ".join(map(str, pages[:_NAMED_PAGES]))
    more = f" and {len(pages) - _NAMED_PAGES} more" if len(pages) > _NAMED_PAGES else ""
    return f"page{'' if len(pages) == 1 else 's'} {shown}{more}"
