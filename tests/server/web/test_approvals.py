"""What a job waits for, answered over HTTP: by its owner's plain true or false, once, and by nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

import anyio
import pytest
from agent_tools import Lent, Recorder, calling
from scripted_ai import scripted_app
from web_house import Opened, open_house

from ai.runs.run import Materials
from core.config import Config, Defaults
from core.tooling import AgentConfig
from server.jobs.background import submit
from server.toolbox import KINDS

JSON = {"content-type": "application/json"}
WRITES = calling(("write", {"x": 1}), text="I will.")


@asynccontextmanager
async def waiting() -> AsyncIterator[tuple[Opened, Recorder, str, str]]:
    """A house, the tools, a job of its owner that waits, and where it is answered."""
    tools = Recorder()
    config = Config(defaults=Defaults(drain_s=0.05), agents={"worker": AgentConfig(ai="gpt", tools=["lent"])})
    made = partial(scripted_app, {"gpt": [WRITES, "Over."]}, config=config, materials=Materials(borrowed=Lent(tools)))
    with anyio.fail_after(30):
        async with open_house(made) as house:
            await house.owner.get("/api/jobs")  # it has started
            app = house.house.app
            job = await app.jobs.wait((await submit(app, KINDS["agent"], {"task": "Write", "ai": "worker"})).id, 10)
            (one,) = (await house.owner.get(f"/api/jobs/{job.id}")).json()["waits_for"]
            try:
                yield house, tools, job.id, f"/api/jobs/{job.id}/approvals/{one['id']}"
            finally:
                await house.owner.post(f"/api/jobs/{job.id}/approvals/{one['id']}", json={"allow": False})
                await app.jobs.wait(job.id, 10)


@pytest.mark.parametrize(
    "body",
    ["", "{}", "null", "[]", '{"allow":"true"}', '{"allow":"yes"}', '{"allow":1}', '{"allow":null}', '{"allow":tru'],
)
async def test_nothing_but_true_is_a_yes(body: str) -> None:
    async with waiting() as (house, tools, job, path):
        reply = await house.owner.post(path, content=body, headers=JSON)
        assert reply.status_code == 400 and reply.json()["error"]["message"].endswith(".")
        assert len(await house.house.app.jobs.approvals(job)) == 1 and not tools.calls


@pytest.mark.parametrize(
    "headers", [{"origin": "http://elsewhere.example"}, {"origin": "null"}, {"sec-fetch-site": "cross-site"}]
)
async def test_no_page_elsewhere_and_no_other_person_answers(headers: dict[str, str]) -> None:
    async with waiting() as (house, tools, job, path):
        assert (await house.owner.post(path, json={"allow": True}, headers=headers)).status_code == 403
        async with await house.person("other") as other:
            assert (await other.post(path, json={"allow": True})).status_code == 404
        assert len(await house.house.app.jobs.approvals(job)) == 1 and not tools.calls


async def test_of_answers_at_once_one_counts_and_afterwards_none_does() -> None:
    async with waiting() as (house, tools, job, path):
        codes: list[int] = []

        async def answer() -> None:
            codes.append((await house.owner.post(path, json={"allow": True})).status_code)

        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(answer)
        assert sorted(codes) == [200, 422, 422, 422, 422]
        assert (await house.house.app.jobs.wait(job, 10)).state == "done"
        assert (await house.owner.post(path, json={"allow": True})).status_code == 422
        assert tools.calls == [("write", {"x": 1})]
