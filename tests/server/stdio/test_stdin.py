"""The lines a host sends: what goes first, what waits, what is refused."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from typing import Any

import anyio
import pytest

from server.stdio.stdin import LONGEST_MESSAGE, MOST_CALLS, TOO_LONG, UNREADABLE, HostInput, _Lines, _Queue


def line(method: str, id: object = None, **params: Any) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0", "method": method} | ({"id": id} if id is not None else {})
    return json.dumps(message | ({"params": params} if params else {})).encode()


def call(id: object) -> bytes:
    return line("tools/call", id, name="status", arguments={})


def queue(*lines: bytes) -> _Queue:
    made = _Queue()
    assert made.put(list(lines), lambda: None)
    return made


def all_of(waiting: _Queue) -> list[bytes]:
    return list(iter(waiting.take, None))


@pytest.fixture
def host() -> Iterator[int]:
    """The writing end of a pipe that is fd 0 for as long as the test takes."""
    before = os.dup(0)
    reader, writer = os.pipe()
    os.dup2(reader, 0)
    os.close(reader)
    yield writer
    os.dup2(before, 0)
    os.close(before)


def test_a_ping_goes_before_the_calls_that_came_before_it() -> None:
    ping, ready = line("ping", "p"), line("notifications/initialized")
    assert all_of(queue(call(1), call(2), ready, ping)) == [ready, ping, call(1), call(2)]


def test_no_more_calls_are_under_way_than_may_be_and_each_that_ends_lets_another_begin() -> None:
    waiting = queue(*map(call, range(MOST_CALLS + 2)))
    assert len(all_of(waiting)) == MOST_CALLS
    assert not waiting.finish("nobody") and waiting.finish(5)
    assert all_of(waiting) == [call(MOST_CALLS)]
    assert all_of(waiting) == []


def test_a_cancelled_call_that_has_not_begun_is_never_made_and_another_is_cancelled_by_the_server() -> None:
    waiting = queue(call(1), call(2))
    assert waiting.take() == call(1)
    cancel_1, cancel_2 = (line("notifications/cancelled", requestId=number) for number in (1, 2))
    waiting.put([cancel_1, cancel_2], lambda: None)
    assert all_of(waiting) == [cancel_1]


def test_cancelled_calls_keep_no_other_from_beginning() -> None:
    waiting = queue(*map(call, range(MOST_CALLS)))
    all_of(waiting)
    waiting.put([line("notifications/cancelled", requestId=number) for number in range(MOST_CALLS)], lambda: None)
    all_of(waiting)
    waiting.put([call("next")], lambda: None)
    assert all_of(waiting) == [call("next")]


def test_two_calls_of_one_id_are_both_handed_on() -> None:
    assert all_of(queue(call(1), call(1))) == [call(1), call(1)]


def test_at_the_end_of_the_input_everything_is_handed_on() -> None:
    waiting = queue(*map(call, range(MOST_CALLS + 5)))
    waiting.close(drop=False)
    assert not waiting.ended
    assert len(all_of(waiting)) == MOST_CALLS + 5
    assert waiting.ended


def test_blank_lines_are_dropped_wherever_they_are_cut() -> None:
    split = _Lines()
    found = [one for piece in (b"\n\n \r\n{", b"}\n\t", b"\n\n[]") for one in split.feed(piece)]
    assert [*found, *split.rest()] == [b"{}", b"[]"]


def test_a_message_longer_than_any_is_refused_by_its_id_and_not_kept(capsys: pytest.CaptureFixture[str]) -> None:
    split = _Lines()
    begin = b'{"jsonrpc":"2.0","id":"a-1","method":"tools/call","params":"'
    found = split.feed(begin)
    for _ in range(2 * LONGEST_MESSAGE // 1_000_000):
        found += split.feed(b"x" * 1_000_000)
    assert len(split._rest) == 0
    found += split.feed(b'"}\n' + line("ping", 2) + b"\n")
    assert [json.loads(one) for one in found] == [
        {"jsonrpc": "2.0", "id": "a-1", "method": TOO_LONG},
        {"jsonrpc": "2.0", "id": 2, "method": "ping"},
    ]
    assert capsys.readouterr().err == "moot: a message of more than 32 MiB was refused.\n"


async def test_the_host_is_read_until_it_hangs_up(host: int) -> None:
    os.write(host, b"1\n2\n")
    source = HostInput(b"0\n")
    assert os.read(0, 1) == b"", "children of the server find an empty stdin"
    with anyio.fail_after(5):
        lines = aiter(source)
        assert [await anext(lines) for _ in range(3)] == ["0", "1", "2"]
        os.close(host)
        assert [line async for line in lines] == []


@pytest.mark.parametrize(
    "unreadable",
    [
        line("tools/call", 7)[:-1] + b',"params":[1]}',
        line("tools/call", 7)[:-1] + b',"params":{"arguments":' + b"[" * 300 + b"]" * 300 + b"}}",
        line("tools/call", 7)[:-1] + b',"params":{"arguments":' + b"[" * 90_000 + b"]" * 90_000 + b"}}",
        line("tools/call", 7)[:-1] + b',"params":"broken off',
    ],
)
async def test_a_request_that_cannot_be_read_is_answered_and_takes_no_place_of_a_call(
    host: int, unreadable: bytes
) -> None:
    os.write(host, line("ping", 9) + b"\n")
    with anyio.fail_after(10):
        lines = aiter(HostInput(b"".join(unreadable + b"\n" for _ in range(MOST_CALLS + 5))))
        told = [json.loads(await anext(lines)) for _ in range(2)]
        assert {"jsonrpc": "2.0", "id": 7, "method": UNREADABLE} in told
        while told[-1].get("method") != "ping":
            told.append(json.loads(await anext(lines)))
        assert not [one for one in told if one["method"] == "tools/call"]
    os.close(host)


async def test_half_a_character_costs_no_request_its_answer(host: int) -> None:
    given = line("tools/call", 1, name="ask_one", arguments={"prompt": "a\ud800b \U0001f600"})
    assert b"\\ud800" in given
    with anyio.fail_after(5):
        lines = aiter(HostInput(given + b"\n"))
        assert json.loads(await anext(lines))["params"]["arguments"] == {"prompt": "a\ufffdb \U0001f600"}
    os.close(host)


async def test_it_can_be_ended_from_our_side_while_the_host_says_nothing(host: int) -> None:
    source = HostInput()
    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:

            async def read() -> None:
                assert [line async for line in source] == []

            tasks.start_soon(read)
            await anyio.wait_all_tasks_blocked()
            source.hang_up()
            source.hang_up()
    os.close(host)
