"""Keeps a run that is over in the history, as the setting `history` says. An answer is worth more than its record.

What a person asks at the command line is kept. A host keeps its own conversations, and nothing of a call that it got
an answer to stays here (`server/mcp_server/adapter.py`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import anyio

from core.errors import StoreError
from core.memory.history import History, PastRun, State, days_kept
from core.people.person import acting

if TYPE_CHECKING:
    from ai.runs.app import App
    from core.view import RunView

KEPT_TOOLS = frozenset({"ask_one", "ask_many", "consensus", "debate", "judge", "review"})
_LONGEST = 1_000_000
"""Characters of a question, above which its end is not kept."""
CUT_OFF = "[cut off here by the user]"
_CONTENTS = frozenset({"diff", "candidates", "dry_run", "background"})
"""Arguments that hold what stood in files, or say how to run: not kept."""


async def keep_run(
    app: App,
    tool: str,
    arguments: Mapping[str, Any],
    answers: Sequence[tuple[str, str]],
    result: Mapping[str, Any],
    *,
    state: State,
    usd: float | None,
    door: str,
) -> str | None:
    """The name under which the run is kept; None where it is not."""
    days = days_kept(app.config.defaults.history)
    if days == 0 or tool not in KEPT_TOOLS or arguments.get("dry_run"):
        return None
    given = {name: value for name, value in arguments.items() if value is not None and name not in _CONTENTS}
    past = PastRun(
        tool=tool,
        question=question_of(tool, arguments)[:_LONGEST],
        ais=_ais(app, arguments, answers),
        answers=tuple(answers),
        arguments=given,
        result=result,
        state=state,
        usd=usd,
        thread=arguments.get("thread"),
        door=door,
    )
    history = History(acting().folder() / "history.db")
    try:
        return await asyncio.wrap_future(history.add(past, days=days))
    except StoreError:
        return None
    finally:
        await anyio.to_thread.run_sync(history.close)


def question_of(tool: str, arguments: Mapping[str, Any]) -> str:
    """What was asked, in words."""
    said = arguments.get("prompt") or arguments.get("question") or arguments.get("focus")
    return str(said) if said else f"{tool} of {arguments.get('base') or 'what has changed'}"


def said_in(view: RunView) -> list[tuple[str, str]]:
    """Every answer of a run, whole or not, with its author."""
    calls = [call for call in view.calls.values() if call.text.strip()]
    return [(f"{call.ai} ({call.role})" if call.role else call.ai, call.text) for call in calls]


def cut_off_in(view: RunView) -> list[tuple[str, str]]:
    """As `said_in`, with a word at the end of every answer that is not whole."""
    finished = [call.answer is not None for call in view.calls.values() if call.text.strip()]
    return [
        (author, text if whole else f"{text.rstrip()} {CUT_OFF}")
        for (author, text), whole in zip(said_in(view), finished, strict=True)
    ]


def cost_of(view: RunView) -> float | None:
    """What is known of the cost of a run."""
    known = [call.answer.cost_usd for call in view.calls.values() if call.answer and call.answer.cost_usd is not None]
    return sum(known) if known else None


def _ais(app: App, arguments: Mapping[str, Any], answers: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    named = arguments.get("ais") or ([arguments["ai"]] if arguments.get("ai") else None)
    return tuple(
        app.roster.expand(named) if named else dict.fromkeys(author.partition(" (")[0] for author, _ in answers)
    )
