"""What a page goes through without losing anything: many tabs, and a server that is killed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from browsing import Served, Tab

pytestmark = pytest.mark.browser
WORDS = " ".join(f"word{number}" for number in range(80))


@pytest.fixture
def own_server(provider: str, tmp_path: Path) -> Iterator[Served]:
    """A server of one test, which may be killed."""
    one = Served(tmp_path / "own", provider, {"alpha": "gap=0.05", "beta": "gap=0.05,voice=two"})
    one.start()
    yield one
    one.stop()


def streams(tabs: list[Tab]) -> int:
    return sum("/api/events" in url for tab in tabs for url in tab.asked)


def test_nine_tabs_share_one_stream_and_the_next_takes_over_without_a_gap(context: Any, served: Served) -> None:
    tabs = [Tab.of(context.new_page(), served)]
    tabs[0].come_in()
    for _ in range(8):
        tab = Tab.of(context.new_page(), served)
        tab.page.goto(f"{served.url}/#/chat/")
        tab.until("document.querySelector('.ways')")
        tabs.append(tab)
    assert streams(tabs) == 1
    tabs[8].ask(f"ECHO: {WORDS}", "slow")
    tabs[8].until("document.querySelector('.answer .md')?.innerText.includes('word10')")

    tabs[0].page.close()

    (answer,) = tabs[8].answers(1)
    assert WORDS in " ".join(answer.split())
    for tab in tabs[1:8]:
        tab.ask("ECHO: still here", "alpha")
        assert "still here" in tab.answers(1)[0]
    assert streams(tabs) == 2
    assert [tab.complaints for tab in tabs] == [[]] * 9


def test_a_tab_that_comes_later_sees_what_is_being_written(context: Any, served: Served) -> None:
    first, second = Tab.of(context.new_page(), served), Tab.of(context.new_page(), served)
    first.come_in()
    first.ask(f"ECHO: {WORDS}", "slow")
    first.until("document.querySelector('.answer .md')?.innerText.includes('word12')")

    second.page.goto(first.page.url)

    second.until("document.querySelector('.answer[data-state=writing] .md')?.innerText.includes('word0 word1 word2')")
    assert WORDS in " ".join(second.answers(1)[0].split())
    assert streams([first, second]) == 1


def test_a_page_shows_the_rest_when_its_server_was_killed_and_came_back(context: Any, own_server: Served) -> None:
    tab = Tab.of(context.new_page(), own_server)
    tab.come_in()
    tab.ask("Which store?\n(A) SQLite\n(B) PostgreSQL", "alpha", "beta", way="moot/debate")
    tab.until("document.querySelectorAll('.panel .seat').length >= 3")

    own_server.kill()
    tab.until_said("The server is away.")
    own_server.start()

    tab.until("document.querySelector('.away').hidden", 60)
    tab.until("document.querySelector('.panel[aria-busy=false] .result')?.innerText.includes('Verdict')", 90)
    assert tab.page.locator(".turn").count() == 1


def test_a_question_asked_while_the_server_is_away_says_what_to_do(context: Any, own_server: Served) -> None:
    tab = Tab.of(context.new_page(), own_server)
    tab.come_in()
    tab.ask("ECHO: one", "alpha")
    tab.answers(1)
    own_server.kill()
    tab.ask("ECHO: two", "alpha")
    tab.until_said("The server cannot be reached.")
    own_server.start()
    tab.until("document.querySelector('.away').hidden", 60)
    tab.page.locator("button[aria-label='Ask alpha again']").last.click()

    assert "two" in tab.answers(1)[0]


def test_whoever_is_not_known_is_sent_to_come_in(context: Any, served: Served) -> None:
    tab = Tab.of(context.new_page(), served)
    tab.come_in()
    context.clear_cookies()
    tab.page.evaluate("location.hash = '#/jobs'")  # what the page does by itself would interrupt a goto

    tab.page.wait_for_url("**/enter")
    assert "Token" in tab.page.inner_text("main")


def test_a_token_lets_its_person_in_who_sees_nobody_elses_jobs(context: Any, served: Served) -> None:
    token = served.token("bea")
    tab = Tab.of(context.new_page(), served)
    tab.page.goto(f"{served.url}/enter")
    tab.page.fill("#token", token)
    tab.page.press("#token", "Enter")
    tab.until("document.querySelector('.ways')")
    tab.open("jobs")

    tab.until_said("There are no jobs yet.")
