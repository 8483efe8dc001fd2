"""Every view: what it shows and does, by mouse and by keyboard, and whether everybody can use it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from browsing import VIEWS, Served, Tab

pytestmark = pytest.mark.browser
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1280, "height": 860}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1280, "height": 860}},
    "phone": {"color_scheme": "light", "viewport": {"width": 390, "height": 844}},
}


@pytest.fixture
def asked(tab: Tab) -> Tab:
    """A tab in which something was asked."""
    tab.ask("Which store?", "alpha", "beta")
    tab.answers(2)
    return tab


def settled(tab: Tab, view: str) -> None:
    tab.open(view)
    tab.until("document.querySelector('.view:not([hidden]) h1')")
    tab.page.wait_for_timeout(400)


@pytest.mark.parametrize("look", LOOKS)
def test_no_view_shuts_anybody_out(chromium: Any, served: Served, look: str) -> None:
    context = chromium.new_context(**LOOKS[look])
    tab = Tab.of(context.new_page(), served)
    tab.come_in()
    found = [(f"{look} empty chat", one) for one in violations(tab)]
    tab.ask("Which store?\n(A) SQLite\n(B) PostgreSQL", "alpha", "beta", way="moot/consensus")
    tab.until("document.querySelector('.panel[aria-busy=false] .result')?.innerText.length > 20")
    tab.ask("Which store?", "alpha", "beta")
    tab.answers(2)
    found += [(f"{look} chat", one) for one in violations(tab)]
    tab.page.click("button[aria-label=Options]")
    tab.page.click(".who > summary")
    found += [(f"{look} composer", one) for one in violations(tab)]
    tab.page.keyboard.press("Escape")
    for view in VIEWS[1:]:
        settled(tab, view)
        found += [(f"{look} {view}", one) for one in violations(tab)]
        assert tab.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), f"{view} scrolls sideways"
    tab.open("jobs")
    tab.page.locator("td a").first.click()
    tab.until("document.querySelector('.detail h2')")
    found += [(f"{look} one job", one) for one in violations(tab)]
    context.close()

    assert found == []
    assert tab.complaints == []


def violations(tab: Tab) -> list[str]:
    found = Axe().run(tab.page).response["violations"]
    return [f"{one['id']}: {[node['html'][:160] for node in one['nodes']][:3]}" for one in found]


def job_says(tab: Tab, words: str, patience_s: float = 30) -> None:
    """Wait until the row of the job says *words*."""
    row = "[...document.querySelectorAll('tr')].find(row => row.innerText.includes('A job to cancel'))"
    tab.until(f"{row}.innerText.includes('{words}')", patience_s)


def test_a_job_is_cancelled_resumed_read_and_forgotten(tab: Tab) -> None:
    tab.ask("A job to cancel", "slow", pace="async")
    tab.until_said("Left as a job")
    tab.open("jobs")
    row = tab.page.locator("tr", has_text="A job to cancel")
    row.locator("button", has_text="Cancel").click()
    job_says(tab, "cancelled")
    row.locator("button", has_text="Resume").click()
    job_says(tab, "running")
    row.locator("button", has_text="Drain").click()
    job_says(tab, "Forget", 60)
    row.locator("a").click()
    tab.until("document.querySelector('.detail h2')?.innerText === 'A job to cancel'")
    tab.page.click(".detail >> text=Open in chat")
    tab.until("document.querySelector('.turn h2')?.innerText === 'A job to cancel'")
    tab.open("jobs")
    row.locator("button", has_text="Forget").click()
    tab.until("![...document.querySelectorAll('tr')].some(row => row.innerText.includes('A job to cancel'))")


def test_jobs_move_on_while_one_looks(tab: Tab) -> None:
    tab.ask("Watch me. ECHO: a b c d e f", "slow", pace="async")
    tab.open("jobs")
    tab.until("document.querySelector('tr:nth-child(1) td .tag')?.innerText === 'running'")

    tab.until("document.querySelector('tr:nth-child(1) td .tag')?.innerText === 'done'")


def test_activity_is_filtered_and_paged(asked: Tab) -> None:
    asked.open("activity")
    asked.until("document.querySelectorAll('tbody tr').length > 4")
    asked.page.select_option("#activity-type", "ai_call")
    asked.page.select_option("#activity-ai", "beta")
    asked.page.select_option("#activity-time", "1")
    rows = "[...document.querySelectorAll('.view:not([hidden]) tbody tr')]"
    asked.until(f"{rows}.every(row => /call[^]*beta/.test(row.innerText))")
    asked.page.fill("#activity-chat", "none-such")
    asked.page.press("#activity-chat", "Enter")

    asked.until_said("Nothing of that kind happened.")


def test_usage_has_charts_with_their_tables(asked: Tab) -> None:
    asked.open("usage")
    asked.until("document.querySelectorAll('figure svg[role=img]').length >= 4")
    asked.page.locator("figure summary").first.click()

    assert "alpha" in asked.page.locator("figure table").first.inner_text()
    for by in ("tool", "model", "day"):
        asked.page.select_option("#usage-by", by)
        asked.until("document.querySelectorAll('figure svg[role=img]').length >= 4")
    assert all(asked.page.locator("figure svg").evaluate_all("all => all.map(one => one.getAttribute('aria-label'))"))


def test_the_ais_say_how_they_are(tab: Tab) -> None:
    tab.open("ais")
    tab.until("document.querySelectorAll('.cards .card').length === 5")

    assert "trio alpha, beta, gamma" in tab.text()
    assert "asked by default" in tab.text()


def test_everything_is_done_with_the_keyboard_alone(tab: Tab) -> None:
    press = tab.page.keyboard.press
    tab.page.evaluate("document.activeElement.blur()")
    press("?")
    tab.until("document.querySelector('dialog[open]')")
    press("Escape")
    tab.until("!document.querySelector('dialog')")
    for key, view in {"j": "jobs", "u": "usage", "a": "activity", "i": "ais", "h": "history", "c": "chat"}.items():
        tab.page.evaluate("document.activeElement.blur()")
        press("g")
        press(key)
        tab.until(f"document.querySelector('nav a[data-view={view}][aria-current]')")
        tab.until("document.querySelector('.view:not([hidden])').contains(document.activeElement)")
    tab.page.evaluate("document.activeElement.blur()")
    press("/")
    tab.page.keyboard.type("ECHO: by hand")
    press("Shift+Enter")
    press("Enter")
    (answer,) = tab.answers(1)
    press("Escape")

    assert "by hand" in answer
    assert tab.page.evaluate("document.activeElement === document.body")
    tab.until("document.getElementById('say').textContent.includes('answered')")


def test_the_focus_is_always_seen(tab: Tab) -> None:
    unseen = []
    for _ in range(25):
        tab.page.keyboard.press("Tab")
        unseen += tab.page.evaluate(
            """() => { const one = document.activeElement, style = getComputedStyle(one);
            const near = one.closest('.switch label, .composer') && one.matches('input, textarea');
            const seen = one === document.body || near || style.outlineStyle !== 'none';
            return seen ? [] : [one.outerHTML.slice(0, 120)]; }"""
        )
    assert unseen == []


def test_the_theme_stays_as_it_was_chosen(tab: Tab) -> None:
    ground = "getComputedStyle(document.body).backgroundColor"
    light = tab.page.evaluate(ground)
    tab.page.select_option("#theme", "dark")
    dark = tab.page.evaluate(ground)
    tab.page.reload()
    tab.until("document.querySelector('.ways')")

    assert light != dark == tab.page.evaluate(ground)


def test_leaving_ends_the_session_and_forgets_the_chats(asked: Tab) -> None:
    asked.page.click("text=Leave")
    asked.page.wait_for_url("**/enter")
    asked.page.goto(asked.served.url)

    assert asked.page.url.endswith("/enter")
    assert asked.page.evaluate("Object.keys(localStorage).filter(name => name.startsWith('moot.talk'))") == []


@pytest.fixture
def empty(provider: str, tmp_path: Path) -> Iterator[Served]:
    one = Served(tmp_path / "empty", provider, {}, {"ais": {"claude": {"provider": "anthropic"}}})
    one.start()
    yield one
    one.stop()


def test_an_installation_without_ais_says_what_to_do_everywhere(context: Any, empty: Served) -> None:
    tab = Tab.of(context.new_page(), empty)
    tab.come_in()
    tab.until_said("moot init")
    for view, told in {
        "jobs": "There are no jobs yet",
        "activity": "ask something in",
        "usage": "ask something in",
        "history": "moot ask",
        "ais": "No key for 'claude'",
    }.items():
        tab.open(view)
        tab.until_said(told)
    assert tab.complaints == []


def test_a_run_of_another_door_is_watched_as_it_happens(tab: Tab, served: Served) -> None:
    run = tab.page.evaluate(
        """async () => (await (await fetch('api/chat/async', { method: 'POST',
           headers: { 'content-type': 'application/json' },
           body: JSON.stringify({ agent_id: 'moot/ask-many', message: 'Which one?' }) })).json()).chat_id"""
    )
    tab.page.evaluate("run => { location.hash = `#/watch/${run}` }", run)
    tab.until("document.querySelector('.view:not([hidden]) [role=status]')?.innerText.startsWith('Done')")
    assert tab.page.evaluate("document.querySelector('.view:not([hidden]) h1').innerText") == "Ask many"
    assert tab.page.evaluate("document.querySelectorAll('.view:not([hidden]) .seat .md').length") > 1
