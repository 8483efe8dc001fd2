"""Skills by name: of this machine, and of servers, which are asked only where one of theirs is named."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from core.files.workspace import Workspace
from core.paths import data_dir
from core.people.person import Person
from core.skills.borrowed import SkillPins
from core.skills.choosing import chosen_skills, server_of
from core.skills.skill import MAIN, SkillError, digest_of

TEXT = "---\nname: {name}\ndescription: D.\n---\nDo it.\n"


def laid(folder: Path, name: str, text: str = TEXT) -> None:
    (folder / name).mkdir(parents=True)
    (folder / name / MAIN).write_text(text.format(name=name))


class Servers:
    """Each server serves one skill, called `one`."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def __call__(
        self, server: str, method: str, params: Mapping[str, Any] | None = None, *, extension: str
    ) -> dict[str, Any]:
        self.asked.append(server)
        data = TEXT.format(name="one").encode()
        file = {"uri": f"skill://one/{MAIN}", "digest": digest_of(data), "size": len(data)}
        return {"skills": [file | {"frontmatter": {"name": "one", "description": "D."}, "resources": [file]}]}


@pytest.fixture
def project(tmp_path: Path) -> Workspace:
    folder = tmp_path.resolve() / "project"
    laid(folder / "skills", "one")
    laid(folder / "skills", "bad", "---\nname: bad\n---\n")
    return Workspace((folder,))


async def test_skills_are_chosen_of_this_machine_and_of_servers(project: Workspace, tmp_path: Path) -> None:
    servers = Servers()
    names = ["one", "docs.one", "workspace.one", "docs.one", "moot"]
    chosen = await chosen_skills(
        names, project, lend=servers, servers=["docs", "other"], pins=SkillPins(tmp_path / "pins")
    )
    assert [one.full_name for one in chosen] == ["workspace.one", "docs.one", "moot.moot"]
    assert servers.asked == ["docs"]


async def test_nothing_is_looked_for_where_nothing_is_named() -> None:
    assert await chosen_skills([], Workspace()) == []


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("bad", "has no 'description'"),
        ("workspace.bad", "has no 'description'"),
        ("two", "There is no skill 'two'"),
        ("docs.two", "There are docs.one"),
        ("elsewhere.one", "There is no skill 'elsewhere.one'"),
    ],
)
async def test_a_name_that_is_no_good_skill_is_told_why(name: str, why: str, project: Workspace) -> None:
    with pytest.raises(SkillError, match=why):
        await chosen_skills([name], project, lend=Servers(), servers=["docs"])


async def test_another_person_may_not_name_the_skills_of_the_owner(monkeypatch: pytest.MonkeyPatch) -> None:
    await anyio.to_thread.run_sync(laid, data_dir() / "skills", "mine")
    assert await chosen_skills(["mine"], Workspace())
    monkeypatch.setattr("core.skills.finding.acting", lambda: Person("ann"))
    with pytest.raises(SkillError, match="There is no skill 'mine'"):
        await chosen_skills(["mine"], Workspace())
    assert await chosen_skills(["mine"], Workspace(), mine=True)


def test_a_server_may_have_dots_in_its_name() -> None:
    assert server_of("a.b.one", ["a", "a.b"]) == "a.b" and server_of("one", ["one"]) is None
