"""Prompts: what hosts show as slash commands. Each tells the assistant which tool to call, and with what.

Every role is one, and so are debate, consensus and review. Names are completed from what is configured.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Annotated

import anyio.to_thread
from mcp.server.mcpserver import MCPServer
from mcp.server.mcpserver.prompts import Prompt
from mcp.types import (
    Completion,
    CompletionArgument,
    CompletionContext,
    PromptReference,
    ResourceTemplateReference,
)
from pydantic import Field

from ai.runs.app import App
from core.memory.threads import ThreadInfo
from core.people.person import acting
from core.roles import Role
from server.mcp_server.resources import EVENTS, JOB

Task = Annotated[str, Field(description="What it is about.")]
AI = Annotated[str, Field(description="Which AI; empty: the configured one.")]
AIs = Annotated[str, Field(description="Which AIs, separated by commas; empty: all.")]

_CONTEXT = "Pass along the code and context it needs; it sees nothing else. Then say what you make of the answer."
_MOST_COMPLETED = 100


def prompts(roles: Mapping[str, Role]) -> list[Prompt]:
    """Every prompt, in the order listed."""
    panels = [
        Prompt.from_function(_debate, "debate", "Debate", "Let several AIs argue a question and come to a verdict."),
        Prompt.from_function(_consensus, "consensus", "Consensus", "See how far several AIs agree, and who does not."),
        Prompt.from_function(_review, "review", "Review changes", "Let several AIs review what git says has changed."),
    ]
    return [*panels, *(_role(role) for role in roles.values())]


def add_completion(server: MCPServer[App], app: Callable[[], App]) -> None:
    """Complete the arguments of prompts, a thread's name and a job's id; *app* gives the one that is open."""

    @server.completion()  # type: ignore[no-untyped-call, untyped-decorator]
    async def complete_argument(
        ref: PromptReference | ResourceTemplateReference,
        argument: CompletionArgument,
        context: CompletionContext | None,
    ) -> Completion | None:
        match argument.name:
            case "ai" | "ais":
                return complete(argument.name, argument.value, app().roster.names)
            case "rounds":
                return complete(argument.name, argument.value, "01234")
            case "name" if isinstance(ref, ResourceTemplateReference):
                listed = await anyio.to_thread.run_sync(threads_of, app())
                return complete(argument.name, argument.value, [thread.name for thread in listed])
            case "id" if isinstance(ref, ResourceTemplateReference) and ref.uri in (JOB, EVENTS):
                return complete(argument.name, argument.value, [job.id for job in await app().jobs.list_jobs()])
            case _:
                return None


def threads_of(app: App) -> list[ThreadInfo]:
    """The threads of whoever asks. Blocks."""
    return app.materials_of(acting()).threads.all()


def complete(argument: str, value: str, names: Iterable[str]) -> Completion:
    """What *value* may become, for an argument that takes one of *names*, or several for `ais`."""
    begun, separator, last = value.rpartition(",") if argument == "ais" else ("", "", value)
    typed = last.strip()
    taken = {one.strip() for one in begun.split(",")}
    lead = f"{begun}{separator} " if begun else ""
    found = [f"{lead}{name}" for name in names if name.lower().startswith(typed.lower()) and name not in taken]
    return Completion(values=found[:_MOST_COMPLETED], total=len(found), has_more=len(found) > _MOST_COMPLETED)


def _role(role: Role) -> Prompt:
    def ask(task: Task, ai: AI = "") -> str:
        whom = f" with ai={ai!r}" if ai else ""
        return f"Call moot's ask_one with role={role.name!r}{whom} on the task below. {_CONTEXT}\n\n{task}"

    return Prompt.from_function(ask, role.name, role.name.replace("_", " ").capitalize(), role.description)


def _debate(question: Task, ais: AIs = "", rounds: Annotated[str, Field(description="0 to 4; empty: 1.")] = "") -> str:
    return _panel("debate", question, ais, f"rounds={rounds}" if rounds else "")


def _consensus(question: Task, ais: AIs = "") -> str:
    return _panel("consensus", question, ais)


def _review(
    base: Annotated[str, Field(description="A branch or commit; empty: what is not committed.")] = "", ais: AIs = ""
) -> str:
    since = f"base={base!r}" if base else ""
    options = _options(ais, since)
    return (
        f"Call moot's review{options}. Check each finding against the code yourself, then say which to fix first and "
        "which you doubt."
    )


def _panel(tool: str, question: str, ais: str, *more: str) -> str:
    return (
        f"Call moot's {tool}{_options(ais, *more)} on the question below. {_CONTEXT} Name the dissent, and do not call "
        f"a partial panel a consensus.\n\n{question}"
    )


def _options(ais: str, *more: str) -> str:
    names = [name.strip() for name in ais.split(",") if name.strip()]
    options = [f"ais={names}" if names else "", *more]
    given = ", ".join(option for option in options if option)
    return f" with {given}" if given else ""
