"""What strict type checkers infer of a user's program, with Moot installed from its wheel."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.slow

ROOT = Path(__file__).parents[2]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")
PROGRAMS = Path(__file__).parent / "typed"
WRONG = [n for n, line in enumerate((PROGRAMS / "wrong.py").read_text().splitlines(), 1) if line.endswith("# wrong")]
PYRIGHT = "basedpyright==1.40.2"
"""Pyright as a package of Python, which brings its own Node."""


@pytest.fixture(scope="module")
def python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment with the wheel, and what it needs."""
    folder = tmp_path_factory.mktemp("typed")
    subprocess.run([UV, "build", "--wheel", "-o", str(folder)], cwd=ROOT, check=True, capture_output=True)
    (wheel,) = folder.glob("*.whl")
    place = folder / "env"
    env = {name: value for name, value in os.environ.items() if name != "VIRTUAL_ENV"}
    subprocess.run([UV, "venv", "-p", sys.executable, str(place)], check=True, capture_output=True, env=env)
    python = place / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    subprocess.run([UV, "pip", "install", "-p", str(python), str(wheel)], check=True, capture_output=True, env=env)
    return python


def mypy(python: Path, program: str, cwd: Path) -> tuple[set[int], str]:
    """The lines that mypy complains of, and all it said."""
    shutil.copy(PROGRAMS / program, cwd)
    command = [sys.executable, "-m", "mypy", "--strict", "--python-executable", str(python), program]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return {int(line) for line in re.findall(rf"^{program}:(\d+): error", done.stdout, re.M)}, done.stdout


def pyright(python: Path, program: str, cwd: Path) -> tuple[set[int], str]:
    """The lines that pyright complains of, and all it said."""
    shutil.copy(PROGRAMS / program, cwd)
    (cwd / "pyrightconfig.json").write_text(json.dumps({"typeCheckingMode": "strict"}))
    command = [
        UV,
        "tool",
        "run",
        "--from",
        PYRIGHT,
        "basedpyright",
        "--outputjson",
        "--pythonpath",
        str(python),
        program,
    ]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    errors = {one["range"]["start"]["line"] + 1 for one in found if one["severity"] == "error"}
    return errors, "\n".join(f"{one['range']['start']['line'] + 1}: {one['message']}" for one in found)


@pytest.mark.parametrize("check", [mypy, pyright])
def test_everything_a_program_uses_is_inferred(check: object, python: Path, tmp_path: Path) -> None:
    assert callable(check)
    complaints, said = check(python, "right.py", tmp_path)
    assert complaints == set(), said


@pytest.mark.parametrize("check", [mypy, pyright])
def test_whatever_is_wrong_is_complained_of(check: object, python: Path, tmp_path: Path) -> None:
    assert callable(check)
    complaints, said = check(python, "wrong.py", tmp_path)
    assert complaints == set(WRONG), said
