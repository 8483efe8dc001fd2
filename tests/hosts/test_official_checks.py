"""The official conformance checks of MCP, as npm has them, over the HTTP door, for both protocol revisions.

Opt-in like the hosts: `uv run pytest -m hosts`. Nothing leaves the machine once npm has installed them.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from official_checks import checked

CHECKS = {"2025-11-25": 84, "2026-07-28": 194}
"""How many checks each revision makes of what it requires, so that none can go missing in silence."""


@pytest.mark.hosts
@pytest.mark.parametrize("revision", CHECKS)
async def test_every_official_check_passes(revision: str, tmp_path: Path) -> None:
    done = await checked("conformance_server.py", tmp_path, "--requirements", revision, limit_s=300)
    said = done.stdout.decode()
    assert done.returncode == 0, said[-4_000:]
    assert re.search(rf"Total: {CHECKS[revision]} passed, 0 failed", said), said[-4_000:]


SKILLS = {"sep-2640-skills-directory": 7, "sep-2640-skills-enumeration": 32, "sep-2640-skills-manifest": 6}
"""How many checks each scenario of the extension for skills makes; no revision requires them."""


@pytest.mark.hosts
@pytest.mark.parametrize("scenario", SKILLS)
async def test_every_check_of_skills_passes(scenario: str, tmp_path: Path) -> None:
    done = await checked("conformance_server.py", tmp_path, "--scenario", scenario, limit_s=120)
    said = done.stdout.decode()
    assert done.returncode == 0, said[-4_000:]
    assert f"Passed: {SKILLS[scenario]}/{SKILLS[scenario]}, 0 failed, 0 warnings" in said, said[-4_000:]
