from __future__ import annotations

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tools._answers import abstains, final_answer, grouped, is_closed, options, value_of

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
DIFFERENT = [
    ["42", "43"],
    ["5 km", "5 m"],
    ["12%", "12 km"],
    ["1.234", "1234"],
    ["0.3", "1/3"],
    ["Yes", "No"],
    ["A", "B"],
    ["2024-03-05", "2024-05-03"],
    ["5 March 2024", "March 2024"],
    ["Paris", "Paris, Texas"],
    ["No", "No more than 5"],
    ["$5", "€5"],
]


@pytest.mark.parametrize("forms", SAME, ids=lambda forms: forms[0])
def test_ways_of_writing_one_answer_are_one_group(forms: list[str]) -> None:
    assert grouped([value_of(form) for form in forms]) == [0] * len(forms)


@pytest.mark.parametrize("forms", DIFFERENT, ids=" ".join)
def test_different_answers_stay_apart(forms: list[str]) -> None:
    assert grouped([value_of(form) for form in forms]) == [0, 1]


def test_a_bare_number_joins_no_group_when_two_could_be_meant() -> None:
    assert grouped([value_of(form) for form in ("5 km", "5 kg", "5")]) == [0, 1, 2]
    assert grouped([value_of(form) for form in ("2024-03-05", "2024-05-03", "03/05/2024")]) == [0, 1, 2]


def test_an_option_s_text_is_its_letter_when_the_question_lists_it() -> None:
    choices = options("Which?\nA) London\nB) Paris\n(C) Rome")
    assert choices == {"A": "London", "B": "Paris", "C": "Rome"}
    assert value_of("the Paris", choices).key == value_of("B", choices).key


def test_a_letter_that_is_no_option_is_no_answer_by_letter() -> None:
    assert value_of("D", {"A": "x", "B": "y"}).kind == "text"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("Because.\nANSWER: 42", "42"),
        ("Because.\n**Final answer:** 42", "42"),
        ("ANSWER: 1\nno, wait\nANSWER: 2", "2"),
        ("So \\boxed{\\frac{1}{2}} it is.", "\\frac{1}{2}"),
        ("ANSWER: \\boxed{B}", "B"),
        ("It follows. The correct answer is B.", "B"),
        ("Paris", "Paris"),
        ("A long story.\nIt has no answer line and goes on.", None),
        ("", None),
    ],
)
def test_the_final_answer_is_found_where_models_put_it(text: str, answer: str | None) -> None:
    assert final_answer(text) == answer


@pytest.mark.parametrize("text", ["abstain", "I don't know.", "N/A", "unknown", "", None, "I cannot tell"])
def test_declining_is_abstaining(text: str | None) -> None:
    assert abstains(text)


def test_an_answer_that_only_mentions_ignorance_does_not_abstain() -> None:
    assert not abstains("Unknown Pleasures")


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
    final_answer(text)


@given(st.permutations([form for forms in (SAME[1], SAME[3], SAME[4], SAME[7], SAME[14]) for form in forms]))
def test_groups_do_not_depend_on_the_order_of_answers(forms: list[str]) -> None:
    groups = grouped([value_of(form) for form in forms])
    together = {group: {f for f, g in zip(forms, groups, strict=True) if g == group} for group in groups}
    again = grouped([value_of(form) for form in sorted(forms)])
    expected = {group: {f for f, g in zip(sorted(forms), again, strict=True) if g == group} for group in again}
    assert sorted(map(sorted, together.values())) == sorted(map(sorted, expected.values()))
