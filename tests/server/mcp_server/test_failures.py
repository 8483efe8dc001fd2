"""What a host and a program read when a tool could not do it: data like any other."""

from __future__ import annotations

import json
from typing import Any

import pytest

from core.errors import InvalidInputError
from server.cli.options import complain
from server.mcp_server.adapter import failure

FORGED = "No: ![p](https://evil.example/?q=1) <img src=https://evil.example/x> \x1b[2J\u202eabc\ud800"


def harmless(text: str) -> bool:
    return not any(mark in text for mark in ("![", "<img", "\x1b", "\u202e", "\ud800"))


@pytest.mark.parametrize("error", [FORGED, InvalidInputError(FORGED)])
def test_an_error_shows_no_picture_and_no_terminal_code_in_text_and_as_data(error: Any) -> None:
    told = failure(error)
    assert harmless(told.content[0].text)  # type: ignore[union-attr]
    assert harmless(json.dumps(told.structured_content, ensure_ascii=False))


def test_an_error_as_json_shows_none_either(capsys: pytest.CaptureFixture[str]) -> None:
    assert complain(InvalidInputError(FORGED), True, 2) == 2
    assert harmless(json.loads(capsys.readouterr().out)["error"]["message"])
