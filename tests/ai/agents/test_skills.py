"""Skills as a model sees them: names first, then what it loads; and what it may call meanwhile."""

from __future__ import annotations

from pathlib import Path

import anyio.to_thread
import pytest

from ai.agents.skills import LOAD, READ, Skills
from core.files.workspace import Workspace
from core.skills.finding import Found, Place, find_skills
from core.skills.skill import MAIN, Skill, SkillFile


def laid(folder: Path, name: str, more: str = "", body: str = "Do it.\n") -> None:
    (folder / name / "refs").mkdir(parents=True)
    (folder / name / MAIN).write_text(f"---\nname: {name}\ndescription: About {name}.\n{more}---\n{body}")
    (folder / name / "refs" / "a.md").write_text("1\n2\n3\n")


async def found(folder: Path, origin: str = "user", **options: object) -> list[Skill]:
    def look() -> Found:
        return find_skills([Place(folder, origin, "here", folder if origin == "workspace" else None)], **options)  # type: ignore[arg-type]

    return (await anyio.to_thread.run_sync(look)).skills


async def test_a_model_is_told_of_skills_and_loads_what_it_needs(tmp_path: Path) -> None:
    laid(tmp_path, "one")
    laid(tmp_path, "two")
    skills = Skills(await found(tmp_path))
    assert "- one: About one.\n- two: About two." in skills.prompt() and "Do it" not in skills.prompt()
    assert [spec.name for spec in skills.specs()] == [LOAD, READ]
    assert all("description" in each for spec in skills.specs() for each in spec.parameters["properties"].values())
    early = await skills.call(READ, {"name": "one", "path": "refs/a.md"})
    assert early.error == f"{READ} failed: The skill 'one' is not loaded. Load it with {LOAD} first."
    loaded = await skills.call(LOAD, {"name": "one"})
    assert loaded.result == (
        "[skill one, from the user]\nDo it.\n[its other files, which read_skill_file reads: refs/a.md]"
    )
    part = await skills.call(READ, {"name": "one", "path": "refs/a.md", "first": 2, "last": 2})
    assert part.result == "[refs/a.md of the skill one, from the user]\n2"


@pytest.mark.parametrize(
    ("name", "arguments", "why"),
    [
        (LOAD, {"name": "three"}, "There are: one"),
        (LOAD, {}, "'name' is missing"),
        (READ, {"name": "one", "path": "../one/SKILL.md"}, "has no file"),
        (READ, {"name": "one", "path": "/etc/passwd"}, "has no file"),
        (READ, {"name": "one", "path": "refs/a.md", "first": 99}, "has 4 lines"),
    ],
)
async def test_a_call_that_is_wrong_gets_a_sentence(
    name: str, arguments: dict[str, object], why: str, tmp_path: Path
) -> None:
    laid(tmp_path, "one")
    skills = Skills(await found(tmp_path))
    await skills.call(LOAD, {"name": "one"})
    done = await skills.call(name, arguments)
    assert not done.success and why in done.error


@pytest.mark.parametrize(
    ("said", "allowed", "not_allowed"),
    [
        ("Read Grep", ["read_file", "search_files"], ["list_files", "git_log", "write"]),
        ("git_*", ["git_log", "git_diff"], ["github__x", "read_file"]),
        ("mcp__github__search_* github.get", ["github__search_code", "github__get"], ["github__delete", "github"]),
        ("Bash(git:*) Read", ["read_file"], ["bash", "git_log", "Bash"]),
        ("'[a-z]*'", [], ["read_file", "a"]),
        ("read_fil?", [], ["read_file"]),
        ("'*'", ["read_file", "anything"], []),
        ("''", [], ["read_file"]),
        ("[Read, Glob]", ["read_file", "list_files"], ["search_files"]),
        ("Read, Glob", ["read_file", "list_files"], ["search_files"]),
    ],
)
async def test_while_a_skill_is_loaded_only_what_it_allows_may_be_called(
    said: str, allowed: list[str], not_allowed: list[str], tmp_path: Path
) -> None:
    laid(tmp_path, "one", f"allowed-tools: {said}\n")
    skills = Skills(await found(tmp_path))
    assert all(map(skills.allowed, [*allowed, *not_allowed]))
    await skills.call(LOAD, {"name": "one"})
    assert all(map(skills.allowed, [*allowed, LOAD, READ]))
    assert not any(map(skills.allowed, not_allowed))
    if not_allowed:
        assert "while the skill 'one' is loaded" in str(skills.gate(not_allowed[0]))


async def test_with_two_skills_loaded_a_tool_must_be_allowed_by_each(tmp_path: Path) -> None:
    laid(tmp_path, "one", "allowed-tools: Read Grep\n")
    laid(tmp_path, "two", "allowed-tools: Read Glob\n")
    laid(tmp_path, "three")
    skills = Skills(await found(tmp_path))
    for name in ("one", "two", "three"):
        await skills.call(LOAD, {"name": name})
    assert skills.allowed("read_file") and not skills.allowed("search_files") and not skills.allowed("list_files")


async def test_a_resumed_run_is_held_to_what_was_loaded_before(tmp_path: Path) -> None:
    laid(tmp_path, "one", "allowed-tools: Read\n")
    skills = Skills(await found(tmp_path))
    skills.recalled(READ, {"name": "one"}, "")
    skills.recalled(LOAD, {"name": "nothing"}, "")
    assert skills.allowed("write")
    skills.recalled(LOAD, {"name": "one"}, "")
    assert not skills.allowed("write")


async def test_a_private_skill_is_not_even_told_of_to_an_ai_elsewhere(tmp_path: Path) -> None:
    laid(tmp_path, "one")
    folder = tmp_path.resolve()
    private = await found(folder, "workspace", is_local_only=Workspace((folder,), ("one/*",)).is_local_only)
    assert private[0].local_only
    assert Skills(private).prompt() == "" and Skills(private).specs() == []
    told: list[str] = []
    here = Skills(private, stays_here=True, on_private=lambda: told.append("stay"))
    assert "from the workspace" in here.prompt() and told == ["stay"]
    assert "from the workspace" in (await here.call(LOAD, {"name": "one"})).result and len(told) == 2


async def test_a_skill_of_a_server_is_named_with_it_and_allows_and_forbids_nothing() -> None:
    text = b"---\nname: one\ndescription: D.\nallowed-tools: Bash\n---\nDo it.\n"

    async def read(path: str) -> bytes:
        return text

    head = {"name": "one", "description": "D.", "allowed-tools": "Bash"}
    foreign = Skill(
        "one", "D.", "docs", "skill://one/SKILL.md", head, (SkillFile(MAIN, len(text)),), read, foreign=True
    )
    skills = Skills([foreign])
    assert "- docs.one (from the MCP server 'docs'): D." in skills.prompt()
    assert not (await skills.call(LOAD, {"name": "one"})).success and not skills.acting_on_foreign
    assert "[skill docs.one, from the MCP server 'docs']" in (await skills.call(LOAD, {"name": "docs.one"})).result
    assert skills.acting_on_foreign and skills.allowed("read_file")


async def test_a_long_skill_is_cut_where_it_can_be_seen_and_read_on(tmp_path: Path) -> None:
    laid(tmp_path, "one", body="x" * 90 + "\n" + "line\n" * 20_000)
    skills = Skills(await found(tmp_path))
    loaded = (await skills.call(LOAD, {"name": "one"})).result
    assert "[cut: " in loaded and len(loaded) < 41_000
    rest = (await skills.call(READ, {"name": "one", "path": MAIN, "first": 10_000})).result
    assert rest.splitlines()[-1] == "[cut: read on with first=12000]"
