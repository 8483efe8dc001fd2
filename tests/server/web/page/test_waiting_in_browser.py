"""A job that waits for a person's word, in a real browser: all of the call is shown, and one press answers it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

import anyio
import pytest
from browsing import Served, Tab

from core.jobs.approvals import ANSWERED, ASKED, Approval
from core.jobs.sqlite import SQLiteJobs

pytestmark = pytest.mark.browser
T = TypeVar("T")
HOSTILE = '{"path":"<img src=x onerror=alert(1)>\\u202egpj.exe","x":1}'


def elsewhere(work: Callable[[], Coroutine[Any, Any, T]]) -> T:
    """What *work* gives; the browser's driver has the event loop of this thread."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(anyio.run, work).result()


def waiting(folder: Path) -> tuple[str, Approval]:
    """A paused job of an agent that waits for an answer, and its question."""

    async def make() -> tuple[str, Approval]:
        engine = SQLiteJobs(folder / "home")
        asked = Approval("files__erase", HOSTILE, "alpha", "here/1.0").now()
        try:
            await engine.submit("agent", {"task": "ECHO: tidied up", "ai": "alpha"})
            job = await engine.claim(("agent",))
            assert job is not None
            engine.record(job.id, f"{ASKED}{asked.id}", asked.to_json())
            await engine.finish(job, "paused", reason="It waits for your word.")
        finally:
            await engine.aclose()
        return job.id, asked

    return elsewhere(make)


def answered(folder: Path, job: str, approval: Approval) -> bool | None:
    async def look() -> bool | None:
        engine = SQLiteJobs(folder / "home")
        try:
            found = await engine.kept(job, ANSWERED)
        finally:
            await engine.aclose()
        said = found.get(f"{ANSWERED}{approval.id}")
        return None if said is None else bool(said["yes"])

    return elsewhere(look)


@pytest.mark.parametrize(("button", "yes"), [("Allow once", True), ("Refuse", False)])
def test_the_whole_call_is_shown_and_one_press_answers_it(context: Any, served: Served, button: str, yes: bool) -> None:
    job, approval = waiting(served.folder)
    tab = Tab.of(context.new_page(), served)
    tab.come_in()
    tab.open(f"jobs/{job}")
    tab.until_said("wants to make this call")
    shown = tab.page.inner_text(".waits pre")
    assert "files__erase" in shown and "<img src=x" in shown and "\\u202e" in shown and "\u202e" not in shown

    tab.page.click(f".waits button:has-text('{button}')")
    tab.until("!document.querySelector('.waits')")
    assert answered(served.folder, job, approval) is yes
    tab.until_said("tidied up")
    assert not tab.complaints
