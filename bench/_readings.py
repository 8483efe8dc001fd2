"""Answers in all styles and forms through the readers alone: what is misread, and what passes for agreement."""

from __future__ import annotations

import random


def readings(questions: int) -> tuple[int, int, int, int]:
    """Values misread, answers read, questions told as agreed on that are not, and those told as agreed on."""
    from _seats import FORMS, KINDS
    from _styles import STYLES, written

    from tools.answers.values import grouped, value_of
    from tools.voting.prompts import Take

    chance = random.Random(11)
    misread = read = false = told = 0
    expected = {form: value_of(form) for rows in FORMS.values() for forms in rows for form in forms}
    for _ in range(questions):
        kind = chance.choice(KINDS)
        meant = [chance.choice((0, 0, 0, 1, 2, 3)) for _ in range(5)]
        forms = [chance.choice(FORMS[kind][one]) for one in meant]
        takes = [
            Take.of(written(form, chance.choice(STYLES), marked=chance.random() < 0.5, rng=chance)) for form in forms
        ]
        known = [(take.answer, form, one) for take, form, one in zip(takes, forms, meant, strict=True) if take.answer]
        read += len(known)
        misread += sum(value_of(answer).key != expected[form].key for answer, form, _ in known)
        groups = grouped([value_of(answer) for answer, _, _ in known])
        if len(known) > 2 and len(set(groups)) == 1:
            told += 1
            false += len({one for _, _, one in known}) > 1
    return misread, read, false, told
