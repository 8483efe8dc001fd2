"""The page in a browser: how soon a token is seen, how evenly columns move, and what opening it costs.

First token: from the moment the provider takes a request, whose answer it begins at once, to the moment the page has
text of it, for three columns of 100 tokens a second each. Bound 50 ms at the 95th percentile. Gap: between two updates
of one column while eight columns of 100 tokens a second are written. Bound 100 ms at the 99th percentile.
Opening: requests and bytes of a first load, and the time until one can type, in a new tab with an empty cache, with
that of an empty page of the same server. Bounds 8, 30 KB and 1.2.

It needs Chromium (`MOOT_TEST_CHROMIUM`, else /usr/bin/chromium), so `bench/run.py` leaves it out.
"""

from __future__ import annotations

import sys
import tempfile
import time
from itertools import pairwise
from pathlib import Path
from statistics import quantiles
from typing import Any

from _measure import ROOT, Figure, exact, fake_provider, figure, interleaved, main, ratio

sys.path.insert(0, str(ROOT / "tests" / "support"))

from browsing import ARGUMENTS, CHROMIUM, Served, Tab
from playwright.sync_api import sync_playwright

COLUMNS, WIDE = 3, 8
MODEL = "gap=0.01,tokens=150"
ASKED = 6
"""Questions a round, of which each gives a first token a column."""
FIRST_MS, GAP_MS, MOST_BYTES, MOST_REQUESTS, SLOWER = 50.0, 100.0, 30 * 1024, 8, 1.2
_WATCH = """() => {
  const seen = window.seen = new Map();
  new MutationObserver(changes => {
    const at = performance.timeOrigin + performance.now();
    const moved = new Set(changes.map(one => (one.target.closest ?? (() => null)).call(one.target, '.answer .md')));
    for (const one of moved) if (one?.textContent) seen.set(one, [...(seen.get(one) ?? []), at]);
  }).observe(document.querySelector('.turns'), { childList: true, subtree: true });
}"""


def measure(rounds: int) -> list[Figure]:
    with (
        tempfile.TemporaryDirectory() as folder,
        fake_provider(Path(folder) / "log") as url,
        sync_playwright() as driver,
    ):
        served = Served(Path(folder) / "served", url, {f"ai{number}": MODEL for number in range(WIDE)})
        served.start()
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=list(ARGUMENTS))
        try:
            context = browser.new_context()
            tab = Tab.of(context.new_page(), served)
            tab.come_in()
            _answers(tab, "to warm up", COLUMNS)
            log = Path(folder) / "log"
            first = [_first_tokens(tab, log, f"{number}") for number in range(rounds)]
            gaps = [_gaps(tab, f"wide {number}") for number in range(rounds)]
            tab.page.close()  # the stream is its own; the next tab opens one
            size, requests = _load(context, served)
            opening = {"page": lambda: _usable_ms(context, served), "empty": lambda: _empty_ms(context, served)}
            opened = interleaved(rounds * 4, opening)
        finally:
            browser.close()
            served.stop()
    return [
        figure("first token in the page, p95", [_p(one, 95) for one in first], bound=FIRST_MS, unit="ms"),
        figure("gap between updates, 8 columns, p99", [_p(one, 99) for one in gaps], bound=GAP_MS, unit="ms"),
        exact("requests of a first load", requests, bound=MOST_REQUESTS, unit="requests"),
        exact("bytes of a first load", size, bound=MOST_BYTES, unit="bytes"),
        ratio("until one can type / an empty page", opened["page"], opened["empty"], bound=SLOWER),
        figure("until one can type", opened["page"], unit="ms"),
    ]


def _answers(tab: Tab, words: str, columns: int) -> list[list[float]]:
    """When each of so many columns changed, in ms since the epoch."""
    tab.open("chat/")
    tab.until("document.querySelector('.ways')")
    tab.page.evaluate(_WATCH)
    tab.ask(words, *[f"ai{number}" for number in range(columns)])
    tab.answers(columns)
    return tab.page.evaluate("[...seen.values()]")


def _first_tokens(tab: Tab, log: Path, name: str) -> list[float]:
    late = []
    for number in range(ASKED):
        words = f"question {name} {number}"
        seen = sorted(times[0] for times in _answers(tab, words, COLUMNS))
        offset = time.time() - time.monotonic()
        lines = [line.split(" ", 2) for line in log.read_text().splitlines()]
        sent = sorted((float(at) + offset) * 1000 for what, at, asked in lines if what == "a" and asked == words)
        late += [there - begun for begun, there in zip(sent, seen, strict=True)]
    return late


def _gaps(tab: Tab, words: str) -> list[float]:
    return [b - a for times in _answers(tab, words, WIDE) for a, b in pairwise(times)]


def _load(context: Any, served: Served) -> tuple[int, int]:
    page = context.new_page()
    sizes: list[int] = []
    asked: list[str] = []
    wire = context.new_cdp_session(page)
    wire.send("Network.enable")
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    wire.on("Network.loadingFinished", lambda event: sizes.append(int(event["encodedDataLength"])))
    page.on("request", lambda request: asked.append(request.url))
    page.goto(served.url)
    Tab(page, served).until("document.querySelector('.ways')")
    page.wait_for_timeout(500)
    page.close()
    return sum(sizes), len(asked)


def _usable_ms(context: Any, served: Served) -> float:
    return _until(context, served.url, "#question")


def _empty_ms(context: Any, served: Served) -> float:
    return _until(context, f"{served.url}/health", "pre, body")


def _until(context: Any, address: str, wanted: str) -> float:
    """From a new tab to what is *wanted* in it, with nothing in the cache."""
    begun = time.perf_counter()
    page = context.new_page()
    wire = context.new_cdp_session(page)
    wire.send("Network.setCacheDisabled", {"cacheDisabled": True})
    page.goto(address, wait_until="commit")
    page.wait_for_selector(wanted, state="attached")
    took = (time.perf_counter() - begun) * 1000
    page.close()
    return took


def _p(values: list[float], percent: int) -> float:
    return quantiles(values, n=100, method="inclusive")[percent - 1]


if __name__ == "__main__":
    main(measure, rounds=3)
