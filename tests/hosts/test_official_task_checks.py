"""The official conformance checks of MCP's tasks, as npm has them, against Moot's server and jobs over HTTP.

Opt-in like the hosts: `uv run pytest -m hosts`. Nothing leaves the machine once npm has installed them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from official_checks import checked

CHECKS = {
    "tasks-lifecycle": 9,
    "tasks-capability-negotiation": 5,
    "tasks-wire-fields": 4,
    "tasks-request-state-removal": 3,
    "tasks-mrtr-input": 4,
    "tasks-request-headers": 5,
    "tasks-dispatch-and-envelope": 9,
    "tasks-status-notifications": 0,  # optional, and skipped by the checks themselves until they are rewritten
    "tasks-required-task-error": 3,
    "tasks-mrtr-composition": 2,
}
"""How many checks each scenario makes, so that none can go missing in silence."""


@pytest.mark.hosts
@pytest.mark.parametrize("scenario", CHECKS)
async def test_every_official_check_of_tasks_passes(scenario: str, tmp_path: Path) -> None:
    done = await checked("tasks_server.py", tmp_path, "--scenario", scenario, limit_s=120)
    said = done.stdout.decode()
    assert done.returncode == 0, said
    passed = re.search(r"Passed: (\d+)/(\d+), 0 failed, 0 warnings", said)
    assert passed and passed.group(1) == passed.group(2) == str(CHECKS[scenario]), said
