"""Many articles through one AI, from a Python program: all in memory, in order, None for those that failed.

from ai.articles import AsyncArticleProcessor

async with AsyncArticleProcessor("openai", api_key, max_concurrent=10) as processor:
    summaries = await processor.process_articles(articles)

What must survive the end of the program is a batch: see `moot batch`.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Mapping, Sequence
from itertools import islice
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import anyio
import anyio.to_thread

from ai.batch.rows import Ask, Batch, Result
from core.errors import InvalidInputError
from core.values import Request

if TYPE_CHECKING:
    from ai.caller import Caller
    from ai.roster.roster import Roster
    from core.usage.ledger import Ledger

Article = str | Mapping[str, Any]
_CHUNK = 50
_LINE_EVERY_S = 2.0


class AsyncArticleProcessor:
    """Asks one AI about articles, *max_concurrent* at a time. Close it, or use it with `async with`.

    An article is a text, or a mapping with "prompt", or with "content" or "text" and perhaps "title".

    Args:
        provider: A provider such as "openai", or a name from credentials.json.
        api_key: Wins over credentials.json and the environment; None leaves it to them.
        instruction: Stands before each article.
        options: Fields of `Request` such as `system` or `max_tokens`, for all articles.

    Attributes:
        failures: Why, for the articles of the last call that have no answer, by their position.
    """

    def __init__(
        self,
        provider: str,
        api_key: str | None = None,
        max_concurrent: int = 10,
        *,
        model: str | None = None,
        base_url: str | None = None,
        instruction: str = "",
        **options: Any,
    ) -> None:
        if max_concurrent < 1:
            raise InvalidInputError("max_concurrent must be at least 1.")
        self.failures: dict[int, str] = {}
        self._provider = provider
        self._given = (api_key, model, base_url)
        self._width = max_concurrent
        self._instruction = instruction
        self._options = options
        self._opened: tuple[Caller, Roster, Ledger] | None = None
        self._closed = False

    async def process_articles(self, articles: Sequence[Article], show_progress: bool = True) -> list[str | None]:
        """An answer for each of *articles*, in their order; None where there is none, and `failures` says why.

        Exactly equal articles are asked once. *show_progress* writes to stderr.

        Raises:
            InvalidInputError: An article is neither a text nor a mapping with one.
            UnknownAIError, ConfigError, BudgetExceededError: The AI cannot be asked, or not any more.
        """
        self.failures = {}
        progress = _Progress(len(articles)) if show_progress else None
        return await self._process(articles, 0, progress)

    async def process_in_batches(
        self, articles: Sequence[Article], batch_size: int = 50, delay: float = 1.0, show_progress: bool = True
    ) -> list[str | None]:
        """The same, *batch_size* articles after another, with *delay* seconds in between.

        Raises:
            InvalidInputError: Besides, *batch_size* is below 1 or *delay* below 0.
        """
        if batch_size < 1 or delay < 0:
            raise InvalidInputError("batch_size must be at least 1, and delay at least 0 seconds.")
        self.failures = {}
        progress = _Progress(len(articles)) if show_progress else None
        answers: list[str | None] = []
        for start in range(0, len(articles), batch_size):
            if start:
                await anyio.sleep(delay)
            answers += await self._process(articles[start : start + batch_size], start, progress)
        return answers

    async def close(self) -> None:
        """Close all connections; harmless when nothing is open."""
        self._closed = True
        opened, self._opened = self._opened, None
        if opened is not None:
            _, roster, ledger = opened
            with anyio.CancelScope(shield=True):
                await roster.aclose()
                await anyio.to_thread.run_sync(ledger.close)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, exc_type: type[BaseException] | None, exc: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def _process(self, articles: Sequence[Article], first: int, progress: _Progress | None) -> list[str | None]:
        prompts = [_prompt(article, first + n, self._instruction) for n, article in enumerate(articles)]
        caller = await self._caller()
        answers: list[str | None] = []
        asks = iter([self._ask(prompt, n) for n, prompt in enumerate(prompts)])

        async def read() -> list[Ask]:
            return list(islice(asks, _CHUNK))

        async def write(results: Sequence[Result]) -> None:
            for result in results:
                if not result.ok:
                    self.failures[first + len(answers)] = result.value["error"]
                answers.append(result.value["text"] if result.ok else None)
            if progress is not None:
                progress.show(first + len(answers), len(self.failures))

        await Batch(caller, width=self._width).run(read, write)
        return answers

    def _ask(self, prompt: str, index: int) -> Ask:
        request = Request.of(prompt, **{"priority": "batch", **self._options})
        return Ask(None, index, self._provider, request, key=prompt)

    async def _caller(self) -> Caller:
        if self._closed:
            raise InvalidInputError("This processor is closed. Make a new one.")
        if self._opened is None:
            self._opened = await anyio.to_thread.run_sync(_open, self._provider, self._given)
            self._opened[0].roster.seat(self._provider).concurrency.widen(self._width)
        return self._opened[0]


async def process_articles_async(
    articles: Sequence[Article],
    provider: str,
    api_key: str | None = None,
    max_concurrent: int = 10,
    *,
    show_progress: bool = True,
    **options: Any,
) -> list[str | None]:
    """What `AsyncArticleProcessor(provider, api_key, max_concurrent).process_articles(articles)` gives."""
    async with AsyncArticleProcessor(provider, api_key, max_concurrent, **options) as processor:
        return await processor.process_articles(articles, show_progress)


def run_async_processing(
    articles: Sequence[Article],
    provider: str,
    api_key: str | None = None,
    max_concurrent: int = 10,
    *,
    show_progress: bool = True,
    **options: Any,
) -> list[str | None]:
    """The same for code without an event loop. Blocks.

    Raises:
        InvalidInputError: An event loop runs here already.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(
            process_articles_async(articles, provider, api_key, max_concurrent, show_progress=show_progress, **options)
        )
    raise InvalidInputError(
        "run_async_processing cannot be used inside a running event loop (a coroutine, or a notebook): "
        "write 'await process_articles_async(...)' instead."
    )


class _Progress:
    """A line on stderr: at a terminal one that is written over, else one now and then."""

    def __init__(self, total: int) -> None:
        self._total = total
        self._started = time.monotonic()
        self._told = float("-inf")
        self._terminal = sys.stderr.isatty()

    def show(self, done: int, failed: int) -> None:
        now = time.monotonic()
        over = done == self._total
        if not over and now - self._told < (0.1 if self._terminal else _LINE_EVERY_S):
            return
        self._told = now
        rate = done / max(now - self._started, 0.001)
        left = "" if over else f", {(self._total - done) / rate:,.0f} s left"
        line = f"{done:,} of {self._total:,} articles, {failed:,} failed, {rate:,.1f}/s{left}"
        end = "\n" if over or not self._terminal else ""
        sys.stderr.write(f"\r\x1b[K{line}{end}" if self._terminal else f"{line}{end}")
        sys.stderr.flush()


def _prompt(article: Article, position: int, instruction: str) -> str:
    text = article if isinstance(article, str) else _text(article, position)
    return f"{instruction}\n\n{text}" if instruction else text


def _text(article: Article, position: int) -> str:
    if isinstance(article, Mapping):
        if isinstance(prompt := article.get("prompt"), str):
            return prompt
        for field in ("content", "text"):
            if isinstance(body := article.get(field), str):
                title = article.get("title")
                return f"{title}\n\n{body}" if isinstance(title, str) and title else body
    raise InvalidInputError(
        f"articles[{position}] is neither a text nor a mapping with 'prompt', 'content' or 'text' that is one."
    )


def _open(name: str, given: tuple[str | None, str | None, str | None]) -> tuple[Caller, Roster, Ledger]:
    """In a thread: reads the configuration and imports what a call needs."""
    from ai.caller import Caller
    from ai.roster.roster import open_seat
    from core.config import load_config
    from core.events import EventBus
    from core.paths import credentials_path
    from core.usage.ledger import Ledger

    api_key, model, base_url = given
    roster = open_seat(name, load_config(credentials_path()), api_key=api_key, model=model, base_url=base_url)
    bus, ledger = EventBus(), Ledger()
    bus.add_sink(ledger, tokens=False)
    return Caller(roster, bus), roster, ledger
