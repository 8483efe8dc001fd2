from __future__ import annotations

import gc

import anyio
import pytest
from scripted_ai import Hold, ScriptedClient

from core.errors import InvalidInputError, ServerError, TruncatedError


async def test_generate_gives_the_whole_text_and_passes_options_on() -> None:
    client = ScriptedClient("four")
    assert await client.generate("2+2?", temperature=0.1, extra={"seed": 3}) == "four"
    (request,) = client.requests
    assert (request.temperature, request.extra, request.max_tokens) == (0.1, {"seed": 3}, None)


async def test_a_stream_awaited_is_the_whole_text() -> None:
    async with ScriptedClient("one two") as client:
        assert await client.stream("count") == "one two"


async def test_a_stream_iterated_is_its_tokens() -> None:
    async with ScriptedClient("one two") as client:
        assert [token async for token in client.stream("count")] == ["one ", "two "]


async def test_a_stream_used_twice_says_what_to_do() -> None:
    async with ScriptedClient("one", "two") as client:
        stream = client.stream("count")
        await stream
        with pytest.raises(InvalidInputError, match=r"call client.stream\(...\) again"):
            await stream
        assert await client.stream("count") == "two"


async def test_iterating_outside_the_context_says_what_to_do() -> None:
    with pytest.raises(InvalidInputError, match="async with"):
        async for _ in ScriptedClient().stream("count"):
            pass


async def test_an_error_reaches_the_one_who_iterates_after_what_had_arrived() -> None:
    tokens: list[str] = []
    async with ScriptedClient(TruncatedError("cut", partial="half ")) as client:
        with pytest.raises(TruncatedError):
            async for token in client.stream("count"):
                tokens.append(token)
    assert tokens == ["half "]


async def test_an_error_reaches_the_one_who_awaits() -> None:
    async with ScriptedClient(ServerError("down")) as client:
        with pytest.raises(ServerError):
            await client.stream("count")


async def test_leaving_a_stream_s_block_cancels_the_request() -> None:
    hold = Hold("never")
    with anyio.fail_after(5):
        async with ScriptedClient(hold) as client:
            async with client.stream("count") as stream:
                tokens = aiter(stream)
                await hold.reached.wait()
            await anyio.wait_all_tasks_blocked()
            assert client.cancelled == 1
            del tokens


async def test_dropping_a_stream_cancels_the_request() -> None:
    hold = Hold("never")
    with anyio.fail_after(5):
        async with ScriptedClient(hold) as client:
            tokens = aiter(client.stream("count"))
            await hold.reached.wait()
            del tokens
            gc.collect()
            await anyio.wait_all_tasks_blocked()
            assert client.cancelled == 1


async def test_closing_the_client_cancels_what_still_streams() -> None:
    hold = Hold("never")
    with anyio.fail_after(5):
        async with ScriptedClient(hold) as client:
            tokens = aiter(client.stream("count"))
            await hold.reached.wait()
        assert client.cancelled == 1 and client.closed
        with pytest.raises(StopAsyncIteration):
            await anext(tokens)
