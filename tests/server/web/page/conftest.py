"""A browser and a server, which the tests of one file share; each test has a context of its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import ARGUMENTS, CHROMIUM, Served, Tab, speaking_provider

AIS = {
    "alpha": "voice=one,gap=0.004",
    "beta": "voice=two,gap=0.004",
    "gamma": "voice=three,gap=0.004",
    "slow": "voice=one,gap=0.15",
    "broken": "status=401",
}


@pytest.fixture(scope="module")
def provider() -> Iterator[str]:
    with speaking_provider() as url:
        yield url


@pytest.fixture(scope="module")
def served(provider: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("served")
    settings = {
        "groups": {"trio": ["alpha", "beta", "gamma"]},
        "defaults": {"ai": "alpha", "judge": "gamma"},
        "files": {"roots": [str(folder / "workspace")]},
    }
    one = Served(folder, provider, AIS, settings)
    one.start()
    yield one
    one.stop()


@pytest.fixture(scope="module")
def chromium() -> Iterator[Any]:
    if not Path(CHROMIUM).exists():
        pytest.skip(f"there is no browser at {CHROMIUM}; MOOT_TEST_CHROMIUM may name another")
    from playwright.sync_api import sync_playwright

    with sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        yield browser
        browser.close()


@pytest.fixture
def context(chromium: Any) -> Iterator[Any]:
    made = chromium.new_context(viewport={"width": 1280, "height": 860})
    yield made
    made.close()


@pytest.fixture
def tab(context: Any, served: Served) -> Iterator[Tab]:
    """A tab of somebody who came in; in the end it must have complained of nothing."""
    one = Tab.of(context.new_page(), served)
    one.come_in()
    yield one
    assert one.complaints == []
