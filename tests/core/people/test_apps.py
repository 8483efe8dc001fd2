"""What is kept of apps: hashes alone, within bounds, and so that two at once cannot both win."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from core.people.apps import Apps, Asked, Client
from core.people.person import Person
from core.people.tokens import Tokens
from core.stores.choose import open_store

ASKED = Asked("c1", "An app", "app.example", "https://app.example/back", True, "s", "x" * 43, "https://m/mcp")


def a_client(number: int = 1) -> Client:
    return Client(f"c{number}", "An app", ("https://app.example/back",), ("authorization_code",))


@pytest.fixture(params=["file", "fleet"])
def apps(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[Apps]:
    if request.param == "fleet":
        monkeypatch.setenv("MOOT_STORE", request.getfixturevalue("fleet_url"))
    made = Apps()
    yield made
    made.close()


def granted(apps: Apps, person: str = "") -> str:
    request, code = apps.ask(ASKED)
    said = apps.allow(request, code, person)
    assert said.outcome == "allowed"
    return said.code


def test_from_a_question_to_its_end(apps: Apps) -> None:
    apps.keep_client(a_client())
    found = apps.client("c1")
    assert found is not None and found[0] == a_client()
    request, code = apps.ask(ASKED)
    assert apps.asked(request) == ASKED
    assert apps.allow(request, "WRONG", "").left == 4
    said = apps.allow(request, f" {code.lower().replace('-', '')} ", "")
    assert said.outcome == "allowed"
    assert apps.asked(request) is None
    assert apps.by_code(said.code, "c2") is None
    grant = apps.by_code(said.code, "c1")
    assert grant is not None and grant.asked == ASKED
    assert apps.all() == []
    made = apps.exchange(said.code)
    assert made is not None
    access, refresh = made
    found_by = apps.by_access(access)
    assert found_by is not None and found_by.id == grant.id
    assert [one.label for one in apps.all()] == [grant.label]
    again = apps.renew(refresh)
    assert again is not None
    assert apps.by_access(access) is None
    assert apps.by_access(again[0]) is not None
    ended = apps.revoke(grant.label)
    assert ended is not None and ended.asked.name == "An app"
    assert apps.by_access(again[0]) is None
    assert apps.revoke(grant.label) is None


@pytest.mark.parametrize("said", ["", "mootc_", "mootc_x", "mootr_.", "moota_x", "\ud800", "mootr_" + "x" * 500])
def test_what_is_no_token_is_nobodys(apps: Apps, said: str) -> None:
    granted(apps)
    assert apps.by_code(said, "c1") is None
    assert apps.by_refresh(said, "c1") is None
    assert apps.by_access(said) is None
    assert apps.exchange(said) is None
    assert apps.renew(said) is None
    assert apps.allow(said, said, "").outcome == "gone"
    assert apps.asked(said) is None


def test_of_two_at_once_one_wins_and_all_of_it_ends(apps: Apps) -> None:
    code = granted(apps)
    with ThreadPoolExecutor(8) as pool:
        made = [one for one in pool.map(lambda _: apps.exchange(code), range(8)) if one]
    assert len(made) == 1
    assert apps.by_access(made[0][0]) is None
    code = granted(apps)
    tokens = apps.exchange(code)
    assert tokens is not None
    with ThreadPoolExecutor(8) as pool:
        renewed = [one for one in pool.map(lambda _: apps.renew(tokens[1]), range(8)) if one]
    assert len(renewed) == 1
    assert apps.by_access(renewed[0][0]) is None
    assert apps.all() == []


def test_of_many_wrong_codes_at_once_five_are_looked_at(apps: Apps) -> None:
    request, code = apps.ask(ASKED)
    with ThreadPoolExecutor(16) as pool:
        said = list(pool.map(lambda _: apps.allow(request, "AAAA-AAAA", "").left, range(16)))
    assert sorted(said, reverse=True)[:5] == [4, 3, 2, 1, 0]
    assert apps.allow(request, code, "").outcome == "gone"


def test_a_person_whose_token_is_taken_back_takes_their_apps_along(apps: Apps) -> None:
    tokens = Tokens()
    tokens.add(Person("ada"))
    hers, mine = apps.exchange(granted(apps, "ada")), apps.exchange(granted(apps))
    assert hers is not None and mine is not None
    assert not tokens.revoke("")
    assert tokens.revoke("ada")
    assert apps.by_access(hers[0]) is None
    assert apps.by_access(mine[0]) is not None
    tokens.close()


def test_ten_thousand_apps_leave_the_last_and_those_that_are_connected() -> None:
    apps = Apps()
    apps.keep_client(a_client(1))
    tokens = apps.exchange(granted(apps))
    assert tokens is not None
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda number: apps.keep_client(a_client(number)), range(2, 10_001)))
    store = open_store("people", ())
    kept = store.read(lambda connection: connection.execute("SELECT COUNT(*) FROM app_clients").fetchone()[0])
    assert kept == 500
    assert apps.client("c1") is not None
    assert apps.client("c2") is None
    apps.close()


def test_of_many_questions_the_last_wait() -> None:
    apps = Apps()
    with ThreadPoolExecutor(64) as pool:
        list(pool.map(lambda _: apps.ask(ASKED), range(200)))
    last, code = apps.ask(ASKED)
    assert len(apps.new_codes()) == 50
    assert apps.allow(last, code, "").outcome == "wrong", "a new code takes the place of the old one"
    apps.close()


def test_what_is_over_is_forgotten() -> None:
    now = 1_000.0
    apps = Apps(clock=lambda: now)
    waiting, _ = apps.ask(ASKED)
    unused = granted(apps)
    tokens = apps.exchange(granted(apps))
    assert tokens is not None
    now += 61
    assert apps.by_code(unused, "c1") is None
    now += 3_600
    assert apps.asked(waiting) is None
    assert apps.by_access(tokens[0]) is None
    assert apps.by_refresh(tokens[1], "c1") is not None
    now += 61 * 86_400
    assert apps.by_refresh(tokens[1], "c1") is None
    assert apps.all() == []
    assert apps.new_codes() == []
    apps.close()


def test_of_codes_and_tokens_only_hashes_are_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MOOT_HOME", str(tmp_path))
    apps = Apps()
    request, code = apps.ask(ASKED)
    open_request, open_code = apps.ask(ASKED)
    said = apps.allow(request, code, "")
    tokens = apps.exchange(said.code)
    assert tokens is not None
    apps.close()
    kept = (tmp_path / "people.db").read_bytes()
    for secret in (
        request,
        code,
        open_request,
        open_code,
        said.code,
        *tokens,
        *(one.partition(".")[2] for one in tokens),
    ):
        assert not secret or secret.encode() not in kept


def test_an_older_file_is_carried_over(tmp_path: Path) -> None:
    from core.people.schema import MIGRATIONS

    old = open_store("people", MIGRATIONS[:1])
    tokens = Tokens(old)
    token = tokens.add(Person("ada"))
    tokens.close()
    apps, now = Apps(), Tokens()
    assert apps.all() == []
    assert now.who(token) == Person("ada")
    apps.close()
    now.close()
