"""What a call of a borrowed tool gave, as text of bounded length; what is no text is named with its kind and size."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from mcp.types import (
    AudioContent,
    BlobResourceContents,
    CallToolResult,
    ContentBlock,
    EmbeddedResource,
    ImageContent,
    ResourceLink,
    TextContent,
)

from core.redact import without_secrets
from core.untrusted import clean, one_line

LONGEST_TEXT = 400_000
"""Characters. Whoever offers it to a model cuts it further."""


def text_of(result: CallToolResult) -> str:
    """All that *result* says, block by block, without the keys in use; what is too long is cut, and says so."""
    told = list(_blocks(result))
    text = "\n\n".join(piece for piece in told if piece) or "[the tool gave nothing back]"
    text, left = text[:LONGEST_TEXT], len(text) - LONGEST_TEXT
    text = without_secrets(clean(text))
    return f"{text}\n[cut: {left:,} more characters]" if left > 0 else text


def _blocks(result: CallToolResult) -> Iterator[str]:
    for block in result.content:
        yield _said(block)
    structured = result.structured_content
    if structured is not None and not _repeats(result.content, structured):
        yield json.dumps(structured, ensure_ascii=False)


def _repeats(content: list[ContentBlock], structured: Any) -> bool:
    """Whether one of the texts is the structured content as JSON, as servers are asked to send both."""
    for block in content:
        if isinstance(block, TextContent) and block.text.lstrip().startswith(("{", "[")):
            try:
                if json.loads(block.text) == structured:
                    return True
            except (ValueError, RecursionError):
                continue
    return False


def _said(block: ContentBlock) -> str:
    match block:
        case TextContent():
            return block.text
        case ImageContent():
            return f"[a picture, {one_line(block.mime_type, 80)}, {_size(block.data)}; not shown]"
        case AudioContent():
            return f"[a recording, {one_line(block.mime_type, 80)}, {_size(block.data)}; not played]"
        case ResourceLink():
            kind = f", {one_line(block.mime_type, 80)}" if block.mime_type else ""
            return f"[a resource, {one_line(block.name, 200)}: {one_line(str(block.uri), 500)}{kind}; not read]"
        case EmbeddedResource(resource=BlobResourceContents() as blob):
            kind = one_line(blob.mime_type or "of an unknown kind", 80)
            return f"[a file, {one_line(str(blob.uri), 500)}, {kind}, {_size(blob.blob)}; not shown]"
        case EmbeddedResource(resource=resource):
            return f"[{one_line(str(resource.uri), 500)}]\n{getattr(resource, 'text', '')}"


def _size(base64: str) -> str:
    return f"{len(base64.rstrip('=')) * 3 // 4:,} bytes"
