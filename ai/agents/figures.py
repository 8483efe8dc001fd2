"""What an agent of a program did, in figures: as JSON, and as text that Prometheus reads."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from ai.agents.calls import ToolStep
from core.values import Answer, Outcome


@dataclass
class AgentMetrics:
    """Figures of all chats of one agent so far. Seconds; `first_token_s` is the last chat's; dollars None: unknown."""

    agent: str
    model: str = ""
    chats: int = 0
    errors: int = 0
    latency_s: float = 0.0
    first_token_s: float | None = None
    input_tokens: int = 0
    output_tokens: int = 0
    cost_usd: float | None = 0.0
    tool_calls: Counter[str] = field(default_factory=Counter)
    tool_errors: Counter[str] = field(default_factory=Counter)

    def add(self, outcome: Outcome, steps: Sequence[ToolStep]) -> None:
        """Count one chat."""
        self.chats += 1
        self.latency_s += outcome.latency_s
        if isinstance(outcome, Answer):
            self.model, self.first_token_s = outcome.model, outcome.first_token_s
            self.input_tokens += outcome.usage.input_tokens or 0
            self.output_tokens += outcome.usage.output_tokens or 0
            known = None not in (self.cost_usd, outcome.cost_usd)
            self.cost_usd = (self.cost_usd or 0) + (outcome.cost_usd or 0) if known else None
        else:
            self.errors += 1
            self.cost_usd = None if outcome.error.maybe_billed else self.cost_usd
        for step in steps:
            self.tool_calls[step.tool] += 1
            self.tool_errors[step.tool] += not step.success

    def to_json(self) -> dict[str, Any]:
        """The figures by their names, with tools as `{name: count}`."""
        fields = {name: getattr(self, name) for name in AgentMetrics.__dataclass_fields__}
        fields |= {"tool_calls": dict(self.tool_calls), "tool_errors": {k: n for k, n in self.tool_errors.items() if n}}
        return fields

    def prometheus(self) -> str:
        """The figures in Prometheus' text format, version 0.0.4."""
        who = f'agent="{_label(self.agent)}",model="{_label(self.model)}"'
        lines = []
        for name, kind, about, value in (
            ("moot_agent_chats_total", "counter", "Chats that ended, also with an error.", self.chats),
            ("moot_agent_errors_total", "counter", "Chats that gave no answer.", self.errors),
            ("moot_agent_latency_seconds_total", "counter", "Time that all chats took.", self.latency_s),
            ("moot_agent_first_token_seconds", "gauge", "Until the first sign in the last chat.", self.first_token_s),
            ("moot_agent_input_tokens_total", "counter", "Tokens sent.", self.input_tokens),
            ("moot_agent_output_tokens_total", "counter", "Tokens received.", self.output_tokens),
            ("moot_agent_cost_usd_total", "counter", "Dollars, where all prices are known.", self.cost_usd),
        ):
            if value is not None:
                lines += [f"# HELP {name} {about}", f"# TYPE {name} {kind}", f"{name}{{{who}}} {value}"]
        for name, about, counts in (
            ("moot_agent_tool_calls_total", "Calls of tools.", self.tool_calls),
            ("moot_agent_tool_errors_total", "Calls of tools that failed.", self.tool_errors),
        ):
            if counts:
                lines += [f"# HELP {name} {about}", f"# TYPE {name} counter"]
                lines += [f'{name}{{{who},tool="{_label(one)}"}} {count}' for one, count in sorted(counts.items())]
        return "\n".join(lines) + "\n"


def _label(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
