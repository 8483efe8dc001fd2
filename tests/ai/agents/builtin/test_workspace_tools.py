"""What an AI finds out about the files of a workspace, and what it does not."""

from __future__ import annotations

import os
import shutil
import stat
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import anyio.to_thread
import pytest

from ai.agents.builtin import searching
from ai.agents.builtin.ground import LONGEST, Ground
from ai.agents.builtin.workspace import workspace_tools
from ai.agents.offered import ToolExecutionResult
from core.files.workspace import Workspace

KEY = "sk-" + "ant-api03-aB3dE5gH7jK9mN1pQ3sT5vX7zA2cF4hJ6lP8rU0wY2bD4fG6iK8nM0qS2tV4xZ6aC8eH1jL3oR5uW7yB9dF1gAA"
BESIDE = str(Path(sys.executable).parent)
RG = shutil.which("rg", path=os.pathsep.join([BESIDE, os.environ["PATH"]]))


@pytest.fixture(params=["python", "ripgrep"])
def both(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Each way to search."""
    if request.param == "ripgrep" and RG is None:
        pytest.skip("ripgrep is not installed on this machine")
    monkeypatch.setattr(searching, "ripgrep", lambda roots: RG if request.param == "ripgrep" else None)
    return str(request.param)


class Asked:
    """The tools on a folder, and whether the run has to stay here."""

    def __init__(self, *roots: Path, local_only: tuple[str, ...] = (), stays_here: bool = False, **more: Any) -> None:
        self.private = False
        space = Workspace(tuple(root.resolve() for root in roots), local_only, **more)
        self.tools = workspace_tools(Ground(space, stays_here=stays_here, on_private=self._stay))

    def _stay(self) -> None:
        self.private = True

    async def call(self, name: str, arguments: Mapping[str, Any] | None = None) -> ToolExecutionResult:
        return await self.tools.call(name, arguments or {})

    async def lines(self, name: str, **arguments: Any) -> list[str]:
        done = await self.call(name, arguments)
        assert done.success, done.error
        return done.result.splitlines()

    async def refused(self, name: str, **arguments: Any) -> str:
        done = await self.call(name, arguments)
        assert not done.success and "\n" not in done.error
        return done.error


def laid(folder: Path, files: Mapping[str, str]) -> Path:
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    return folder


@pytest.fixture
def project(tmp_path: Path) -> Path:
    files = {
        "a.py": "import os\nNEEDLE = 1\n",
        "src/b.py": "x\ny\nneedle = 2\nz\n",
        "src/deep/c.txt": "no\n",
        ".hidden": "needle\n",
        ".git/config": "needle\n",
        "node_modules/m.js": "needle\n",
        ".gitignore": "build/\n*.log\n!keep.log\n",
        "build/out.txt": "needle\n",
        "x.log": "needle\n",
        "keep.log": "needle\n",
        "id_rsa": "needle\n",
        "settings.txt": f"needle = {KEY}\n",
    }
    return laid(tmp_path / "project", files)


async def test_files_are_listed_but_hidden_ignored_and_secret_ones(project: Path) -> None:
    lines = await Asked(project).lines("list_files")
    assert [line.split("  ")[0] for line in lines] == [
        "a.py", "keep.log", "settings.txt", "src/b.py", "src/deep/c.txt",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*.py", ["a.py", "src/b.py"]), ("/*.py", ["a.py"]), ("src/", ["src/b.py", "src/deep/c.txt"])],
)
async def test_a_pattern_is_one_as_in_gitignore(pattern: str, names: list[str], project: Path) -> None:
    lines = await Asked(project).lines("list_files", pattern=pattern)
    assert [line.split("  ")[0] for line in lines] == names


@pytest.mark.parametrize("pattern", ["../*", "!a", "a\nb", "x" * 501])
async def test_a_pattern_that_is_none_is_told(pattern: str, project: Path) -> None:
    assert "pattern" in await Asked(project).refused("list_files", pattern=pattern)


async def test_a_range_of_lines_is_read_with_its_numbers(project: Path) -> None:
    assert await Asked(project).lines("read_file", path="src/b.py", first=2, last=3) == [
        "src/b.py:2-3 of 4 lines",
        "    2  y",
        "    3  needle = 2",
    ]


@pytest.mark.parametrize(
    ("path", "why"),
    [
        ("../outside.txt", "outside of"),
        ("/etc/passwd", "outside of"),
        ("link.txt", "outside of"),
        ("id_rsa", "is not sent"),
        ("settings.txt", "holds what looks like a secret"),
        (".git/config", "is not sent"),
        ("missing.py", "does not exist"),
        ("src", "is a folder"),
        ("pipe", "no plain file"),
        ("zeros.bin", "binary"),
        ("huge.txt", "at most 2 MB"),
        ("twice.txt", "second name"),
        ("https://example.invalid/x", "does not exist"),
        ("a\0b", "not valid"),
    ],
)
async def test_a_file_that_may_not_be_read_is_refused_in_a_sentence(path: str, why: str, project: Path) -> None:
    (project.parent / "outside.txt").write_text("private\n")
    (project / "link.txt").symlink_to(project.parent / "outside.txt")
    os.link(project.parent / "outside.txt", project / "twice.txt")
    os.mkfifo(project / "pipe")
    (project / "zeros.bin").write_bytes(b"a\0b")
    with (project / "huge.txt").open("wb") as file:
        file.truncate(2_000_000_000)
    told = await Asked(project).refused("read_file", path=path)
    assert why in told and str(project) not in told


async def test_where_a_person_stands_makes_no_difference_to_a_model(project: Path, tmp_path: Path) -> None:
    """Whoever types paths may name any file of theirs, also a secret one; a model may not."""
    (tmp_path / "mine.txt").write_text("mine\n")
    asked = Asked(project, here=tmp_path, send_secrets=True)
    assert "outside of" in await asked.refused("read_file", path=str(tmp_path / "mine.txt"))
    assert "is not sent" in await asked.refused("read_file", path="settings.txt")


async def test_lines_are_found_with_their_file_and_number(project: Path, both: str) -> None:
    lines = await Asked(project).lines("search_files", text="needle")
    assert sorted(lines[:-1]) == ["a.py:2: NEEDLE = 1", "keep.log:1: needle", "src/b.py:3: needle = 2"]
    assert lines[-1] == "[1 files in which it stands are not shown: they hold secrets, or cannot be read]"


async def test_a_search_can_be_narrowed(project: Path, both: str) -> None:
    asked = Asked(project)
    assert await asked.lines("search_files", text="needle", files="*.py", ignore_case=False) == [
        "src/b.py:3: needle = 2"
    ]
    assert await asked.lines("search_files", text=r"^n\w+ = \d$", regex=True, files="src/") == [
        "src/b.py:3: needle = 2"
    ]
    assert await asked.lines("search_files", text="n.edle", files="src/") == ["No line holds 'n.edle'."]
    assert await asked.lines("search_files", text="needle", files="src/", around=1) == [
        "src/b.py:2- y",
        "src/b.py:3: needle = 2",
        "src/b.py:4- z",
    ]


@pytest.mark.parametrize("text", ["--version", "-e", "--pre=sh", "$(id)", "a' 'b"])
async def test_what_looks_like_an_option_is_looked_for(text: str, project: Path, both: str) -> None:
    laid(project, {"options.txt": f"{text}\n"})
    assert await Asked(project).lines("search_files", text=text) == [f"options.txt:1: {text}"]


async def test_a_link_is_not_searched(project: Path, both: str) -> None:
    laid(project.parent / "other", {"secret.txt": "elsewhere\n"})
    (project / "link.txt").symlink_to(project.parent / "other" / "secret.txt")
    (project / "folder").symlink_to(project.parent / "other")
    assert await Asked(project).lines("search_files", text="elsewhere") == ["No line holds 'elsewhere'."]


async def test_an_expression_that_never_ends_is_ended(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "ripgrep", lambda roots: None)
    monkeypatch.setattr(searching, "_CPU_S", 1)
    laid(project, {"trap.txt": "a" * 5_000 + "!\n"})
    why = await Asked(project).refused("search_files", text=r"(a+)+$", regex=True, files="trap.txt")
    assert "took too long" in why


@pytest.mark.parametrize("text", ["(", "a{99999999999}", "(?P<a>x)(?P<a>y)", "a\nb"])
async def test_an_expression_that_is_none_is_told(text: str, project: Path) -> None:
    assert "Correct it" in await Asked(project).refused("search_files", text=text, regex=True)


async def test_binary_and_huge_files_are_passed_over(project: Path, both: str) -> None:
    (project / "data.bin").write_bytes(b"needle\0needle\n" * 10)
    with (project / "sparse.txt").open("wb") as file:
        file.write(b"needle here\n")
        file.truncate(2_000_000_000)
    assert (project / "sparse.txt").stat().st_size == 2_000_000_000
    found = "\n".join(await Asked(project).lines("search_files", text="needle"))
    assert "data.bin" not in found and "sparse.txt" not in found and "a.py:2" in found


async def test_names_that_are_odd_are_shown_on_one_line(project: Path, both: str) -> None:
    laid(project, {"a b;c'd.py": "odd\n", "ü.py": "odd\n", "-n.py": "odd\n"})
    assert sorted(await Asked(project).lines("search_files", text="odd")) == [
        "-n.py:1: odd", "a b;c'd.py:1: odd", "ü.py:1: odd",
    ]  # fmt: skip


async def test_private_files_are_not_there_for_an_ai_elsewhere(project: Path, both: str) -> None:
    asked = Asked(project, local_only=("src/*",))
    assert [line.split("  ")[0] for line in await asked.lines("list_files", pattern="*.py")] == ["a.py"]
    assert await asked.lines("search_files", text="needle", files="*.py") == ["a.py:2: NEEDLE = 1"]
    assert "on this machine" in await asked.refused("read_file", path="src/b.py")
    assert not asked.private


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("list_files", {}),
        ("read_file", {"path": "src/b.py"}),
        ("search_files", {"text": "needle"}),
    ],
)
async def test_whatever_shows_a_private_file_makes_the_run_stay_here(
    name: str, arguments: dict[str, Any], project: Path
) -> None:
    asked = Asked(project, local_only=("src/*",), stays_here=True)
    await asked.lines("read_file", path="a.py")
    assert not asked.private
    assert any("src/b.py" in line for line in await asked.lines(name, **arguments))
    assert asked.private


async def test_long_results_are_cut_where_it_can_be_seen(tmp_path: Path, both: str) -> None:
    laid(tmp_path, {f"{number:04}.txt": f"needle {'x' * 300}\n" * 60 for number in range(20)})
    laid(tmp_path, {"long.md": "y" * 70 + "\n" + "z\n" * 9_000, "line.md": "w" * 100_000})
    asked = Asked(tmp_path)
    found = await asked.lines("search_files", text="needle")
    assert "more lines were found" in found[-1] and len("\n".join(found)) < LONGEST * 1.2
    read = await asked.lines("read_file", path="long.md")
    assert read[-1] == "[cut: read on with first=2001]"
    assert (await asked.lines("read_file", path="long.md", first=9_000))[1:] == [" 9000  z", " 9001  z"]
    assert len("\n".join(await asked.lines("read_file", path="line.md"))) < LONGEST


async def test_without_a_folder_there_is_a_sentence(project: Path) -> None:
    asked = Asked()
    for name, arguments in (("list_files", {}), ("search_files", {"text": "a"}), ("read_file", {"path": "a.py"})):
        assert "files.roots" in await asked.refused(name, **arguments)


async def test_arguments_that_are_wrong_are_told(project: Path) -> None:
    asked = Asked(project)
    assert await asked.refused("read_file", path="a.py", lines="1-2") == (
        "read_file was not called: There is no argument 'lines'. Correct it and call it again."
    )
    assert "'last' is 1" in await asked.refused("read_file", path="a.py", first=2, last=1)
    assert "has 2 lines" in await asked.refused("read_file", path="a.py", first=3)
    assert "'around'" in await asked.refused("search_files", text="a", around=99)


async def test_ripgrep_out_of_the_workspace_is_not_run(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    trap = project / "bin" / "rg"
    laid(project, {"bin/rg": f"#!/bin/sh\ntouch {project}/ran\n"})
    trap.chmod(trap.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", os.pathsep.join([str(trap.parent), ".", "bin"]))
    assert await anyio.to_thread.run_sync(searching.ripgrep, (project.resolve(),)) is None
    await Asked(project).lines("search_files", text="needle")
    assert not (project / "ran").exists()


async def test_what_ripgrep_is_configured_to_do_elsewhere_counts_nothing(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if RG is None:
        pytest.skip("ripgrep is not installed on this machine")
    monkeypatch.setenv("PATH", os.pathsep.join([BESIDE, os.environ["PATH"]]))
    laid(project, {"rc": "--pre=/bin/false\n--follow\n--hidden\n"})
    monkeypatch.setenv("RIPGREP_CONFIG_PATH", str(project / "rc"))
    assert await Asked(project).lines("search_files", text="needle", files="src/") == ["src/b.py:3: needle = 2"]


@pytest.mark.usefixtures("both")
async def test_a_text_of_utf_16_is_looked_through(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes("first\nthe needle\n".encode("utf-16"))
    assert "notes.txt" in "\n".join(await Asked(tmp_path).lines("search_files", text="needle"))


@pytest.mark.usefixtures("both")
async def test_a_line_of_an_ignore_file_that_is_no_pattern_shows_nothing_that_is_ignored(tmp_path: Path) -> None:
    laid(tmp_path, {"draft.txt": "needle\n", "open.txt": "needle\n"})
    for line in ("!", "[z-a]*", "\\", "x" * 5_000):
        (tmp_path / ".gitignore").write_text(f"{line}\ndraft.txt\n")
        assert await Asked(tmp_path).lines("list_files") == ["open.txt  (7 bytes)"]
        assert await Asked(tmp_path).lines("search_files", text="needle") == ["open.txt:1: needle"]


async def test_a_tree_without_end_is_looked_at_as_far_as_it_makes_sense(tmp_path: Path) -> None:
    laid(tmp_path, {"top.txt": "needle\n", ".gitignore": "x\n" * 6_000})
    laid(tmp_path, {f"{'d/' * 150}far.txt": "needle\n"})
    listed = await Asked(tmp_path).lines("list_files")
    assert listed == [
        "top.txt  (7 bytes)",
        "[only the first 5,000 lines of .gitignore count]",
        "[folders deeper than 100 were not looked at]",
    ]
