"""Nothing is decided by reading a sentence: what is meant for people is for people, and what decides is a value."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
SENTENCES = {
    "summary",
    "note",
    "reason",
    "problem",
    "sentence",
    "verdict",
    "receipt",
    "sent_along",
    "warning",
}
"""What sentences of ours are called, as variables and as attributes."""
READERS = {
    "startswith",
    "endswith",
    "split",
    "partition",
    "rpartition",
    "removeprefix",
    "removesuffix",
    "find",
    "index",
    "rfind",
    "rindex",
    "rsplit",
    "count",
    "splitlines",
    "__contains__",
}
SEARCHES = {"match", "search", "fullmatch", "split", "findall", "finditer"}
OTHERS_WORDS = (
    "ai/wire/classify/",
    "ai/wire/response/",
    "ai/providers/learned.py",
    "tools/reading/",
    "server/telegram/refusals.py",
)
"""Where the words of providers, models and Telegram are read, since they say it nowhere else."""


def sources() -> list[Path]:
    folders = ("ai", "core", "moot", "server", "tools")
    return [path for folder in folders for path in sorted((ROOT / folder).rglob("*.py"))]


def decisions(tree: ast.AST) -> Iterator[ast.expr]:
    """Every place where a sentence is taken apart, or searched for words."""
    for node in ast.walk(tree):
        match node:
            case ast.Call(func=ast.Attribute(attr="split"), args=[], keywords=[]):
                continue  # which makes one line of it
            case ast.Call(func=ast.Attribute(value=asked, attr=how)) if how in READERS and _is_sentence(asked):
                yield node
            case ast.Call(func=ast.Attribute(attr=how), args=[*asked]) if how in SEARCHES and any(
                map(_is_sentence, asked)
            ):
                yield node
            case ast.Compare(ops=[ast.Eq() | ast.NotEq()], left=one, comparators=[other]):
                if any(_is_sentence(asked) and _words(said) for asked, said in ((one, other), (other, one))):
                    yield node
            case ast.Match(subject=asked) if _is_sentence(asked):
                yield asked
            case ast.Compare(left=ast.Constant(value=str(words)), ops=[ast.In() | ast.NotIn()], comparators=[asked]):
                if _is_sentence(asked) or " " in words.strip():
                    yield node


def _words(node: ast.expr) -> bool:
    """Whether *node* is a text with several words."""
    match node:
        case ast.Constant(value=str(words)):
            return " " in words.strip()
        case ast.JoinedStr():
            return True
    return False


def _is_sentence(node: ast.expr) -> bool:
    match node:
        case ast.Call(func=ast.Attribute(value=inner, attr="lower" | "casefold" | "upper" | "strip")):
            return _is_sentence(inner)
        case ast.Subscript(value=inner):
            return _is_sentence(inner)
        case ast.BoolOp(values=[inner, *_]):
            return _is_sentence(inner)
        case ast.Call(func=ast.Attribute(attr="markdown")):
            return True
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in SENTENCES
        case ast.Call(func=ast.Name(id="str"), args=[ast.Name(id=name)]):
            return name in ("error", "exception", "raised")
        case ast.Call(func=ast.Name(id="getattr"), args=[_, ast.Constant(value=str(name)), *_]):
            return name in SENTENCES
    return False


@pytest.mark.parametrize("path", sources(), ids=lambda path: str(path.relative_to(ROOT)))
def test_no_sentence_decides(path: Path) -> None:
    name = str(path.relative_to(ROOT))
    if name.startswith(OTHERS_WORDS):
        return
    lines = path.read_text("utf-8").splitlines()
    found = [node.lineno for node in decisions(ast.parse("\n".join(lines)))]
    assert [f"{name}:{line}: {lines[line - 1].strip()}" for line in found if "# not ours" not in lines[line - 1]] == []


@pytest.mark.parametrize(
    "code",
    [
        'result.summary.startswith("PARTIAL")',
        'getattr(result, "summary", "").startswith("PARTIAL")',
        '"left out" not in receipt',
        '"closed" in str(error)',
        'note.split(" (", 1)',
        'result.summary.lower().startswith("partial")',
        '(reply.note or "").startswith("Cut off")',
        'result.summary[:7].casefold() == "partial or not"',
        're.search("PARTIAL", result.summary)',
        "_PARTIAL.match(summary)",
        'job.reason == "Its budget is spent."',
        'match job.reason:\n    case "Its budget is spent.":\n        pass',
        'result.markdown().startswith("## PARTIAL")',
        '"was switched off" in retired',
    ],
)
def test_what_would_decide_by_a_sentence_is_found(code: str) -> None:
    assert list(decisions(ast.parse(code)))
