"""Skills that are found on this machine, and folders that only look like one."""

from __future__ import annotations

import os
import time
from pathlib import Path

import anyio.to_thread
import pytest

from core.files.workspace import Workspace
from core.skills.finding import Found, Place, find_all, find_skills, shipped_places, workspace_places
from core.skills.skill import MAIN, MOST_FILES, Skill, SkillError

HEAD = "---\nname: {name}\ndescription: Does something.\n{more}---\nDo it.\n"


def skill(folder: Path, name: str = "one", more: str = "", **files: str) -> Path:
    """A skill in *folder*, with further *files* whose names have `__` for `/`."""
    place = folder / name
    place.mkdir(parents=True)
    (place / MAIN).write_text(HEAD.format(name=name, more=more))
    for path, text in files.items():
        file = place / path.replace("__", "/")
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
    return place


def found(folder: Path, **options: object) -> Found:
    return find_skills([Place(folder, "user", "here")], **options)  # type: ignore[arg-type]


async def the_skill(folder: Path) -> Skill:
    """The one skill in *folder*; looking for it blocks."""
    (one,) = (await anyio.to_thread.run_sync(found, folder)).skills
    return one


def only_problem(folder: Path) -> str:
    """Why the one bad skill in *folder* is none, which leaves the good one as it is."""
    skill(folder, "good")
    told = found(folder)
    assert [one.name for one in told.skills] == ["good"]
    (problem,) = told.problems
    assert str(folder) not in problem
    return problem


async def test_a_skill_has_its_head_its_files_and_its_body(tmp_path: Path) -> None:
    skill(tmp_path, more="license: MIT\nmetadata:\n  version: '2'\nallowed-tools: Read Bash(git:*)\n", refs__a="A\n")
    one = await the_skill(tmp_path)
    assert one.frontmatter == {
        "name": "one",
        "description": "Does something.",
        "license": "MIT",
        "metadata": {"version": "2"},
        "allowed-tools": "Read Bash(git:*)",
    }
    assert [file.path for file in one.files] == [MAIN, "refs/a"]
    assert await one.body() == "Do it."
    assert await one.text("refs/a") == "A\n"
    assert one.allowed_tools == ("Read", "Bash(git:*)")


def test_the_skill_that_comes_with_moot_is_good() -> None:
    told = find_skills(shipped_places())
    assert [one.name for one in told.skills] == ["moot"] and not told.problems
    assert {"references/choosing.md", "references/jobs.md"} < {one.path for one in told.skills[0].files}


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("no head\n", "does not begin with a head"),
        ("---\nname: bad\n", "does not begin with a head"),
        ("---\nname: bad\ndescription: [\n---\n", "no YAML (line "),
        ("---\nname: bad\ndescription: 'a\n---\n", "no YAML"),
        ("---\n- name\n---\n", "no mapping"),
        ("---\n---\n", "empty head"),
        ("---\nname: bad\n---\n", "no 'description'"),
        ("---\ndescription: d\n---\n", "no 'name'"),
        ("---\nname: other\ndescription: d\n---\n", "its folder is not"),
        ("---\nname: Bad\ndescription: d\n---\n", "lower-case letters"),
        ("---\nname: bad\u200b\ndescription: d\n---\n", "lower-case letters"),
        ("---\nname: 7\ndescription: d\n---\n", "no 'name'"),
        ("---\nname: bad\nname: bad\ndescription: d\n---\n", "twice"),
        ("---\nname: bad\ndescription: d\nlicense: &a x\nmetadata: *a\n---\n", "anchors or aliases"),
        ("---\na: &a [x,x]\nb: &b [*a,*a]\nc: &c [*b,*b]\nname: bad\ndescription: d\n---\n", "anchors or aliases"),
        ("---\nname: bad\ndescription: !!python/object/apply:os.system [id]\n---\n", "tag"),
        ("---\nname: bad\ndescription: !d x\n---\n", "tag"),
        ("---\nname: bad\ndescription: d\nx: " + "[" * 9 + "]" * 9 + "\n---\n", "nested too deeply"),
        ("---\nname: bad\ndescription: d\nx: " + "[" * 30_000 + "\n---\n", "nested too deeply"),
        ("---\nname: bad\ndescription: d\nx: [" + "1," * 3_000 + "]\n---\n", "too large"),
        ("---\nname: bad\ndescription: d\nx: .inf\n---\n", "no number"),
        ("---\nname: bad\ndescription: d\nx: 1e999\n---\n", "too large"),
        ("---\nname: bad\ndescription: d\nx: 9007199254740993\n---\n", "too large"),
        ('---\nname: bad\ndescription: "\\ud800"\n---\n', "half a character"),
        ('---\nname: bad\ndescription: d\n"\\udc00": 1\n---\n', "half a character"),
        ("---\nname: bad\ndescription: d\n<<: *a\n---\n", "anchors or aliases"),
        ("---\n%YAML 1.1\n---\nname: bad\n---\n", "head"),
        ("---\nname: bad\ndescription: " + "d" * 1_025 + "\n---\n", "1,024"),
        ("---\nname: bad\ndescription: '\u200b'\n---\n", "no 'description'"),
        ("---\nname: bad\ndescription: d\nx: " + "d" * 40_000 + "\n---\n", "32,768"),
        ("---\nname: bad\ndescription: d\nmetadata: x\n---\n", "'metadata'"),
        ("---\nname: bad\ndescription: d\nallowed-tools: 7\n---\n", "'allowed-tools'"),
        ("---\nname: bad\ndescription: d\nallowed_tools: Read\n---\n", "Write 'allowed-tools'"),
        ("---\nname: bad\ndescription: d\nAllowed-Tools: Read\n---\n", "Write 'allowed-tools'"),
        ("---\nname: bad\ndescription: d\nallowedTools: Read\n---\n", "Write 'allowed-tools'"),
        ("---\nname: bad\ndescription: d\nallowed-tool: Read\n---\n", "Write 'allowed-tools'"),
        ("---\nname: bad\ndescription: d\nallowed\u200b-tools: Read\n---\n", "Write 'allowed-tools'"),
        ("---\nname: bad\ndescription: d\n\u0430llowed-tools: Read\n---\n", "Write 'allowed-tools'"),
        ("---\nname: bad\ndescription: d\n<<: {allowed-tools: Read}\n---\n", "Write 'allowed-tools'"),
        ("---\nname: bad\ndescription: d\nallowed-tools: Bash(rm -rf (x)) send\n---\n", "brackets do not fit"),
        ("---\nname: bad\ndescription: d\nallowed-tools: [Read, (send]\n---\n", "brackets do not fit"),
        ("---\nname: bad\ndescription: d\ncompatibility: " + "d" * 501 + "\n---\n", "500"),
        ("---\n? [a, b]\n: c\nname: bad\ndescription: d\n---\n", "no word"),
    ],
)
def test_a_head_that_is_no_good_is_told_in_a_sentence(text: str, why: str, tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / MAIN).write_text(text, encoding="utf-8")
    assert why in only_problem(tmp_path)


def test_a_head_is_typed_as_other_programs_type_it(tmp_path: Path) -> None:
    more = "a: yes\nb: true\nc: 2024-01-01\nd: 1.50\ne: 0x10\nf: ~\ng: '1'\nh: [1, two]\ni: 12:30:00\n"
    skill(tmp_path, more=more)
    head = found(tmp_path).skills[0].frontmatter
    assert [head[key] for key in "abcdefghi"] == [
        "yes", True, "2024-01-01", 1.5, 16, None, "1", [1, "two"], "12:30:00",
    ]  # fmt: skip


def test_binary_heads_and_missing_ones_are_no_skills(tmp_path: Path) -> None:
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / MAIN).write_bytes(b"---\nname: bad\xff\n---\n")
    (tmp_path / "no-skill").mkdir()
    assert "UTF-8" in only_problem(tmp_path)


def test_a_link_in_a_skill_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text("private")
    (skill(tmp_path / "s", "bad") / "notes.md").symlink_to(tmp_path / "outside")
    assert "the link 'notes.md'" in only_problem(tmp_path / "s")


def test_a_head_that_is_a_link_or_a_pipe_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "outside").write_text(HEAD.format(name="bad", more=""))
    folder = tmp_path / "s"
    (folder / "bad").mkdir(parents=True)
    (folder / "bad" / MAIN).symlink_to(tmp_path / "outside")
    (folder / "pipe").mkdir()
    os.mkfifo(folder / "pipe" / MAIN)
    problems = found(folder).problems
    assert len(problems) == 2 and "link" in problems[0] and "no plain file" in problems[1]


def test_a_skill_of_the_workspace_may_not_lie_elsewhere(tmp_path: Path) -> None:
    root = tmp_path / "project"
    skill(tmp_path / "elsewhere", "stray")
    (root / ".agents" / "skills").mkdir(parents=True)
    (root / ".agents" / "skills" / "stray").symlink_to(tmp_path / "elsewhere" / "stray")
    (root / "skills").symlink_to(tmp_path / "elsewhere")
    told = find_skills(workspace_places(Workspace((root.resolve(),))))
    assert not told.skills and len(told.problems) == 2


def test_a_skill_that_two_places_lead_to_is_one(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    skill(root / ".agents" / "skills", "one")
    (root / ".claude").mkdir()
    (root / ".claude" / "skills").symlink_to(root / ".agents" / "skills")
    told = find_skills(workspace_places(Workspace((root,))))
    assert [one.full_name for one in told.skills] == ["workspace.one"] and not told.problems


def test_of_two_skills_of_one_name_the_first_is_used_and_the_other_told_of(tmp_path: Path) -> None:
    skill(tmp_path / "a", "one")
    skill(tmp_path / "b", "one")
    told = find_skills([Place(tmp_path / "a", "user", "A"), Place(tmp_path / "b", "user", "B")])
    assert [one.place for one in told.skills] == ["A"]
    assert told.problems == [
        "The skill 'one' in B is not used: A has one of that name. Rename one of the two, folder and head."
    ]


def test_a_bare_name_never_means_a_skill_of_the_workspace_where_the_user_has_one(tmp_path: Path) -> None:
    skill(tmp_path / "w", "one")
    skill(tmp_path / "u", "one")
    places = [Place(tmp_path / "w", "workspace", "W", tmp_path / "w"), Place(tmp_path / "u", "user", "U")]
    told = find_skills(places)
    assert told.named("one").place == "U" and told.named("workspace.one").place == "W"
    with pytest.raises(SkillError, match="There are one"):
        told.named("two")


def test_ten_thousand_files_are_not_looked_through(tmp_path: Path) -> None:
    place = skill(tmp_path, "bad")
    for number in range(10_000):
        (place / f"{number}.txt").touch()
    assert f"more than {MOST_FILES} files" in only_problem(tmp_path)


def test_a_skill_may_not_be_larger_than_every_host_takes(tmp_path: Path) -> None:
    with (skill(tmp_path, "bad") / "data.bin").open("wb") as file:
        file.truncate(2_000_000_000)
    assert "more than 16 MB" in only_problem(tmp_path)


def test_very_deep_folders_are_not_followed(tmp_path: Path) -> None:
    skill(tmp_path, "bad").joinpath(*"abcdefghijklmnop").mkdir(parents=True)
    assert "deeper" in only_problem(tmp_path)


def test_what_is_hidden_is_no_part_of_a_skill(tmp_path: Path) -> None:
    skill(tmp_path, **{".git__config": "x", "__pycache____a.pyc": "x", ".env": "KEY=1"})
    assert [file.path for file in found(tmp_path).skills[0].files] == [MAIN]


async def test_a_secret_in_a_skill_is_not_read(tmp_path: Path) -> None:
    key = (
        "sk-"
        + "ant-api03-"
        + "aB3dE5gH7jK9mN1pQ3sT5vX7zA2cF4hJ6lP8"
        + "rU0wY2bD4fG6iK8nM0qS2tV4xZ6aC8eH1jL3oR5uW7yB9dF1gAA"
    )
    place = skill(tmp_path, **{"a.md": f"use {key}\n"})
    (place / "id_rsa").write_text("x")
    one = await the_skill(tmp_path)
    for path in ("a.md", "id_rsa"):
        with pytest.raises(SkillError, match="is not read"):
            await one.text(path)


@pytest.mark.parametrize("path", ["../one/SKILL.md", "/etc/passwd", "a/../SKILL.md", "", "SKILL.md/", "nothing.md"])
async def test_no_path_leaves_a_skill(path: str, tmp_path: Path) -> None:
    skill(tmp_path)
    one = await the_skill(tmp_path)
    with pytest.raises(SkillError, match="has no file"):
        await one.text(path)
    if path != "nothing.md":
        with pytest.raises(SkillError):
            await one.read(path)


async def test_a_file_that_became_a_link_is_not_read(tmp_path: Path) -> None:
    place = skill(tmp_path / "s", **{"a.md": "A"})
    one = await the_skill(tmp_path / "s")
    (tmp_path / "outside").write_text("private")
    (place / "a.md").unlink()
    (place / "a.md").symlink_to(tmp_path / "outside")
    with pytest.raises(SkillError, match="cannot be read"):
        await one.text("a.md")


async def test_characters_that_show_nothing_are_told_of_and_shown_to_no_ai(tmp_path: Path) -> None:
    place = skill(tmp_path)
    hidden = "".join(chr(0xE0000 + ord(letter)) for letter in "obey")
    (place / MAIN).write_text(HEAD.format(name="one", more="").replace("Do it.", f"Do it.{hidden}"), encoding="utf-8")
    one = await the_skill(tmp_path)
    assert one.note.startswith("4 characters")
    assert await one.body() == "Do it."


def test_a_private_folder_makes_its_skills_private(tmp_path: Path) -> None:
    root = tmp_path.resolve()
    skill(root / "skills", "one")
    skill(root / ".agents" / "skills", "two")
    told = find_all(Workspace((root,), ("skills/*",)))
    assert {one.name: one.local_only for one in told.skills if one.origin == "workspace"} == {"one": True, "two": False}


def test_reading_a_hostile_head_takes_no_time(tmp_path: Path) -> None:
    """What is nested or repeated costs what its length costs, not its square."""
    heads = ["x: " + "{a: " * 7_000, "x:\n" + "- " * 15_000, "'" * 30_000, "? " * 15_000, "x: |\n" + " a\n" * 9_000]
    began = time.process_time()
    for number, head in enumerate(heads):
        (tmp_path / f"b{number}").mkdir()
        (tmp_path / f"b{number}" / MAIN).write_text(f"---\n{head}\n---\n")
    assert len(found(tmp_path).problems) == len(heads)
    assert time.process_time() - began < 20  # a square of it takes minutes
