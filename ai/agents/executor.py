"""All the tools of one agent under one roof: who has which name, what may run, and each call made safely."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import partial
from typing import Any

from ai.agents.approvals import POLICIES, check_policy, ruled, strictest
from ai.agents.beside import beside, guarded
from ai.agents.names import checked_name
from ai.agents.offered import Governed, Noted, ToolExecutionResult, Tools
from ai.agents.results import ends_more, raised, sound
from ai.wire.functions.form import misshapen
from core.errors import ApprovalNeededError, InvalidInputError
from core.tooling import Policy
from core.values import ToolSpec

MOST_TOOLS = 128
"""As many as the strictest providers take (OpenAI, "Function calling")."""


class ToolExecutor:
    """*tools* together.

    Args:
        rules: What a person says of tools, by name or pattern. It stands where nobody says anything about the tool
            itself, and else the stricter of the two does.
        gate: Why a tool may not run just now, such as for a skill that is loaded; None where it may.
        wary: Whether even what runs by itself has to ask now, where it does more than read.

    Raises:
        InvalidInputError: Two tools have one name, or there are too many.
    """

    def __init__(
        self,
        tools: Iterable[Tools] = (),
        *,
        rules: Mapping[str, Policy] | None = None,
        gate: Callable[[str], str | None] = lambda name: None,
        wary: Callable[[], bool] = lambda: False,
    ) -> None:
        self._rules = dict(rules or {})
        for name, policy in self._rules.items():
            check_policy(policy, f"approvals[{name!r}]")
        self._gate = gate
        self._wary = wary
        self._home: dict[str, Tools] = {}
        self._specs: dict[str, ToolSpec] = {}
        self.notes: list[str] = []
        """What is left out of the tools, and what else a person should know of them."""
        for some in tools:
            self._add(some)
            self.notes += some.notes() if isinstance(some, Noted) else ()
        if len(self._specs) > MOST_TOOLS:
            raise InvalidInputError(f"{len(self._specs)} tools are too many: name at most {MOST_TOOLS} of them.")

    def specs(self) -> tuple[ToolSpec, ...]:
        """What the model is offered: all but those that never run."""
        return tuple(spec for name, spec in self._specs.items() if self.policy(name) != "never")

    def spec(self, name: str) -> ToolSpec | None:
        return self._specs.get(name)

    def policy(self, name: str) -> Policy:
        """Whether *name* runs by itself, after a person's word, or not at all."""
        policy = self._ruled(name)
        return "ask" if policy == "allow" and not self._specs[name].read_only and self._wary() else policy

    def _ruled(self, name: str) -> Policy:
        home, said = self._home[name], ruled(self._rules, _names(name))
        own = home.policy(name) if isinstance(home, Governed) else None
        if own is not None and own not in POLICIES:
            own = "ask"  # whoever made it says what nobody knows
        if own is None:
            return said or ("allow" if self._specs[name].read_only else "ask")
        return strictest(said, own) or own

    def refused(self, name: str) -> str | None:
        """Why *name* may not be called at all; None where it may."""
        if name not in self._specs:
            return f"There is no tool {name[:100]!r}. There are: {', '.join(self._specs) or 'none'}."
        if self.policy(name) == "never":
            return f"{name} may not be called: its owner forbids it. Go on without it."
        return self._gate(name)

    def keeps_itself(self, name: str) -> bool:
        """Whether what *name* does inside is kept step by step, so that a resumed run may walk through it again."""
        return bool(getattr(self._home[name], "keeps_itself", False))

    def recalled(self, name: str, arguments: Mapping[str, Any], result: str) -> None:
        """Tell the tool what it gave before this run was resumed, if it wants to know."""
        if tell := getattr(self._home[name], "recalled", None):
            tell(name, arguments, result)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        """What the tool gives; whatever it raises is its result too."""
        try:
            given: Any = await self._home[name].call(name, arguments)
            if isinstance(given, ToolExecutionResult):
                return sound(name, given)
            return await beside(partial(guarded, name, partial(sound, name, given), known=True))
        except ApprovalNeededError:
            raise
        except BaseException as error:
            if ends_more(error):
                raise
            return raised(name, error, known=self._specs[name].read_only)
        finally:
            if not self._specs[name].read_only:
                self._tell_of_change()

    def _tell_of_change(self) -> None:
        for home in {id(one): one for one in self._home.values()}.values():
            if tell := getattr(home, "changed", None):
                tell()

    def _add(self, tools: Tools) -> None:
        for spec in tools.specs():
            _check(spec)
            if spec.name in self._specs:
                raise InvalidInputError(f"Two tools are called {spec.name!r}. Leave one of them out.")
            self._home[spec.name], self._specs[spec.name] = tools, spec


def _check(spec: Any) -> None:
    """Refuse what a provider would refuse, or take for something else.

    Raises:
        InvalidInputError: A field of *spec* is not what it should be.
    """
    if not isinstance(spec, ToolSpec):
        raise InvalidInputError(f"'specs()' of a tool gives a {type(spec).__name__}. Give a list of ToolSpec.")
    checked_name(spec.name)
    for field, kind, wanted in _FIELDS:
        if not isinstance(value := getattr(spec, field), kind):
            raise InvalidInputError(f"{field!r} of the tool {spec.name!r} is a {type(value).__name__}. Give {wanted}.")
    if wrong := misshapen(spec.parameters):
        raise InvalidInputError(f"'parameters' of the tool {spec.name!r} are no JSON Schema: {wrong}. Correct them.")


_FIELDS: Sequence[tuple[str, type, str]] = (
    ("description", str, "a text"),
    ("parameters", Mapping, "a JSON Schema, as a dict"),
    ("read_only", bool, "True or False"),
)


def _names(name: str) -> Sequence[str]:
    """How rules may call the tool: a borrowed one also by its server and its own name."""
    server, parted, own = name.partition("__")
    return [name, f"{server}.{own}"] if parted else [name]
