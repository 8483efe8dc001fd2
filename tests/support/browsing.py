"""The page in a real browser, against a real server process and a provider on loopback."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from git_repository import repository
from moot_program import ENTRY

CHROMIUM = os.environ.get("MOOT_TEST_CHROMIUM", "/usr/bin/chromium")
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)
VIEWS = ("chat", "jobs", "activity", "usage", "history", "ais")
SUPPORT = Path(__file__).resolve().parent
_PATIENCE_S = 30.0


@contextmanager
def speaking_provider() -> Iterator[str]:
    """The base URL of a provider that answers in sentences."""
    command = [sys.executable, str(SUPPORT / "speaking_provider.py")]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdin and process.stdout
    try:
        yield process.stdout.readline().strip()
    finally:
        process.stdin.close()
        process.wait(10)
        process.stdout.close()


@dataclass
class Served:
    """A Moot that serves over HTTP from *folder*, and may be killed and started again at the same port."""

    folder: Path
    provider: str
    ais: dict[str, str]
    """The AIs by their names, with what their models are called."""
    settings: dict[str, Any] = field(default_factory=dict)
    port: int = 0
    process: subprocess.Popen[str] | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.endswith("_API_KEY")}
        credentials = str(self.folder / "credentials.json")
        return kept | {"MOOT_HOME": str(self.folder / "home"), "MOOT_CREDENTIALS": credentials}

    def start(self) -> None:
        """Start it, and wait until it answers."""
        self.folder.mkdir(parents=True, exist_ok=True)
        rows = {
            name: {"provider": "openai_compatible", "base_url": self.provider, "api_key": f"key-{name}", "model": model}
            for name, model in self.ais.items()
        }
        place = self.folder / "credentials.json"
        place.write_text(json.dumps({"ais": rows, **self.settings}))
        place.chmod(0o600)
        if not self.port:
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                self.port = free.getsockname()[1]
        self.process = subprocess.Popen(
            [sys.executable, ENTRY, "serve", "--http", "--port", str(self.port)],
            env=self.environment,
            cwd=self.workspace(),
            stderr=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            text=True,
        )
        assert self.process.stderr
        self.said = [self.process.stderr.readline() for _ in range(3)]
        until(self._answers, "the server answers")

    def workspace(self) -> Path:
        """Where it runs: a repository with one change."""
        folder = self.folder / "workspace"
        if not folder.exists():
            repository(folder, **{"store.py": "def total(rows):\n    return sum(rows)\n"})
            (folder / "store.py").write_text("def total(rows):\n    return sum(rows) / len(rows)\n")
        return folder

    def token(self, name: str) -> str:
        """A new token for *name*."""
        command = [sys.executable, ENTRY, "tokens", "add", name, "--json"]
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True)
        return str(json.loads(done.stdout)["token"])

    def _answers(self) -> bool:
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
        except OSError:
            return False
        return True

    def link(self) -> str:
        """A link that lets the owner in once."""
        command = [sys.executable, ENTRY, "web", "--link", "--port", str(self.port)]
        return subprocess.run(command, env=self.environment, capture_output=True, text=True, check=True).stdout.strip()

    def kill(self) -> None:
        """End it as a machine that loses its power does."""
        assert self.process and self.process.stderr
        self.process.kill()
        self.process.wait(10)
        self.process.stderr.close()

    def stop(self) -> None:
        if self.process and self.process.poll() is None:
            self.kill()


def until(found: Callable[[], Any], what: Callable[[], str] | str, patience_s: float = _PATIENCE_S) -> Any:
    """What *found* returns once it is something; *what* says what did not come."""
    deadline = time.monotonic() + patience_s
    while not (value := found()):
        assert time.monotonic() < deadline, f"never came: {what if isinstance(what, str) else what()}"
        time.sleep(0.05)
    return value


@dataclass
class Tab:
    """A page in a browser; what it complained of is in `complaints`, whom it asked in `asked`."""

    page: Any
    served: Served
    complaints: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)

    @classmethod
    def of(cls, page: Any, served: Served) -> Tab:
        tab = cls(page, served)
        page.on("pageerror", lambda error: tab.complaints.append(f"{error.message} {error.stack}"))
        page.on("console", lambda told: tab.complaints.append(told.text) if told.type == "error" else None)
        page.on("request", lambda request: tab.asked.append(request.url))
        return tab

    def come_in(self) -> None:
        self.page.goto(self.served.link())
        self.until("document.querySelector('.ways, .welcome')")

    def open(self, address: str) -> None:
        self.page.goto(f"{self.served.url}/#/{address}")
        view = address.partition("/")[0].partition("?")[0]
        self.until(f"document.querySelector('nav a[data-view={view}][aria-current]')")

    def until(self, script: str, patience_s: float = _PATIENCE_S) -> Any:
        """What *script* gives once it is something; the page itself may not wait for strings, which are eval."""
        return until(lambda: self.page.evaluate(script), lambda: self._seen(script), patience_s)

    def _seen(self, script: str) -> str:
        return f"{script} in {self.text()[:1500]}, {self.complaints}"

    def until_said(self, words: str) -> None:
        self.until(f"document.querySelector('main').innerText.includes({json.dumps(words)})")

    def text(self) -> str:
        return re.sub(r"\s+", " ", str(self.page.evaluate("document.querySelector('main')?.innerText ?? ''")))

    def choose(self, *ais: str) -> None:
        """Have *ais* answer, and nobody else."""
        self.page.click(".who > summary")
        for box in self.page.query_selector_all(".who input[type=checkbox]"):
            name = box.evaluate("box => box.nextElementSibling.textContent")
            if box.is_checked() != (name in ais):
                box.click()
        self.page.keyboard.press("Escape")

    def ask(self, words: str, *ais: str, way: str = "side", pace: str = "sync") -> None:
        self.page.check(f"input[name=pace][value={pace}]", force=True)
        self.page.select_option("#way", way)
        if ais:
            self.choose(*ais)
        self.page.fill("#question", words)
        self.page.press("#question", "Enter")

    def answers(self, number: int) -> list[str]:
        """The texts of *number* answers of the last question, once they are whole."""
        last = "[...document.querySelectorAll('.turn')].at(-1)"
        self.until(f"{last}?.querySelectorAll('.answer[data-state=done]').length === {number}")
        return [
            str(text)
            for text in self.page.evaluate(f"[...{last}.querySelectorAll('.answer')].map(one => one.innerText)")
        ]
