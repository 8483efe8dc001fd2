"""Lighthouse, as npm has it, looks at the page in Chromium. Opt-in like the hosts: `uv run pytest -m hosts`."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from browsing import ARGUMENTS, CHROMIUM, speaking_provider
from host_programs import node_command, npm_command
from web_house import configured, web_program

VERSION = "12.8.2"
CATEGORIES = ("accessibility", "best-practices", "performance")
LEAST = 0.95


@pytest.mark.hosts
def test_the_page_is_accessible_careful_and_quick(tmp_path: Path) -> None:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no browser at {CHROMIUM}")
    try:
        node, lighthouse = node_command(), npm_command("lighthouse", VERSION, "lighthouse")
    except FileNotFoundError as problem:
        pytest.skip(str(problem))
    report, headers = tmp_path / "report.json", tmp_path / "headers.json"
    with speaking_provider() as url:
        configured(tmp_path / "home", {"alpha": f"{url} alpha", "beta": f"{url} beta"})
        with web_program(tmp_path / "home") as program:
            headers.write_text(json.dumps({"Cookie": program.cookie}))
            command = [
                *(str(node), str(lighthouse), f"{program.url}/", f"--extra-headers={headers}", "--quiet"),
                *("--output=json", f"--output-path={report}", f"--only-categories={','.join(CATEGORIES)}"),
                f"--chrome-flags=--headless {' '.join(ARGUMENTS)}",
            ]
            environment = os.environ | {"CHROME_PATH": CHROMIUM}
            done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr[-2_000:]
    scores = {name: found["score"] for name, found in json.loads(report.read_text())["categories"].items()}
    assert set(scores) == set(CATEGORIES)
    assert min(scores.values()) >= LEAST, scores
