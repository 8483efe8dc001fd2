"""Where an AI says its answer: every dress of a marker, sentences, and texts in which none is said."""

from __future__ import annotations

import pytest

from tools.reading.final_answer import final_answer, read_answer, rendered
from tools.reading.markers import read_marks
from tools.voting.prompts import Take

FIELDS = frozenset({"CONFIDENCE", "CONVINCED BY"})
REASONS = "First we look at it. Then we think of 17 and of 23, and of what B said about both."

DRESSES = [
    "ANSWER: 42\nCONFIDENCE: 80",
    "ANSWER:42\nCONFIDENCE:80%",
    "**ANSWER:** 42\n**CONFIDENCE:** 80",
    "**ANSWER: 42**\n**CONFIDENCE: 80**",
    "***ANSWER: 42***\n*CONFIDENCE: 80*",
    "__Answer__: 42\n__Confidence__: 80",
    "*Answer*: 42\n*Confidence*: 80",
    "# ANSWER: 42\n# CONFIDENCE: 80",
    "### Answer\n\n42\n\n### Confidence\n\n80%",
    "## Final Answer:\n42\n## Confidence:\n80",
    "**Final Answer**\n42\n\n**Confidence**\n80",
    "FINAL ANSWER\n42\nCONFIDENCE\n80",
    "Answer:\n42\nConfidence:\n80",
    "Answer:\n```\n42\n```\nConfidence: 80",
    "**Answer:**\n\n$$42$$\n\nConfidence: 80",
    "- Answer: 42\n- Confidence: 80",
    "* **Answer**: 42\n* **Confidence**: 80",
    "• Answer: 42\n• Confidence: 80",
    "1. ANSWER: 42\n2. CONFIDENCE: 80",
    "> ANSWER: 42\n> CONFIDENCE: 80",
    "```\nANSWER: 42\nCONFIDENCE: 80\n```",
    "`ANSWER: 42`\n`CONFIDENCE: 80`",
    "✅ Answer: 42\n🎯 Confidence: 80",
    "| Answer | 42 |\n|---|---|\n| Confidence | 80 |",
    "| Field | Value |\n|---|---|\n| **Answer** | 42 |\n| **Confidence** | 80 |",
    "| Answer | Confidence |\n|--------|:----:|\n| 42 | 80 |",
    '{"answer": 42, "confidence": 80}',
    '{"reasons": "r", "answer": "42", "confidence": 80}',
    '```json\n{"reasons": "r", "answer": "42", "confidence": 80}\n```',
    "{'answer': '42', 'confidence': 80,}",
    '{"final_answer": "42", "confidence_level": "80%"}',
    '{"result": {"answer": "42", "confidence": 80}}',
    '[{"answer": "42", "confidence": 80}]',
    '{"answer": "42", "confidence": 80',
    '"answer": "42",\n"confidence": 80',
    "answer: 42\nconfidence: 80",
    "<answer>42</answer>\n<confidence>80</confidence>",
    "<b>Answer:</b> 42<br>\n<b>Confidence:</b> 80",
    "ANSWER: 42, CONFIDENCE: 80",
    "ANSWER: 42 | CONFIDENCE: 80",
    "ANSWER: 42. CONFIDENCE: 80.",
    "ANSWER = 42\nCONFIDENCE = 80",
    "ANSWER - 42\nCONFIDENCE - 80",
    "Answer → 42\nConfidence → 80",
    "**Answer** — 42\n**Confidence** — 80",
    "ANSWER：42\nCONFIDENCE：80",
    "ＡＮＳＷＥＲ：４２\nCONFIDENCE: 80",
    "My final answer: 42\nMy confidence: 80",
    "Answer (final): 42\nConfidence (0-100): 80",
    "Final answer is: 42\nConfidence level: 80",
    "ANSWER: \\boxed{42}\nCONFIDENCE: 80",
    'ANSWER: "42"\nCONFIDENCE: 80',
    "ANSWER: `42`\nCONFIDENCE: 80",
    "ANSWER: 1\nNo, wait.\nANSWER: 42\nCONFIDENCE: 80",
    "ANSWER: 42\nCONFIDENCE: 80\n\n> ANSWER: 17",
    "ANSWER: 42\nCONFIDENCE: 80\n\n```\nANSWER: 17\n```",
    "Antwort: 42\nKonfidenz: 80",
    "**Endantwort:** 42\nSicherheit: 80 %",
    "Réponse : 42\nConfiance : 80",
    "Respuesta final: 42\nConfianza: 80",
    "Resposta: 42\nConfiança: 80",
    "Risposta: 42\nFiducia: 80",
    "Antwoord: 42\nZekerheid: 80",
    "Odpowiedź: 42\nPewność: 80",
    "Ответ: 42\nУверенность: 80",
    "答案：42\n置信度：80",
    "答え：42\n確信度：80",
    "정답: 42\n신뢰도: 80",
    "الإجابة: 42\nالثقة: 80",
    "उत्तर: 42\nविश्वास: 80",
    "Cevap: 42\nGüven: 80",
    "Svar: 42\nSäkerhet: 80",
    "Jawaban: 42\nKeyakinan: 80",
    "Đáp án: 42\nĐộ tin cậy: 80",
]


@pytest.mark.parametrize("placed", ["after", "before"])
@pytest.mark.parametrize("dress", DRESSES)
def test_a_marked_answer_is_read_in_every_dress_before_and_after_the_reasons(dress: str, placed: str) -> None:
    text = f"{REASONS}\n\n{dress}" if placed == "after" else f"{dress}\n\n{REASONS}"
    take = Take.of(text)
    assert (take.answer, take.confidence, take.read) == ("42", 0.8, True)


SAID = [
    ("The answer is (B).", "(B)"),
    ("We can rule out A. The correct answer is B.", "B"),
    ("So the final answer is: 7", "7"),
    ("I think the answer is 42.", "42"),
    ("Since a = b, the answer is 12 km.", "12 km"),
    ("It is B because of C. The answer is B because of C.", "B"),
    ("The correct option is C.", "C"),
    ("The value of x is 4.", "4"),
    ("Add both sides.\nSo x = 4", "x = 4"),
    ("Add both sides. Therefore, x = 4.", "x = 4"),
    ("First this. Then that.\nHence 42.", "42"),
    ("So \\boxed{\\frac{1}{2}} it is.", "\\frac{1}{2}"),
    ("Long reasons.\n#### 42", "42"),
    ("Die Antwort lautet 42.", "42"),
    ("La réponse est 42.", "42"),
    ("La respuesta correcta es 42.", "42"),
    ("答案是42。", "42"),
    ("答えは42です。", "42"),
    ("The answer is S. aureus.", "S. aureus"),
    ("The answer is A. Einstein.", "A. Einstein"),
    ("The answer is No. 42.", "No. 42"),
    ("The answer is B. This follows from C. Then we stop.", "B"),
    ("Paris", "Paris"),
    ("42", "42"),
    ("I would go with Paris.", "I would go with Paris."),
]


@pytest.mark.parametrize(("text", "answer"), SAID)
def test_an_answer_is_found_where_a_sentence_says_that_it_is_one(text: str, answer: str) -> None:
    assert final_answer(text) == answer


UNREAD = [
    "",
    "Let me think step by step.",
    "Let me think step by step. First, 3 * 5 is 15. Then add 2.",
    "Okay, so we need to find the number of ways.",
    "A long story.\nIt has no answer line and goes on.",
    f"One might think the answer is 42, but that would be too easy. {REASONS}",
    f"Many people say the answer is 42. {REASONS}",
    f"If x were 3 the answer is 9. {REASONS}",
    f"The answer is not 42. {REASONS}",
    f"Is the answer 42? {REASONS}",
    f"The answer is 42. Wait, that is wrong. {REASONS}",
    f"So x = 4. No, scratch that. {REASONS}",
    "ANSWER: <only the answer itself: a letter, a number>\nCONFIDENCE: <0 to 100>",
    "\\boxed{",
    "ANSWER:",
]


@pytest.mark.parametrize("text", UNREAD)
def test_where_no_answer_is_said_none_is_read(text: str) -> None:
    reading = read_answer(text, FIELDS)
    assert (reading.answer, reading.read) == (None, False)


@pytest.mark.parametrize(
    "text",
    [
        "ANSWER: abstain\nCONFIDENCE: 0",
        "Answer: I'm not sure",
        "I'm sorry, but I can't help with that.",
        '{"answer": "abstain"}',
        "I cannot assist with this request. " + "Because of policy. " * 10,
        "I don't know.",
    ],
)
def test_who_declines_was_read(text: str) -> None:
    reading = read_answer(text, FIELDS)
    assert (reading.answer, reading.read) == (None, True)


def test_a_symbol_that_looks_like_emphasis_stays() -> None:
    assert [final_answer(f"ANSWER: {said}") for said in ("*p", "A*", "-5", "> 5", "__init__ x")] == [
        "*p",
        "A*",
        "-5",
        "> 5",
        "__init__ x",
    ]


def test_the_text_without_its_markers_is_the_argument() -> None:
    marks = read_marks(f"{REASONS}\n\n**ANSWER:** 42\nCONFIDENCE: 80\nCONVINCED BY: B", FIELDS | {"ANSWER"})
    assert marks.text == REASONS and marks.values["CONVINCED BY"] == "B"


def test_an_answer_of_json_is_shown_as_the_text_it_holds() -> None:
    assert rendered('{"reasons": "Because.", "answer": "42"}') == "Because.\n\nANSWER: 42"
    assert rendered("Because.\nANSWER: 42") == "Because.\nANSWER: 42"
