"""What tests of several doors share."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from provider_process import provider_process


@pytest.fixture(scope="module")
def base_url() -> Iterator[str]:
    """Where the fake provider answers, in a process of its own."""
    with provider_process() as url:
        yield url
