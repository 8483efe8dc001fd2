"""A user's program, as type checkers see it: everything is inferred, strictly."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any, assert_type

import moot
from moot.testing import ScriptedAI, scripted


def hear(event: moot.Event) -> None:
    match event:
        case moot.CallFinished(answer=answer):
            assert_type(answer, moot.Answer)
        case moot.Token(text=text):
            assert_type(text, str)
        case _:
            pass


async def main() -> None:
    assert_type(await moot.ask("x", ai="gpt", temperature=0.2, effort="low"), moot.Reply)
    assert_type(await moot.ask_many("x", ais=["a", "b"], synthesize="merge"), moot.Replies)
    assert_type(await moot.consensus("x", threshold=0.9), moot.Consensus)
    assert_type(await moot.debate("x", rounds=2, stances={"a": "for"}), moot.Debate)
    assert_type(await moot.judge("x", candidates=["1", "2"]), moot.Judged)
    assert_type(await moot.review(diff="...", focus="locks"), moot.Review)
    assert_type(await moot.batch(items=["a"], schema={"type": "object"}), moot.BatchReport)
    assert_type(await moot.call_ai_async("a", "x", max_tokens=3, extra={"seed": 7}), str)
    async with moot.open(on_event=hear, ais={"a": ScriptedAI("x")}) as m:
        assert_type(m, moot.Moot)
        assert_type(await m.ask("x", system="Be brief."), moot.Reply)
        assert_type(await m.debate("x"), moot.Debate)
        assert_type(m.ais, list[str])
    for outcome in await moot.call_multiple_ais(["a", "b"], "x"):
        assert_type(outcome, moot.Answer | moot.Failure)
    async with await moot.create_async_ai_client("a", model="m") as client:
        assert_type(await client.generate("x", temperature=0.1), str)
        async for token in client.stream("x"):
            assert_type(token, str)
    async with moot.create_from_config(async_mode=True) as articles:
        assert_type(await articles.analyze_article_async("T", "x", "u"), dict[str, Any] | None)


def blocking() -> None:
    assert_type(moot.sync.ask("x", ai="gpt"), moot.Reply)
    assert_type(moot.sync.consensus("x"), moot.Consensus)
    assert_type(moot.call_ai("a", "x"), str)
    with moot.sync.open() as m, moot.subscribe(hear, tokens=False):
        assert_type(m.review(staged=True), moot.Review)
    with scripted(a=ScriptedAI("x", moot.RefusedError("No."), lambda request: request.messages[0].text)) as ais:
        assert_type(ais["a"].prompts, list[str])
    try:
        blocking()
    except moot.AITimeoutError as error:
        assert_type(error.retry_after, float | None)


async def recipe(run: moot.Run, prompt: str) -> str:
    answer = await run.ask("a", moot.Request.of(prompt, system="Be brief."))
    return answer.text


acme = moot.Provider("acme", quirks=moot.Quirks(temperature=False))
made: Callable[[], object] = main
asyncio.run(main())
