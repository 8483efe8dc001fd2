"""Who of a panel was heard, and the one heading that says so: full panel, part of it, a single voice, nobody.

Whoever survives a timeout is not a panel that agrees, so every recipe that asks several AIs gets its first line here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypedDict

from ai.roster.roster import Roster
from core.errors import PartialPanelError
from core.untrusted import quoted
from core.values import Answer, Outcome
from tools.recipe.kit import Cost, Reply, counted

OnPartial = Literal["return", "refuse"]
TurnoutKind = Literal["full", "partial", "single voice", "none"]


@dataclass(frozen=True, slots=True)
class Turnout:
    """Who was asked, and who gave an answer."""

    asked: Sequence[str]
    answered: Sequence[str]

    @property
    def kind(self) -> TurnoutKind:
        if len(self.answered) >= len(self.asked):
            return "full"
        return ("none", "single voice")[len(self.answered)] if len(self.answered) < 2 else "partial"

    @property
    def missing(self) -> list[str]:
        return [ai for ai in self.asked if ai not in self.answered]


class Heading(TypedDict):
    """The fields of a panel's result that say first whether it is whole."""

    summary: str
    partial: bool


def heading(turnout: Turnout, did: str, cost: Cost, *, then: str = "", incomplete: bool = False) -> Heading:
    """The first line of a panel's result, and whether something is missing.

    Args:
        did: What those who were heard did, such as `answered`.
        then: What came of it, as a clause.
        incomplete: Something else is missing, so that the result is partial with all seats heard.
    """
    heard = f"{len(turnout.answered)} of {len(turnout.asked)} AIs {did}"
    whole = f"{heard}{then} ({cost})."
    if turnout.kind == "full":
        return Heading(summary=f"PARTIAL: {whole}" if incomplete else whole, partial=incomplete)
    warning = {
        "partial": "do not take the rest for a full panel",
        "single voice": "this is a single voice, not a panel",
        "none": "nobody was heard",
    }[turnout.kind]
    missing = f"Missing: {', '.join(turnout.missing)}; {warning}."
    return Heading(summary=f"PARTIAL: {whole} {missing}", partial=True)


def cut_off(outcomes: Sequence[Outcome]) -> int:
    """How many answers end where the provider, or a limit, cut them off: nobody knows what else they said."""
    return sum(isinstance(one, Answer) and one.finish_reason == "length" for one in outcomes)


def cut_told(cut: int) -> str:
    """The clause that tells of *cut* such answers; empty where there are none."""
    return f"; {counted(cut, 'answer')} cut off at the length limit: raise max_tokens" if cut else ""


def refuse_partial(on_partial: str, turnout: Turnout, cost: Cost, known: Sequence[str], why: Sequence[str]) -> None:
    """End the recipe when somebody is missing and the caller wants all or nothing.

    Raises:
        PartialPanelError: With what is missing and why, what was paid, and the answers that are there.
    """
    if on_partial == "return" or turnout.kind == "full":
        return
    reasons = "\n".join(f"- {reason}" for reason in why)
    said = "\n\n".join(known)
    raise PartialPanelError(
        f"Refused, since on_partial is 'refuse': {heading(turnout, 'answered', cost)['summary']}\n{reasons}\n\n"
        f"What is there, already paid for:\n\n{said}\n\nTo go on without the missing, use on_partial='return'."
    )


def said(reply: Reply) -> str:
    """A panel member's words under its figures, quoted, with what a reader must know first."""
    note = f"\n\n*{reply.note}*" if reply.note else ""
    return f"*{reply.byline}*{note}\n\n{quoted(reply.text)}"


def family(roster: Roster, ai: str) -> str:
    """Whose training an AI shares: its provider's, or for endpoints that serve anybody's models, the model's maker."""
    seat = roster.seats.get(ai)
    if seat is None:
        return ai
    provider = seat.provider.name
    if provider in _CARRIERS:
        return _maker(seat.model) or provider
    return _FAMILY_OF_PROVIDER.get(provider, provider)


_CARRIERS = {"openrouter", "groq", "together", "ollama", "lmstudio", "openai_compatible", "command", "local"}
_FAMILY_OF_PROVIDER = {"openai": "gpt", "anthropic": "claude", "xai": "grok", "perplexity": "sonar"}
_MAKERS = {"codex": "gpt", "o1": "gpt", "o3": "gpt", "o4": "gpt", "mixtral": "mistral", "codestral": "mistral"} | {
    name: name
    for name in (
        "gpt",
        "claude",
        "gemini",
        "gemma",
        "grok",
        "deepseek",
        "mistral",
        "llama",
        "qwen",
        "phi",
        "kimi",
        "glm",
    )
}


def _maker(model: str) -> str | None:
    """The family a model's name tells, else its whole name."""
    name = model.lower()
    return next((made for word, made in _MAKERS.items() if name.rpartition("/")[2].startswith(word)), name or None)


def default_judges(roster: Roster, authors: Sequence[str]) -> list[str]:
    """Who judges what *authors* wrote: the configured judge, else an outsider, else each the others' answers."""
    chosen = roster.config.defaults.judge
    if chosen is not None and chosen not in authors:
        return [chosen]
    if not authors:
        return [roster.default().name]
    outsiders = [name for name in roster.names if name not in authors]
    return outsiders[:1] or list(authors)
