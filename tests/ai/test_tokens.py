from __future__ import annotations

from core.usage.tokens import input_tokens
from core.values import Image, Message, Request, ToolResult


def test_text_counts_by_its_bytes_and_the_system_prompt_counts_too() -> None:
    assert input_tokens(Request.of("x" * 8)) == 2
    assert input_tokens(Request.of("x" * 9)) == 3
    assert input_tokens(Request.of("é" * 4)) == 2
    assert input_tokens(Request.of("x" * 4, system="x" * 4)) == 2


def test_images_and_function_results_count() -> None:
    picture = Request(messages=(Message.user("x" * 4, Image(b"png", "image/png")),))
    assert input_tokens(picture) == 1_501
    assert input_tokens(Request(messages=(Message("user", (ToolResult("c", "x" * 8),)),))) == 2
