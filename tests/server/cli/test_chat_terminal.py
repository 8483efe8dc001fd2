"""A conversation in a real terminal, where Ctrl-C comes while an answer is on its way."""

from __future__ import annotations

import io
import json
import os
import re
import sys
from pathlib import Path

import pexpect
import pytest
from moot_program import ENTRY

from core.memory.threads import USER, Threads

LIMIT_S = 60
PROMPT = "> "


@pytest.fixture
def desk(tmp_path: Path, base_url: str) -> dict[str, str]:
    """One AI that takes its time, and one that does not."""
    row = {"provider": "openai_compatible", "base_url": base_url, "api_key": "k-123456"}
    ais = {"slow": row | {"model": "tokens=4000,gap=0.02"}, "gpt": row | {"model": "tokens=3"}}
    credentials = tmp_path / "credentials.json"
    credentials.write_text(json.dumps({"ais": ais}))
    credentials.chmod(0o600)
    home = str(tmp_path / "home")
    Path(home).mkdir()
    return {
        "PATH": os.environ["PATH"],
        "HOME": home,
        "MOOT_HOME": home,
        "MOOT_CREDENTIALS": str(credentials),
        "TERM": "xterm",
        "LANG": "C.UTF-8",
    }


def plain(text: str) -> str:
    return re.sub(r"\x1b\[[0-?]*[ -/]*[@-~]|\x1b[=>]|\r", "", text)


@pytest.mark.slow
@pytest.mark.parametrize("whom", ["slow", "slow,gpt"])
def test_ctrl_c_keeps_what_arrived_and_the_chat_goes_on(
    desk: dict[str, str], monkeypatch: pytest.MonkeyPatch, whom: str
) -> None:
    chat = pexpect.spawn(
        sys.executable,
        [ENTRY, "chat", "-a", whom, "--thread", "talk"],
        env=desk,
        encoding="utf-8",
        timeout=LIMIT_S,
        dimensions=(40, 120),
    )
    chat.logfile_read = everything = io.StringIO()
    try:
        chat.expect_exact(PROMPT)
        chat.sendline("Tell me a long story.")
        chat.expect_exact("tok5 ")
        chat.sendintr()
        chat.expect(r"moot: cancelled: slow\. What there is was kept: moot show \w+")
        chat.expect_exact(PROMPT)
        chat.sendline("/ai gpt")
        chat.expect_exact("asked is gpt.")
        chat.expect_exact(PROMPT)
        chat.sendline("Shorter, please.")
        chat.expect("tok.*tok.*tok")
        chat.expect_exact(PROMPT)
        chat.sendeof()
        chat.expect(pexpect.EOF)
        chat.close()
        assert chat.exitstatus == 0
        shown = plain(everything.getvalue())
        assert "tok0 tok1 tok2" in shown and "Traceback" not in shown and "tok3999" not in shown
    finally:
        chat.close(force=True)
    monkeypatch.setenv("MOOT_HOME", desk["MOOT_HOME"])
    threads = Threads()
    turns = threads.history("talk")
    threads.close()
    authors = [USER, *whom.split(","), USER, "gpt"]
    assert [turn.author for turn in turns] == authors
    assert turns[0].text == "Tell me a long story." and turns[1].text.startswith("tok0 ")
    assert turns[1].text.endswith("[cut off here by the user]") and "tok3999" not in turns[1].text
    if "," in whom:
        assert turns[2].text.strip() == "tok tok tok", "what was whole is not cut off"
    assert turns[-1].text.strip() == "tok tok tok"


@pytest.mark.slow
def test_ctrl_c_before_anything_arrived_ends_the_question_alone(desk: dict[str, str]) -> None:
    chat = pexpect.spawn(sys.executable, [ENTRY, "chat", "-a", "slow"], env=desk, encoding="utf-8", timeout=LIMIT_S)
    try:
        for _ in range(3):
            chat.expect_exact(PROMPT)
            chat.send("Hello?\n")
            chat.expect_exact("Hello?")
            chat.sendintr()
        chat.expect_exact(PROMPT)
        chat.sendline("/quit")
        chat.expect(pexpect.EOF)
        chat.close()
        assert (chat.exitstatus, chat.signalstatus) == (0, None)
    finally:
        chat.close(force=True)
