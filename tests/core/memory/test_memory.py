from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from core.errors import InvalidInputError, StoreError
from core.memory.memory import Memory
from core.memory.scope import ANY_TOPIC, Place, Scope
from core.memory.threads import USER, Threads, Turn

NOW = datetime(2026, 6, 17, 12, tzinfo=UTC)
MEANINGS = (("car", "vehicle", "automobile"), ("dog", "puppy", "pet"), ("job", "work", "employment"), ("cold", "snow"))


class Meanings:
    """An embedder that knows a few words that mean the same."""

    name = "meanings"
    at_hand = True
    floor = 0.5

    def __init__(self, name: str = "meanings") -> None:
        self.name = name
        self.texts: list[str] = []

    def embed(self, texts: Sequence[str]) -> Any:
        import numpy as np

        self.texts += texts
        rows = np.full((len(texts), 64), 0.01, np.float32)
        for row, text in enumerate(texts):
            for word in re.findall(r"\w+", text.casefold()):
                for number, same in enumerate(MEANINGS):
                    if word in same:
                        rows[row, number] += 1
        return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@pytest.fixture
def threads(tmp_path: Path) -> Iterator[Threads]:
    opened = Threads(tmp_path / "threads.db")
    yield opened
    opened.close()


def said(threads: Threads, name: str, *turns: Turn | str, place: Place | None = None) -> None:
    kept = [turn if isinstance(turn, Turn) else Turn(USER, turn) for turn in turns]
    threads.add(name, kept, place=place).result(5)


def at(days: float, text: str, author: str = USER) -> Turn:
    return Turn(author, text, at=(NOW - timedelta(days=days)).isoformat(timespec="seconds"))


def texts(memory: Memory, scope: Scope, question: str, **more: Any) -> list[str]:
    return [one.text for one in memory.search(scope, question, now=NOW, **more).passages]


def test_what_was_said_is_found_by_its_words_and_as_it_was_said(threads: Threads) -> None:
    said(threads, "a", Turn(USER, "My locker code is 4417.", message="m1", person="telegram 9"), "It rains.")
    (found,) = Memory(threads).search(Scope.of_thread("a"), "What is the code of my locker?").passages
    assert (found.text, found.thread, found.author, found.message, found.person, found.whole) == (
        "My locker code is 4417.",
        "a",
        USER,
        "m1",
        "telegram 9",
        True,
    )
    assert found.by == ("words",) and found.at and found.turn == 1


def test_what_was_said_in_other_words_is_found_by_meaning(threads: Threads) -> None:
    said(threads, "a", "We bought an automobile.", "The weather was fine.", "The soup was good.")
    memory = Memory(threads, embedder=Meanings())
    assert texts(memory, Scope.of_thread("a"), "Which car is ours?")[0] == "We bought an automobile."


def test_without_an_embedder_words_alone_are_searched_and_that_is_said(threads: Threads) -> None:
    said(threads, "a", "We bought an automobile.")
    found = Memory(threads, lacking="No vectors: run moot memory install.").search(Scope.of_thread("a"), "automobile")
    assert found.notes == ("Only words were searched. No vectors: run moot memory install.",)
    assert len(found.passages) == 1


def test_a_scope_that_names_nothing_is_refused() -> None:
    with pytest.raises(InvalidInputError, match="Say where to look"):
        Scope()
    with pytest.raises(InvalidInputError, match="Say where to look"):
        Scope(thread="a", everything=True)
    with pytest.raises(InvalidInputError, match="Say where to look"):
        Scope.of_chat("")
    with pytest.raises(InvalidInputError, match="Say where to look"):
        Scope.of_thread("")


def test_nothing_is_ever_found_outside_of_the_scope(threads: Threads) -> None:
    places = {"one": Place("tg 1"), "two": Place("tg 2"), "three": Place("tg 2", "7"), "four": Place()}
    for number, (name, place) in enumerate(places.items()):
        turns = [Turn(USER, f"canary{number} dog secret plan", person=person) for person in ("p", "q")]
        said(threads, name, *turns, place=place)
    scopes = {
        Scope.of_thread("one"): {0},
        Scope.of_chat("tg 1"): {0},
        Scope.of_chat("tg 2"): {1},
        Scope.of_chat("tg 2", "7"): {2},
        Scope.of_chat("tg 2", ANY_TOPIC): {1, 2},
        Scope.of_thread("four"): {3},
        Scope.of_chat("tg 3"): set(),
        Scope.of_everything(): {0, 1, 2, 3},
    }
    for embedder in (None, Meanings()):
        memory = Memory(threads, embedder=embedder)
        for scope, expected in scopes.items():
            found = texts(memory, scope, "secret plan of the puppy, canary0 canary1 canary2 canary3 today", most=50)
            assert {int(text[6]) for text in found} == expected, (scope, embedder)
    one = Memory(threads).search(Scope.of_chat("tg 1", person="q"), "secret plan").passages
    assert [passage.person for passage in one] == ["q"]


def test_a_thread_stays_in_the_chat_where_it_began(threads: Threads) -> None:
    said(threads, "a", "x", place=Place("tg 1"))
    with pytest.raises(InvalidInputError, match="belongs to another chat"):
        said(threads, "a", "y", place=Place("tg 2"))


def test_what_was_said_in_the_time_that_is_named_comes_first(threads: Threads) -> None:
    said(threads, "a", at(40, "The bike tour went to Lake A."), at(9, "The bike tour went to Lake B."))
    said(threads, "a", at(1, "The bike tour went to Lake C."))
    memory = Memory(threads)
    assert texts(memory, Scope.of_thread("a"), "Where did the bike tour go last week?")[0].endswith("Lake B.")
    assert texts(memory, Scope.of_thread("a"), "Where did the bike tour go before May 20?")[0].endswith("Lake A.")
    assert texts(memory, Scope.of_thread("a"), "Where did the bike tour go yesterday?")[0].endswith("Lake C.")
    assert texts(memory, Scope.of_thread("a"), "What was said yesterday?")[0].endswith("Lake C.")


def test_of_what_changed_the_newest_comes_first_and_the_old_stays(threads: Threads) -> None:
    said(threads, "a", at(90, "My dentist is Dr. Kim."), at(3, "My dentist is Dr. Lopez."), at(1, "It rains."))
    assert texts(Memory(threads), Scope.of_thread("a"), "Who is my dentist?") == [
        "My dentist is Dr. Lopez.",
        "My dentist is Dr. Kim.",
    ]
    first, _ = texts(Memory(threads), Scope.of_thread("a"), "Who was my dentist originally?")
    assert first == "My dentist is Dr. Kim."


def test_scripts_without_blanks_are_found_by_pairs_of_signs(threads: Threads) -> None:
    said(threads, "a", "私の猫の名前はミケです。", "今日は雨です。", "Ärger über den Zug")
    assert texts(Memory(threads), Scope.of_thread("a"), "猫の名前は何ですか")[0].startswith("私の猫")
    assert texts(Memory(threads), Scope.of_thread("a"), "arger")[0].startswith("Ärger")


def test_what_is_recalled_stays_within_its_allowance(threads: Threads) -> None:
    said(threads, "a", *[f"The dog ate sausage number {n}. {'Word ' * 150}" for n in range(30)])
    found = Memory(threads).recall(Scope.of_thread("a"), "Which sausage?", lambda text: len(text) // 4, tokens=600)
    assert 1 < sum(len(one.text) // 4 + 24 for one in found.passages) <= 600
    assert not Memory(threads).recall(Scope.of_thread("a"), "sausage", len, tokens=10).passages


def test_turns_that_go_along_anyway_are_not_recalled(threads: Threads) -> None:
    said(threads, "a", "The dog sleeps.", "The dog barks.")
    found = Memory(threads).recall(Scope.of_thread("a"), "dog", len, but=lambda turn: turn > 1)
    assert [one.turn for one in found.passages] == [1]


def test_of_a_long_turn_the_part_that_fits_is_given(threads: Threads) -> None:
    said(threads, "a", f"{'Filler here. ' * 200}\n\nThe code is 99.\n\n{'More filler. ' * 200}")
    (found,) = Memory(threads).search(Scope.of_thread("a"), "code").passages
    assert "The code is 99." in found.text and len(found.text) <= 1_000 and not found.whole


def test_indexing_goes_on_step_by_step_and_after_a_restart(threads: Threads) -> None:
    said(threads, "a", *[f"number {n}" for n in range(10)])
    embedder = Meanings()
    assert Memory(threads, embedder=embedder).catch_up(most=4) == 6
    assert Memory(threads, embedder=embedder).catch_up(most=4) == 2
    assert Memory(threads, embedder=embedder).catch_up(most=4) == 0
    assert len(embedder.texts) == 10


def test_while_another_embedder_indexes_the_old_index_answers(threads: Threads) -> None:
    said(threads, "a", "We bought an automobile.", "The puppy sleeps.", "Soup.")
    old, new = Meanings("old"), Meanings("new")
    new.at_hand = False
    Memory(threads, embedder=old).catch_up()
    memory = Memory(threads, embedder=new, older={"old": old}.get)
    memory.catch_up(most=1)
    assert texts(memory, Scope.of_thread("a"), "Where is the dog?")[0] == "The puppy sleeps."
    assert old.texts[-1] == "Where is the dog?"
    assert memory.catch_up() == 0
    assert texts(memory, Scope.of_thread("a"), "Where is the dog?")[0] == "The puppy sleeps."
    assert new.texts[-1] == "Where is the dog?"
    assert memory.index.count("old") == 0


def test_an_index_that_is_away_is_said_and_words_go_on(threads: Threads) -> None:
    class Away(Meanings):
        def embed(self, texts: Sequence[str]) -> Any:
            raise StoreError("It does not answer.")

    said(threads, "a", "The dog sleeps.")
    found = Memory(threads, embedder=Away()).search(Scope.of_thread("a"), "dog")
    assert found.notes == ("Only words were searched: It does not answer.",)
    assert len(found.passages) == 1


def test_of_turns_that_differ_in_a_number_the_one_that_was_asked_for_stands_first(tmp_path: Path) -> None:
    threads = Threads(tmp_path / "numbers.db")
    for day in range(1, 15):
        told = Turn(
            USER, f"I thought about the boat number {day * 11} and its sails.", at=f"2026-03-{day:02}T10:00:00+00:00"
        )
        threads.add("a", [told]).result(5)
    found = Memory(threads).search(Scope.of_thread("a"), "What did I say of boat number 77?")
    assert "number 77 " in found.passages[0].text
    threads.close()


def test_what_was_said_while_a_clock_was_wrong_is_not_taken_for_the_newest(tmp_path: Path) -> None:
    threads = Threads(tmp_path / "clock.db")
    wrong = Turn(USER, "I live in Kiel, in the old house by the harbour.", at="2030-01-01T00:00:00+00:00")
    right = Turn(USER, "I live in Bonn now, in a new house by the river.", at="2026-06-01T00:00:00+00:00")
    threads.add("a", [wrong, right]).result(5)
    for now in (datetime(2026, 6, 2, tzinfo=UTC), datetime(2020, 1, 1, tzinfo=UTC)):  # put right, and set back since
        found = Memory(threads).search(Scope.of_thread("a"), "Where do I live?", now=now)
        assert [one.text for one in found.passages] == [right.text, wrong.text]
    threads.close()
