"""The library's words for many articles, against a provider on loopback."""

from __future__ import annotations

import anyio
import anyio.to_thread
import pytest
from fake_provider import FakeProvider
from scripted_ai import scripted_app

from ai.articles import AsyncArticleProcessor, process_articles_async, run_async_processing
from core.errors import ConfigError, InvalidInputError, UnknownAIError


def processor(provider: FakeProvider, width: int = 10, model: str = "tokens=2") -> AsyncArticleProcessor:
    return AsyncArticleProcessor(
        "openai_compatible", "key", max_concurrent=width, base_url=provider.base_url, model=model
    )


def asked(provider: FakeProvider) -> list[str]:
    return [request["messages"][-1]["content"] for request in provider.requests]


async def test_every_article_has_its_answer_in_order_and_equal_ones_are_asked_once(provider: FakeProvider) -> None:
    articles = ["one", {"prompt": "two"}, {"title": "T", "content": "three"}, {"text": "four"}, "one"]
    async with processor(provider) as articles_in:
        answers = await articles_in.process_articles(articles, show_progress=False)
    assert answers == ["tok tok "] * 5
    assert sorted(asked(provider)) == ["T\n\nthree", "four", "one", "two"]


async def test_no_more_are_under_way_than_were_allowed(provider: FakeProvider) -> None:
    async with processor(provider, width=30) as many, anyio.create_task_group() as tasks:
        await many.process_articles(["the first response tells of rate limits"], show_progress=False)
        provider.gate.clear()
        tasks.start_soon(many.process_articles, [str(n) for n in range(100)], False)
        with anyio.fail_after(10):
            await provider.until(lambda fake: fake.in_flight == 30)
        provider.gate.set()
    assert provider.most_in_flight == 30 and len(provider.requests) == 101


async def test_each_of_many_articles_gets_its_own_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    articles = [f"article {number}" for number in range(237)]
    async with AsyncArticleProcessor("a", max_concurrent=20) as articles_in:
        async with scripted_app({"a": [lambda request: f"re {request.messages[-1].text}"] * len(articles)}) as app:
            monkeypatch.setattr("ai.articles._open", lambda name, given: (app.caller, app.roster, app.ledger))
            answers = await articles_in.process_articles(articles, show_progress=False)
    assert answers == [f"re {article}" for article in articles]


async def test_a_failed_article_is_none_and_the_reason_is_kept(provider: FakeProvider) -> None:
    async with processor(provider, width=1, model="status=400,say=no such thing,times=1") as articles_in:
        answers = await articles_in.process_in_batches(["bad", "good", ""], 1, 0, show_progress=False)
        assert answers == [None, "tok ", None]
        assert "no such thing" in articles_in.failures[0] and "The prompt is empty" in articles_in.failures[2]
        assert await articles_in.process_articles(["good"], show_progress=False) == ["tok "]
        assert articles_in.failures == {}


async def test_batches_follow_one_another_with_a_delay_between(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    slept: list[float] = []
    real = anyio.sleep

    async def sleep(seconds: float) -> None:
        if seconds == 7:
            slept.append(len(provider.requests))
        await real(0 if seconds == 7 else seconds)

    monkeypatch.setattr("ai.articles.anyio.sleep", sleep)
    async with processor(provider) as articles_in:
        answers = await articles_in.process_in_batches([str(n) for n in range(5)], 2, 7, show_progress=False)
    assert len(answers) == 5 and slept == [2, 4]


async def test_progress_goes_to_stderr(provider: FakeProvider, capsys: pytest.CaptureFixture[str]) -> None:
    async with processor(provider) as articles_in:
        await articles_in.process_articles(["a", "b"])
    out, err = capsys.readouterr()
    assert out == "" and "2 of 2 articles, 0 failed" in err


async def test_a_wrong_key_is_raised_and_not_turned_into_a_thousand_nones(provider: FakeProvider) -> None:
    async with processor(provider, model="status=401") as articles_in:
        with pytest.raises(ConfigError, match="401"):
            await articles_in.process_articles(["a"] * 3, show_progress=False)


async def test_wrong_use_is_one_sentence(provider: FakeProvider) -> None:
    with pytest.raises(InvalidInputError, match="max_concurrent must be at least 1"):
        AsyncArticleProcessor("openai", "key", 0)
    articles_in = processor(provider)
    with pytest.raises(InvalidInputError, match=r"articles\[1\] is neither a text nor a mapping"):
        await articles_in.process_articles(["a", {"body": "b"}], show_progress=False)
    with pytest.raises(InvalidInputError, match="batch_size must be at least 1"):
        await articles_in.process_in_batches(["a"], 0, 1)
    await articles_in.close()
    await articles_in.close()
    with pytest.raises(InvalidInputError, match="closed"):
        await articles_in.process_articles(["a"], show_progress=False)
    with pytest.raises(UnknownAIError):
        await process_articles_async(["a"], "nobody", "key", show_progress=False)
    with pytest.raises(InvalidInputError, match="await process_articles_async"):
        run_async_processing(["a"], "openai", "key")
    assert provider.requests == []


async def test_the_synchronous_function_does_the_same(provider: FakeProvider) -> None:
    def call() -> list[str | None]:
        return run_async_processing(
            ["a", "b"],
            "openai_compatible",
            "key",
            5,
            show_progress=False,
            base_url=provider.base_url,
            model="tokens=1",
            instruction="Sum up:",
        )

    assert await anyio.to_thread.run_sync(call) == ["tok ", "tok "]
    assert sorted(asked(provider)) == ["Sum up:\n\na", "Sum up:\n\nb"]
