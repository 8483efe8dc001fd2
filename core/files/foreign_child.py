"""The text of a document of old Office, of rich text, a mail or a book, by xberg: a reader of `core/bounded.py`, in a
process that may be killed.

It is given bytes and no address; it neither sees pictures, hears recordings nor asks models, unpacks nothing within
what it unpacks, and keeps nothing.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class UnreadableError(Exception):
    """Why it cannot be read, in a word."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """`text`, `notes` of what was not read, and whether it was `cut`."""
    import asyncio

    import xberg

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
    found = asyncio.run(_extracted(xberg, given, config))
    if found.errors:
        raise UnreadableError(found.errors[0].error_type)
    texts = [one.content.strip() for one in found.results]
    text = "\n\n".join(text for text in texts if text)
    whole = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
    warned = {str(one.message)[:200] for result in found.results for one in result.processing_warnings or ()}
    return {"text": whole[: asked["characters"]], "notes": sorted(warned)[:5], "cut": len(whole) > asked["characters"]}


async def _extracted(xberg: Any, given: Any, config: Any) -> Any:
    return await xberg.extract(given, config)
