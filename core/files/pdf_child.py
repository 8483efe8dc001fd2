"""The text of one PDF: a reader of `core/bounded.py`, in a process that may be killed.

A file of 4 kB can keep a parser busy for a minute, or unpack to gigabytes. There it takes its own process with it.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

PASSWORD, PAGES = "password", "pages"


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """`pages`, `fields` and `cut` of a PDF, or its `problem`."""
    import io
    import logging

    import pypdf

    logging.getLogger("pypdf").setLevel(logging.CRITICAL)  # its remarks on odd files are of no use to anyone here
    reader = pypdf.PdfReader(io.BytesIO(data))
    if reader.is_encrypted and not reader.decrypt(""):
        return {"problem": PASSWORD}
    if len(reader.pages) > asked["pages"]:
        return {"problem": PAGES, "count": len(reader.pages)}
    pages, left = [], asked["characters"]
    for page in reader.pages:
        text = _whole(page.extract_text())[: max(left, 0)]
        left -= len(text)
        pages.append(text)
    return {"pages": pages, "fields": _filled_in(reader), "cut": left <= 0}


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
