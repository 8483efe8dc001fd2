"""Every program of docs/library.md runs, as it stands, against AIs on loopback."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

from provider_process import provider_process

import moot

PAGE = (Path(__file__).parents[2] / "docs" / "library.md").read_text()
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.M | re.S)
RUN_ALL = """
import asyncio, inspect
for block in {blocks!r}:
    names = {{"__name__": "page"}}
    exec(compile(block, "library.md", "exec"), names)
    for thing in list(names.values()):
        if inspect.isfunction(thing) and thing.__module__ == "page" and not inspect.signature(thing).parameters:
            if thing.__name__ in ("main", "my_program"):
                continue
            asyncio.run(thing()) if inspect.iscoroutinefunction(thing) else thing()
"""


def test_every_program_of_the_page_runs(tmp_path: Path) -> None:
    with provider_process() as base_url:
        row = {"provider": "openai_compatible", "base_url": base_url, "model": "tokens=2,word=so"}
        credentials = tmp_path / "credentials.json"
        credentials.write_text(json.dumps({"ais": {"gpt": row, "claude": row}}))
        credentials.chmod(0o600)
        root = str(Path(str(moot.__file__)).parents[1])
        env = {
            **os.environ,
            "PYTHONPATH": root,
            "MOOT_CREDENTIALS": str(credentials),
            "MOOT_HOME": str(tmp_path / "home"),
        }
        command = [sys.executable, "-W", "error", "-c", RUN_ALL.format(blocks=BLOCKS)]
        done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert len(BLOCKS) == 6
    assert done.stdout.count("so so") > 5 and "The answer is not JSON." in done.stdout


def test_the_page_names_what_is_there() -> None:
    for name in re.findall(r"`moot\.(\w+)", PAGE):
        assert hasattr(moot, name) or name in ("ai", "core"), name
    table = re.findall(r"^\| `(\w+)\((\w*)", PAGE, re.M)
    assert {name for name, _ in table} >= {"ask", "ask_many", "batch", "consensus", "debate", "judge", "review"}
