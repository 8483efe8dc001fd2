"""The recipes as functions of this package: each opens what it needs, or uses the Moot that is open around it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Coroutine
    from typing import Concatenate, ParamSpec, TypeVar

    from ai.runs.run import Run
    from moot import offered

    P = ParamSpec("P")
    R = TypeVar("R")

    def _alone(recipe: Callable[Concatenate[Run, P], Awaitable[R]]) -> Callable[P, Coroutine[Any, Any, R]]: ...

    agent = _alone(offered.agent)
    ask = _alone(offered.ask)
    ask_many = _alone(offered.ask_many)
    batch = _alone(offered.batch)
    consensus = _alone(offered.consensus)
    debate = _alone(offered.debate)
    judge = _alone(offered.judge)
    review = _alone(offered.review)

__all__ = ["agent", "ask", "ask_many", "batch", "consensus", "debate", "judge", "review"]


if not TYPE_CHECKING:  # who has a checker is told of names that are not there

    def __getattr__(name: str) -> Any:
        """The recipe called *name*, made when it is first looked at."""
        if name not in __all__:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from moot import offered
        from moot.client import alone

        made = globals()[name] = alone(name, getattr(offered, name))
        return made
