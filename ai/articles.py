"""Many articles through one AI: the class, and ways to it by a configuration, without an event loop, or for one call.

from ai.articles import create_async_client

async with create_async_client("openai", api_key) as client:
    facts = await client.analyze_article_async(title, content, url)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypeVar, Unpack, overload

from ai.article_analysis import ANALYSIS
from ai.article_analysis import Schema as AnalysisSchema
from ai.article_processor import Article, AsyncArticleProcessor
from core.errors import InvalidInputError
from core.values import RequestOptions

__all__ = [
    "Article",
    "ArticleProcessor",
    "AsyncArticleProcessor",
    "create_async_client",
    "create_from_config",
    "process_articles_async",
    "run_async_processing",
]

T = TypeVar("T")


async def process_articles_async(
    articles: Sequence[Article],
    provider: str | None,
    api_key: str | None = None,
    max_concurrent: int = 10,
    *,
    show_progress: bool = True,
    model: str | None = None,
    base_url: str | None = None,
    instruction: str = "",
    **options: Unpack[RequestOptions],
) -> list[str | None]:
    """What `AsyncArticleProcessor(provider, api_key, max_concurrent).process_articles(articles)` gives."""
    async with AsyncArticleProcessor(
        provider,
        api_key,
        max_concurrent,
        model=model,
        base_url=base_url,
        instruction=instruction,
        **options,
    ) as processor:
        return await processor.process_articles(articles, show_progress)


def run_async_processing(
    articles: Sequence[Article],
    provider: str | None,
    api_key: str | None = None,
    max_concurrent: int = 10,
    *,
    show_progress: bool = True,
    model: str | None = None,
    base_url: str | None = None,
    instruction: str = "",
    **options: Unpack[RequestOptions],
) -> list[str | None]:
    """What `process_articles_async` gives, for code without an event loop. Blocks.

    Raises:
        InvalidInputError: An event loop runs here already.
    """
    refuse_in_a_loop("run_async_processing", "await process_articles_async(...)")
    return asyncio.run(
        process_articles_async(
            articles,
            provider,
            api_key,
            max_concurrent,
            show_progress=show_progress,
            model=model,
            base_url=base_url,
            instruction=instruction,
            **options,
        )
    )


class ArticleProcessor:
    """An `AsyncArticleProcessor` for code without an event loop: each call opens what it needs, blocks, and closes it.

    Attributes:
        failures: Why, for the articles of the last call that have no answer, by their position.
    """

    def __init__(self, make: Callable[[], AsyncArticleProcessor]) -> None:
        self._make = make
        self.failures = make().failures

    def process_articles(self, articles: Sequence[Article], show_progress: bool = True) -> list[str | None]:
        """See `AsyncArticleProcessor.process_articles`."""
        return self._run(lambda processor: processor.process_articles(articles, show_progress))

    def analyze_article(
        self, title: str, content: str, url: str = "", *, schema: AnalysisSchema = ANALYSIS
    ) -> dict[str, Any] | None:
        """See `AsyncArticleProcessor.analyze_article_async`."""
        return self._run(lambda processor: processor.analyze_article_async(title, content, url, schema=schema))

    def batch_analyze(
        self, articles: Sequence[Mapping[str, Any]], *, schema: AnalysisSchema = ANALYSIS, show_progress: bool = True
    ) -> list[dict[str, Any] | None]:
        """See `AsyncArticleProcessor.batch_analyze_async`."""
        return self._run(
            lambda processor: processor.batch_analyze_async(articles, schema=schema, show_progress=show_progress)
        )

    def test_connection(self) -> bool:
        """See `AsyncArticleProcessor.test_connection_async`."""
        return self._run(lambda processor: processor.test_connection_async())

    def _run(self, call: Callable[[AsyncArticleProcessor], Awaitable[T]]) -> T:
        refuse_in_a_loop("An ArticleProcessor", "create_from_config(async_mode=True)")

        async def main() -> T:
            async with self._make() as processor:
                try:
                    return await call(processor)
                finally:
                    self.failures = processor.failures

        return asyncio.run(main())


def create_async_client(
    provider: str | None = None,
    api_key: str | None = None,
    model: str | None = None,
    *,
    base_url: str | None = None,
    max_concurrent: int = 10,
    instruction: str = "",
    **options: Unpack[RequestOptions],
) -> AsyncArticleProcessor:
    """A client for articles that asks *provider*, or a name from credentials.json; None: the first configured.

    Opens nothing before the first call. Use it with `async with`, or close it. The arguments are those of
    `AsyncArticleProcessor`.
    """
    return AsyncArticleProcessor(
        provider, api_key, max_concurrent, model=model, base_url=base_url, instruction=instruction, **options
    )


@overload
def create_from_config(
    credentials: str | Path | None = None,
    *,
    ai: str | None = None,
    async_mode: Literal[True] = True,
    max_concurrent: int = 10,
) -> AsyncArticleProcessor: ...
@overload
def create_from_config(
    credentials: str | Path | None = None,
    *,
    ai: str | None = None,
    async_mode: Literal[False],
    max_concurrent: int = 10,
) -> ArticleProcessor: ...
def create_from_config(
    credentials: str | Path | None = None,
    *,
    ai: str | None = None,
    async_mode: bool = True,
    max_concurrent: int = 10,
) -> AsyncArticleProcessor | ArticleProcessor:
    """A client for articles, by what a configuration says.

    Args:
        credentials: A file like credentials.json; None: the user's own.
        ai: Which of its AIs; None: its `defaults.ai`, else the first.
        async_mode: Whether the methods are coroutines; else they block, and lack "async" in their names.

    Raises:
        ConfigError: From the first call on, where the configuration or the environment has no such AI.
    """
    make = partial(AsyncArticleProcessor, ai, max_concurrent=max_concurrent, credentials=credentials)
    return make() if async_mode else ArticleProcessor(make)


def refuse_in_a_loop(what: str, instead: str) -> None:
    """Raise InvalidInputError, which names what to write *instead*, where an event loop runs."""
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise InvalidInputError(
        f"{what} cannot be used inside a running event loop (a coroutine, or a notebook): write {instead!r} instead."
    )
