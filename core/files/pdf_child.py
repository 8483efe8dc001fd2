"""The text of one PDF: a reader of `core/bounded.py`, in a process that may be killed.

A file of 4 kB can keep a parser busy for a minute, or unpack to gigabytes. There it takes its own process with it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PASSWORD, PAGES = "password", "pages"
_NO_NOTES = ("/Link", "/Widget", "/Popup")
"""Annotations that lead elsewhere, are a form's fields, or show another one."""


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """`pages`, `fields`, what is `beside` them unread, and `cut` of a PDF, or its `problem`."""
    import io
    import logging

    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its remarks on odd files are of no use to anyone here
    reader = pypdf.PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"problem": PASSWORD}
    if len(reader.pages) > asked["pages"]:
        return {"problem": PAGES, "count": len(reader.pages)}
    pages: list[str] = []
    unread: dict[str, str] = {}
    pictured: list[int] = []
    left = asked["characters"]
    for number, page in enumerate(reader.pages, 1):
        try:
            text = _whole(page.extract_text() + _notes_on(page))[:left]
            pictured += [number] if _has_pictures(page) else []
        except MemoryError:
            raise
        except Exception as error:  # a broken page must not cost the others
            text, unread[str(number)] = "", type(error).__name__
        left -= len(text)
        pages.append(text)
        if left <= 0:
            break
    if len(unread) == len(pages):
        return {"problem": next(iter(unread.values()), "no pages")}
    fields, whole = _within(_filled_in(reader), left)
    beside = {"pictured": pictured, "attached": _attached(reader)}
    return {"pages": pages, "unread": unread, "fields": fields, "beside": beside, "cut": left <= 0 or not whole}


def _notes_on(page: Any) -> str:
    """What readers of a page wrote on it, which is no part of its own text (ISO 32000-1, 12.5.6)."""
    said = []
    try:
        for one in _plain(page.get("/Annots")) or ():
            note = _plain(one)
            if hasattr(note, "get") and note.get("/Subtype") not in _NO_NOTES:
                said.append(str(_plain(note.get("/Contents")) or "").strip())
    except MemoryError:
        raise
    except Exception as error:  # a broken note must not cost the page
        said.append(f"(cannot be read: {type(error).__name__})")
    return "".join(f"\n[note] {text}" for text in said if text)


def _has_pictures(page: Any) -> bool:
    try:
        drawn = _plain((_plain(page.get("/Resources")) or {}).get("/XObject")) or {}
        return any(_plain(one).get("/Subtype") == "/Image" for one in drawn.values())
    except MemoryError:
        raise
    except Exception:  # what is drawn there cannot be told, and is not read either
        return True


def _attached(reader: Any) -> int:
    """How many files are attached; 1 where that cannot be told."""
    names = _plain(reader.root_object.get("/Names")) or {}
    if "/EmbeddedFiles" not in names:
        return 0
    try:
        return len(list(reader.attachment_list))
    except Exception:  # a broken list must not cost the pages
        return 1


def _plain(value: Any) -> Any:
    return value.get_object() if hasattr(value, "get_object") else value


def _within(fields: dict[str, str], most: int) -> tuple[dict[str, str], bool]:
    """Those of *fields* that fit into so many characters, and whether that is all of them."""
    kept: dict[str, str] = {}
    for name, value in fields.items():
        most -= len(name) + len(value)
        if most < 0:
            return kept, False
        kept[name] = value
    return kept, True


def _filled_in(reader: Any) -> dict[str, str]:
    """What somebody wrote into the form: the printed page does not hold it. A field that cannot be read is not lost."""
    try:
        fields = reader.get_fields() or {}
    except Exception as error:  # a broken form must not cost the pages
        return {"(the form)": f"cannot be read: {type(error).__name__}"}
    said = {_whole(str(name)): _value(field) for name, field in fields.items()}
    return {name: value for name, value in said.items() if value}


def _value(field: Any) -> str:
    value = field.get("/V")
    if value is None or value == "/Off":
        return ""
    several = value if isinstance(value, list) else [value]
    return ", ".join(_whole(str(one)).removeprefix("/") for one in several)


def _whole(text: str) -> str:
    """*text* with U+FFFD for halves of surrogate pairs, which fonts with odd tables give."""
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
