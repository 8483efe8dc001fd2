"""The recipes a program can call, under the names it knows them by. Each is imported when it is first needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tools.agent import agent
    from tools.ask_many import ask_many
    from tools.ask_one import ask_one as ask
    from tools.batch import batch
    from tools.consensus import consensus
    from tools.debate import debate
    from tools.judge import judge
    from tools.review import review
else:
    from server.toolbox import RECIPES

    _BY_NAME = {recipe.name: recipe for recipe in RECIPES}
    agent, ask, ask_many, batch = (_BY_NAME[name] for name in ("agent", "ask_one", "ask_many", "batch"))
    consensus, debate, judge, review = (_BY_NAME[name] for name in ("consensus", "debate", "judge", "review"))

__all__ = ["agent", "ask", "ask_many", "batch", "consensus", "debate", "judge", "review"]
