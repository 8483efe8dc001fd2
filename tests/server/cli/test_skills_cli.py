"""`moot skills`: what lies on this machine, what is wrong with it, and what servers serve."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.paths import credentials_path, data_dir
from server.cli.main import cli


def moot(*arguments: str, input: str = "") -> Result:
    return CliRunner().invoke(cli, ["skills", *arguments], input=input, prog_name="moot")


def laid(folder: Path, name: str, *, called: str = "", text: str = "Do it.") -> Path:
    (folder / name).mkdir(parents=True)
    (folder / name / "SKILL.md").write_text(f"---\nname: {called or name}\ndescription: About {name}.\n---\n{text}\n")
    return folder / name


@pytest.fixture(autouse=True)
def project(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project that its user stands in; their home is empty."""
    folder = isolated / "project"
    folder.mkdir()
    monkeypatch.setenv("HOME", str(isolated / "nobody"))
    monkeypatch.chdir(folder)
    return folder


def test_skills_are_listed_with_where_they_are_from(project: Path) -> None:
    laid(data_dir() / "skills", "notes")
    laid(project / ".agents" / "skills", "release")
    laid(project / "skills", "bad", called="other")
    result = moot()
    assert result.exit_code == 0
    assert [line.split("  ")[:2] for line in result.stdout.splitlines()] == [
        ["notes", "(the data folder's skills)"],
        ["moot", "(Moot)"],
        ["workspace.release", "(project/.agents/skills)"],
    ]
    assert result.stderr == (
        "moot: The skill 'bad' in project/skills is called 'other', and its folder is not. Give both the same name.\n"
    )
    told = json.loads(moot("--json").stdout)
    assert [one["full_name"] for one in told["skills"]] == ["user.notes", "moot.moot", "workspace.release"]
    assert told["skills"][0]["files"] == [{"path": "SKILL.md", "size": 53}] and len(told["problems"]) == 1
    assert [one["served"] for one in told["skills"]] == [True, True, False]


def test_a_skill_and_its_files_are_shown(project: Path) -> None:
    (laid(project / "skills", "release") / "a.md").write_text("A\n")
    shown = moot("show", "release")
    assert (
        shown.stdout == "Do it.\n" and "workspace.release, from project/skills; its other files: a.md" in shown.stderr
    )
    assert moot("show", "workspace.release", "a.md").stdout == "A\n"
    assert json.loads(moot("show", "release", "--json").stdout)["frontmatter"]["name"] == "release"


@pytest.mark.parametrize("name", ["nothing", "user.release", "../release", ""])
def test_what_is_not_there_is_told(name: str, project: Path) -> None:
    laid(project / "skills", "release")
    result = moot("show", name)
    assert result.exit_code == 2 and "There is no skill" in result.stderr and "moot, release" in result.stderr


def test_a_skill_that_is_no_good_is_told_why_when_it_is_named(project: Path) -> None:
    laid(project / "skills", "bad", called="other")
    assert "is called 'other'" in moot("show", "bad").stderr


def test_skills_of_a_server_are_listed_shown_and_accepted() -> None:
    """Moot serves them to itself, over standard input and output."""
    laid(data_dir() / "skills", "notes")
    serve = {"command": sys.executable, "args": ["-m", "moot", "serve"], "env": _environment()}
    credentials_path().write_text(json.dumps({"mcp_servers": {"peer": serve}}))
    credentials_path().chmod(0o600)
    listed = moot("list", "peer")
    assert [line.split("  ")[0] for line in listed.stdout.splitlines()] == ["peer.moot", "peer.notes"]
    assert moot("show", "peer.notes").stdout == "Do it.\n"
    assert not (data_dir() / "skill_pins").exists()  # looking pins nothing
    assert moot("accept", "peer.notes", "--yes").exit_code == 0
    assert len(list((data_dir() / "skill_pins").iterdir())) == 1
    assert "nothing has to be accepted" in moot("accept", "moot", "--yes").stderr


def _environment() -> dict[str, str]:
    return {"PYTHONPATH": str(Path(__file__).parents[3]), "MOOT_HOME": str(data_dir())}
