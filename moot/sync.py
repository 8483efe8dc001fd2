"""The functions of `moot` for code without an event loop: the same names and arguments, and each call blocks.

They work where an event loop runs already, too, as in a notebook: the call then runs in a thread of its own, while the
thread that made it waits. `open()` keeps everything open for many calls, also from many threads:

with moot.sync.open() as m:
    print(m.ask("What is 2+2?", ai="gpt").text)
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path
    from typing import Concatenate, ParamSpec, TypeVar, Unpack

    from ai.client import AsyncAIClient
    from ai.runs.run import Run
    from core.events import Sink
    from core.values import Outcome, RequestOptions
    from moot import offered
    from moot.blocking import BlockingMoot

    P = ParamSpec("P")
    R = TypeVar("R")

    def _blocking(recipe: Callable[Concatenate[Run, P], Awaitable[R]]) -> Callable[P, R]: ...

    agent = _blocking(offered.agent)
    ask = _blocking(offered.ask)
    ask_many = _blocking(offered.ask_many)
    batch = _blocking(offered.batch)
    consensus = _blocking(offered.consensus)
    debate = _blocking(offered.debate)
    judge = _blocking(offered.judge)
    review = _blocking(offered.review)

_RECIPES = frozenset({"agent", "ask", "ask_many", "batch", "consensus", "debate", "judge", "review"})

__all__ = [
    "agent",
    "ask",
    "ask_many",
    "batch",
    "call_ai",
    "call_multiple_ais",
    "consensus",
    "debate",
    "judge",
    "open",
    "review",
]


def call_ai(ai: str, prompt: str, **options: Unpack[RequestOptions]) -> str:
    """Ask one AI and return its text: `moot.call_ai_async`, blocking."""
    from moot.blocking import block
    from moot.calls import call_ai_async

    return block(call_ai_async, ai, prompt, **options)


def call_multiple_ais(ais: list[str], prompt: str, **options: Unpack[RequestOptions]) -> list[Outcome]:
    """Ask several AIs the same at once: `moot.call_multiple_ais`, blocking."""
    from moot.blocking import block
    from moot.calls import call_multiple_ais as call

    return block(call, ais, prompt, **options)


def open(  # noqa: A001 - read as moot.sync.open
    *,
    credentials: str | Path | None = None,
    on_event: Sink | None = None,
    tokens: bool = True,
    ais: Mapping[str, AsyncAIClient] | None = None,
    send_secrets: bool = False,
) -> BlockingMoot:
    """A Moot for many calls that block: `moot.open` for code without an event loop. Use it with `with`.

    *on_event* is called on another thread, in which all calls run.
    """
    from moot import client
    from moot.blocking import BlockingMoot

    return BlockingMoot(
        client.open(credentials=credentials, on_event=on_event, tokens=tokens, ais=ais, send_secrets=send_secrets)
    )


if not TYPE_CHECKING:  # who has a checker is told of names that are not there

    def __getattr__(name: str) -> Any:
        """The recipe called *name*, made when it is first looked at."""
        if name not in _RECIPES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from moot import recipes
        from moot.blocking import as_blocking

        made = globals()[name] = as_blocking(getattr(recipes, name))
        return made
