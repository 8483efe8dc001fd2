"""The sections `agents` and `mcp_servers`: each mistake is one sentence, and spares the other entries."""

from __future__ import annotations

from typing import Any

import pytest

from ai.agents.builtin.named import BUILT_IN
from ai.agents.sub_agents import ASK
from core.tooling import BUILT_IN_TOOLS, check_agents, check_servers, fits

URL = "http://127.0.0.1:9/mcp"


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"url": URL, "env": {"TOKEN": "hunter2hunter2"}}, "bad: 'env' means nothing beside 'url'. Remove it."),
        ({"url": URL, "args": ["-v"]}, "bad: 'args' means nothing beside 'url'. Remove it."),
        ({"url": URL, "cwd": "/"}, "bad: 'cwd' means nothing beside 'url'. Remove it."),
        ({"command": "x", "headers": {"A": "b"}}, "bad: 'headers' means nothing beside 'command'. Remove it."),
        ({"command": "x", "env": {"": "hunter2hunter2"}}, "bad.env: The name of a variable"),
        ({"command": "x", "env": {"A=B": "hunter2hunter2"}}, "bad.env: The name of a variable"),
        ({"command": "x", "env": {"A": "hunter2hunter2\0"}}, "bad.env: A variable has a NUL"),
        ({"url": URL, "headers": {"a b": "hunter2hunter2"}}, "bad.headers: The name of a header"),
        ({"url": URL, "headers": {"": "hunter2hunter2"}}, "bad.headers: The name of a header"),
        ({"url": URL, "headers": {"A": "hunter2hunter2\r\nB: c"}}, "bad.headers: The value of a header"),
        ({"url": URL, "headers": {"A": "hunter2hunter2\u00fc"}}, "bad.headers: The value of a header"),
        ({"url": "ftp://127.0.0.1"}, "bad.url: An address is http://"),
        ({"url": "http://"}, "bad.url: An address is http://"),
        ({"url": "http://a b/"}, "bad.url: An address is http://"),
        ({"url": "http://[::1"}, "bad.url: An address is http://"),
    ],
)
def test_a_server_that_cannot_be_reached_as_it_is_written_is_one_sentence(row: dict[str, Any], said: str) -> None:
    problems: list[str] = []
    assert list(check_servers({"bad": row, "good": {"url": URL, "headers": {"A": "b"}}}, problems)) == ["good"]
    (problem,) = problems
    assert problem.startswith(f"credentials.json: mcp_servers.{said}") and "hunter2" not in problem


def test_a_server_has_no_name_that_means_a_built_in_tool() -> None:
    assert set(BUILT_IN_TOOLS) == {*BUILT_IN, ASK}
    problems: list[str] = []
    given = {name: {"command": "x"} for name in (*BUILT_IN_TOOLS, "git-server")}
    assert list(check_servers(given, problems)) == ["git-server"]
    assert problems[1] == "credentials.json: mcp_servers.git has the name of a built-in tool. Give it another one."


@pytest.mark.parametrize("name", ["", "a/b", "two words", "\u200b", "x" * 65, "-a"])
def test_a_name_that_cannot_be_said_is_shown_with_what_a_name_is(name: str) -> None:
    problems: list[str] = []
    assert check_agents({name: {}}, problems, taken=()) == {} == check_servers({name: {"command": "x"}}, problems)
    for problem, section in zip(problems, ("agents", "mcp_servers"), strict=True):
        assert problem.startswith(f"credentials.json: {section} has an entry '") and problem.endswith("Rename it.")
        assert problem.isprintable() and problem.isascii()


def test_no_agent_is_called_as_all_ais_together_are() -> None:
    problems: list[str] = []
    assert check_agents({"all": {}, "gpt": {}, "mine": {}}, problems, taken=["gpt"]).keys() == {"mine"}
    assert "agents.all" in problems[0] and "agents.gpt" in problems[1]


@pytest.mark.parametrize(
    ("pattern", "fitting", "others"),
    [
        ("read", ["read"], ["reads", "", "rea"]),
        ("*", ["read", ""], []),
        ("git_*", ["git_log", "git_"], ["git", "xgit_log"]),
        ("*_log", ["git_log", "_log"], ["log", "git_logs"]),
        ("a*a", ["aa", "aba"], ["a", "ab"]),
        ("a**b*c", ["abc", "axbyc"], ["acb", "abcd"]),
        ("*b*b*", ["bb", "abcbd"], ["b", "abc"]),
        ("a.c[d]?", ["a.c[d]?"], ["abcd", "a.cdx"]),
        ("*a" * 64 + "b", [], ["a" * 128, "b"]),
    ],
)
def test_a_star_stands_for_any_letters_and_nothing_else_for_others(
    pattern: str, fitting: list[str], others: list[str]
) -> None:
    assert all(fits(name, pattern) for name in fitting) and not any(fits(name, pattern) for name in others)
