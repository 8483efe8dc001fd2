from __future__ import annotations

import pytest

from core.config import RoleConfig
from core.errors import InvalidInputError
from core.roles import all_roles, find_role


def test_the_roles_that_everybody_has() -> None:
    assert list(all_roles({})) == [
        "reviewer",
        "architect",
        "debugger",
        "security_auditor",
        "devils_advocate",
        "brainstormer",
        "tester",
        "explainer",
    ]
    assert all(role.description and len(role.system) > 100 for role in all_roles({}).values())


@pytest.mark.parametrize("name", ["devils_advocate", "Devil's advocate", "devils-advocate"])
def test_a_role_is_found_however_it_is_written(name: str) -> None:
    assert find_role(name, {}).name == "devils_advocate"


def test_a_role_of_the_user_is_added_or_replaces_a_built_in_one() -> None:
    own = {"pirate": RoleConfig(system="Speak like a pirate."), "tester": RoleConfig(system="Test.", description="d")}
    assert find_role("pirate", own).system == "Speak like a pirate."
    assert find_role("tester", own).system == "Test."


def test_an_unknown_role_is_refused_with_those_there_are() -> None:
    with pytest.raises(InvalidInputError, match="no role 'chef'. Roles: reviewer, architect"):
        find_role("chef", {})
