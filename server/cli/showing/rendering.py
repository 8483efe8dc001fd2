"""Results as a terminal shows them: headings that stand out, Markdown rendered, the verdict last."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.markdown import Heading, Markdown
from rich.rule import Rule
from rich.text import Text

from core.pictures import without_pictures
from core.untrusted import clean
from server.cli.options import in_words
from tools.recipe.result import Result

_VERDICTS = ("## Answer", "## Verdict", "## Synthesis")
_LEVELS = {"h1": "bold underline", "h2": "bold", "h3": "underline", "h4": "italic"}


class _LeftHeading(Heading):
    """A heading at the left margin, each level in a style of its own."""

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        self.text.justify = "left"
        self.text.stylize(_LEVELS.get(self.tag, "dim"))
        yield self.text


class _Markdown(Markdown):
    elements = {**Markdown.elements, "heading_open": _LeftHeading}


def render(result: Result) -> None:
    """Print *result* for a person."""
    console = Console(file=sys.stdout, highlight=False)
    for part in _parts(result):
        console.print(part)


def markdown(text: str) -> RenderableType:
    """*text* of an AI, to be printed in a terminal."""
    return _Markdown(without_pictures(clean(text)))


def sections(markdown: str) -> list[str]:
    """*markdown* in the order in which a terminal shows it: what leads to the verdict, the verdict, the first line."""
    parts = re.split(r"^(?=## )", markdown, flags=re.MULTILINE)
    head, *rest = [part.strip() for part in parts]
    verdicts = [part for part in rest if part.startswith(_VERDICTS)]
    return [part for part in [*(one for one in rest if one not in verdicts), *verdicts, head] if part]


def _parts(result: Any) -> Iterator[RenderableType]:
    if hasattr(result, "replies"):
        for reply in result.replies:
            yield from _reply(reply)
        if result.synthesis is not None:
            yield _rule("Synthesis")
            yield _Markdown(in_words(result.synthesis.told()))
        yield from _along(result)
        yield Text("")
        yield Text(in_words(result.summary), style="bold yellow" if result.partial else "bold")
    elif hasattr(result, "latency_s"):
        yield from _reply(result)
        yield from _along(result)
    else:
        for section in sections(clean(result.markdown())):
            title, _, rest = section.partition("\n") if section.startswith("## ") else ("", "", section)
            if title:
                yield _rule(title.removeprefix("## "))
            yield _Markdown(in_words(rest))


def _reply(reply: Any) -> Iterator[RenderableType]:
    yield _rule(reply.ai, failed=not reply.ok)
    if not reply.ok:
        yield Text(in_words(reply.error or ""), style="red")
    if reply.text:
        yield markdown(reply.text)
    if reply.note:
        yield Text(in_words(reply.note), style="yellow")
    if reply.ok:
        yield Text(reply.byline, style="dim")


def _along(result: Any) -> Iterator[RenderableType]:
    if result.sent_along:
        yield Text("Sent along: " + "; ".join(result.sent_along), style="dim")


def _rule(title: str, *, failed: bool = False) -> Rule:
    return Rule(
        Text(title, style="bold red" if failed else "bold cyan"), align="left", style="red" if failed else "cyan"
    )
