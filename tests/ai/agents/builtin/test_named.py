"""The tools that Moot brings: each is there by its name alone, and none changes anything."""

from __future__ import annotations

import re
from pathlib import Path

import anyio.to_thread
import pytest
from git_repository import git, repository

from ai.agents.builtin.ground import Ground
from ai.agents.builtin.named import BUILT_IN, builtin
from ai.agents.offered import Tools
from core.errors import InvalidInputError
from core.files.workspace import Workspace
from core.memory.history import History, PastRun
from core.memory.threads import Threads, Turn


@pytest.fixture
def ground(tmp_path: Path) -> Ground:
    folder = repository(tmp_path / "project", **{"a.py": "one\ntwo\n"}).resolve()
    (folder / "a.py").write_text("one\n2\n")
    git(folder, "commit", "-qam", "second")
    (folder / "a.py").write_text("1\n2\n")
    return Ground(Workspace((folder,)), Threads(tmp_path / "threads.db"))


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_tool_reads_only_and_says_what_each_argument_is(name: str, ground: Ground) -> None:
    tools = builtin(name, ground)
    assert isinstance(tools, Tools) and tools.specs()
    for spec in tools.specs():
        assert spec.read_only and spec.description and re.fullmatch(r"[a-z_]{1,64}", spec.name)
        assert all("description" in each for each in spec.parameters["properties"].values())


def test_no_two_tools_have_one_name(ground: Ground) -> None:
    names = [spec.name for name in BUILT_IN for spec in builtin(name, ground).specs()]
    assert len(names) == len(set(names))


def test_what_is_not_there_is_told(ground: Ground) -> None:
    with pytest.raises(InvalidInputError, match="There are workspace, git, threads, clock, arithmetic"):
        builtin("shell", ground)


async def test_git_is_asked_for_commits_changes_and_lines(ground: Ground) -> None:
    tools = builtin("git", ground)

    async def said(name: str, **arguments: object) -> str:
        done = await tools.call(name, arguments)
        assert done.success, done.error
        return done.result

    assert re.fullmatch(r"[0-9a-f]{10}  .* UTC  t\n    second\n\n[0-9a-f]{10}  .*\n    first", await said("git_log"))
    assert await said("git_diff") == "## a.py\n    - | one\n   1 +| 1\n   2  | 2"
    assert await said("git_diff", head="HEAD") == "## a.py\n   1  | one\n    - | two\n   2 +| 2"
    assert await said("git_diff", base="HEAD~1", head="HEAD", paths=["a.py"]) == await said("git_diff", head="HEAD")
    assert "    2  two" in await said("git_show", path="a.py", revision="HEAD~1")
    assert re.search(r"t     2  2$", await said("git_blame", path="a.py", first=2))


async def test_a_change_that_nobody_could_read_is_not_gone_through(ground: Ground) -> None:
    folder = ground.workspace.roots[0]
    (folder / "a.py").write_text("x\n" * 3_000_000)
    tools = builtin("git", ground)
    git(folder, "commit", "-qam", "third")
    assert "larger than 8 MB. Name 'paths'" in (await tools.call("git_diff", {"head": "HEAD"})).error


@pytest.mark.parametrize(
    ("name", "arguments"),
    [
        ("git_log", {"revision": "--output=x"}),
        ("git_log", {"repo": "../"}),
        ("git_log", {"most": 10_000}),
        ("git_diff", {"base": "--output=x"}),
        ("git_diff", {"head": "-x"}),
        ("git_diff", {"paths": ["../x"]}),
        ("git_diff", {"paths": [":(exclude)a.py"]}),
        ("git_show", {"path": "/etc/passwd", "revision": "HEAD"}),
        ("git_show", {"path": "../a.py", "revision": "HEAD"}),
        ("git_blame", {"path": "a.py", "first": 99}),
        ("git_blame", {"path": "a.py", "first": 2, "last": 1}),
    ],
)
async def test_git_refuses_in_a_sentence(name: str, arguments: dict[str, object], ground: Ground) -> None:
    done = await builtin("git", ground).call(name, arguments)
    assert not done.success and done.error.endswith(".") and "\n" not in done.error
    assert str(ground.workspace.roots[0]) not in done.error


async def test_threads_are_listed_read_and_searched(ground: Ground) -> None:
    assert ground.threads is not None
    threads, turns = ground.threads, [Turn("user", f"question {number}") for number in range(30)]
    await anyio.to_thread.run_sync(lambda: threads.add("plans", turns).result())
    tools = builtin("threads", ground)
    assert "plans  (30 turns" in (await tools.call("list_threads", {})).result
    read = (await tools.call("read_thread", {"name": "plans", "turns": 2})).result
    assert read.startswith("plans: turns 29 to 30 of 30") and "> question 29" in read
    assert "turns 1 to 2 of 30" in (await tools.call("read_thread", {"name": "plans", "turns": 2, "before": 3})).result
    found = (await tools.call("search_threads", {"words": "question 7"})).result
    assert found.startswith("plans, user, ") and "<<7>>" in found
    assert "no thread 'none'" in (await tools.call("read_thread", {"name": "none"})).error
    await anyio.to_thread.run_sync(threads.close)


async def test_past_runs_are_listed_searched_and_read(ground: Ground) -> None:
    def keep() -> str:
        history = History()
        name = history.add(PastRun("ask_one", "Which blue?", ("gpt",), (("gpt", "Ultramarine."),))).result()
        history.close()
        return name

    name = await anyio.to_thread.run_sync(keep)
    tools = builtin("threads", ground)
    assert name in (await tools.call("list_runs", {})).result
    assert "<<Ultramarine>>" in (await tools.call("list_runs", {"words": "ultramarine"})).result
    assert (await tools.call("list_runs", {"words": "nothing"})).result == "There is no such run."
    assert "> Which blue?\n\n[1] gpt:\n> Ultramarine." in (await tools.call("read_run", {"name": name})).result
    assert "There is no run 'zzz'" in (await tools.call("read_run", {"name": "zzz"})).error
