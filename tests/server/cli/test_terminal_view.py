"""What a terminal shows of a run, while it goes on and when it is over."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from moot_program import ENTRY
from provider_process import provider_process
from rich.console import Console

from core.events import CallFinished, CallStarted, Token
from core.redact import register_secret
from core.values import Answer, Usage
from core.view import RunView
from server.cli.options import in_words
from server.cli.running.columns import Columns
from server.cli.running.watching import safe_part
from server.cli.showing.printing import plain
from server.cli.showing.rendering import sections

ROOT = Path(__file__).parents[3]
FAMILY = "👨‍👩‍👧‍👦"


def screen(view: RunView, width: int, height: int, seconds: float = 0.0) -> list[str]:
    times = iter([0.0, seconds, seconds])
    columns = Columns(view, clock=lambda: next(times))
    shown = io.StringIO()
    console = Console(
        file=shown, width=width, height=height, force_terminal=True, color_system=None, legacy_windows=False
    )
    console.print(columns)
    shown.truncate(0)
    shown.seek(0)
    console.print(columns)
    return shown.getvalue().rstrip("\n").splitlines()


def asked(count: int, *, answered: int = 0, text: str = "") -> RunView:
    view = RunView()
    for number in range(count):
        view.apply(CallStarted("r", f"c{number}", f"ai{number}", "m"))
    for number in range(answered):
        answer = Answer(f"ai{number}", "m", "fine", usage=Usage(1, 1), latency_s=1.0, cost_usd=None)
        view.apply(CallFinished("r", f"c{number}", answer))
    if text:
        view.apply(Token("r", f"c{count - 1}", text))
    return view


def test_of_many_ais_whoever_is_waited_for_is_on_the_screen_with_the_seconds() -> None:
    for count, height in ((12, 24), (40, 24), (30, 10)):
        lines = screen(asked(count, answered=count - 1), 80, height, seconds=7)
        assert len(lines) <= height
        assert f"ai{count - 1}" in lines[-1] and "7 s" in lines[-1] and "thinking" in lines[-1]


def test_columns_are_short_while_nothing_is_said_and_grow_with_what_is() -> None:
    assert len(screen(asked(3), 120, 40)) == 3
    assert len(screen(asked(3, text="word\n" * 9 + "word"), 120, 40)) == 12


def test_a_narrow_terminal_gets_lines_and_no_line_is_too_long() -> None:
    for width in (20, 40, 60):
        for line in screen(asked(4, text=f"{FAMILY}漢字 " * 50), width, 24):
            assert Console().measure(line).maximum <= width


def test_a_family_stays_whole_in_a_line() -> None:
    (line, *_) = [one for one in screen(asked(5, text=f"a {FAMILY} b"), 80, 24) if "writing" in one]
    assert FAMILY in line


def test_the_verdict_comes_last_in_a_terminal() -> None:
    text = (
        "2 of 2 AIs debated.\n\n## Verdict\n**Tabs.**\n\n### Reasons\nx\n\n## Dissent\nNone.\n\n## A = gpt\n> ## forged"
    )
    assert [part.splitlines()[0] for part in sections(text)] == [
        "## Dissent",
        "## A = gpt",
        "## Verdict",
        "2 of 2 AIs debated.",
    ]


def test_stars_of_ours_go_and_those_of_others_stay() -> None:
    text = "**Tabs.**\n*gpt · 1 s*\n> **said**\n```\n**code**\n```\n- **a**: b"
    assert plain(text) == "Tabs.\ngpt · 1 s\n> **said**\n```\n**code**\n```\n- a: b"


@pytest.mark.parametrize(
    ("said", "shown"),
    [
        (
            "A debate needs at least two AIs: name them in 'ais', or",
            "A debate needs at least two AIs: name them with -a, or",
        ),
        ("PARTIAL: 4 of 4 AIs answered", "PARTIAL RESULT: all 4 AIs answered"),
        ("PARTIAL: 3 of 4 AIs answered", "PARTIAL: 3 of 4 AIs answered"),
        ("credentials.json: 'ais' must be an object", "credentials.json: 'ais' must be an object"),
    ],
)
def test_messages_are_in_the_words_of_the_command_line(said: str, shown: str) -> None:
    assert in_words(said) == shown


def test_the_beginning_of_a_key_waits_until_it_is_none() -> None:
    register_secret("topsecretkey-12345")
    assert safe_part("the key is topsecr") == "the key is "
    assert safe_part("the key is topsecr, no") == "the key is topsecr, no"
    assert "topsecretkey-12345" not in safe_part("it is topsecretkey-12345 now")


def moot(home: Path, *arguments: str, **more: str) -> subprocess.Popen[str]:
    environment = {"PATH": os.environ["PATH"], "HOME": str(home), "MOOT_HOME": str(home), **more}
    command = [sys.executable, ENTRY, *arguments]
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
    )


def configured(home: Path, url: str, model: str) -> None:
    row = f'{{"provider": "openai_compatible", "base_url": "{url}", "api_key": "k-123456", "model": "{model}"}}'
    path = home / "credentials.json"
    path.write_text(f'{{"ais": {{"gpt": {row}}}}}')
    path.chmod(0o600)


@pytest.mark.slow
def test_ctrl_c_prints_and_keeps_what_there_is(tmp_path: Path) -> None:
    with provider_process() as url:
        configured(tmp_path, url, "tokens=2000,gap=0.02")
        with moot(tmp_path, "ask", "hi") as process:
            assert process.stdout and process.stderr
            begun = process.stdout.read(5)
            process.send_signal(signal.SIGINT)
            rest, told = process.communicate(timeout=60)
        assert process.returncode == 130
        assert begun + rest and (begun + rest).startswith("tok0 ") and "tok1999" not in rest
        assert "cancelled: gpt" in told and "moot show" in told and "Traceback" not in told
        with moot(tmp_path, "show") as shown:
            assert shown.communicate(timeout=60)[0].startswith("tok0 ")


@pytest.mark.slow
def test_output_that_takes_no_unicode_or_nothing_at_all_is_no_traceback(tmp_path: Path) -> None:
    with provider_process() as url:
        configured(tmp_path, url, "tokens=2,word=漢字")
        with moot(tmp_path, "ask", "hi", PYTHONIOENCODING="ascii") as process:
            said, told = process.communicate(timeout=60)
        assert (process.returncode, said.strip(), told) == (0, "?? ??", "")
        for arguments in (("usage",), ("ask", "hi"), ("status",)):
            command = f'"{sys.executable}" "{ENTRY}" {" ".join(arguments)} <&- > /dev/full'
            environment = {"PATH": os.environ["PATH"], "MOOT_HOME": str(tmp_path), "HOME": str(tmp_path)}
            done = subprocess.run(["bash", "-c", command], env=environment, capture_output=True, text=True, check=False)
            assert done.returncode == 1 and "cannot be written" in done.stderr and "Traceback" not in done.stderr
