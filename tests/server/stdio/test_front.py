"""What the front answers, what it leaves to the real server, and what it hands on."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.stdio.early_answers import LONGEST_LINE, Front
from server.stdio.snapshot import read_answers

META = "io.modelcontextprotocol/"
ENVELOPE = {f"{META}protocolVersion": "2026-07-28", f"{META}clientCapabilities": {}}
CLIENT = {"name": "test", "version": "1"}


def front() -> Front:
    found = read_answers()
    assert found
    return Front(found)


def line(method: str | None = None, id: object = None, **params: Any) -> bytes:
    message: dict[str, Any] = {"jsonrpc": "2.0"}
    message |= {"id": id} if id is not None else {}
    message |= {"method": method} if method else {}
    return json.dumps(message | ({"params": params} if params else {})).encode() + b"\n"


def hello(id: object = 1, version: str = "2025-06-18", **more: Any) -> bytes:
    return line("initialize", id, **{"protocolVersion": version, "capabilities": {}, "clientInfo": CLIENT, **more})


def answers(data: bytes) -> list[dict[str, Any]]:
    return [json.loads(one) for one in data.splitlines()]


def _tail(one: Front) -> bytes:
    """What is handed on behind the repeated handshake."""
    return one.handed()[0].partition(b"\n")[2]


@given(st.data())
def test_it_does_not_matter_where_the_input_is_cut(data: st.DataObject) -> None:
    whole = (
        hello() + line("notifications/initialized") + line("tools/list", "é") + b"\n{]\n" + line("ping", 3) + b"rest"
    )
    cuts = sorted(data.draw(st.lists(st.integers(0, len(whole)), max_size=9)))
    at_once, piecemeal = front(), front()
    expected = at_once.hear(whole)
    pieces = [whole[start:end] for start, end in zip([0, *cuts], [*cuts, len(whole)], strict=True)]
    assert b"".join(piecemeal.hear(piece) for piece in pieces) == expected
    assert [one["id"] for one in answers(expected)] == [1, "é"]
    handed_on = whole[len(hello()) :].replace(line("tools/list", "é"), b"").replace(b"\n\n", b"\n")
    assert piecemeal.wanted and _tail(piecemeal) == _tail(at_once) == handed_on


@given(st.binary(max_size=200))
def test_whatever_comes_first_is_answered_or_handed_on_byte_for_byte(data: bytes) -> None:
    one = front()
    answered = one.hear(data) + one.end()
    lines = [part for part in data.split(b"\n") if part.strip()]
    assert answered or [part for part in one.handed()[0].split(b"\n") if part.strip()] == lines


def test_blank_lines_are_nothing_however_many_there_are() -> None:
    one = front()
    assert one.hear(b"\n" * 100_000 + b" \r\n") == b""
    assert not one.wanted and one.handed() == (b"", [])
    assert answers(one.hear(hello()))[0]["id"] == 1


def test_no_more_is_kept_for_the_real_server_than_it_can_soon_read() -> None:
    one = front()
    while not one.full:
        one.hear(line("tools/call", 1, name="status", arguments={"x": "y" * 100_000}))
    assert one.wanted and len(one.handed()[0]) < 2_000_000


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.text(max_size=3),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    )
)
def test_a_request_of_any_shape_is_never_an_exception(value: Any) -> None:
    for message in ({"jsonrpc": "2.0", "id": value, "method": value, "params": value}, value):
        front().hear(json.dumps(message).encode() + b"\n")
    for params in ({"_meta": value}, {"protocolVersion": value}, {"capabilities": value}, {"clientInfo": value}):
        front().hear(hello(**params))


@pytest.mark.parametrize("version", ["2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25"])
def test_a_handshake_is_answered_in_its_version_and_an_unknown_one_in_the_latest(version: str) -> None:
    assert answers(front().hear(hello(version=version)))[0]["result"]["protocolVersion"] == version
    assert answers(front().hear(hello(version="1999-01-01")))[0]["result"]["protocolVersion"] == "2025-11-25"


@pytest.mark.parametrize(
    "message",
    [
        line("tools/list", 1),
        line("initialize", 1),
        hello(capabilities=None),
        hello(capabilities={"roots": True}),
        hello(clientInfo={"name": "x"}),
        hello(clientInfo=CLIENT | {"icons": [{"src": 1}]}),
        hello(_meta={"progressToken": []}),
        hello(id=True),
        hello(id=1.5),
        line("ping", 1, more=1),
        line("tools/list", 1, _meta=ENVELOPE, cursor="x"),
        line("tools/list", 1, _meta=ENVELOPE | {f"{META}protocolVersion": "2027-01-01"}),
        line("tools/list", 1, _meta={f"{META}protocolVersion": "2026-07-28"}),
        line("tools/list", 1, _meta=ENVELOPE | {f"{META}clientInfo": {}}),
        line("subscriptions/listen", 1, _meta=ENVELOPE),
        line("subscriptions/listen", 1, _meta=ENVELOPE, notifications={"resourceSubscriptions": ["moot://jobs/x"]}),
        line("subscriptions/listen", 1, _meta=ENVELOPE, notifications={"toolsListChanged": None}),
        line("subscriptions/listen", 1, _meta=ENVELOPE, notifications={"taskIds": ["x"]}),
        b"[" + hello().strip() + b"]\n",
        b"null\n",
        b"\xff\xfe\n",
        b'{"jsonrpc":"2.0","id":NaN,"method":"ping"}\n',
        b'{"jsonrpc":"1.0","id":1,"method":"ping"}\n',
        b'{"jsonrpc":"2.0","id":1,"method":"ping","extra":1}\n',
        b"[" * 100_000 + b"\n",
    ],
)
def test_what_is_not_certain_is_left_to_the_real_server_and_so_is_all_that_follows(message: bytes) -> None:
    one = front()
    assert one.hear(message) == b"" and one.wanted
    assert one.handed() == (message, [])


def test_after_something_odd_nothing_is_answered_any_more() -> None:
    one = front()
    assert one.hear(b"{]\n" + hello()) == b""
    assert one.handed() == (b"{]\n" + hello(), [])


def test_lists_and_pings_are_still_answered_while_a_call_waits() -> None:
    one = front()
    call, cancelled = line("tools/call", 2, name="status"), line("notifications/cancelled", requestId=2)
    said = answers(one.hear(hello() + line("notifications/initialized") + call + cancelled + line("ping", 3)))
    assert [one["id"] for one in said] == [1, 3]
    first, *rest = one.handed()[0].splitlines(keepends=True)
    assert rest == [line("notifications/initialized"), call, cancelled]
    assert json.loads(first)["params"] == json.loads(hello())["params"]


def test_the_opening_request_and_the_handshake_are_repeated_under_ids_that_nobody_else_uses() -> None:
    one = front()
    one.hear(line("ping", 7) + hello(8) + line("tools/list", 9))
    data, ids = one.handed()
    repeated = answers(data)
    assert [message["method"] for message in repeated] == ["ping", "initialize"]
    assert [message["id"] for message in repeated] == ids and len(set(ids)) == 2
    assert one.handed()[1] != ids


def test_the_first_request_settles_the_era() -> None:
    modern = front()
    assert answers(modern.hear(line("server/discover", 1, _meta=ENVELOPE)))[0]["result"]["supportedVersions"]
    assert modern.hear(hello(2)) == b"" and modern.wanted
    legacy = front()
    legacy.hear(hello())
    assert legacy.hear(line("tools/list", 2, _meta=ENVELOPE)) == b"" and legacy.wanted


def test_a_second_handshake_is_left_to_the_real_server() -> None:
    one = front()
    one.hear(hello())
    assert one.hear(hello(2)) == b"" and one.wanted


def test_a_line_too_long_for_any_list_is_handed_on_before_it_ends() -> None:
    one = front()
    one.hear(hello())
    start = b'{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"x":"' + b"x" * LONGEST_LINE
    assert one.hear(start) == b"" and one.wanted
    assert one.handed()[0].endswith(start)


def test_a_session_goes_on_in_another_front() -> None:
    first, second = front(), front()
    first.hear(hello() + line("notifications/initialized"))
    session = first.session()
    assert session
    second.resume(session)
    assert answers(second.hear(line("tools/list", 2)))[0]["result"]["tools"]
    assert second.handed()[0].splitlines()[1:] == first.handed()[0].splitlines()[1:]
    second.hear(b'{"half')
    assert second.session() is None


def test_a_last_line_without_its_end_is_answered_too() -> None:
    one = front()
    assert one.hear(hello().rstrip()) == b""
    assert answers(one.end())[0]["id"] == 1


def listen(id: object, **wish: bool) -> bytes:
    return line("subscriptions/listen", id, _meta=ENVELOPE, notifications=wish)


def test_a_subscription_to_lists_is_acknowledged_and_goes_on_under_its_own_id() -> None:
    one = front()
    asked = listen(7, toolsListChanged=True, promptsListChanged=False)
    acknowledged, listed = answers(one.hear(asked + line("tools/list", 8, _meta=ENVELOPE)))
    assert acknowledged == {
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": {"_meta": {f"{META}subscriptionId": 7}, "notifications": {"toolsListChanged": True}},
    }
    assert listed["id"] == 8 and not one.wanted
    assert one.handed() == (asked, [7])


def test_a_subscription_survives_a_start_in_place_and_a_call_that_waits() -> None:
    asked, call = listen("sub"), line("tools/call", 2, _meta=ENVELOPE, name="status")
    before = front()
    before.hear(asked)
    session = before.session()
    assert session
    after = front()
    after.resume(session)
    after.hear(call)
    assert answers(after.hear(listen("more", resourcesListChanged=True)))[0]["method"].endswith("/acknowledged")
    assert after.wanted, "still, although a subscription came behind the call"
    assert after.handed() == (asked + call + listen("more", resourcesListChanged=True), ["sub", "more"])


def test_nobody_can_keep_subscribing_without_end() -> None:
    one = front()
    for number in range(20_000):
        if one.wanted:
            break
        one.hear(listen(number))
    assert one.wanted


@pytest.mark.parametrize("first", [b"GET / HTTP/1.1\r\n", b"\xff\n", b"null\n", b'{"a": 1}\n', b"[" * 100_000 + b"\n"])
def test_what_no_host_would_say_first_is_noticed(first: bytes) -> None:
    one = front()
    one.hear(first)
    assert one.puzzled


@pytest.mark.parametrize("first", [b'[{"jsonrpc": "2.0"}]\n', b'{"jsonrpc": "2.0", "extra": 1}\n', hello() + b"{]\n"])
def test_an_odd_message_of_a_host_is_nothing_to_be_puzzled_about(first: bytes) -> None:
    one = front()
    one.hear(first)
    assert not one.puzzled
