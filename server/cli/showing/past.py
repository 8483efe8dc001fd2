"""Runs that are over, in the terminal: as lines, printed as they were, and as a new run."""

from __future__ import annotations

import json
import shutil
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.cells import cell_len, set_cell_size

from core.errors import InvalidInputError
from core.memory.history import Found, PastRun
from core.untrusted import clean
from server.cli.options import OK
from server.cli.showing.printing import Shown, print_result
from server.toolbox import RECIPES
from tools.recipe.kit import dollars

_PIPED_WIDTH = 160
_MINUTE, _HOUR, _DAY = 60, 3_600, 86_400


def lines(found: Sequence[Found], now: datetime | None = None) -> Iterator[str]:
    """A line for each run: id, age, tool, AIs, cost and what was asked, as wide as the terminal."""
    now = now or datetime.now(UTC)
    width = list_width()
    for one in found:
        cost = "" if one.usd is None else f" {dollars(one.usd)}"
        state = "" if one.state == "done" else f" [{one.state}]"
        tool = {"ask_one": "ask", "ask_many": "ask"}.get(one.tool, one.tool)
        who = ",".join(one.ais)
        head = (
            f"{one.name}  {age(one.at, now):>4}  {tool}{state} {who if len(who) < 24 else f'{len(one.ais)} AIs'}{cost}"
        )
        yield cut(f"{head}  {clean(one.question)}", width)
        if one.excerpt:
            yield cut(f"       {clean(one.excerpt)}", width)


def list_width() -> int:
    """How wide a line of a list may be: as the terminal; wider where it goes into a file or a program."""
    return shutil.get_terminal_size((_PIPED_WIDTH, 24)).columns if sys.stdout.isatty() else _PIPED_WIDTH


def age(at: str, now: datetime) -> str:
    """How long ago *at* was, in a word such as `5m` or `3d`."""
    seconds = max((now - datetime.fromisoformat(at)).total_seconds(), 0)
    for unit, size in (("d", _DAY), ("h", _HOUR), ("m", _MINUTE)):
        if seconds >= size:
            return f"{seconds // size:.0f}{unit}"
    return "now"


def cut(text: str, width: int) -> str:
    """*text* in at most *width* cells."""
    return text if cell_len(text) <= width else set_cell_size(text, width - 1).rstrip() + "…"


def print_past(past: PastRun, shown: dict[str, Any]) -> int:
    """Print the result of *past* as it was printed then; what was said, where it was cancelled."""
    wanted = Shown(**shown)
    result = _result_of(past)
    if result is not None:
        if wanted.rendered:
            print(cut(f"{past.name}: {' '.join(clean(past.question).split())}", 79))
        print_result(result, wanted)
        return OK
    if wanted.as_json:
        print(json.dumps({"question": past.question, "answers": past.answers, "state": past.state}, ensure_ascii=False))
        return OK
    for author, text in past.answers:
        print(f"## {author}\n\n{clean(text)}\n" if len(past.answers) > 1 else clean(text))
    return OK


def asked_again(past: PastRun, names: Sequence[str]) -> tuple[str, dict[str, Any]]:
    """The recipe of *past* and its arguments, for the AIs called *names* where some are named.

    Raises:
        InvalidInputError: What it was about is not kept.
    """
    arguments = {name: value for name, value in past.arguments.items() if name != "thread"}
    if past.tool == "judge" and not arguments.get("ais"):
        raise InvalidInputError(
            "The answers that were judged are not kept. Judge their files again: moot judge -c FILE ..."
        )
    several = len(names) > 1 or any(name.startswith("@") for name in names)
    recipe = "ask_many" if past.tool == "ask_one" and several else past.tool
    if names:
        arguments.pop("ai", None)
        arguments |= {"ai": names[0]} if recipe == "ask_one" else {"ais": list(names)}
    elif recipe == "ask_one" and past.ais:
        arguments["ai"] = past.ais[0]
    if recipe == "ask_many" and names and not several and not set(arguments) & {"samples", "synthesize"}:
        arguments.pop("on_partial", None)
        arguments["ai"] = arguments.pop("ais")[0]
        recipe = "ask_one"
    return recipe, arguments


def _result_of(past: PastRun) -> Any:
    """What its tool returned; None where it returned nothing, or in a form of another version."""
    import inspect

    from pydantic import ValidationError

    recipe = next((recipe for recipe in RECIPES if recipe.name == past.tool), None)
    if recipe is None or not past.result:
        return None
    kind = inspect.signature(recipe.run, eval_str=True).return_annotation
    try:
        return kind.model_validate(past.result)
    except ValidationError:
        return None
