from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ai.wire.response.sse import SSEDecoder

STREAM = (
    b": ping\n\ndata: one\n\nevent: x\r\ndata: two\r\n\r\n"
    b'data:three\ndata: four\n\nid: 7\n\ndata: {"a": "\xc3\xa9"}\n\n'
)
EVENTS = [b"one", b"two", b"three\nfour", b'{"a": "\xc3\xa9"}']


@given(st.lists(st.integers(0, len(STREAM)), max_size=20))
def test_events_are_the_same_however_the_bytes_are_cut(cuts: list[int]) -> None:
    decoder = SSEDecoder()
    places = sorted({0, len(STREAM), *cuts})
    pieces = [STREAM[start:end] for start, end in itertools.pairwise(places)]
    assert [event for piece in pieces for event in decoder.feed(piece)] == EVENTS


def test_an_event_whose_blank_line_never_came_is_there_after_flushing() -> None:
    decoder = SSEDecoder()
    assert list(decoder.feed(b"data: last")) == []
    assert list(decoder.flush()) == [b"last"]


def test_comments_alone_are_no_event() -> None:
    decoder = SSEDecoder()
    assert list(decoder.feed(b": ping\n\n: ping\n\n")) == []
    assert not decoder.seen_event


def test_an_event_without_end_is_given_up() -> None:
    decoder = SSEDecoder()
    with pytest.raises(ValueError, match="16 MiB"):
        for _ in range(20):
            list(decoder.feed(b"data: " + b"x" * 1_000_000))
