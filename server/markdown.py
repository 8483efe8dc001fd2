"""Markdown as a tree of tags and texts, never as HTML: what an AI writes cannot become markup.

A page makes an element of each list, by a fixed set of tags, and a text of each string. Links keep their address only
where it is http, https or mailto; pictures become links, so that nothing is fetched by looking at an answer.
"""

from __future__ import annotations

from functools import cache
from typing import Any
from urllib.parse import urlsplit

from markdown_it import MarkdownIt
from markdown_it.token import Token
from markdown_it.tree import SyntaxTreeNode

Tree = list[Any]
"""A tag and what is in it; `["a", address, ...]` and `["pre", language, text]` have one more."""
_TAGS = {
    "paragraph": "p",
    "bullet_list": "ul",
    "ordered_list": "ol",
    "list_item": "li",
    "blockquote": "blockquote",
    "strong": "strong",
    "em": "em",
    "s": "s",
    "table": "table",
    "thead": "thead",
    "tbody": "tbody",
    "tr": "tr",
    "th": "th",
    "td": "td",
    "hr": "hr",
    "hardbreak": "br",
}
_LINKED = ("http", "https", "mailto")
_DEEPEST = 40
_LONGEST_LANGUAGE = 20


@cache
def parser() -> MarkdownIt:
    """The one parser: CommonMark with tables, and no HTML."""
    made = MarkdownIt("commonmark", {"html": False, "maxNesting": _DEEPEST})
    return made.enable(["table", "strikethrough"]).disable(["html_block", "html_inline"])


def parsed(text: str) -> list[Token]:
    return parser().parse(text)


def trees(text: str) -> list[Tree | str]:
    """The blocks of *text*; as one of plain text where hundreds of marks stand in one another."""
    try:
        return _inside(SyntaxTreeNode(parsed(text)))
    except RecursionError:
        return [["p", text]]


def _inside(node: SyntaxTreeNode) -> list[Tree | str]:
    found: list[Tree | str] = []
    for child in node.children:
        made = _inside(child) if child.type == "inline" else [_tree(child)]
        for one in made:
            if one == "":
                continue
            if isinstance(one, str) and found and isinstance(found[-1], str):
                found[-1] += one
            else:
                found.append(one)
    return found


def _tree(node: SyntaxTreeNode) -> Tree | str:
    leaf = _leaf(node)
    return _branch(node) if leaf is None else leaf


def _leaf(node: SyntaxTreeNode) -> Tree | str | None:
    """What holds nothing but text; None for all else."""
    match node.type:
        case "text":
            return node.content
        case "softbreak":
            return "\n"
        case "code_inline":
            return ["code", node.content]
        case "fence":
            language = (node.info or "").split(" ")[0][:_LONGEST_LANGUAGE]
            return ["pre", language, node.content]
        case "code_block":
            return ["pre", "", node.content]
        case _:
            return None


def _branch(node: SyntaxTreeNode) -> Tree | str:
    match node.type:
        case "image":
            return _picture(node)
        case "link":
            address = _address(str(node.attrs.get("href", "")))
            return ["a", address, *_inside(node)] if address else ["span", *_inside(node)]
        case "heading":
            return [node.tag, *_inside(node)]
        case "th" | "td" if "right" in str(node.attrs.get("style", "")):
            return [f"{node.type}.r", *_inside(node)]
        case "paragraph" if _tight(node):
            return ["span", *_inside(node)]
        case _:
            return [_TAGS.get(node.type, "span"), *_inside(node)]


def _picture(node: SyntaxTreeNode) -> Tree | str:
    address = _address(str(node.attrs.get("src", "")))
    told = f"[image: {node.content or address or ''}]"
    return ["a", address, told] if address else told


def _address(url: str) -> str | None:
    try:
        return url if urlsplit(url).scheme in _LINKED else None
    except ValueError:
        return None


def _tight(node: SyntaxTreeNode) -> bool:
    opening = node.nester_tokens.opening if node.nester_tokens else None
    return bool(opening and opening.hidden and node.parent and node.parent.type == "list_item")
