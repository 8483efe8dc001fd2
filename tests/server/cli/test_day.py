"""A day's work in a real terminal: thirty jobs, one after the other, as somebody types them."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pexpect
import pytest
from moot_program import ENTRY
from samples import PNG

ROOT = Path(__file__).parents[3]
LIMIT_S = 60
PROMPT = "READY> "

DAY: list[tuple[str, int, str]] = [
    ("moot status", 0, r"3 of 3 AIs can be asked"),
    ('moot "What is 2+2?"', 0, r"gpt ─+.*tok tok tok"),
    ("moot ask -a claude hello", 0, r"claude ─+.*tok tok"),
    ("moot ask hello | cat", 0, r"\n ?tok tok tok \n"),
    ("echo 'from a pipe' | moot ask 'sum up' | tr a-z A-Z", 0, r"TOK TOK TOK"),
    ("moot ask 'count' -m tokens=5 | wc -w", 0, r"\n *5\n"),
    ("moot ask --all 'Which?'", 3, r"claude ─+.*PARTIAL: 2 of 3 AIs answered"),
    ("moot ask -a @both 'Which?' > both.md; head -1 both.md", 0, r"2 of 2 AIs answered"),
    ("moot ask -a gpt,bad 'Which?'", 3, r"bad ─+.*PARTIAL: 1 of 2 AIs answered"),
    ("moot ask -a bad 'Which?'", 1, r"moot: No answer"),
    ("moot ask -a gtp hi", 2, r"Did you mean 'gpt'"),
    ("moot ask 'review this' -f 'src/*.py' -r reviewer", 0, r"Sent along: src/parser.py"),
    ("moot ask 'the chart' -i chart.png | cat", 0, r"tok tok tok"),
    ("cat chart.png | moot ask 'the chart' -i - | cat", 0, r"tok tok tok"),
    ("git diff | moot ask 'write a commit message' -o message.txt; cat message.txt", 0, r"written to message.txt.*tok"),
    ("moot ask --json hi | python3 -c 'import json,sys; print(json.load(sys.stdin)[\"ai\"])'", 0, r"\ngpt\n"),
    ("moot prompt save sql 'Review {table}.'", 0, r"moot ask -p sql --var table="),
    ("moot ask -p sql --var table=users | cat", 0, r"tok tok tok"),
    ("moot history | cat", 0, r"Review users\."),
    ("moot history search commit", 0, r"write a <<commit>> message|write a commit"),
    ("moot show last", 0, r"tok tok tok"),
    ("moot ask -c 'and then?' | cat", 0, r"tok tok tok"),
    ("moot again -a claude | cat", 0, r"tok tok"),
    ("moot ask --thread plan 'first' | cat; moot threads", 0, r"plan +\(2 turns"),
    ("moot debate 'tabs?' -a gpt,claude --rounds 0", 3, r"PARTIAL RESULT: all 2 AIs debated"),
    ("moot review --base main -a gpt", 3, r"PARTIAL"),
    ("moot batch rows.jsonl -o out.jsonl -a gpt && wc -l < out.jsonl", 0, r"\n *3\n"),
    ("moot batch rows.jsonl -o out.jsonl -a gpt", 0, r"3 of 3|3 rows|3 calls|answered"),
    ("id=$(moot ask -a gpt 'in the background' --background) && moot jobs watch $id | tail -1", 0, r"tok tok tok"),
    ("moot jobs", 0, r"ask_one by .*done.*in the background"),
    ("moot usage", 0, r"claude.*calls by day|calls by day.*claude"),
    ("moot models --search fake-1", 0, r"fake-1"),
]


@pytest.fixture
def desk(tmp_path: Path, base_url: str) -> dict[str, str]:
    """A project with a change in it, `moot` on PATH, and three AIs, one of which is refused."""
    programs, project = tmp_path / "bin", tmp_path / "project"
    programs.mkdir()
    moot = programs / "moot"
    moot.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{ENTRY}" "$@"\n')
    moot.chmod(0o755)
    row = {"provider": "openai_compatible", "base_url": base_url, "api_key": "k-123456"}
    ais = {"gpt": row | {"model": "tokens=3"}, "claude": row | {"model": "tokens=2"}}
    bad = row | {"model": "status=401", "enabled": True}
    home = tmp_path / "home"
    home.mkdir()
    settings = {"ais": ais | {"bad": bad}, "groups": {"both": ["gpt", "claude"]}, "defaults": {"attempts": 1}}
    credentials = home / "credentials.json"
    credentials.write_text(json.dumps(settings))
    credentials.chmod(0o600)
    slow = tmp_path / "slow.json"
    slow.write_text(json.dumps({"ais": {"gpt": row | {"model": "tokens=400,gap=0.05"}}}))
    slow.chmod(0o600)
    (project / "src").mkdir(parents=True)
    (project / "src" / "parser.py").write_text("def parse(text):\n    return text.split()\n")
    (project / "chart.png").write_bytes(PNG)
    (project / "rows.jsonl").write_text('"one"\n"two"\n"three"\n')
    git = ["git", "-c", "user.name=t", "-c", "user.email=t@example.invalid"]
    for command in (["init", "-q", "-b", "main"], ["add", "."], ["commit", "-q", "-m", "begin"]):
        subprocess.run([*git, *command], cwd=project, check=True)
    (project / "src" / "parser.py").write_text("def parse(text):\n    return text.split(',')\n")
    return {
        "PATH": f"{programs}:{os.environ['PATH']}",
        "HOME": str(tmp_path),
        "MOOT_HOME": str(home),
        "PROJECT": str(project),
        "TERM": "xterm-256color",
        "LANG": "C.UTF-8",
        "PS1": PROMPT,
    }


@pytest.mark.slow
@pytest.mark.parametrize(("columns", "lines"), [(80, 24), (120, 40)])
def test_a_day_of_thirty_jobs(desk: dict[str, str], columns: int, lines: int) -> None:
    shell = pexpect.spawn(
        "bash",
        ["--norc", "--noprofile"],
        cwd=desk["PROJECT"],
        env=desk,
        dimensions=(lines, columns),
        encoding="utf-8",
        timeout=LIMIT_S,
    )
    try:
        shell.expect_exact(PROMPT)
        for command, code, shown in DAY:
            said = typed(shell, command)
            assert exit_code(shell) == code, (command, said)
            assert re.search(shown, said, re.DOTALL), (command, said)
            assert "Traceback" not in said, command
            if code in (0, 3) and command.startswith("moot ask") and ">" not in command:
                assert all(len(line) <= columns for line in said.splitlines()[1:]), (command, said)
        stopped = interrupted(shell)
        assert "cancelled: gpt" in stopped and "Traceback" not in stopped
        assert exit_code(shell) == 130
    finally:
        shell.close(force=True)


def typed(shell: pexpect.spawn[str], command: str) -> str:
    """What the terminal shows after *command*, without its colours and what is drawn over."""
    shell.sendline(command)
    shell.expect_exact(PROMPT)
    return plain(shell.before or "")


def exit_code(shell: pexpect.spawn[str]) -> int:
    shell.sendline("echo code=$?")
    shell.expect(r"code=(\d+)\r")
    assert shell.match
    code = int(shell.match[1])
    shell.expect_exact(PROMPT)
    return code


def interrupted(shell: pexpect.spawn[str]) -> str:
    """What is shown when Ctrl-C comes while an answer is on its way into a pipe."""
    shell.sendline("MOOT_CREDENTIALS=~/slow.json moot ask -a gpt 'slowly' | cat")
    shell.expect_exact("tok3 ")
    shell.sendintr()
    shell.expect_exact(PROMPT)
    said = plain(shell.before or "")
    typed(shell, "(exit ${PIPESTATUS[0]})")
    return said


def plain(text: str) -> str:
    drawn_over = re.sub(r"\x1b\[\?1049h.*?\x1b\[\?1049l", "", text, flags=re.DOTALL)
    return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]|\r", "", drawn_over)
