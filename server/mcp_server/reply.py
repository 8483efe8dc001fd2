"""A result in a size hosts take: a long one becomes a digest, and a link to all of it.

Hosts cut a tool's reply at about 25,000 tokens, and what they cut is the end. So long texts inside the result are
shortened evenly, each says so, and the whole is a resource of this process (or of the job, which survives it).
"""

from __future__ import annotations

import json
from collections import OrderedDict
from typing import Any

from mcp.types import CallToolResult, ContentBlock, ResourceLink, TextContent

from core.errors import InvalidInputError
from core.people.person import acting
from core.usage.tokens import text_tokens
from tools.recipe.result import Result, document

MOST_TOKENS = 18_000
"""Below the hosts' limit by a good margin, since nobody counts tokens alike."""
_SHORTEST = 200
_KEPT = 20
"""Results of one person."""
_MOST_KEPT = 400


class LongResults:
    """The full texts of the last results that were too long to be sent."""

    def __init__(self) -> None:
        self._texts: OrderedDict[tuple[str, str], str] = OrderedDict()
        """By the person they are for, and the id."""

    def keep(self, id: str, text: str) -> None:
        whose = acting().name
        self._texts[whose, id] = text
        own = [key for key in self._texts if key[0] == whose]
        for key in own[:-_KEPT]:
            del self._texts[key]
        while len(self._texts) > _MOST_KEPT:
            self._texts.popitem(last=False)

    def read(self, id: str) -> str:
        """The text kept as *id*.

        Raises:
            InvalidInputError: It is not kept (any more).
        """
        text = self._texts.get((acting().name, id))
        if text is None:
            raise InvalidInputError(
                f"The result {id!r} is not kept: only the last {_KEPT} of yours in this process are."
            )
        return text


def as_reply(result: Result, id: str, results: LongResults) -> CallToolResult:
    """*result* as text and data; the run *id* names what is kept of it when it is too long."""
    text, data = _both(result)
    content: list[ContentBlock] = []
    if _size(text, data) > MOST_TOKENS:
        results.keep(id, text)
        uri = f"moot://results/{id}"
        text, data = _shortened(result, uri)
        content.append(ResourceLink(type="resource_link", uri=uri, name="full result", mime_type="text/markdown"))
    return CallToolResult(content=[TextContent(type="text", text=text), *content], structured_content=data)


def noted(reply: CallToolResult, note: str) -> CallToolResult:
    """*reply* with *note* behind it, in text and data, if there is one."""
    if not note:
        return reply
    data = {**(reply.structured_content or {}), "not_kept": note}
    content = [*reply.content, TextContent(type="text", text=note)]
    return CallToolResult(content=content, structured_content=data, is_error=reply.is_error)


def _both(result: Result) -> tuple[str, dict[str, Any]]:
    return document(result), result.model_dump(mode="json")


def _size(text: str, data: dict[str, Any]) -> int:
    return max(text_tokens(text), text_tokens(json.dumps(data, ensure_ascii=False)))


def _shortened(result: Result, uri: str) -> tuple[str, dict[str, Any]]:
    """The result with its long texts cut until it fits: at first to about 200 tokens each; a single answer to more."""
    data = result.model_dump(mode="json")
    longest = 4 * _SHORTEST if "summary" in data else 2 * MOST_TOKENS
    while True:
        cut = _cut(data, longest, uri)
        text, short = _both(type(result).model_validate(cut))
        if _size(text, short) <= MOST_TOKENS or longest <= _SHORTEST // 4:
            return f"DIGEST: all of it is too long for one reply and stands at {uri}.\n\n{text}", short
        longest //= 2


def _cut(value: Any, longest: int, uri: str) -> Any:
    match value:
        case str() if len(value) > longest:
            return f"{value[:longest]} [{len(value) - longest:,} more characters: {uri}]"
        case dict():
            return {key: _cut(inner, longest, uri) for key, inner in value.items()}
        case list():
            return [_cut(inner, longest, uri) for inner in value]
        case _:
            return value
