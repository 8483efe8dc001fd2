from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools.answers.options import Options, read_options
from tools.answers.values import grouped, is_closed, surely_differ, value_of
from tools.reading.abstentions import abstains


def pairs(name: str) -> list[tuple[str, str]]:
    """The two columns of a table beside this file."""
    lines = (Path(__file__).parent / name).read_text("utf-8").splitlines()
    return [(one, other) for one, _, other in (line.partition(" <> ") for line in lines)]


SAME = [
    ["42", "42.0", "**42**", "\\boxed{42}", "x = 42", "42 apples", "about 42", "$42$", "+42."],
    ["1,234.5", "1234.5", "1.234,5", "1 234.5", "1'234.5", "1.2345e3", "1.2345 × 10^3", "1.2345×10³"],
    ["1.2345e3", "$1.2345 \\times 10^{3}$", "1234.5"],
    ["12%", "0.12", "12 percent", "12 \\%", "12"],
    ["5 km", "5000 m", "5", "5 kilometers", "5,000 metres"],
    ["3 million", "3e6", "3,000,000"],
    ["$5", "5 dollars", "US$5", "5"],
    ["1/3", "\\frac{1}{3}", "0.333", "0.3333"],
    ["-5 °C", "−5°C", "-5 degrees Celsius"],
    ["seven", "7"],
    ["10^6", "1000000"],
    ["Yes", "yes, because of x", "True."],
    ["No", "no.", "No — it cannot"],
    ["B", "(B)", "b.", "Option B", "B) Paris", "**B**"],
    ["2024-03-05", "5 March 2024", "March 5, 2024", "5th of March, 2024", "05.03.2024", "Tuesday, 5 Mar 2024"],
    ["2024-03-05", "03/05/2024"],
    ["March 2024", "2024-03"],
    ["Paris", "paris.", "“Paris”", "the Paris"],
]  # fmt: skip


@pytest.mark.parametrize("forms", SAME, ids=lambda forms: forms[0])
def test_ways_of_writing_one_answer_are_one_group(forms: list[str]) -> None:
    assert grouped([value_of(form) for form in forms]) == [0] * len(forms)


@pytest.mark.parametrize(("one", "other"), pairs("answers_that_agree.txt"))
def test_two_ways_to_write_one_value_agree(one: str, other: str) -> None:
    assert grouped([value_of(one), value_of(other)]) == grouped([value_of(other), value_of(one)]) == [0, 0]


@pytest.mark.parametrize(("one", "other"), pairs("answers_that_differ.txt"))
def test_two_meanings_never_agree_by_value(one: str, other: str) -> None:
    assert grouped([value_of(one), value_of(other)]) == grouped([value_of(other), value_of(one)]) == [0, 1]


def test_a_bare_number_joins_no_group_when_two_could_be_meant() -> None:
    assert grouped([value_of(form) for form in ("5 km", "5 kg", "5")]) == [0, 1, 2]
    assert grouped([value_of(form) for form in ("2024-03-05", "2024-05-03", "03/05/2024")]) == [0, 1, 2]


LISTS = [
    ("Which?\nA) London\nB) Paris\n(C) Rome", {"A": "London", "B": "Paris", "C": "Rome"}),
    ("Which? A. red B. green C. blue", {"A": "red", "B": "green", "C": "blue"}),
    ("Which is it: (a) red, (b) green, or (c) blue?", {"A": "red", "B": "green", "C": "blue"}),
    ("(A) x (B) y (C) z", {"A": "x", "B": "y", "C": "z"}),
    ("Q\n- **A.** x y\n- **B.** z", {"A": "x y", "B": "z"}),
    ("Q\n* A: x\n* B: y", {"A": "x", "B": "y"}),
    ("Q\n\nA) a\n\nB) b", {"A": "a", "B": "b"}),
    ("1) one\n2) two\n3) three", {"1": "one", "2": "two", "3": "three"}),
    ("i) x\nii) y\niii) z", {"I": "x", "II": "y", "III": "z"}),
    ("Ａ．x\nＢ．y", {"A": "x", "B": "y"}),
    ("A - London\nB - Paris", {"A": "London", "B": "Paris"}),
    ("| A | Paris |\n| B | Rome |", {"A": "Paris", "B": "Rome"}),
    ("Option A: x\nOption B: y", {"A": "x", "B": "y"}),
    ("[A] x\n[B] y", {"A": "x", "B": "y"}),
    ("What is 2 + 2?", {}),
    ("A) only one", {}),
]
UNLABELLED = [
    ("Pick.\n- Paris\n- London\n- Unknown", ("Paris", "London", "Unknown")),
    ("Options: yes, no, unknown", ("yes", "no", "unknown")),
    ("Answer yes, no or unknown.", ("yes", "no", "unknown")),
    ("Choose one of: 'red', 'green', 'N/A'", ("red", "green", "N/A")),
    ("Reply with one of pass, fail", ("pass", "fail")),
    ("Say Yes/No/Unknown", ("Yes", "No", "Unknown")),
    ("Is it true? Answer true, false, or N/A", ("true", "false", "N/A")),
    ("Is it yes, no or unknown?", ("yes", "no", "unknown")),
    ("Give either Pass or Fail.", ("Pass", "Fail")),
    ("Do one of the following things.", ()),
]


@pytest.mark.parametrize(("question", "labelled"), LISTS)
def test_labelled_options_are_found_in_every_usual_form(question: str, labelled: dict[str, str]) -> None:
    assert read_options(question).labelled == labelled


@pytest.mark.parametrize(("question", "bare"), UNLABELLED)
def test_options_without_labels_are_found_too(question: str, bare: tuple[str, ...]) -> None:
    assert tuple(read_options(question).bare) == bare


BACTERIA = read_options("Which?\nA) S. aureus\nB) E. coli\nC) Staph\nD) C. difficile\nE) Unknown")


@pytest.mark.parametrize(
    ("answer", "key"),
    [
        *(
            (form, "letter C")
            for form in ("C", "(C)", "c.", "[c]", "Option C", "C) Staph", "C: Staph", "C - Staph", "Staph")
        ),
        *((form, "letter C") for form in ("Staph (C)", "**C**", "\\boxed{C}", "\\text{C}", "the Staph", "answer C")),
        ("C. difficile", "letter D"),
        ("D) C. difficile", "letter D"),
        ("E. coli", "letter B"),
        ("unknown", "letter E"),
        ("A and C", "letters A C"),
        ("C, A", "letters A C"),
        ("C. elegans", "text C. elegans"),
        ("Not C", "text not C"),
    ],
)
def test_an_answer_names_the_option_that_it_means(answer: str, key: str) -> None:
    assert value_of(answer, BACTERIA).key == key


def test_a_letter_that_is_no_option_is_no_option() -> None:
    assert value_of("F", Options({"A": "x", "B": "y"})).key == "no" and value_of("E", BACTERIA).kind == "letter"


def test_the_number_of_a_numbered_option_is_a_number() -> None:
    choices = read_options("1) red\n2) green")
    assert value_of("2", choices).key == value_of("2.0", choices).key == value_of("green", choices).key


@pytest.mark.parametrize("word", ["Unknown", "Pass", "N/A", "Abstain", "Not sure"])
def test_what_the_question_lists_is_an_answer_and_what_it_does_not_list_abstains(word: str) -> None:
    assert not abstains(word, read_options(f"Which?\nA) Paris\nB) {word}"))
    assert not abstains(word.lower(), read_options(f"Answer with one of: yes, no, {word}"))
    assert abstains(word, read_options("Which?\nA) Paris\nB) London")) and abstains(word)


@pytest.mark.parametrize(
    "text",
    [
        "abstain",
        "I abstain.",
        "I don't know.",
        "I don’t know",
        "N/A",
        "unknown",
        "",
        "—",
        "I cannot tell",
        "I'm not sure",
        "Not sure.",
        "I am unsure",
        "no idea",
        "I can't say",
        "weiß nicht",
        "je ne sais pas",
        "不知道",
        "**abstain**",
        "I decline to answer",
        "I'm sorry, but I can't help with that.",
        "I cannot assist with this request.",
        "As an AI, I can't provide opinions.",
        "Unfortunately, I am unable to answer this question.",
    ],
)
def test_declining_and_refusing_is_abstaining(text: str) -> None:
    assert abstains(text)


@pytest.mark.parametrize(
    "text", ["Unknown Pleasures", "It cannot be determined", "None", "0", "no", "Pass the salt", "I know"]
)
def test_an_answer_that_only_sounds_like_it_does_not_abstain(text: str) -> None:
    assert not abstains(text)


def test_phrases_that_differ_are_not_closed_and_equal_ones_are() -> None:
    assert is_closed([value_of("Paris"), value_of("paris")])
    assert not is_closed([value_of("Paris"), value_of("The city of Paris")])


@given(st.integers(-(10**12), 10**12))
def test_a_whole_number_is_the_same_with_separators_and_without(number: int) -> None:
    forms = [f"{number}", f"{number:,}", f"{number:_}", f"{number}.0", f"\\boxed{{{number}}}"]
    assert grouped([value_of(form) for form in forms]) == [0] * len(forms)


@given(st.dates(date(1000, 1, 1)))
def test_a_date_is_the_same_in_every_form(day: date) -> None:
    forms = [day.isoformat(), f"{day:%B} {day.day}, {day.year:04d}", f"{day.day} {day:%b} {day.year:04d}"]
    assert grouped([value_of(form) for form in forms]) == [0, 0, 0]


@given(st.text(max_size=200))
def test_any_text_has_a_value_equal_to_itself(text: str) -> None:
    assert grouped([value_of(text), value_of(text)]) == [0, 0]


def test_only_values_read_whole_and_of_one_kind_surely_differ() -> None:
    assert surely_differ(value_of("5 km"), value_of("6 km")) and not surely_differ(value_of("5 km"), value_of("5"))
    assert not surely_differ(value_of("Paris"), value_of("London")), "they may be two words for one thing"
    assert not surely_differ(value_of("5"), value_of("five or so"))


def test_what_a_value_is_of_counts_only_where_answers_name_different_things() -> None:
    assert grouped([value_of(form) for form in ("x = 4", "4", "x=4.0")]) == [0, 0, 0]
    assert grouped([value_of(form) for form in ("x = 4", "y = 4", "4")]) == [0, 1, 2]


@given(st.permutations([form for forms in (SAME[1], SAME[3], SAME[4], SAME[7], SAME[14]) for form in forms]))
def test_groups_do_not_depend_on_the_order_of_answers(forms: list[str]) -> None:
    groups = grouped([value_of(form) for form in forms])
    together = {group: {f for f, g in zip(forms, groups, strict=True) if g == group} for group in groups}
    again = grouped([value_of(form) for form in sorted(forms)])
    expected = {group: {f for f, g in zip(sorted(forms), again, strict=True) if g == group} for group in again}
    assert sorted(map(sorted, together.values())) == sorted(map(sorted, expected.values()))


def test_a_letter_with_its_text_is_that_letter_where_most_answer_letters() -> None:
    assert grouped([value_of(form) for form in ("B", "B", "B. Paris", "C")]) == [0, 0, 0, 1]
    assert grouped([value_of(form) for form in ("C. difficile", "C")]) == [0, 1], "that may be a name"


@pytest.mark.parametrize(
    ("one", "other"), [("42 apples", "42 fruits"), ("1 year", "365 days"), ("3 people", "3 persons")]
)
def test_what_may_be_the_same_by_another_noun_is_for_a_referee(one: str, other: str) -> None:
    values = [value_of(one), value_of(other)]
    assert grouped(values) == [0, 1] and not is_closed(values) and not surely_differ(*values)


def test_other_numbers_of_the_same_or_another_unit_are_closed() -> None:
    for pair in (("42 apples", "41 fruits"), ("5 km", "5 kg"), ("5 km", "6 km"), ("1 year", "13 months")):
        assert is_closed([value_of(form) for form in pair])
