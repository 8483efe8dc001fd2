"""Chatting in a browser: columns, panels, and what can be done with an answer."""

from __future__ import annotations

import json
from typing import Any

import pytest
from browsing import Served, Tab, until

pytestmark = pytest.mark.browser
QUESTION = "Which store for a small service?"


def test_several_ais_answer_side_by_side_with_what_it_took(tab: Tab) -> None:
    tab.ask(QUESTION, "alpha", "beta", "gamma")

    answers = tab.answers(3)

    assert [text.split()[0] for text in answers] == ["alpha", "beta", "gamma"]
    assert all("Use SQLite until a second machine has to write" in text for text in answers)
    assert all("sqlite.org" in text and "fake-1" in text and "cost unknown" in text for text in answers)
    assert tab.page.locator(".turn").last.locator("td.num").first.inner_text() == "1"


def test_an_address_with_a_question_asks_it_once(tab: Tab, served: Served) -> None:
    tab.page.goto(f"{served.url}/?ai=alpha&ai=gamma&q=Why+files%3F")
    answers = tab.answers(2)
    tab.page.reload()
    again = tab.answers(2)

    assert [text.split()[0] for text in answers] == ["alpha", "gamma"]
    assert [text.split()[0] for text in again] == ["alpha", "gamma"]
    assert sum("/api/chat/async" in url and "/status" not in url for url in tab.asked) == 2


def test_a_column_is_stopped_asked_again_widened_and_added(tab: Tab) -> None:
    tab.ask(QUESTION, "alpha", "slow")
    tab.until("[...document.querySelectorAll('.answer')].some(one => one.dataset.state === 'writing')")
    tab.page.click("button[aria-label='Stop slow']")
    tab.until_said("Stopped.")
    tab.page.click("button[aria-label='Ask alpha again']")
    tab.until("document.querySelector('.answer[data-state=done] h3')?.textContent === 'alpha'")
    tab.page.click("button[aria-label='Widen alpha']")
    wide = tab.page.locator(".answer:visible").count()
    tab.page.keyboard.press("Escape")
    tab.until("!document.querySelector('[data-wide]')")
    tab.page.click("text=Add an AI")
    tab.page.locator(".tools .menu button", has_text="beta").click()
    tab.until("document.querySelectorAll('.answer[data-state=done]').length === 2")

    assert wide == 1
    assert tab.page.locator(".answer").count() == 3
    tab.complaints.clear()


def test_a_blind_vote_hides_the_names_until_it_is_cast(tab: Tab) -> None:
    tab.page.check("text=Blind")
    tab.ask(QUESTION, "alpha", "beta")
    before = tab.answers(2)
    tab.until("document.querySelector('.ballot')")
    hidden = str(tab.page.evaluate("document.querySelector('.turn .answers').innerHTML"))
    tab.page.locator(".ballot button").first.click()
    tab.until_said("You voted for")

    assert [text.split("\n")[0] for text in before] == ["Answer A", "Answer B"]
    assert "alpha" not in hidden and "beta" not in hidden and "fake-1" not in hidden
    assert sorted(tab.page.locator(".answer h3").all_inner_texts()) == ["alpha", "beta"]


def test_answers_are_merged_from_what_is_ticked(tab: Tab) -> None:
    tab.ask(QUESTION, "alpha", "beta")
    tab.answers(2)
    tab.page.click("text=Merge…")
    tab.until("document.querySelector('dialog[open]')")
    parts = tab.page.locator("dialog .part").count()
    tab.page.locator("dialog .part input").first.uncheck()
    tab.page.select_option("#merge-by", "gamma")
    tab.page.click("dialog button.main")

    (answer,) = tab.answers(1)

    assert answer.startswith("gamma")
    assert f"{parts - 1} of {parts} parts kept" in tab.page.locator(".question").last.inner_text()


def test_an_answer_that_is_asked_again_is_told_what_was_said_before_it(tab: Tab) -> None:
    for words in ("ECHO: birch", "ECHO: oak", "ECHO: elm"):
        tab.ask(words, "alpha")
        tab.answers(1)
    with tab.page.expect_request("**/api/chat/async") as sent:
        tab.page.locator("button[aria-label='Ask alpha again']").nth(1).click()
    tab.answers(1)

    assert [said["content"] for said in sent.value.post_data_json["chat_history"]] == ["ECHO: birch", "birch"]


def test_what_was_said_before_is_told_to_the_same_ai(tab: Tab) -> None:
    tab.ask("The word is birch. ECHO: birch", "alpha")
    tab.answers(1)
    with tab.page.expect_request("**/api/chat/async") as sent:
        tab.ask("Which word?", "alpha")
    tab.answers(1)

    assert [said["content"] for said in sent.value.post_data_json["chat_history"]] == [
        "The word is birch. ECHO: birch",
        "birch",
    ]


def test_a_question_left_async_comes_back_after_a_reload_and_in_another_tab(tab: Tab, context: Any) -> None:
    tab.ask(QUESTION, "alpha", "slow", pace="async")
    tab.until_said("Left as a job")
    tab.until("document.querySelector('.answer[data-state=done]')")
    tab.page.reload()
    tab.until_said("Left as a job")
    tab.until("document.querySelectorAll('.answer[aria-busy=true]').length === 1")
    other = Tab.of(context.new_page(), tab.served)
    other.page.goto(tab.page.url)

    for one in (tab, other):
        one.until("document.querySelectorAll('.answer[data-state=done]').length === 2", 60)
        assert "Use SQLite" in one.page.locator(".answer", has_text="slow").inner_text()
    assert other.complaints == []


def test_a_reload_in_the_middle_of_an_answer_loses_nothing(tab: Tab) -> None:
    words = " ".join(f"word{number}" for number in range(60))
    tab.ask(f"ECHO: {words}", "slow")
    tab.until("document.querySelector('.answer .md')?.innerText.includes('word8')")
    tab.page.reload()
    tab.until("document.querySelector('.answer[data-state=writing] .md')?.innerText.includes('word0 word1 word2')")

    (answer,) = tab.answers(1)

    assert words in " ".join(answer.split())


def test_files_and_pictures_are_sent_along_with_a_receipt(tab: Tab) -> None:
    picture = bytes.fromhex(
        "89504e470d0a1a0a0000000d4948445200000001000000010802000000907753de0000000c4944415408d763f8"
        "cfc000000301010018dd8db00000000049454e44ae426082"
    )
    tab.page.set_input_files(
        "input[type=file]",
        [
            {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"The budget is 12."},
            {"name": "dot.png", "mimeType": "image/png", "buffer": picture},
        ],
    )
    tab.until("[...document.querySelectorAll('.chip small')].filter(one => one.textContent.endsWith('B')).length === 2")
    tab.ask("What is the budget?", "alpha")

    (answer,) = tab.answers(1)

    assert "Sent along: 2" in answer
    assert "With notes.txt, dot.png" in tab.text()
    assert tab.page.locator(".chip").count() == 0


def test_a_dry_run_tells_the_price_and_sends_nothing(tab: Tab) -> None:
    tab.choose("alpha", "beta")
    tab.page.select_option("#way", "moot/debate")
    tab.page.fill("#question", QUESTION)
    tab.page.click("text=Price")
    tab.until_said("DRY RUN: nothing was sent. 5 calls")

    assert tab.page.locator(".turn").count() == 0


def test_what_the_server_refuses_is_told_in_its_words(tab: Tab) -> None:
    tab.page.click("button[aria-label=Options]")
    tab.page.fill("#option-max_tokens", "0")
    tab.page.press("#option-max_tokens", "Tab")
    tab.ask(QUESTION, "alpha")
    tab.until("document.querySelector('.answer .bad')?.innerText.length > 10")
    told = tab.page.locator(".answer .bad").inner_text()

    assert "max_tokens" in told
    tab.complaints.clear()


def test_an_ai_that_fails_says_why_beside_one_that_answers(tab: Tab) -> None:
    tab.ask(QUESTION, "alpha", "broken")
    tab.until("document.querySelectorAll('.answer[aria-busy=false]').length === 2")

    assert "key" in tab.page.locator(".answer[data-state=failed]").inner_text().lower()
    assert "Use SQLite" in tab.page.locator(".answer[data-state=done]").inner_text()


def test_only_the_last_questions_stand_and_the_earlier_ones_come_back(tab: Tab) -> None:
    for number in range(10):
        tab.ask(f"ECHO: answer{number}", "alpha")
        tab.answers(1)
    shown = tab.page.locator(".turn").count()
    tab.page.click("text=Show earlier questions (2)")
    tab.until("document.querySelectorAll('.turn .answer[data-state=done]').length === 10")

    assert shown == 8
    tab.until_said("answer0")


def test_a_long_answer_keeps_its_end_in_the_document_and_shows_the_rest_on_demand(tab: Tab) -> None:
    tab.ask("ECHO: " + "\n\n".join(f"part{number}" for number in range(300)), "alpha")
    tab.answers(1)
    standing = tab.page.locator(".answer .md > div").count()
    tab.page.click("text=Show what is above")

    assert standing <= 160
    assert tab.page.locator(".answer .md > div").count() == 300


@pytest.mark.parametrize(
    ("way", "told"),
    [
        ("moot/consensus", ["Agreement", "Effective votes", "Positions", "PostgreSQL", "Dissent"]),
        ("moot/debate", ["Verdict", "Changed their mind", "Reasons of the judge", "Opening", "Round 1"]),
        ("moot/judge", ["Judged by", "Points", "Turned by order"]),
        ("moot/ask-many", ["3 of 3 AIs answered", "Use SQLite"]),
        ("moot/review", ["Findings", "Files read"]),
    ],
)
def test_a_panel_shows_its_rounds_as_they_happen_and_then_its_result(tab: Tab, way: str, told: list[str]) -> None:
    tab.ask("Which is better for it?\n(A) SQLite\n(B) PostgreSQL", "alpha", "beta", "gamma", way=way)
    tab.until("document.querySelector('.panel .seat')")
    tab.until("document.querySelector('.panel[aria-busy=false] .result')?.innerText.length > 20")
    text = tab.text().casefold()

    assert [one for one in told if one.casefold() not in text] == []
    tab.page.reload()
    tab.until(f"document.querySelector('.result')?.innerText.toLowerCase().includes({json.dumps(told[0].casefold())})")


def test_a_thread_goes_on_from_history(tab: Tab) -> None:
    tab.page.click("button[aria-label=Options]")
    tab.page.fill("#option-thread", "birds")
    tab.page.press("#option-thread", "Tab")
    tab.ask("Name a bird. ECHO: A **kestrel** it is.", "alpha")
    tab.answers(1)
    tab.open("history")
    tab.page.fill("#history-words", "kestrel")
    tab.until("document.querySelector('.hits mark')")
    tab.page.click(".hits a")
    tab.until_said("A kestrel it is.")
    with tab.page.expect_download() as download:
        tab.page.click("text=Export")
    tab.page.click("text=Continue in chat")
    tab.until_said("Continues the thread birds")
    with tab.page.expect_request("**/api/chat/async") as sent:
        tab.ask("And another? ECHO: A wren.", "alpha")
    tab.answers(1)
    tab.open("history/thread/birds")
    tab.until_said("A wren.")
    tab.page.click(".detail >> text=Delete")
    tab.page.click("text=Delete for good")
    tab.until_said("There are no threads yet") if not tab.page.input_value("#history-words") else tab.until_said(
        "No thread has"
    )

    assert "kestrel" in download.value.path().read_text()
    assert sent.value.post_data_json["options"]["thread"] == "birds"
    assert until(lambda: "/history" in tab.page.url, "the list of threads")
