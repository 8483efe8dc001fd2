"""Markdown as the HTML that Telegram takes, in pieces that fit."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from telegram_markup import plain_text

from server.telegram.rich import LONGEST, bold, cut, expandable, markdown_blocks, markdown_pieces, tail, units


@pytest.mark.parametrize(
    ("markdown", "html"),
    [
        ("a *b* **c** ~~d~~ `e`", "a <i>b</i> <b>c</b> <s>d</s> <code>e</code>"),
        ("# Head", "<b>Head</b>"),
        ("<b>x</b> & y", "&lt;b&gt;x&lt;/b&gt; &amp; y"),
        ("[x](https://a.b/?c=1&d=2)", '<a href="https://a.b/?c=1&amp;d=2">x</a>'),
        ("[x](javascript:alert(1))", "[x](javascript:alert(1))"),
        ("![x](https://a.b/c.png)", '<a href="https://a.b/c.png">[image: x]</a>'),
        ("```py\na < b\n```", '<pre><code class="language-py">a &lt; b</code></pre>'),
        ("- a\n- b\n  - c", "• a\n• b\n   • c"),
        ("1. a\n2. b", "1. a\n2. b"),
        ("> a", "<blockquote>a</blockquote>"),
        ("> a\n> > b", "<blockquote>a\nb</blockquote>"),
        ("| a | bb |\n|---|---|\n| 1 | 2 |", "<pre>a  bb\n─  ──\n1  2</pre>"),
        ("a\n\n---\n\nb", "a\n\n———\n\nb"),
    ],
)
def test_markdown_is_telegrams_html(markdown: str, html: str) -> None:
    (piece,) = markdown_pieces(markdown)
    assert piece.html == html


def test_pieces_end_where_blocks_do() -> None:
    pieces = markdown_pieces("\n\n".join(f"{number} " + "word " * 300 for number in range(10)))
    assert len(pieces) > 3
    assert all(piece.plain[0].isdigit() for piece in pieces)


def test_a_long_block_of_code_stays_code_in_every_piece() -> None:
    pieces = markdown_pieces("```py\n" + "line = 1\n" * 2000 + "```")
    assert all(piece.html.startswith('<pre><code class="language-py">') for piece in pieces)
    assert all(piece.plain.startswith("line") for piece in pieces)


def test_a_long_answer_of_an_ai_is_several_folded_blocks() -> None:
    pieces = expandable(bold("gpt"), markdown_blocks("> quoted\n\n" + "word " * 2000))
    assert len(pieces) > 1
    assert all(plain_text(piece.html) for piece in pieces)


@given(st.text(max_size=6000), st.integers(1, 3))
def test_whatever_an_ai_writes_is_markup_that_telegram_takes(text: str, times: int) -> None:
    for piece in markdown_pieces(text * times):
        assert piece.units <= LONGEST
        assert plain_text(piece.html).replace("\r", "") == piece.plain.replace("\r", "") or "\x00" in text


@given(st.text(), st.integers(4, 200))
def test_what_is_cut_is_as_short_as_it_has_to_be(text: str, most: int) -> None:
    assert units(cut(text, most)) <= most
    assert units(tail(text, most)) <= most + 2


def test_halves_of_a_pair_are_never_apart() -> None:
    pieces = markdown_pieces("a" + "😀" * 5000)
    assert all("\ufffd" not in piece.plain and piece.plain.isprintable() for piece in pieces)


@pytest.mark.parametrize("text", ["> " * 60 + "deep", "`" * 3000 + "x", "```only this", "[]: x"])
def test_words_that_markdown_would_hide_as_a_whole_are_shown_as_they_stand(text: str) -> None:
    assert "".join(piece.plain for piece in markdown_pieces(text)) == text
