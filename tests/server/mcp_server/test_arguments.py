"""What models nearly write, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest

from server.mcp_server.adapter import RecipeTool, as_tool
from server.mcp_server.reply import LongResults
from server.toolbox import RECIPES

TOOLS: dict[str, Any] = {recipe.name: as_tool(recipe, LongResults()) for recipe in RECIPES}


@pytest.mark.parametrize(
    ("tool", "given", "meant"),
    [
        ("ask_many", {"prompt": "hi", "ais": "all"}, {"prompt": "hi"}),
        ("ask_many", {"prompt": "hi", "ais": []}, {"prompt": "hi"}),
        ("ask_many", {"prompt": "hi", "ais": "a, b"}, {"prompt": "hi", "ais": ["a", "b"]}),
        ("ask_many", {"prompt": "hi", "ais": '["a", "b"]'}, {"prompt": "hi", "ais": ["a", "b"]}),
        ("ask_many", {"prompt": "hi", "synthesize": "Merge"}, {"prompt": "hi", "synthesize": "merge"}),
        ("ask_many", {"prompt": "hi", "ai": "a"}, {"prompt": "hi", "ais": ["a"]}),
        ("ask_one", {"prompt": "hi", "effort": "HIGH"}, {"prompt": "hi", "effort": "high"}),
        ("ask_one", {"prompt": "hi", "effort": "none"}, {"prompt": "hi", "effort": "none"}),
        ("ask_one", {"prompt": "hi", "thread": "", "role": None, "ai": ""}, {"prompt": "hi"}),
        ("ask_one", {"prompt": "hi", "max_tokens": "null"}, {"prompt": "hi"}),
        ("ask_one", {"prompt": "hi", "dry_run": None}, {"prompt": "hi"}),
        ("ask_one", {"prompt": "hi", "ai": ["gpt"]}, {"prompt": "hi", "ai": "gpt"}),
        ("ask_one", {"question": "hi", "ai": "gpt"}, {"prompt": "hi", "ai": "gpt"}),
        ("ask_one", {"Prompt": "hi"}, {"prompt": "hi"}),
        ("ask_one", {"prompt": "hi", "timeout": 30}, {"prompt": "hi", "timeout_s": 30}),
        ("ask_one", {"prompt": "hi", "ai": "gpt", "model": "m-1"}, {"prompt": "hi", "ai": "gpt/m-1"}),
        ("ask_one", {"prompt": "hi", "model": "gpt"}, {"prompt": "hi", "ai": "/gpt"}),
        ("ask_one", {"prompt": "hi", "files": "a.py"}, {"prompt": "hi", "files": ["a.py"]}),
        ("debate", {"prompt": "tabs?"}, {"question": "tabs?"}),
        ("jobs", {"action": "GET", "job_id": "abc"}, {"action": "get", "id": "abc"}),
        ("review", {"staged": None, "base": ""}, {}),
    ],
)
def test_what_can_mean_one_thing_is_understood(tool: str, given: dict[str, Any], meant: dict[str, Any]) -> None:
    understood = TOOLS[tool].meant(given)
    assert understood == meant
    TOOLS[tool].fn_metadata.validate_arguments(understood)


@pytest.mark.parametrize(
    ("tool", "given", "told"),
    [
        (
            "ask_one",
            {"prompt": "hi", "modell": "x"},
            ["'modell' is not an argument of", "There are: prompt, ai"],
        ),
        ("ask_many", {"prompt": "hi", "model": "x"}, ["'model' is not an argument of ask_many", "ais"]),
        ("debate", {"question": "q", "prompt": "p"}, ["'prompt' is not an argument of debate", "'question'?"]),
        ("ask_one", {}, ["'prompt' is missing."]),
        ("ask_one", {"prompt": "hi", "effort": "enormous"}, ["'effort'", "'low'", "'high'"]),
    ],
)
async def test_what_cannot_is_told_with_the_arguments_there_are(
    tool: str, given: dict[str, Any], told: list[str]
) -> None:
    subject = TOOLS[tool]
    assert isinstance(subject, RecipeTool)
    result = await subject.run(given, None)  # type: ignore[arg-type]
    assert result.is_error
    text = result.content[0].text
    for words in told:
        assert words in text, text
