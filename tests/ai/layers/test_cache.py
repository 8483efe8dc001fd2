from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from ai.client import Emit, Signal, ignore
from ai.layers import cache as cache_module
from ai.layers.cache import MIGRATIONS, Cache
from ai.layers.pipeline import Complete
from ai.request import request_key
from core.errors import ServerError
from core.stores.sqlite import Store
from core.values import Deadlines, Image, Message, Request, Response, Usage

HI = Request.of("hi")
OK = Response("fine", "m", usage=Usage(10, 2), request_id="r1")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store(tmp_path / "cache.db", MIGRATIONS, durability="OFF")
    yield opened
    opened.close()


async def written(store: Store) -> None:
    """Wait until everything posted so far is in the file."""
    await anyio.to_thread.run_sync(lambda: store.submit(lambda connection: None).result(5))


class Counted:
    """A client that counts how often it was asked."""

    def __init__(self, response: Response = OK, gate: anyio.Event | None = None) -> None:
        self.asked = 0
        self._response = response
        self._gate = gate

    async def __call__(self, request: Request, emit: Emit) -> Response:
        self.asked += 1
        if self._gate is not None:
            await self._gate.wait()
        emit(self._response.text)
        return self._response


async def test_the_same_request_is_answered_from_the_cache_and_says_so(store: Store) -> None:
    client, heard = Counted(), list[Signal]()
    cache = Cache("gpt", 60, store)
    first = await cache(HI, ignore, client)
    await written(store)
    second = await cache(HI, heard.append, client)
    assert client.asked == 1
    assert (first.cached, second.cached) == (False, True)
    assert (second.text, second.usage, heard) == ("fine", Usage(10, 2), ["fine"])


async def test_another_process_finds_it_too(store: Store) -> None:
    client = Counted()
    await Cache("gpt", 60, store)(HI, ignore, client)
    await written(store)
    assert (await Cache("gpt", 60, store)(HI, ignore, client)).cached
    assert client.asked == 1


async def test_an_answer_grows_old(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    client, clock = Counted(), [1_000.0]
    monkeypatch.setattr(cache_module, "now", lambda: clock[0])
    cache = Cache("gpt", 60, store)
    await cache(HI, ignore, client)
    await written(store)
    clock[0] += 59
    await cache(HI, ignore, client)
    assert client.asked == 1
    clock[0] += 2
    await cache(HI, ignore, client)
    assert client.asked == 2


@pytest.mark.parametrize(
    "response", [Response("cut", "m", finish_reason="length"), Response("", "m", finish_reason="tool_calls")]
)
async def test_what_is_not_a_whole_answer_is_not_kept(store: Store, response: Response) -> None:
    client = Counted(response)
    cache = Cache("gpt", 60, store)
    await cache(HI, ignore, client)
    await written(store)
    await cache(HI, ignore, client)
    assert client.asked == 2


async def test_identical_calls_in_flight_are_one_call(store: Store) -> None:
    gate = anyio.Event()
    client, cache, answers = Counted(gate=gate), Cache("gpt", 60, store), list[Response]()

    async def ask() -> None:
        answers.append(await cache(HI, ignore, client))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(ask)
            while client.asked == 0:
                await anyio.wait_all_tasks_blocked()
                await anyio.lowlevel.checkpoint()
            gate.set()
    assert client.asked == 1
    assert sorted(answer.cached for answer in answers) == [False, True, True, True, True]


async def test_when_the_caller_is_cancelled_somebody_who_waits_takes_over(store: Store) -> None:
    gate = anyio.Event()
    client, cache, answers = Counted(gate=gate), Cache("gpt", 60, store), list[Response]()
    leader = anyio.CancelScope()

    async def lead() -> None:
        with leader:
            await cache(HI, ignore, client)

    async def follow() -> None:
        answers.append(await cache(HI, ignore, client))

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(lead)
            while client.asked == 0:
                await anyio.lowlevel.checkpoint()
            tasks.start_soon(follow)
            await anyio.wait_all_tasks_blocked()
            leader.cancel()
            gate.set()
    assert client.asked == 2
    assert [answer.text for answer in answers] == ["fine"]


async def test_an_error_reaches_all_who_wait_and_is_not_kept(store: Store) -> None:
    cache = Cache("gpt", 60, store)

    async def broken(request: Request, emit: Emit) -> Response:
        raise ServerError("down")

    with pytest.raises(ServerError):
        await cache(HI, ignore, broken)
    client = Counted()
    assert (await cache(HI, ignore, client)).text == "fine"


async def test_a_damaged_cache_is_an_empty_one(tmp_path: Path) -> None:
    (tmp_path / "cache.db").write_bytes(b"garbage" * 1_000)
    store = Store(tmp_path / "cache.db", MIGRATIONS)
    client: Complete = Counted()
    assert (await Cache("gpt", 60, store)(HI, ignore, client)).text == "fine"
    await anyio.to_thread.run_sync(store.close)


def test_only_the_same_request_to_the_same_ai_has_the_same_key() -> None:
    def picture(data: bytes) -> Request:
        return Request(messages=(Message.user("see", Image(data, "image/png")),))

    different = [
        request_key("gpt", HI),
        request_key("claude", HI),
        request_key("gpt", Request.of("ho")),
        request_key("gpt", Request.of("hi", temperature=0.1)),
        request_key("gpt", Request.of("hi", system="Be brief.")),
        request_key("gpt", Request.of("hi", extra={"seed": 1})),
        request_key("gpt", picture(b"a")),
        request_key("gpt", picture(b"b")),
    ]
    assert len(set(different)) == len(different)
    assert request_key("gpt", Request.of("hi", deadlines=Deadlines(total=1))) == request_key("gpt", HI)


@pytest.mark.parametrize(
    "body", ["{broken", "null", "[]", '{"text": "x"}', '{"text": "x", "model": "m", "usage": {"x": 1}}']
)
async def test_an_answer_that_cannot_be_read_back_is_asked_for_anew(store: Store, body: str) -> None:
    client, cache = Counted(), Cache("gpt", 60, store)
    await cache(HI, ignore, client)
    await written(store)
    store.post(lambda connection: connection.execute("UPDATE answers SET response = ?", (body,)))
    await written(store)
    assert (await cache(HI, ignore, client)).text == "fine" and client.asked == 2
