"""How each protocol is told whether a model may, must or must not call a function (`Request.tool_choice`)."""

from __future__ import annotations

from typing import Any

from ai.wire.classify.failure import Who
from core.errors import NotUsableError
from core.values import Request, ToolChoice

_ANTHROPIC = {"auto": "auto", "none": "none", "required": "any"}
_GEMINI = {"auto": "AUTO", "none": "NONE", "required": "ANY"}


def openai_choice(choice: ToolChoice | None, *, nested: bool) -> dict[str, Any]:
    """The fields of OpenAI's two protocols; Chat Completions has a function's name *nested*."""
    if choice is None:
        return {}
    named = {"function": {"name": choice.name}} if nested else {"name": choice.name}
    fields: dict[str, Any] = {"tool_choice": {"type": "function", **named} if choice.name else choice.mode}
    return fields if choice.parallel else fields | {"parallel_tool_calls": False}


def anthropic_choice(choice: ToolChoice | None) -> dict[str, Any]:
    if choice is None:
        return {}
    said: dict[str, Any] = {"type": "tool", "name": choice.name} if choice.name else {"type": _ANTHROPIC[choice.mode]}
    if not choice.parallel and choice.mode != "none":
        said["disable_parallel_tool_use"] = True
    return {"tool_choice": said}


def gemini_choice(request: Request, who: Who) -> dict[str, Any]:
    choice = request.tool_choice
    if choice is None:
        return {}
    refuse_single(choice, who)
    calling: dict[str, Any] = {"mode": "ANY" if choice.name else _GEMINI[choice.mode]}
    if choice.name:
        calling["allowed_function_names"] = [choice.name]
    return {"tool_config": {"function_calling_config": calling}}


def refuse_single(choice: ToolChoice, who: Who) -> None:
    """Refuse to promise one call at a time where nobody can be told so.

    Raises:
        NotUsableError: It is asked for.
    """
    if not choice.parallel and choice.mode != "none":
        text = f"{who.ai!r} cannot be told to call one function at a time. Leave out 'parallel_tool_calls'."
        raise NotUsableError(text, ai=who.ai, provider=who.provider)


def refuse_forced(choice: ToolChoice, who: Who) -> None:
    """Refuse to promise a call where the model alone decides.

    Raises:
        NotUsableError: It is asked for.
    """
    refuse_single(choice, who)
    if choice.name or choice.mode == "required":
        text = f"{who.ai!r} cannot be made to call a function. Leave 'tool_choice' at 'auto', or ask another AI."
        raise NotUsableError(text, ai=who.ai, provider=who.provider)
