"""Where to stop, how wide to sample and whether to call a function, in the words of each protocol."""

from __future__ import annotations

from typing import Any

import pytest

from ai.providers import anthropic, chat_body, command, gemini_body, ollama, responses_body
from ai.request import request_key
from ai.wire.classify.failure import Who
from ai.wire.settings import ClientSettings, Quirks
from core.errors import NotUsableError, RequestRejectedError
from core.values import Request, ToolChoice, ToolSpec

WHO = Who("gpt", "openai")
SETTINGS = ClientSettings(WHO, "m")
TOOL = ToolSpec("weather", "", {"type": "object"})
AUTO, NONE, REQUIRED = ToolChoice(), ToolChoice("none"), ToolChoice("required")
NAMED, SINGLE = ToolChoice("required", "weather"), ToolChoice(parallel=False)


def asking(choice: ToolChoice | None = None, **more: Any) -> Request:
    return Request.of("Hi", tools=(TOOL,), tool_choice=choice, **more)


@pytest.mark.parametrize(
    ("choice", "chat", "responses", "messages"),
    [
        (AUTO, "auto", "auto", {"type": "auto"}),
        (NONE, "none", "none", {"type": "none"}),
        (REQUIRED, "required", "required", {"type": "any"}),
        (
            NAMED,
            {"type": "function", "function": {"name": "weather"}},
            {"type": "function", "name": "weather"},
            {"type": "tool", "name": "weather"},
        ),
        (SINGLE, "auto", "auto", {"type": "auto", "disable_parallel_tool_use": True}),
    ],
)
def test_a_choice_is_said_in_every_protocol(
    choice: ToolChoice, chat: Any, responses: Any, messages: dict[str, Any]
) -> None:
    request = asking(choice)
    bodies = chat_body.build_body(request, "m", SETTINGS), responses_body.build_body(request, "m", SETTINGS, Quirks())
    assert [body["tool_choice"] for body in bodies] == [chat, responses]
    assert [body.get("parallel_tool_calls") for body in bodies] == [False if choice is SINGLE else None] * 2
    assert anthropic.build_body(request, "m", SETTINGS)["tool_choice"] == messages


def test_gemini_is_told_by_its_function_calling_config() -> None:
    def said(choice: ToolChoice) -> Any:
        return gemini_body.build_config(asking(choice), SETTINGS)["tool_config"]["function_calling_config"]

    assert said(AUTO) == {"mode": "AUTO"}
    assert said(NONE) == {"mode": "NONE"}
    assert said(NAMED) == {"mode": "ANY", "allowed_function_names": ["weather"]}
    with pytest.raises(NotUsableError, match="one function at a time"):
        said(SINGLE)


def test_ollama_offers_no_functions_where_none_may_be_called_and_cannot_force_one() -> None:
    assert "tools" in ollama.build_body(asking(AUTO), "m", SETTINGS)
    assert "tools" not in ollama.build_body(asking(NONE), "m", SETTINGS)
    for choice in (REQUIRED, NAMED, SINGLE):
        with pytest.raises(NotUsableError):
            ollama.build_body(asking(choice), "m", SETTINGS)


def test_without_a_choice_nothing_is_said() -> None:
    request = asking()
    assert "tool_choice" not in chat_body.build_body(request, "m", SETTINGS)
    assert "tool_choice" not in responses_body.build_body(request, "m", SETTINGS, Quirks())
    assert "tool_choice" not in anthropic.build_body(request, "m", SETTINGS)
    assert "tool_config" not in gemini_body.build_config(request, SETTINGS)


def test_where_to_stop_and_how_wide_to_sample_is_said_or_refused() -> None:
    request = Request.of("Hi", stop=("END",), top_p=0.5)
    chat = chat_body.build_body(request, "m", SETTINGS)
    assert (chat["stop"], chat["top_p"]) == (["END"], 0.5)
    claude = anthropic.build_body(request, "m", SETTINGS)
    assert (claude["stop_sequences"], claude["top_p"]) == (["END"], 0.5)
    config = gemini_body.build_config(request, SETTINGS)
    assert (config["stop_sequences"], config["top_p"]) == (["END"], 0.5)
    assert ollama.build_body(request, "m", SETTINGS)["options"] == {"stop": ["END"], "top_p": 0.5}
    assert responses_body.build_body(request, "m", SETTINGS, Quirks())["top_p"] == 0.5
    with pytest.raises(NotUsableError, match="where to stop"):
        chat_body.check_request(request, SETTINGS, Quirks(api="responses"))
    with pytest.raises(RequestRejectedError, match="where to stop"):
        command.build_prompt(request, WHO)


def test_what_is_new_in_a_request_changes_its_key_only_where_it_says_something() -> None:
    """Else a job that goes on after an update would pay for every answer again."""
    assert request_key("gpt", Request.of("hi")) == "5dbe3a60cd09adc6d96ff9045af5a90a0ee54783c3afbef491d55699e541477f"
    keys = {
        request_key("gpt", asking()),
        request_key("gpt", asking(REQUIRED)),
        request_key("gpt", asking(stop=("END",))),
        request_key("gpt", asking(top_p=0.5)),
    }
    assert len(keys) == 4
