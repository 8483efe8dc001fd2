"""What a provider's client is built from: one frozen value, ready to use."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from ai.classify import Who
from ai.fold import LONGEST_ANSWER, AnswerFold
from ai.providers.catalog import Quirks
from core.values import Deadlines


@dataclass(frozen=True, slots=True)
class Endpoint:
    base_url: str
    api_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """Everything one client needs to know.

    Attributes:
        model: None means the first model the endpoint lists.
        fixed_quirks: The names of quirks that the user has set.
        keep_thoughts: Whether thoughts that are written into the answer stay there.
        longest_answer: Characters of one answer, after which it is cut off.
        locate: Starts whatever serves the endpoint and says where it is; called before each request, may block.
    """

    who: Who
    model: str | None
    endpoint: Endpoint | None = None
    locate: Callable[[], Endpoint] | None = None
    headers: dict[str, str] = field(default_factory=dict, repr=False)
    quirks: Quirks = field(default_factory=Quirks)
    fixed_quirks: frozenset[str] = frozenset()
    max_tokens: int | None = None
    deadlines: Deadlines = field(default_factory=Deadlines)
    command: tuple[str, ...] = ()
    env: tuple[str, ...] = ()
    keep_thoughts: bool = False
    longest_answer: int = LONGEST_ANSWER

    def instruct(self, fold: AnswerFold) -> None:
        """Have *fold* read an answer as these settings want it."""
        fold.keeps_thoughts = self.keep_thoughts
        fold.longest = self.longest_answer
