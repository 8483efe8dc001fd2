"""Whatever an AI writes, in whatever place of a result: every message of it is one that Telegram takes."""

from __future__ import annotations

import unicodedata
from collections.abc import Mapping
from typing import Any

import pytest
from open_telegram import telegram
from telegram_markup import plain_text

from core.errors import AIError
from core.events import CallFailed, CallStarted
from core.values import Failure
from server.telegram import answers
from server.telegram.bubble import Live, _end_of
from server.telegram.rich import LONGEST, markdown_pieces, units

_MANY = 30_000
_HEAVIEST = 32_768
TEXTS = {
    "long": "word " * _MANY,
    "without a blank": "x" * _MANY,
    "emoji": "😀" * _MANY,
    "families": "👨‍👩‍👧‍👦" * 3000,
    "Han": "漢" * _MANY,
    "right to left": "שלום " * 9000,
    "half a character": "\ud83d",
    "long code": "```python\n" + "x=1 # <b>\n" * 5000 + "```",
    "one line of code": "```\n" + "x" * _MANY + "\n```",
    "code of blank lines": "```\n" + "\n" * 20_000 + "a\n```",
    "code that is not closed": "```py\nfoo " * 3000,
    "code in an odd language": '```a"b>\nx\n```',
    "a long table": "|a|b|\n|-|-|\n" + "|x|y|\n" * 3000,
    "a wide table": "|" + "a|" * 500 + "\n|" + "-|" * 500 + "\n|" + "b|" * 500,
    "a huge cell": "|a|b|\n|-|-|\n|" + "x" * 9000 + "|y|",
    "an empty table": "| |\n|-|\n| |",
    "deep quotes": "> " * 30 + "deep",
    "many quotes": "> q\n\n" * 3000,
    "a long quote": "> " + "word " * 5000,
    "code in a quote": "> ```\n> a\n> ```",
    "what looks like HTML": "<b>x</b><script>alert(1)</script><blockquote expandable>&lt;",
    "what grows by its markup": "&" * 30_000,
    "many links": "[x](http://a/y) " * 3000,
    "a long link": "[x](http://a/" + "y" * 5000 + ")",
    "links that do something": "[x](tg://user?id=1) [y](javascript:alert(1)) <tg://user?id=1>",
    "an odd link": '[x](http://a/"onclick="x) [y](<http://a b>)',
    "a long heading": "# " + "h" * 9000,
    "long bold": "**" + "b " * 9000 + "**",
    "marks in marks": "*" * 500 + "a" + "*" * 500,
    "brackets": "[" * 5000,
    "lists in lists": "".join("  " * depth + "- x\n" for depth in range(100)),
    "a long list": "\n".join(f"{number}. " + "w " * 100 for number in range(300)),
    "code in a list": "- a\n\n  ```\n" + "  x\n" * 5000 + "  ```",
    "blank": "   \n\n ",
    "no width": "\u200b\u200b\u2060",
    "a filler": "\u3164",
    "Braille's blank": "\u2800",
    "a blank by name": "&nbsp;&#8203;",
    "a link to nothing": "[a]: http://x",
    "a link of nothing": "[](http://x)",
    "a heading of nothing": "#",
    "an emoji at the cut": "a" * 3899 + "😀" * 10,
}


def _results(text: str) -> list[tuple[str, Mapping[str, Any]]]:
    reply = {"ai": "gpt", "text": text, "error": text}
    panel = {"summary": text, "failed": [text], "sent_along": [text], "judge": reply, "replies": [reply]}
    seats = [{"ai": text, "position": text, "statements": [reply]}]
    return [
        ("chat", {"text": text}),
        ("chat", {"text": "yes", "error": text, "note": text}),
        ("judge", panel | {"winner": text}),
        ("ask_many", panel),
        ("consensus", {"summary": "", "seats": seats, "synthesis": {"answer": text}}),
        ("debate", {"summary": text, "seats": seats, "verdict": text}),
        ("ask_many", {"summary": text}),
    ]


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_every_message_of_an_answer_is_one_that_telegram_takes(text: str) -> None:
    drawn = [answers.drawn(kind, result, "", 1, "en") for kind, result in _results(text)]
    drawn += [answers.stopped(text, "en"), answers.sentence(f"No answer: {text}")]
    drawn += [answers.Drawn(markdown_pieces(answers.who_told({"replies": [{"ai": "gpt", "text": text}]}, "en")), [])]
    for one in drawn:
        assert one.pieces
        for piece in one.pieces:
            shown = plain_text(piece.html)
            assert shown == piece.plain
            assert 0 < units(shown) <= LONGEST
            assert any(unicodedata.category(sign)[0] not in "ZC" and sign not in "\u2800\u3164" for sign in shown)
            assert len(piece.html.encode("utf-8", "replace")) <= _HEAVIEST


@pytest.mark.parametrize("text", TEXTS.values(), ids=TEXTS)
def test_what_is_shown_while_it_is_written_is_taken_too(text: str) -> None:
    assert units(plain_text(_end_of(text).html)) <= LONGEST - 2


@pytest.mark.parametrize("text", ["word " * 3000, "**bold** " * 1500])
def test_a_long_verdict_keeps_its_words_and_stands_first(text: str) -> None:
    result = {"summary": "2 of 2", "seats": [], "synthesis": {"answer": text}}
    pieces = answers.drawn("consensus", result, "", 1, "en").pieces
    assert pieces[0].plain.startswith("Verdict\n") and len(pieces) > 1
    assert sum(piece.plain.count(text.split(maxsplit=1)[0].strip("*")) for piece in pieces) == len(text.split())


async def test_a_debate_with_a_long_end_reaches_the_chat() -> None:
    async with telegram({"gpt": ["word " * 3000 + "\n\nAnswer: 4"], "claude": ["Answer: 4"]}) as bot:
        bot.api.write("/consensus What is 2+2? A) 3 B) 4")
        await bot.api.answer("Verdict")
        await bot.api.answer("claude")


async def test_an_answer_of_blank_lines_between_two_words_is_two_words() -> None:
    async with telegram({"gpt": ["```\none" + "\n" * 9000 + "two\n```"]}) as bot:
        bot.api.write("Count")
        await bot.api.answer("two")
        assert [one.text.strip() for one in bot.api.said()] == ["one", "two"]


@pytest.mark.parametrize(
    ("result", "told"),
    [
        ({"ai": "gpt", "text": "x", "cost_usd": None}, "Cost: unknown"),
        ({"ai": "gpt", "text": "x", "cost_usd": 0.0}, "Cost: $0.0000"),
        ({"ai": "gpt", "text": "x", "cost_usd": 0.25}, "Cost: $0.2500"),
        ({"cost": {"known_usd": 0.0, "complete": False}}, "Cost: unknown"),
        ({"cost": {"known_usd": 0.5, "complete": False}}, "Cost: ≥ $0.5000"),
        ({"cost": {"known_usd": 0.0, "complete": True}}, "Cost: $0.0000"),
        (
            {"replies": [{"ai": "a", "text": "x", "cost_usd": 1.0}, {"ai": "b", "text": "y", "cost_usd": None}]},
            "Cost: ≥ $1.0000\na: $1.0000\nb: unknown",
        ),
    ],
)
def test_a_cost_that_is_not_known_is_no_amount(result: dict[str, Any], told: str) -> None:
    assert answers.cost_told(result, "en") == told


def test_calls_that_began_before_anybody_listened_are_left_out() -> None:
    live, failure = Live("en"), Failure("gpt", AIError("no"))
    live.panel = True
    live.hear(CallFailed("r", "c1", failure))
    live.hear(CallStarted("r", "c2", "gpt", "m"))
    live.hear(CallFailed("r", "c2", failure))
    assert live.text.startswith("1 of 1 answered")
