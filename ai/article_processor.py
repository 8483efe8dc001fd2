"""Many articles through one AI, from a Python program: all in memory, in order, None for those that failed.

async with AsyncArticleProcessor("openai", api_key, max_concurrent=10) as processor:
    summaries = await processor.process_articles(articles)
    facts = await processor.analyze_article_async(title, content, url)

What must survive the end of the program is a batch: see `moot batch`.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, Unpack

import anyio
import anyio.to_thread

from ai.article_analysis import ANALYSIS, analysis_prompt
from ai.article_analysis import Schema as AnalysisSchema
from ai.article_progress import Progress
from ai.batch.rows import Ask, Batch, Result
from core.errors import InvalidInputError, MootError
from core.values import Failure, Request, RequestOptions

if TYPE_CHECKING:
    from ai.batch.records import Schema
    from ai.caller import Caller
    from ai.roster.roster import Roster
    from core.usage.ledger import Ledger

Article = str | Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Given:
    """What a program says itself, above the configuration."""

    api_key: str | None = None
    model: str | None = None
    base_url: str | None = None
    credentials: str | Path | None = None


_CHUNK = 50


class AsyncArticleProcessor:
    """Asks one AI about articles, *max_concurrent* at a time. Close it, or use it with `async with`.

    An article is a text, or a mapping with "prompt", or with "content" or "text" and perhaps "title".

    Args:
        provider: A provider such as "openai", or a name from credentials.json; None: the first that is configured.
        api_key, model, base_url: Win over credentials.json and the environment; None leaves it to them.
        max_concurrent: How many articles are under way at once.
        instruction: Stands before each article.
        credentials: The file that says which AIs there are; None: the user's credentials.json.
        options: Fields of `Request` such as `system` or `max_tokens`, for all articles.

    Attributes:
        failures: Why, for the articles of the last call that have no answer, by their position.

    Raises:
        InvalidInputError: *max_concurrent* is below 1.
        TypeError: One of *options* is no field of `Request`; what was probably meant is named.
    """

    def __init__(
        self,
        provider: str | None,
        api_key: str | None = None,
        max_concurrent: int = 10,
        *,
        model: str | None = None,
        base_url: str | None = None,
        instruction: str = "",
        credentials: str | Path | None = None,
        **options: Unpack[RequestOptions],
    ) -> None:
        if not isinstance(max_concurrent, int) or max_concurrent < 1:
            raise InvalidInputError("max_concurrent must be at least 1.")
        Request.of("", **options)  # a wrong option is told of here, and not at the first article
        self.failures: dict[int, str] = {}
        self._provider = provider
        self._given = Given(api_key, model, base_url, credentials)
        self._width = max_concurrent
        self._instruction = instruction
        self._options: dict[str, Any] = {"priority": "batch", **options}
        self._opened: tuple[Caller, Roster, Ledger] | None = None
        self._closed = False

    async def process_articles(self, articles: Sequence[Article], show_progress: bool = True) -> list[str | None]:
        """An answer for each of *articles*, in their order; None where there is none, and `failures` says why.

        Exactly equal articles are asked once. *show_progress* writes to stderr.

        Raises:
            InvalidInputError: An article is neither a text nor a mapping with one.
            UnknownAIError, ConfigError, BudgetExceededError: The AI cannot be asked, or not any more.
        """
        _check_list(articles)
        return await self.process_in_batches(articles, max(len(articles), 1), 0, show_progress)

    async def process_in_batches(
        self,
        articles: Sequence[Article],
        batch_size: int = 50,
        delay_between_batches: float = 1.0,
        show_progress: bool = True,
    ) -> list[str | None]:
        """What `process_articles` gives, asked for in batches of *batch_size* articles.

        Args:
            delay_between_batches: Seconds between the end of one batch and the start of the next.

        Raises:
            InvalidInputError: Besides, *batch_size* is below 1, or *delay_between_batches* is no number from 0 on.
        """
        sizes = isinstance(batch_size, int) and isinstance(delay_between_batches, int | float)
        if not sizes or batch_size < 1 or not 0 <= delay_between_batches < math.inf:
            raise InvalidInputError("batch_size must be at least 1, and delay_between_batches at least 0 seconds.")
        _check_list(articles)
        self.failures = {}
        prompts = [_prompt(article, n, self._instruction) for n, article in enumerate(articles)]  # before any is paid
        progress = Progress(len(articles)) if show_progress else None
        answers: list[str | None] = []
        for start in range(0, len(prompts), batch_size):
            if start:
                await anyio.sleep(delay_between_batches)
            answers += await self._process(prompts[start : start + batch_size], start, progress)
        return answers

    async def analyze_article_async(
        self, title: str, content: str, url: str = "", *, schema: AnalysisSchema = ANALYSIS
    ) -> dict[str, Any] | None:
        """What one article says, as an object that fits *schema*; None where there is none, and `failures` says why.

        By default it has `summary`, `key_points`, `topics`, `sentiment` and `language`. The processor's `instruction`,
        where it has one, says what to look for instead of the usual one.

        Raises:
            InvalidInputError: *schema* is no JSON Schema.
            UnknownAIError, ConfigError, BudgetExceededError: The AI cannot be asked, or not any more.
        """
        article = {"title": title, "content": content, "url": url}
        return (await self.batch_analyze_async([article], schema=schema, show_progress=False))[0]

    async def batch_analyze_async(
        self,
        articles: Sequence[Mapping[str, Any]],
        *,
        schema: AnalysisSchema = ANALYSIS,
        show_progress: bool = True,
    ) -> list[dict[str, Any] | None]:
        """`analyze_article_async` for many at once: an object or None for each, in their order.

        Args:
            articles: Each with "content", and perhaps "title" and "url".

        Raises:
            InvalidInputError: Besides, an article has no content.
        """
        _check_list(articles)
        reader = await anyio.to_thread.run_sync(_reader, schema)
        self.failures = {}
        progress = Progress(len(articles)) if show_progress else None
        prompts = [_analysis(article, n, self._instruction) for n, article in enumerate(articles)]
        texts = await self._process(prompts, 0, progress, json_schema=schema)
        return [self._read(reader, n, text) for n, text in enumerate(texts)]

    async def test_connection_async(self) -> bool:
        """Whether the AI answers one short question, which costs a little; if not, `failures[0]` says why."""
        self.failures = {}
        try:
            caller = await self._caller()
            outcome = await caller.call(self._asked(caller), Request.of("Reply with OK.", **self._options))
            if isinstance(outcome, Failure):
                raise outcome.error
        except MootError as error:
            self.failures[0] = str(error)
        return not self.failures

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

    async def _process(
        self, prompts: Sequence[str], first: int, progress: Progress | None, **options: Any
    ) -> list[str | None]:
        caller = await self._caller()
        ai, answers = self._asked(caller), list[str | None]()
        requests = [Request.of(prompt, **self._options, **options) for prompt in prompts]
        asks = iter([Ask(None, n, ai, request, key=prompts[n]) for n, request in enumerate(requests)])

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

    def _read(self, reader: Schema, position: int, text: str | None) -> dict[str, Any] | None:
        """The object in *text*; None, with the reason kept, where there is none."""
        if text is None:
            return None
        value, wrong = reader.read(text)
        if wrong is None and not isinstance(value, dict):
            wrong = "The answer is no JSON object."
        if wrong is not None:
            self.failures[position] = wrong
        return value if wrong is None else None

    def _asked(self, caller: Caller) -> str:
        return self._provider or caller.roster.default().name

    async def _caller(self) -> Caller:
        if self._closed:
            raise InvalidInputError("This processor is closed. Make a new one.")
        if self._opened is None:
            self._opened = await anyio.to_thread.run_sync(_open, self._provider, self._given)
            self._opened[0].roster.seat(self._asked(self._opened[0])).concurrency.widen(self._width)
        return self._opened[0]


def _check_list(articles: object) -> None:
    """A text alone would be as many articles as it has letters, each of them paid for."""
    if isinstance(articles, str | bytes | Mapping) or not isinstance(articles, Sequence):
        raise InvalidInputError(f"'articles' is a list of articles, and not a {type(articles).__name__}.")


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


def _analysis(article: Mapping[str, Any], position: int, instruction: str) -> str:
    given = article if isinstance(article, Mapping) else {}
    title, content, url = (given.get(name) or "" for name in ("title", "content", "url"))
    if not content or not all(isinstance(text, str) for text in (title, content, url)):
        raise InvalidInputError(f"articles[{position}] needs a text as its 'content', and texts as 'title' and 'url'.")
    return analysis_prompt(title, content, url, instruction)


def _reader(schema: AnalysisSchema) -> Schema:
    """In a thread: imports what checks answers."""
    from ai.batch.records import Schema

    return Schema(schema)


def _open(name: str | None, given: Given) -> tuple[Caller, Roster, Ledger]:
    """In a thread: reads the configuration and imports what a call needs."""
    from ai.roster.roster import Roster, open_seat
    from ai.roster.stand_ins import scripted_ais, seat_ais
    from core.config import Config, load_config
    from core.paths import credentials_path

    if (scripted := scripted_ais()) is not None:
        roster = Roster(Config())
        seat_ais(roster, scripted)
        return _with_ledger(roster)
    path = Path(given.credentials).expanduser() if given.credentials is not None else credentials_path()
    if given.credentials is not None and not path.is_file():
        raise InvalidInputError(f"credentials: there is no file {path.name!r}. Correct the path.")
    config = load_config(path)
    if name is None:
        roster = Roster.open(config)
    else:
        roster = open_seat(name, config, api_key=given.api_key, model=given.model, base_url=given.base_url)
    return _with_ledger(roster)


def _with_ledger(roster: Roster) -> tuple[Caller, Roster, Ledger]:
    from ai.caller import Caller
    from core.events import EventBus
    from core.usage.ledger import Ledger

    bus, ledger = EventBus(), Ledger()
    bus.add_sink(ledger, tokens=False)
    return Caller(roster, bus), roster, ledger
