"""The text of a document of old Office, of rich text, a mail or a book, by xberg: a reader of `core/bounded.py`, in a
process that may be killed.

It is given bytes and no address; it neither sees pictures, hears recordings nor asks models, unpacks nothing within
what it unpacks, and keeps nothing.
"""

from __future__ import annotations

import re

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


_OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
_SECTOR = 512
_LOCKED_PACKAGE = "EncryptedPackage".encode("utf-16-le")
"""The stream of a newer document that a password locks (MS-OFFCRYPTO 2.3.4.4)."""
_LOCKED_SLIDES = re.compile(rb"\xf6\x0f.{4}\x14\0\0\0\xdf\xc4\xd1\xf3", re.DOTALL)
"""How the record of who last saved slides begins where a password locks them (MS-PPT 2.3.2)."""
_ATTACHED = re.compile(r"\|([\w.+-]+/[\w.+-]+)\|\d+(?=; |\"|$)")
_UNSAID = {b"\\deleted": "what was struck out stands in its text, too", b"\\annotation": "its comments not read"}
"""Of rich text, by what stands in the file."""
_BROKEN = "it is broken, or of another kind than its name says"


class UnreadableError(Exception):
    """Why it cannot be read, in a word."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """`text`, `notes` of what was not read, and whether it was `cut`."""
    import asyncio

    import xberg

    if _is_locked(data):
        raise UnreadableError("password")
    config = xberg.ExtractionConfig(
        mime_detection_policy="trust_extension",
        use_cache=False,
        disable_ocr=True,
        max_archive_depth=0,
        extraction_timeout_secs=asked["cpu_s"],
        output_format="markdown",
        escape_markdown=False,
        security_limits=xberg.SecurityLimits(
            max_archive_size=asked["unpacked_bytes"], max_content_size=asked["unpacked_bytes"], max_xml_depth=256
        ),
        concurrency=xberg.ConcurrencyConfig(max_threads=1),
    )
    given = xberg.ExtractInput(kind="bytes", bytes=data, filename=f"document{asked['ending']}")
    try:
        found = asyncio.run(_extracted(xberg, given, config))
    except RuntimeError as error:  # all that it raises
        raise UnreadableError(_problem(str(error))) from None
    if found.errors:
        raise UnreadableError(_problem(str(found.errors[0].message)))
    texts = [one.content.strip("\ufeff \r\n") for one in found.results]
    text = "\n\n".join(text for text in texts if text)
    if not text and b"META-INF/encryption.xml" in data:
        raise UnreadableError("password")
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    notes = [note for result in found.results for note in _unread(result)]
    notes += [note for mark, note in _UNSAID.items() if asked["ending"] == ".rtf" and mark in data]
    return {"text": whole[: asked["characters"]], "notes": notes, "cut": len(whole) > asked["characters"]}


def _is_locked(data: bytes) -> bool:
    """Whether a password locks *data*, a file of old Office: what it holds then is no text, though it may look so."""
    if not data.startswith(_OLE):
        return False
    return (
        _LOCKED_PACKAGE in data
        or _LOCKED_SLIDES.search(data) is not None
        or any(_is_locked_text(data[at : at + 12]) for at in range(_SECTOR, len(data), _SECTOR))
    )


def _is_locked_text(begins: bytes) -> bool:
    """Whether that is the beginning of a text of Word that is encrypted (MS-DOC 2.5.2: `fEncrypted`)."""
    return begins[:2] == b"\xec\xa5" and begins[3:4] == b"\0" and len(begins) == 12 and bool(begins[11] & 1)


def _problem(said: str) -> str:
    """Why it cannot be read, where *said* is the parser's own word for it, which has no types for that."""
    if "password" in said or "ncrypted" in said:  # not ours
        return "password"
    too_much = said.startswith("Security violation") or "ZIP bomb" in said  # not ours
    return "MemoryError" if too_much else _BROKEN


def _unread(result: Any) -> list[str]:
    """What a document holds that is not in its text, in words."""
    told = sorted({" ".join(str(one.message).split())[:200] for one in result.processing_warnings or ()})[:5]
    kinds = _ATTACHED.findall(str((result.metadata.additional or {}).get("attachment_details", "")))
    mail = result.metadata.format.email if result.metadata.format is not None else None
    files = max(sum(kind != "message/rfc822" for kind in kinds), len(mail.attachments or ()) if mail else 0)
    for count, what in ((result.counts.images, "picture"), (files, "attached file")):
        if count:
            told.append(f"{count:,} {what}{'' if count == 1 else 's'} in it not read")
    return told


async def _extracted(xberg: Any, given: Any, config: Any) -> Any:
    return await xberg.extract(given, config)
