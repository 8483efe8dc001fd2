"""What the tests of connected apps share."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

_CODE = re.compile(r"type this code there: (\S+)")


@pytest.fixture
def code_of(capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """The code that the server printed last."""

    def last() -> str:
        found = _CODE.findall(capsys.readouterr().err)
        assert found
        return str(found[-1])

    return last
