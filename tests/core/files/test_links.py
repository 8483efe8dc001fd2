"""Pages by their address: what of them is read, and that nothing but the open internet is reached."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest

from core.files import links
from core.files.links import LinkRefusedError, fetch, is_public
from core.files.page_child import page_text

PAGE = """<html><head><title>Bees</title><style>p {}</style></head><body><nav>Menu</nav>
<h1>Bees</h1><p>They <b>dance</b>,
and hum.</p><ul><li>one<li>two</ul><pre>x = 1
y = 2</pre><script>alert(1)</script></body></html>"""


class _Site(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        kind, body, status, location = "text/html; charset=utf-8", PAGE.encode(), 200, ""
        if self.path.startswith("/to"):
            status, location = 302, self.path.partition("=")[2]
        elif self.path == "/picture":
            kind = "image/png"
        elif self.path == "/gone":
            status = 404
        elif self.path == "/large":
            body = b"x" * (links.MAX_BYTES + 10)
        self.send_response(status)
        self.send_header("content-type", kind)
        if location:
            self.send_header("location", location)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


@pytest.fixture
def site(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """A site that answers at loopback under any name; its port stands for 80."""
    server = HTTPServer(("127.0.0.1", 0), _Site)
    monkeypatch.setattr(links, "_PORTS", {"http": server.server_port, "https": 443})
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield
    server.shutdown()
    thread.join()
    server.server_close()


NAMES = {"bees.example": "127.0.0.1", "inside.example": "10.0.0.7", "mixed.example": "127.0.0.1 192.168.0.1"}


def read(url: str) -> links.Page:
    """As `fetch`, in a world where 127.0.0.1 is on the open internet."""
    return fetch(url, look_up=lambda host, port: NAMES.get(host, host).split(), allowed=lambda ip: ip == "127.0.0.1")


def test_a_page_is_read_as_a_person_reads_it(site: None) -> None:
    page = read("http://bees.example/page")
    assert page.text == "# Bees\n\nThey dance, and hum.\n\n- one\n- two\n\n```\nx = 1\ny = 2\n```\n"


def test_a_redirect_is_followed_and_the_last_address_is_told(site: None) -> None:
    assert read("http://bees.example/to=/page").url == "http://bees.example/page"


@pytest.mark.parametrize(
    ("url", "told"),
    [
        ("http://inside.example/", "no public address"),
        ("http://mixed.example/", "no public address"),
        ("http://bees.example/to=http://inside.example/", "no public address"),
        ("http://bees.example/to=http://10.0.0.7/", "no public address"),
        ("http://bees.example/to=file:///etc/passwd", "leads away from the web"),
        ("http://bees.example/to=/to=/to=/to=/to=/to=/to=/page", "redirects more than 5 times"),
        ("http://bees.example:22/", "ports 80 and 443 alone"),
        ("http://me:secret@bees.example/", "with a password in it"),
        ("http://bees.example/picture", "image/png, which is no text"),
        ("http://bees.example/gone", "it answers 404"),
        ("http://bees.example/large", "larger than 5 MB"),
        ("http://bees.example/ü", "is no address"),
    ],
)
def test_what_is_not_read_is_told_in_a_sentence(site: None, url: str, told: str) -> None:
    with pytest.raises(LinkRefusedError, match=told) as refused:
        read(url)
    assert "secret" not in str(refused.value)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "0.0.0.0",
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "224.0.0.1",
        "::1",
        "::",
        "fe80::1",
        "fe80::1%eth0",
        "fc00::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "2002:a00:1::1",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
        "::127.0.0.1",
        "::ffff:0:127.0.0.1",
        "::ffff:7f00:1",
        "fec0::1",
        "ff0e::1",
        "100::1",
        "5f00::1",
        "3fff::1",
        "2001:db8::1",
        "2606:4700::1111%lo",
        "2606:4700::1111%1",
        "192.88.99.1",
        "192.0.0.8",
        "198.18.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "no address",
        "",
    ],
)
def test_addresses_of_this_machine_and_its_network_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "93.184.216.34",
        "2606:2800:220:1::1",
        "8.8.8.8",
        "::ffff:8.8.8.8",
        "64:ff9b::808:808",
        "2002:808:808::1",
        "2a00:1450::1",
    ],
)
def test_addresses_of_the_open_internet_are(address: str) -> None:
    assert is_public(address)


INWARDS = [
    "http://127.0.0.1/",
    "http://127.1/",
    "http://0177.0.0.1/",
    "http://0x7f000001/",
    "http://0x7f.1/",
    "http://2130706433/",
    "http://0/",
    "http://localhost/",
    "http://[::1]/",
    "http://[::]/",
    "http://[::ffff:127.0.0.1]/",
    "http://[::ffff:7f00:1]/",
    "http://[::127.0.0.1]/",
    "http://[64:ff9b::7f00:1]/",
    "http://[64:ff9b::127.0.0.1]/",
    "http://[2002:7f00:1::]/",
    "http://[fe80::1%25lo]/",
    "http://[fe80::1%lo]/",
    "http://bees.example@127.0.0.1/",
    "http://bees.example:80@127.0.0.1/",
    "http://bees.example%40127.0.0.1/",
    "http://bees.example\\@127.0.0.1/",
    "http://127.0.0.1\\.bees.example/",
    "http://127.0.0.1#@bees.example/",
    "http://127.0.0.1?@bees.example/",
    "//127.0.0.1/",
    "https://127.0.0.1/",
    "\thttp://127.0.0.1/",
    "file:///etc/passwd",
    "ftp://127.0.0.1/",
    "gopher://127.0.0.1:80/_GET",
    "data:text/html,hello",
    "javascript:alert(1)",
    "FILE:///etc/passwd",
    "http://[::1",
    "http://:80/",
]


@pytest.mark.parametrize("inwards", INWARDS)
@pytest.mark.parametrize("by", ["as it is", "by a redirect"])
def test_no_way_of_writing_it_leads_to_this_machine(site: None, inwards: str, by: str) -> None:
    asked: list[str] = []

    def look_up(host: str, port: int) -> list[str]:
        asked.append(host)
        if host == "bees.example":
            return ["127.0.0.1"]
        assert re.fullmatch(r"[0-9a-fx.:]+|localhost", host), "only what needs no network is asked for"
        return links.resolve(host, port)

    def allowed(address: str) -> bool:
        """As it is, but that the site of this test is on the open internet."""
        return is_public(address) if asked[-1] != "bees.example" else address == "127.0.0.1"

    url = inwards if by == "as it is" else f"http://bees.example/to={inwards}"
    with pytest.raises(LinkRefusedError):
        fetch(url, look_up=look_up, allowed=allowed)


def test_a_name_that_points_elsewhere_a_moment_later_is_of_no_use(site: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who is asked once, and whose answer is gone to, cannot say something else in between."""
    answers = iter([["127.0.0.1"], ["10.0.0.7"], ["127.0.0.1"]])
    gone_to: list[Any] = []
    connect = links.socket.create_connection

    def watched(address: Any, *more: Any) -> Any:
        gone_to.append(address[0])
        return connect(address, *more)

    monkeypatch.setattr(links.socket, "create_connection", watched)

    def look_up(host: str, port: int) -> list[str]:
        return next(answers)

    def allowed(address: str) -> bool:
        return address == "127.0.0.1"

    assert "dance" in fetch("http://bees.example/page", look_up=look_up, allowed=allowed).text
    with pytest.raises(LinkRefusedError, match="no public address"):
        fetch("http://bees.example/page", look_up=look_up, allowed=allowed)
    assert gone_to == ["127.0.0.1"]
    assert next(answers) == ["127.0.0.1"], "nobody was asked twice for one page"


def test_a_page_that_leads_to_itself_under_a_name_that_turned_inwards_is_refused(site: None) -> None:
    answers = iter([["127.0.0.1"], ["10.0.0.7"]])
    with pytest.raises(LinkRefusedError, match="no public address"):
        fetch("http://bees.example/to=/page", look_up=lambda *_: next(answers), allowed=lambda ip: ip == "127.0.0.1")


def test_an_address_that_is_none_in_another_spelling_is_refused_too() -> None:
    for url in ("http://127.1/", "http://0x7f000001/", "http://2130706433/", "http://localhost/", "http://[::1]/"):
        with pytest.raises(LinkRefusedError):
            fetch(url)


def test_a_page_that_is_all_menu_gives_what_there_is() -> None:
    assert page_text("plain words") == "plain words\n"
