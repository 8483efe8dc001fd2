"""`moot agent` in a terminal: what it does with a person's word."""

from __future__ import annotations

import anyio
import pytest
from agent_tools import Lent, Recorder, calling
from scripted_ai import scripted_app

from ai.runs.run import Materials
from core.config import Config, Defaults
from core.jobs.approvals import Approval
from core.tooling import AgentConfig
from server.cli.running import agent_terminal
from server.jobs.background import submit
from server.jobs.worker import serving_jobs
from server.toolbox import KINDS


async def test_a_word_given_after_somebody_elses_changes_nothing_and_the_job_goes_on(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    tools = Recorder()
    config = Config(defaults=Defaults(drain_s=0.05), agents={"worker": AgentConfig(ai="gpt", tools=["lent"])})
    steps = [calling(("write", {"x": 1})), "I may not."]
    async with scripted_app({"gpt": steps}, config=config, materials=Materials(borrowed=Lent(tools))) as app:

        async def late(approval: Approval) -> bool:
            await app.jobs.approve(job.id, approval.id, yes=False)
            return True

        monkeypatch.setattr(agent_terminal, "can_ask", lambda: True)
        monkeypatch.setattr(agent_terminal, "asked", late)
        with anyio.fail_after(15):
            async with serving_jobs(app):
                job = await submit(app, KINDS["agent"], {"task": "Write", "ai": "worker"})
                job = await app.jobs.wait(job.id, 10)
                assert await agent_terminal._answered(app, job)
                assert (await app.jobs.wait(job.id, 10)).state == "done"
    assert not tools.calls and "it is answered" in capsys.readouterr().err
