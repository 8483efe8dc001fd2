"""What the `model` of a request means: an AI, another model of one, or a panel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from ai.roster.names import closest
from ai.roster.roster import Roster
from server.web.openai_api.errors import RefusedRequestError


@dataclass(frozen=True, slots=True)
class Panel:
    """A recipe behind a model's name."""

    recipe: str
    about: str
    arguments: Mapping[str, Any] = field(default_factory=dict)
    options: frozenset[str] = frozenset({"ais"})
    """Which of `PanelOptions` it takes."""
    sampling: frozenset[str] = frozenset({"max_tokens"})
    """Which settings of a request it hands on to its members."""


_MANY = frozenset({"ais", "samples"})
_SAMPLING = frozenset({"max_tokens", "temperature", "effort"})

PANELS: Mapping[str, Panel] = {
    "moot/consensus": Panel("consensus", "whether the AIs agree", options=frozenset({"ais", "threshold", "referee"})),
    "moot/debate": Panel("debate", "a debate with a verdict", options=frozenset({"ais", "rounds", "judge"})),
    "moot/ask-many": Panel("ask_many", "every AI's answer", options=_MANY, sampling=_SAMPLING),
    "moot/ask-many:merge": Panel(
        "ask_many", "one answer made of all", {"synthesize": "merge"}, options=_MANY, sampling=_SAMPLING
    ),
    "moot/ask-many:vote": Panel(
        "ask_many", "the answer of most", {"synthesize": "vote"}, options=_MANY, sampling=_SAMPLING
    ),
    "moot/ask-many:best": Panel(
        "ask_many", "the answer that is judged best", {"synthesize": "best"}, options=_MANY, sampling=_SAMPLING
    ),
}


def target(roster: Roster, model: str) -> Panel | str:
    """The panel that *model* means, or the AI by its name.

    Raises:
        UnknownAIError: There is none of that name; the message says which was probably meant.
        RefusedRequestError: There is no such panel.
    """
    if panel := PANELS.get(model):
        return panel
    if model.startswith("moot/") and "moot" not in roster.seats:
        near = closest(model, PANELS)
        hint = f" Did you mean {near!r}?" if near else ""
        text = f"There is no panel {model!r}.{hint} There are: {', '.join(PANELS)}."
        raise RefusedRequestError(text, param="model", status=404, code="model_not_found")
    return roster.resolve(model)


def listed(roster: Roster) -> Iterator[tuple[str, str]]:
    """The id of every model that can be asked, and whose it is."""
    for name in roster.names:
        yield name, roster.seats[name].provider.name
    for name in roster.agents:
        yield name, "moot"
    if len(roster.names) > 1:
        for name in PANELS:
            yield name, "moot"
