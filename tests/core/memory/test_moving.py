"""What was said, taken elsewhere and back: all of a file or none of it, and what is wrong is named."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.errors import InvalidInputError
from core.memory.moving import exported, lines_of, take_in
from core.memory.scope import Place, Scope
from core.memory.threads import USER, Threads, Turn

GOOD = '{"thread": "good", "text": "fine"}'


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[Threads]:
    opened = Threads(tmp_path / "threads.db")
    yield opened
    opened.close()


def test_what_is_exported_comes_back_as_it_was(tmp_path: Path, threads: Threads) -> None:
    threads.add(
        "a", [Turn(USER, "Grüße\n\n「x」", "ask_one", person="p", message="m")], place=Place("tg 1", "2")
    ).result(5)
    threads.add("b", [Turn("gpt", "Yes.")]).result(5)
    lines = [json.dumps(one) for one in exported(threads, Scope.of_everything())]
    assert [json.loads(line)["thread"] for line in lines] == ["a", "b"]
    assert [one["thread"] for one in exported(threads, Scope.of_thread("b"))] == ["b"]
    other = Threads(tmp_path / "other.db")
    assert take_in(other, lines) == 2
    assert [json.dumps(one) for one in exported(other, Scope.of_everything())] == lines
    other.close()


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("x", "Line 2 is no JSON"),
        (GOOD[:12], "Line 2 is no JSON"),
        ("[" * 100_000, "Line 2 is no JSON"),
        ('{"thread": "a", "text": ' + "[" * 100_000, "Line 2 is no JSON"),
        ("[]", "Line 2 is no turn"),
        ('{"thread": "a"}', "Line 2 has no 'text'"),
        ('{"text": "a"}', "Line 2 has no 'thread'"),
        ('{"thread": "a", "text": 5}', "Line 2: 'text' must be a text"),
        ('{"thread": "a", "text": "x", "mood": "y"}', "Line 2: 'mood' is no field"),
        ('{"thread": "a", "text": "x", "at": "yesterday"}', "Line 2: 'at' is no time"),
        ('{"thread": "a", "text": "x", "at": "2026-03-01"}', "Line 2: 'at' is no time"),
        ('{"thread": "a", "text": "x", "at": "9999-12-31T23:59:59-12:00"}', "Line 2: 'at' is no time"),
        ('{"thread": "a/b", "text": "x"}', "Line 2: 'thread' cannot be"),
        ('{"thread": "", "text": "x"}', "Line 2: 'thread' cannot be"),
        ('{"thread": "chat", "text": "x"}', "Line 2: 'thread' 'chat' belongs to another chat"),
        ('{"thread": "good", "text": "x", "channel": "tg"}', "Line 2: 'thread' 'good' belongs to another chat"),
        (json.dumps({"thread": "a", "text": "x", "author": "x" * 501}), "Line 2: 'author' is longer than 500"),
        (json.dumps({"thread": "a", "text": "x" * 10_000_001}), "Line 2 is longer than 10,000,000"),
    ],
)
def test_a_line_that_is_no_turn_is_named_and_nothing_is_kept(threads: Threads, line: str, why: str) -> None:
    threads.add("chat", [Turn(USER, "hello")], place=Place("tg", "1")).result(5)
    with pytest.raises(InvalidInputError, match=why):
        take_in(threads, [GOOD, line, GOOD])
    assert [one.name for one in threads.all()] == ["chat"]


def test_a_file_that_is_no_text_is_refused(threads: Threads) -> None:
    file = io.TextIOWrapper(io.BytesIO(GOOD.encode() + b"\n" + b"\xff\xfe\n"), encoding="utf-8")
    with pytest.raises(InvalidInputError, match="is not valid UTF-8"):
        take_in(threads, file)
    assert not threads.begun


def test_a_file_that_is_imported_twice_is_kept_once(threads: Threads) -> None:
    said = {"thread": "a", "text": "Yes.", "at": "2026-03-01T12:00:00+00:00"}
    lines = [json.dumps(said), json.dumps(said), json.dumps({**said, "author": "gpt"})]
    assert take_in(threads, lines) == 3  # said twice in one second
    assert take_in(threads, [*lines, json.dumps({**said, "text": "No."})]) == 1
    assert [turn.text for turn in threads.history("a")] == ["Yes.", "Yes.", "Yes.", "No."]


def test_times_of_other_zones_are_kept_as_those_of_one(threads: Threads) -> None:
    take_in(threads, ['\ufeff{"thread": "a", "text": "x", "at": "2026-03-01T01:30:00.5+02:00"}'])
    assert threads.history("a")[0].at == "2026-02-28T23:30:00+00:00"


def test_what_no_terminal_shows_is_taken_out_of_every_field(threads: Threads) -> None:
    line = json.dumps({"thread": "a", "text": "\ud800x\x00", "author": "\ud800g\npt\x1b[2J", "channel": "t\x00g"})
    assert take_in(threads, [line]) == 1
    (turn,) = threads.history("a")
    assert "\x00" not in turn.text
    assert turn.author.isprintable()
    assert threads.all()[0].name == "a"


def test_lines_without_a_time_that_are_imported_twice_are_kept_once(threads: Threads) -> None:
    lines = [json.dumps({"thread": "n", "text": text}) for text in ("one", "two", "two")]
    timed = json.dumps({"thread": "n", "text": "two", "at": "2026-03-01T12:00:00+00:00"})
    assert take_in(threads, lines) == 3
    assert take_in(threads, lines) == 0
    assert take_in(threads, [*lines, timed]) == 1
    assert take_in(threads, [*lines, timed]) == 0
    assert take_in(threads, [*lines, lines[0], timed]) == 1


class Endless(io.StringIO):
    """A file of one line that has no end."""

    read_so_far = 0

    def readline(self, size: int | None = -1) -> str:
        assert size is not None and 0 < size < 20_000_000
        self.read_so_far += size
        return "x" * size


def test_a_line_without_end_is_refused_before_it_is_read(threads: Threads) -> None:
    file = Endless()
    with pytest.raises(InvalidInputError, match="Line 1 is longer than"):
        take_in(threads, lines_of(file))
    assert file.read_so_far < 20_000_000


def test_lines_come_out_of_a_file_as_they_stand_there(threads: Threads) -> None:
    assert list(lines_of(io.StringIO("a\n\nb"))) == ["a\n", "\n", "b"]


def test_a_file_that_is_imported_twice_at_once_is_kept_once(tmp_path: Path, isolated: Path) -> None:
    lines = [json.dumps({"thread": "a", "text": f"line {number}"}) for number in range(200)]
    several = [Threads(tmp_path / "threads.db") for _ in range(4)]
    together = threading.Barrier(len(several))

    def import_one(threads: Threads) -> int:
        together.wait(10)
        return take_in(threads, lines)

    with ThreadPoolExecutor(len(several)) as pool:
        kept = [*pool.map(import_one, several)]
    assert sorted(kept) == [0, 0, 0, 200]
    for threads in several:
        threads.close()
