"""Nothing in Markdown from outside is fetched by whoever shows it."""

from __future__ import annotations

import time

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from core.pictures import without_pictures

URL = "http://x.test/?q=1"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (f"![a chart]({URL})", f"(picture: a chart, <{URL}>)"),
        (f"![]({URL})", f"(picture, <{URL}>)"),
        (f'![a](<{URL}> "title")', f"(picture: a, <{URL}>)"),
        (f"[![a]({URL})](http://y.test)", f"[(picture: a, <{URL}>)](http://y.test)"),
        (f"![a][ref]\n\n[Ref]: {URL}", f"(picture: a, <{URL}>)\n\n[Ref]: {URL}"),
        (f"![ref]\n\n> [ref]: <{URL}>", f"(picture: ref, <{URL}>)\n\n> [ref]: <{URL}>"),
        ("![a](pictures/b.png)", "(picture: a, pictures/b.png)"),
        ("![a](http://x.test/(b)c)", "(picture: a, <http://x.test/(b)c>)"),
        (f'<img src="{URL}">', f'&lt;img src="{URL}">'),
        (f"<IMG\nsrc={URL}>", f"&lt;IMG\nsrc={URL}>"),
        ("![open](http://x", "!\\[open](http://x"),
        (f"![{'a' * 600}]({URL})", f"!\\[{'a' * 600}]({URL})"),
        (f"- a\n  ```\n![a]({URL})", f"- a\n  ```\n(picture: a, <{URL}>)"),
        (f"<div>\n```\n<img src={URL}>\n```", f"&lt;div>\n```\n&lt;img src={URL}>\n```"),
        (f"<!--\n```\n--><img src={URL}>\n```", f"<!--\n```\n-->&lt;img src={URL}>\n```"),
    ],
)
def test_a_picture_becomes_a_link_that_shows_its_address(text: str, shown: str) -> None:
    assert without_pictures(text) == shown
    assert without_pictures(shown) == shown


@pytest.mark.parametrize(
    "text",
    [
        "```html\n<img src=x>\n![a](b)\n```\nafter",
        "~~~\n![a](b)\n```\n~~~\n",
        "````\n```\n![a](b)\n````",
        "List<int> and a < b, x <= y, <https://x.test>, f(x)![0]",
        "Really! [a](b)",
    ],
)
def test_code_and_what_is_no_picture_stays(text: str) -> None:
    assert without_pictures(text) == text


PARTS = st.sampled_from(
    [
        "![",
        "!",
        "[",
        "]",
        "(",
        ")",
        "](",
        f"]({URL})",
        "a",
        " ",
        "\n",
        "\n\n",
        "```",
        "~~~",
        "`",
        "> ",
        "- ",
        "1. ",
        "    ",
        "<img src=u>",
        "<div>",
        "</div>",
        "<!--",
        "-->",
        "<pre>",
        "</pre>",
        "\\",
        f"[a]: {URL}",
        "[a]",
        f"![a]({URL})",
        '"',
        "<",
        ">",
        "<svg>",
        "\t",
    ]
)


@given(st.lists(PARTS, max_size=25))
def test_a_markdown_reader_finds_no_picture_in_what_is_left(parts: list[str]) -> None:
    tokens = MarkdownIt("commonmark").parse(without_pictures("".join(parts)))
    found = [*tokens, *(child for token in tokens for child in token.children or [])]
    assert [token for token in found if token.type == "image"] == []
    assert [token.content for token in found if _is_html(token) and "<img" in token.content.lower()] == []


def _is_html(token: Token) -> bool:
    return token.type in ("html_block", "html_inline")


@pytest.mark.parametrize(
    "unit", ["![", "![a](", "![a]", "![](<", "<", "<a\n```\n", "[a]: x\n", '![a](b "', "```\n", "![[a]"]
)
def test_a_megabyte_of_anything_takes_time_that_grows_with_its_length_alone(unit: str) -> None:
    began = time.process_time()
    without_pictures(unit * (1_000_000 // len(unit)))
    assert time.process_time() - began < 5
