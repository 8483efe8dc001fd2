"""What a job returned, as messages: the verdict first, then each AI in a block that is folded until it is opened."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from server.telegram.attachments import shown_name
from server.telegram.rich import (
    Piece,
    bold,
    cut,
    expandable,
    italic,
    joined,
    markdown_blocks,
    packed,
    plain_piece,
    shows,
)
from server.telegram.speech import say

Keyboard = list[list[dict[str, str]]]
PANELS = ("ask_many", "consensus", "debate", "judge")
"""The recipes in which several answer."""
_LONGEST_WHO = 600
_LONGEST_TITLE = 300


@dataclass(frozen=True, slots=True)
class Drawn:
    """Messages, and the buttons below the last of them."""

    pieces: list[Piece]
    keyboard: Keyboard


def drawn(kind: str, result: Mapping[str, Any], markdown: str, turn: int, language: str) -> Drawn:
    """What the job of *turn*, of that *kind*, returned."""
    if kind in PANELS:
        return Drawn(_messages(_panel(kind, result, language), language), _buttons(turn, language, panel=True))
    blocks = markdown_blocks(str(result.get("text") or markdown))
    if not any(shows(block.plain) for block in blocks):
        blocks = [plain_piece(say(language, "empty"))]
    if result.get("error"):
        blocks.append(italic(say(language, "failed", reason=str(result["error"]))))
    if note := result.get("note"):
        blocks.append(italic(str(note)))
    blocks += _receipt(result, language)
    return Drawn(_messages(blocks, language), _buttons(turn, language, panel=False))


def sentence(text: str) -> Drawn:
    """One sentence of ours."""
    return Drawn([plain_piece(cut(text))], [])


def unmarked(text: str) -> Drawn:
    """*text* as it was written, which takes too long to be read as Markdown."""
    return Drawn(packed([plain_piece(text)]), [])


def stopped(text: str, language: str, mark: str = "stopped") -> Drawn:
    """What was written until somebody stopped it."""
    blocks = markdown_blocks(text) if text.strip() else []
    return Drawn(packed([*blocks, italic(say(language, mark))]), [])


def cost_told(result: Mapping[str, Any], language: str) -> str:
    """What it cost, in all and by AI, short enough for what Telegram shows in a window of its own."""
    replies = list(_replies(result))
    lines = [f"{reply['ai']}: {_dollars(reply.get('cost_usd'), language)}" for reply in replies if reply.get("ai")]
    total = _total(result, [reply.get("cost_usd") for reply in replies], language)
    told = "\n".join([say(language, "cost", cost=total), *(lines if len(lines) > 1 else [])])
    return told if len(told) <= 190 else f"{told[:187]}…"


def who_told(result: Mapping[str, Any], language: str) -> str:
    """What each AI said, in short, as Markdown."""
    parts = []
    for reply in _replies(result):
        text = " ".join(str(reply.get("text") or reply.get("error") or "").split())
        parts.append(say(language, "said_by", ai=f"**{reply['ai']}**", text=text[:_LONGEST_WHO]))
    return "\n\n".join(parts)


def _messages(blocks: Iterable[Piece], language: str) -> list[Piece]:
    return packed(blocks) or [plain_piece(say(language, "empty"))]


def _panel(kind: str, result: Mapping[str, Any], language: str) -> Iterator[Piece]:
    verdict = _verdict(result)
    if shows(verdict):
        first, *others = markdown_blocks(verdict) or [plain_piece(verdict)]
        yield joined([bold(say(language, "verdict")), plain_piece("\n"), first])
        yield from others
    yield italic(str(result.get("summary") or ""))
    if isinstance(judge := result.get("judge"), Mapping):
        yield from _folded(str(judge.get("ai", "")), [judge])
    if kind in ("consensus", "debate"):
        for seat in result.get("seats", ()):
            position = seat.get("position") or next((one for one in reversed(seat.get("answers", ())) if one), "")
            yield from _folded(f"{seat['ai']}: {position}" if position else str(seat["ai"]), seat.get("statements", ()))
    else:
        for reply in result.get("replies") or result.get("answers") or ():
            yield from _folded(str(reply.get("ai", "")), [reply])
    for line in result.get("failed", ()):
        yield italic(str(line))
    yield from _receipt(result, language)


def _verdict(result: Mapping[str, Any]) -> str:
    synthesis = result.get("synthesis")
    if isinstance(synthesis, Mapping) and synthesis.get("answer"):
        return str(synthesis["answer"])
    return str(result.get("verdict") or result.get("winner") or "")


def _folded(title: str, replies: Sequence[Mapping[str, Any]]) -> list[Piece]:
    blocks: list[Piece] = []
    for reply in replies:
        text = str(reply.get("text") or "")
        blocks += markdown_blocks(text) if text.strip() else []
        if reply.get("error"):
            blocks.append(italic(str(reply["error"])))
    return expandable(bold(cut(title, _LONGEST_TITLE)), blocks)


def _receipt(result: Mapping[str, Any], language: str) -> list[Piece]:
    names = [shown_name(str(one)) for one in result.get("sent_along") or () if _is_news(str(one))]
    return [italic(say(language, "file_receipt", files="; ".join(names)))] if names else []


def _is_news(line: str) -> bool:
    """Whether a line of the receipt is worth a place below an answer: of memory, what is away now."""
    return not line.startswith("memory (") or "searched: " in line


def _replies(result: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    """Every reply of an AI in *result*, whatever it is of."""
    if "ai" in result and "text" in result:
        yield result
    for name in ("replies", "answers"):
        yield from (one for one in result.get(name) or () if isinstance(one, Mapping) and "ai" in one)
    for seat in result.get("seats") or ():
        yield from (one for one in seat.get("statements", ()) if isinstance(one, Mapping) and "ai" in one)
    if isinstance(judge := result.get("judge"), Mapping) and "ai" in judge:
        yield judge


def _total(result: Mapping[str, Any], costs: Sequence[float | None], language: str) -> str:
    """What it cost in all; where only a part of it is known, at least that."""
    if isinstance(whole := result.get("cost"), Mapping):
        known, complete = float(whole.get("known_usd") or 0.0), bool(whole.get("complete"))
    else:
        known, complete = sum(cost for cost in costs if cost is not None), bool(costs) and None not in costs
    if complete or known:
        return f"{'' if complete else '≥ '}{_dollars(known, language)}"
    return _dollars(None, language)


def _dollars(amount: Any, language: str) -> str:
    return say(language, "cost_unknown") if amount is None else f"${float(amount):.4f}"


def _buttons(turn: int, language: str, *, panel: bool) -> Keyboard:
    names = ["debate", "agree", *(["who"] if panel else []), "cost"]
    made = [{"text": say(language, f"button.{name}"), "callback_data": f"{name}:{turn}"} for name in names]
    return [made[:2], made[2:]]


def stop_button(turn: int, language: str) -> Keyboard:
    return [[{"text": say(language, "stop"), "callback_data": f"stop:{turn}"}]]
