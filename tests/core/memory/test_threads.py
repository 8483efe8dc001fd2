from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from core.errors import InvalidInputError
from core.memory.threads import USER, Threads, Turn


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[Threads]:
    opened = Threads(tmp_path / "threads.db")
    yield opened
    opened.close()


def written(threads: Threads) -> Threads:
    """*threads*, once everything that was added is in the file."""
    threads._store.submit(lambda connection: None).result(5)
    return threads


def test_a_thread_goes_on_after_a_restart(tmp_path: Path) -> None:
    first = Threads(tmp_path / "t.db")
    first.add("pricing", [Turn(USER, "Is 9 dollars too much?", "ask_one"), Turn("gpt", "No.", "ask_one")])
    first.close()
    second = Threads(tmp_path / "t.db")
    second.add("pricing", [Turn(USER, "Why?")])
    assert [(t.author, t.text) for t in written(second).history("pricing")] == [
        (USER, "Is 9 dollars too much?"),
        ("gpt", "No."),
        (USER, "Why?"),
    ]
    second.close()


def test_a_new_thread_is_empty_and_makes_no_file(threads: Threads) -> None:
    assert threads.history("new") == []
    assert threads.all() == []
    assert threads.search("x") == []
    assert not threads.begun


@pytest.mark.parametrize("name", ["", " x", "a/b", "x" * 65, "a\nb", "../x"])
def test_a_name_that_no_thread_can_have_is_refused(threads: Threads, name: str) -> None:
    with pytest.raises(InvalidInputError, match="'thread' is"):
        threads.history(name)


def test_threads_are_listed_latest_first_with_how_they_began(threads: Threads) -> None:
    threads.add("a", [Turn(USER, "First\n\nquestion", at="2026-01-01T00:00:00+00:00")])
    threads.add("b", [Turn(USER, "Second")])
    threads.add("a", [Turn("gpt", "Answer")])
    listed = written(threads).all()
    assert {(t.name, t.turns, t.opening) for t in listed} == {("a", 2, "First question"), ("b", 1, "Second")}


def test_words_are_found_whatever_their_case_and_accents(threads: Threads) -> None:
    threads.add("a", [Turn(USER, "The café closes early"), Turn("gpt", "Then go elsewhere.")])
    (match,) = written(threads).search("CAFE closes")
    assert (match.thread, match.author, match.excerpt) == ("a", USER, "The <<café>> <<closes>> early")
    assert threads.search('cafe" OR 1') == []
    with pytest.raises(InvalidInputError):
        threads.search('"*')


def test_a_deleted_thread_is_gone_from_the_list_and_the_search(threads: Threads) -> None:
    threads.add("a", [Turn(USER, "unique words")])
    assert written(threads).delete("a")
    assert not threads.delete("a")
    assert threads.all() == []
    assert threads.search("unique") == []


def test_it_reads_as_markdown(threads: Threads) -> None:
    threads.add("a", [Turn(USER, "Hi\x1b[31m", "ask_one", "2026-01-01T00:00:00+00:00"), Turn("gpt", "Hello.")])
    text = written(threads).markdown("a")
    assert text.startswith("# a\n\n## user\n*2026-01-01T00:00:00+00:00, ask_one*\n\n> Hi\n\n## gpt\n")
    with pytest.raises(InvalidInputError, match="no thread 'b'"):
        threads.markdown("b")
