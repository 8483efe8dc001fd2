"""The wheel: one top-level name, the clone's code but for its imports, and no package of the user's in its way."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from provider_process import provider_process

from build_hooks.wheel import FOLDERS, below_package, files_of

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
TRAPS = ("ai", "core", "server", "tools")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("from ai.caller import Caller\n", "from moot.ai.caller import Caller\n"),
        ("from core import redact as r\n", "from moot.core import redact as r\n"),
        ("if x:\n    from   tools.debate import (\n  debate,\n)  # why\n",) * 2,
        ("import server.entry as entry, os\n", "import moot.server.entry as entry, os\n"),
        ("x = 'ü'; from core.values import Text; from ai import client\n",) * 2,
        ("from . import ai\nfrom .core import x\nimport aim, os\nfrom corey import z\n",) * 2,
        ("text = 'from ai.caller import x'\n# from ai.caller import x\r\n",) * 2,
        ("from moot.client import open\n",) * 2,
    ],
)
def test_imports_of_the_four_folders_are_led_below_the_package_and_nothing_else_changes(
    before: str, after: str
) -> None:
    if "tools.debate" in before:
        after = before.replace("tools.debate", "moot.tools.debate")
    if "core.values" in before:
        after = before.replace("core.values", "moot.core.values").replace("from ai ", "from moot.ai ")
    assert below_package(before.encode()) == after.encode()


@pytest.mark.parametrize(
    "line", ["import core.values\n", "import ai\n", "import os, tools.debate\n", "from \\\n  ai import x\n"]
)
def test_an_import_that_would_mean_something_else_is_refused(line: str) -> None:
    with pytest.raises(ValueError, match=r"<source>:1: write 'from "):
        below_package(line.encode())


def test_every_module_of_the_clone_can_be_laid_out_and_says_the_same_but_for_its_imports() -> None:
    for file in files_of(ROOT):
        if file.suffix != ".py":
            continue
        source = file.read_bytes()
        laid = below_package(source, str(file))
        assert laid.replace(b"moot.", b"") == source.replace(b"moot.", b""), file
        heads = {name.partition(".")[0] for name in imported(ast.parse(laid))}
        assert not heads & set(FOLDERS), file


def imported(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            yield node.module or ""


READ_BY_NAMING = {
    "ai/agents/fitting.py",
    "ai/agents/results.py",
    "ai/agents/worst.py",
    "ai/batch/submissions.py",
    "tools/recipe/structured.py",
    "ai/caller.py",
    "ai/roster/billing.py",
    "ai/roster/warm.py",
    "ai/runs/run.py",
    "core/names/naming.py",
    "moot/homes.py",
    "server/jobs/worker.py",
    "server/mcp_server/apps.py",
    "server/side_tasks.py",
    "server/telegram/asking.py",
    "server/telegram/bot.py",
    "server/telegram/forgetting.py",
    "server/telegram/remembering.py",
    "server/toolbox.py",
    "server/web/page/assets.py",
    "server/web/workers.py",
    "tools/agent.py",
    "tools/batching/spec.py",
    "tools/recipe/kit.py",
    "tools/recipe/recalled.py",
    "server/mcp_server/skills.py",
    "server/mcp_client/borrowed.py",
}
"""Files with names of modules as data, each of which goes through `core.names.naming.module_name` or `ai.lazy.load`."""


def test_names_of_modules_that_are_data_stand_only_where_they_are_translated() -> None:
    files = {file.relative_to(ROOT).as_posix(): file for file in files_of(ROOT) if file.suffix == ".py"}
    found = set()
    for name, file in files.items():
        for node in ast.walk(ast.parse(file.read_text())):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                module = node.value.partition(":")[0].replace(".", "/")
                if (
                    node.value.startswith(tuple(f"{folder}." for folder in FOLDERS))
                    and {f"{module}.py", f"{module}/__init__.py"} & files.keys()
                ):
                    found.add(name)
    assert found == READ_BY_NAMING


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=ROOT, check=True, capture_output=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def site(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but the wheel, as an installer unpacks it, and traps of the same names as the clone's."""
    folder = tmp_path_factory.mktemp("site")
    zipfile.ZipFile(wheel).extractall(folder)
    set_traps(folder, *TRAPS)
    return folder


def set_traps(folder: Path, *names: str) -> Path:
    """Packages of the user's own."""
    for name in names:
        (folder / name).mkdir(parents=True)
        (folder / name / "__init__.py").write_text(f"HERE = 'the user'\nprint('trapped by {name}')\n")
    return folder


@pytest.fixture
def workspace(tmp_path: Path) -> Path:
    """The user's project, in which hosts start Moot."""
    return set_traps(tmp_path / "project", *TRAPS)


def run(*command: str, cwd: Path, path: list[Path], **more: str) -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith("MOOT_INSTALLED")}
    env |= {"PYTHONPATH": os.pathsep.join(map(str, path)), "MOOT_HOME": str(cwd / "home"), **more}
    return subprocess.run(
        [sys.executable, *command],
        cwd=cwd,
        env=env,
        capture_output=True,
        text=True,
        stdin=subprocess.DEVNULL,
        check=False,
    )


def test_the_only_top_level_name_of_the_wheel_is_moot(wheel: Path) -> None:
    names = zipfile.ZipFile(wheel).namelist()
    assert {name.partition("/")[0] for name in names} == {"moot", "moot_mcp-0.1.0.dist-info"}
    assert {f"moot/{folder}/py.typed" for folder in FOLDERS} | {"moot/py.typed"} <= set(names)
    expected = {file.relative_to(ROOT).as_posix() for file in files_of(ROOT)}
    inside = {name.removeprefix("moot/") for name in names if name.startswith("moot/")}
    assert inside == {name.removeprefix("moot/") for name in expected}
    scripts = zipfile.ZipFile(wheel).read("moot_mcp-0.1.0.dist-info/entry_points.txt").decode()
    assert re.findall(r"^(\S+) = (\S+)$", scripts, re.M) == [
        ("moot", "moot.__main__:main"),
        ("moot-mcp", "moot.__main__:main"),
    ]


def test_the_users_packages_and_those_of_moot_live_side_by_side(site: Path, workspace: Path) -> None:
    program = (
        "import ai, core, server, tools, moot; from moot.core.values import Text; from moot.ai.caller import Caller\n"
        "print(moot.__file__, ai.HERE, core.HERE, moot.Text is Text, moot.ask.__module__)"
    )
    done = run("-c", program, cwd=workspace, path=[site])
    assert done.stdout.splitlines()[-1].split() == [
        str(site / "moot" / "__init__.py"),
        "the",
        "user",
        "the",
        "user",
        "True",
        "moot",
    ]
    assert done.stdout.count("trapped by") == 4


@pytest.mark.parametrize("way", ["module", "path", "script"])
def test_the_program_is_not_led_astray_by_them(way: str, site: Path, workspace: Path) -> None:
    """Started as a module, by its path, and as installers' scripts do; PYTHONPATH names the workspace first."""
    command = {
        "module": ["-m", "moot"],
        "path": [str(site / "moot" / "__main__.py")],
        "script": ["-c", "import sys; sys.path.pop(0); from moot.__main__ import main; main()"],
    }[way]
    if way == "path":
        set_traps(workspace, "moot")  # by its path, not even that
    done = run(*command, "status", "--json", cwd=workspace, path=[workspace, site])
    assert "trapped" not in done.stdout + done.stderr
    assert done.returncode == 0, done.stderr
    assert {ai["provider"] for ai in json.loads(done.stdout)["ais"]} == {"local"}


def test_it_serves_and_starts_its_own_processes_among_them(site: Path, workspace: Path) -> None:
    """A batch in a worker process: what Moot starts of itself is started by a path."""
    with provider_process() as base_url:
        row = {"provider": "openai_compatible", "base_url": base_url, "model": "tokens=1,word=yes"}
        home = workspace / "home"
        home.mkdir()
        (home / "credentials.json").write_text(json.dumps({"ais": {"near": row}}))
        (home / "credentials.json").chmod(0o600)
        (workspace / "rows.jsonl").write_text('"a"\n"b"\n')
        entry = str(site / "moot" / "__main__.py")
        started = run(entry, "batch", "rows.jsonl", "--background", "--json", cwd=workspace, path=[workspace, site])
        assert started.returncode == 0, started.stderr
        job = json.loads(started.stdout)["job"]
        done = run(entry, "jobs", "watch", job, cwd=workspace, path=[workspace, site])
    assert done.returncode == 0, done.stderr
    assert "trapped" not in done.stdout + done.stderr + (home / "worker.log").read_text()
    assert len((workspace / "rows.jsonl.results.jsonl").read_text().splitlines()) == 2


def test_imported_names_are_those_of_the_wheel_alone(site: Path, workspace: Path) -> None:
    program = (
        "import sys, moot; moot.ask; moot.debate; moot.open; moot.sync.ask\n"
        f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & set({TRAPS})))"
    )
    done = run("-c", program, cwd=workspace, path=[site])
    assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.slow
def test_the_source_distribution_keeps_the_clones_layout_and_builds_the_same_wheel(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([UV, "build", "-o", str(tmp_path)], cwd=ROOT, check=True, capture_output=True)
    (again,) = tmp_path.glob("*.whl")
    assert again.read_bytes() == wheel.read_bytes()
    (archive,) = tmp_path.glob("*.tar.gz")
    shutil.unpack_archive(archive, tmp_path)
    (unpacked,) = (one for one in tmp_path.iterdir() if one.is_dir())
    assert (unpacked / "ai" / "caller.py").read_bytes() == (ROOT / "ai" / "caller.py").read_bytes()
    assert (unpacked / "moot" / "__main__.py").exists()
