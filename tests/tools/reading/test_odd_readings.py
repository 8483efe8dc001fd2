"""What a seat says beside its answer, instead of it, or after it: nothing is made an answer that is none."""

from __future__ import annotations

import pytest

from tools.answers.options import read_options
from tools.answers.values import grouped, value_of
from tools.reading.final_answer import Reading, read_answer

FIELDS = frozenset({"CONFIDENCE"})


def read(text: str) -> Reading:
    return read_answer(text, FIELDS)


SAID = [
    ("ANSWER: The answer is 42.", "42"),
    ("Final Answer: The final answer is $42$. I hope it is correct.", "42"),
    ("ANSWER: My answer is yes.", "yes"),
    ("Answer: 42 ✅", "42"),
    ("Answer: ✅ Yes", "yes"),
    ("Answer: ❌ No", "no"),
    ("👉 42", "42"),
    ("<answer>\n42\n</answer>", "42"),
    ("answer=42, confidence=90", "42"),
    ("ANSWER: 42. Confidence: 90", "42"),
    ("ANSWER: set display: block, position: absolute", "set display: block, position: absolute"),
    ("Someone said:\n> ANSWER: 17\n\nI disagree. ANSWER: 42", "42"),
    ("The answer is probably 42, but I'm not certain.", "42"),
    ("The answer is likely 42.", "42"),
    ("La réponse est donc **42**.", "42"),
    ("La respuesta correcta es la B.", "B"),
    ("Also ist die Antwort 42.", "42"),
    ("B is correct.", "B"),
    ("It's B.", "B"),
    ("I'd go with B.", "B"),
    ("My pick: B", "B"),
    ("Conclusion: 42", "42"),
    ("TL;DR: the total is 42.", "42"),
    ("1. First we add.\n2. Then we halve.\n3. The answer is 42.", "42"),
    ("Great Britain", "Great Britain"),
    ("ANSWER: undefined", "undefined"),
]


@pytest.mark.parametrize(("text", "answer"), SAID)
def test_an_answer_is_read_without_what_stands_around_it(text: str, answer: str) -> None:
    said = read(text).answer
    assert said is not None
    assert len(set(grouped([value_of(said), value_of(answer)]))) == 1


TAKEN_BACK = [
    "The answer is 17. Hold on. I misread the question. It is 42.",
    "The answer is 17. Oops, I made an arithmetic error; 42.",
    "The answer is 17. Hmm, that doesn't look right. So 6*7=42.",
    "The answer is 17. Sorry, I meant 42.",
    "The answer is 17. Strike that: 42.",
    "The answer is 17. EDIT: 42",
    "ANSWER: 17\n\nWait, that is wrong; it should be 42.",
    "ANSWER: 17\nCONFIDENCE: 90\n\nActually, that is not right: I forgot the zero.",
    "ANSWER: 17\n\nSorry, I miscounted. There are 42.",
]


@pytest.mark.parametrize("text", TAKEN_BACK)
def test_what_is_taken_back_afterwards_is_not_read(text: str) -> None:
    assert (read(text).read, read(text).answer) == (False, None)


AFTERWARDS = [
    "One might wait for 17 here, and that is actually what many say. Let me double-check: 6 x 7.",
    "Wait times matter here, since the queue is long.",
    "Hold on to this: 6 x 7.",
    "Actually, I double-checked each step.",
    "This is wrong for 17 because of its factors.",
]


@pytest.mark.parametrize("after", AFTERWARDS)
def test_reasons_that_follow_an_answer_do_not_take_it_back(after: str) -> None:
    assert read(f"ANSWER: 42\n\n{after}").answer == "42"


PARTS = [
    "Part 1: The answer is 17.\nPart 2: The answer is 42.",
    "a) The answer is 17.\nb) The answer is 42.",
    "For case A the answer is 17.\nFor case B the answer is 42.",
]


@pytest.mark.parametrize("text", PARTS)
def test_the_answer_to_the_last_part_is_not_the_answer_to_all(text: str) -> None:
    assert read(text).answer is None


NONE = [
    '{"answer": null}',
    '{"answer": ""}',
    '```json\n{"reasons": "too little is known", "answer": null}\n```',
    "{'answer': None}",
    "ANSWER: TBD",
    "ANSWER: see above",
    "ANSWER: As stated above.",
    "ANSWER: [your answer here]",
    "I have no idea.",
    "No clue.",
    "Nobody knows.",
    "I need more information.",
    "More information is needed.",
    "Insufficient information to answer.",
    "Please provide more context.",
    "Could you clarify the question?",
    "I don't have access to real-time data.",
    "The code was not attached.",
    "Sorry, I can't help with that request. The answer is something only a doctor should give.",
]


@pytest.mark.parametrize("text", NONE)
def test_who_gives_no_answer_has_abstained(text: str) -> None:
    assert (read(text).read, read(text).answer) == (True, None)


UNREAD = [
    "ANSWER: <your answer>",
    "The answer is not 17.",
    "One might think the answer is 17.",
    "Yes, I can help with that.",
    "No problem, let me think.",
    "No worries!",
    "Happy to help!",
    "I understand.",
    "To solve this, we use the quadratic formula.",
    "This is a classic puzzle.",
    "I initially got 17.",
    "My first guess: 17",
    "Reasoning: the function loops",
    "Error: rate limited",
]


@pytest.mark.parametrize("text", UNREAD)
def test_talk_is_no_answer(text: str) -> None:
    assert (read(text).read, read(text).answer) == (False, None)


def test_no_idea_is_an_answer_where_it_is_an_option() -> None:
    options = read_options("Do you agree?\nA) Yes\nB) No\nC) No idea")
    assert read_answer("ANSWER: No idea", FIELDS, options).answer == "No idea"


@pytest.mark.parametrize(("one", "other"), [("5'", '5"'), ("A", "A'"), ("5′", "5″"), ("No", "❌"), ("x'", "x")])
def test_a_prime_is_no_quotation_mark(one: str, other: str) -> None:
    assert len(set(grouped([value_of(one), value_of(other)]))) == 2


@pytest.mark.parametrize(("one", "other"), [("'42'", "42"), ('"Paris"', "Paris"), ("“B”", "B"), ("`x`", "x")])
def test_quotation_marks_are_no_part_of_an_answer(one: str, other: str) -> None:
    assert len(set(grouped([value_of(one), value_of(other)]))) == 1


CAPITAL = read_options("Which is the capital of France?\nA) London\nB) Paris\nC) Rome")
LENGTH = read_options("How long is it?\nA: 5 km\nB: 5 m\nC: 500 m")


@pytest.mark.parametrize("said", ["B) Rome", "B: Rome", "(B) Rome", "B. rome"])
def test_the_letter_of_one_option_with_the_text_of_another_is_neither(said: str) -> None:
    values = [value_of(one, CAPITAL) for one in (said, "B", "C")]
    assert len(set(grouped(values))) == 3
    assert values[0].kind == "text"


@pytest.mark.parametrize(("said", "letter"), [("5000 m", "A"), ("0.005 km", "B"), ("0.5 km", "C"), ("5 km", "A")])
def test_an_option_is_known_by_its_value_in_another_unit(said: str, letter: str) -> None:
    assert len(set(grouped([value_of(said, LENGTH), value_of(letter, LENGTH)]))) == 1
