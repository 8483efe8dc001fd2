"""What the tests of connected apps share."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from oauth_app import PRINTED_CODE


@pytest.fixture
def code_of(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """The code that the server printed last."""

    def last() -> str:
        found = PRINTED_CODE.findall(capsys.readouterr().err)
        assert found
        return str(found[-1])

    return last
