"""How large a request is, roughly, before anybody has counted it: for rate limits and for budgets alike."""

from __future__ import annotations

from core.values import Image, Request, Text, ToolResult

_BYTES_PER_TOKEN = 4
_TOKENS_PER_IMAGE = 1_500


def text_tokens(text: str) -> int:
    """About how many tokens *text* has."""
    return -(-len(text.encode()) // _BYTES_PER_TOKEN)


def input_tokens(request: Request) -> int:
    """About four bytes a token, which errs on the high side for English; images at a flat rate."""
    size = len((request.system or "").encode())
    images = 0
    for message in request.messages:
        for part in message.parts:
            match part:
                case Text(text) | ToolResult(_, text):
                    size += len(text.encode())
                case Image():
                    images += 1
                case _:
                    size += len(str(part))
    return -(-size // _BYTES_PER_TOKEN) + images * _TOKENS_PER_IMAGE
