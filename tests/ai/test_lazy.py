"""Packages that are read when they are used."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from ai.lazy import read_when_used


@pytest.fixture
def packages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that says when it is run, with a submodule, and a module that imports both."""
    package = tmp_path / "costly_things"
    package.mkdir()
    (package / "__init__.py").write_text("import sys\nsys.costly.append('run')\nPRICE = 7\n")
    (package / "part.py").write_text("SIZE = 3\n")
    (tmp_path / "uses_costly.py").write_text(
        "import costly_things\nfrom costly_things.part import SIZE\nprice = lambda: costly_things.PRICE\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "costly", [], raising=False)


def test_a_package_is_run_by_its_first_attribute_and_not_by_its_submodules(packages: None) -> None:
    with read_when_used("costly_things"):
        import uses_costly
    costly = sys.costly  # type: ignore[attr-defined]
    assert (uses_costly.SIZE, costly) == (3, [])
    assert (uses_costly.price(), uses_costly.price(), costly) == (7, 7, ["run"])
    with pytest.raises(AttributeError):
        _ = sys.modules["costly_things"].NOTHING
