"""Who may come in: hosts, origins, tokens, one-time links, sessions, and bodies within bounds."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import anyio
import pytest
from scripted_ai import scripted_app
from web_house import Opened, client, open_house

from core.errors import InvalidInputError, StoreError
from core.paths import data_dir
from core.people.person import OWNER, Person
from core.people.tokens import Tokens
from server.web.access.address import Address, check_base_path, check_names, check_public_url, is_loopback
from server.web.access.doors import COOKIE, Doors, Session, set_cookie
from server.web.access.people import Credentials, People, TooManyGuesses
from server.web.assembly import Place


@asynccontextmanager
async def served(place: Place | None = None) -> AsyncIterator[Opened]:
    with anyio.fail_after(30):
        async with open_house(partial(scripted_app, {"gpt": []}), place or Place(port=0)) as house:
            yield house


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1:1", "localhost.evil.example", "", "127.0.0.1.nip.io"])
async def test_a_host_that_is_not_ours_is_refused(host: str) -> None:
    async with served() as house:
        reply = await house.owner.get("/api/status", headers={"host": host})
        assert reply.status_code in (400, 421)


@pytest.mark.parametrize(
    "origin", ["https://evil.example", "null", "http://127.0.0.1", "http://127.0.0.1:1", "file://"]
)
async def test_a_page_elsewhere_may_not_call(origin: str) -> None:
    async with served() as house:
        for method in ("GET", "POST", "DELETE"):
            reply = await house.owner.request(method, "/api/jobs", headers={"origin": origin})
            assert reply.status_code == 403


@pytest.mark.parametrize("site", ["cross-site", "same-site", "odd"])
async def test_a_post_that_another_site_sends_is_refused(site: str) -> None:
    async with served() as house:
        reply = await house.owner.post("/api/plan", json={}, headers={"sec-fetch-site": site})
        assert reply.status_code == 403
        assert (await house.owner.get("/api/status", headers={"sec-fetch-site": site})).status_code == 200


async def test_our_own_page_may_call() -> None:
    async with served() as house:
        headers = {"origin": house.url, "sec-fetch-site": "same-origin"}
        assert (await house.owner.get("/api/status", headers=headers)).status_code == 200


async def test_without_a_session_or_token_nothing_is_told() -> None:
    async with served() as house, client(house.url) as nobody:
        for path in ("/api/status", "/api/ais", "/api/events", "/openapi.json", "/api/nothing", "/mcp"):
            reply = await nobody.get(path)
            assert reply.status_code == 401, path
            assert reply.headers["www-authenticate"].startswith("Bearer")
            assert "moot tokens add" in reply.json()["error"]["message"]
        assert (await nobody.get("/health")).json() == {"status": "ok"}
        assert (await nobody.get("/ready")).status_code == 200
        page = await nobody.get("/", follow_redirects=False)
        assert (page.status_code, page.headers["location"]) == (303, "/enter")


@pytest.mark.parametrize("name", ["token", "access_token", "API_KEY", "key", "authorization"])
async def test_a_token_in_an_address_is_refused_also_where_it_is_a_good_one(name: str) -> None:
    async with served() as house:
        reply = await house.owner.get("/api/status", params={name: "x"})
        assert reply.status_code == 400
        assert "does not belong in an address" in reply.json()["error"]["message"]


async def test_a_form_tells_a_browser_to_say_where_it_comes_from() -> None:
    async with served() as house, client(house.url) as browser:
        assert (await browser.get("/enter")).headers["referrer-policy"] == "same-origin"


async def test_a_link_opens_once_and_leads_to_the_page() -> None:
    async with served() as house, client(house.url) as browser:
        code = await anyio.to_thread.run_sync(house.house.doors.link)
        first = await browser.get(f"/open/{code}", follow_redirects=False)
        assert (first.status_code, first.headers["location"]) == (303, "/")
        cookie = first.headers["set-cookie"]
        assert "HttpOnly" in cookie
        assert "SameSite=Strict" in cookie
        async with client(house.url) as elsewhere:
            again = await elsewhere.get(f"/open/{code}", follow_redirects=False)
        assert again.status_code == 410
        assert (await browser.get("/api/status")).json()["person"] == ""
        assert (await browser.get("/")).status_code == 200
        left = await browser.post("/leave", headers={"origin": house.url}, follow_redirects=False)
        assert f'{COOKIE}=""' in left.headers["set-cookie"] or f"{COOKIE}=;" in left.headers["set-cookie"]


async def test_a_token_typed_into_the_form_lets_its_person_in() -> None:
    async with served() as house, client(house.url) as browser:
        token = await anyio.to_thread.run_sync(house.house.tokens.add, Person("ada"))
        wrong = await browser.post("/enter", data={"token": "moot_wrong"})
        assert wrong.status_code == 401
        assert "nobody" in wrong.text
        good = await browser.post("/enter", data={"token": token}, follow_redirects=False)
        assert good.status_code == 303
        assert (await browser.get("/api/status")).json()["person"] == "ada"


async def test_a_token_that_is_taken_back_opens_no_more() -> None:
    async with served() as house:
        async with await house.person("ada") as ada:
            assert (await ada.get("/api/status")).json()["person"] == "ada"
        token = await anyio.to_thread.run_sync(house.house.tokens.add, Person("bob"))
        await anyio.to_thread.run_sync(house.house.tokens.revoke, "bob")
        async with client(house.url, authorization=f"Bearer {token}") as bob:
            assert (await bob.get("/api/status")).status_code == 401


async def test_the_key_of_anthropics_sdk_is_a_token_too() -> None:
    async with served() as house:
        token = await anyio.to_thread.run_sync(house.house.tokens.add, Person("ada"))
        async with client(house.url, **{"x-api-key": token}) as ada:
            assert (await ada.get("/api/status")).json()["person"] == "ada"


async def test_wrong_tokens_are_slowed_down_then_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []

    async def sleep(seconds: float) -> None:
        waits.append(seconds)

    monkeypatch.setattr("server.web.access.people.anyio.sleep", sleep)
    now = 0.0
    people = People(Tokens(), Doors(data_dir()), clock=lambda: now)
    for _ in range(20):
        assert await people.who(Credentials("moot_wrong"), "10.0.0.1") is None
    assert waits == sorted(waits)
    assert waits[-1] == 4.0
    with pytest.raises(TooManyGuesses):
        await people.who(Credentials("moot_wrong"), "10.0.0.1")
    assert await people.who(Credentials("moot_wrong"), "10.0.0.2") is None
    good = await anyio.to_thread.run_sync(Tokens().add, Person("ada"))
    assert await people.who(Credentials(good), "10.0.0.1") == Person("ada")
    now = 61.0
    assert await people.who(Credentials("moot_wrong"), "10.0.0.1") is None


async def test_a_body_that_is_too_large_is_refused_before_it_is_read() -> None:
    async with served() as house:
        host = f"127.0.0.1:{house.house.address.port}"
        async with await anyio.connect_tcp("127.0.0.1", house.house.address.port) as raw:
            head = f"POST /api/plan HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100000000\r\n\r\n"
            await raw.send(head.encode())
            assert (await raw.receive()).startswith(b"HTTP/1.1 413 ")

        async def endless() -> AsyncIterator[bytes]:
            for _ in range(40):
                yield b"x" * 1_000_000

        headers = {"content-type": "application/json"}
        reply = await house.owner.post("/api/plan", content=endless(), headers=headers)
        assert reply.status_code == 413


async def test_everything_tells_a_browser_to_be_careful() -> None:
    async with served() as house:
        for path in ("/", "/api/status", "/nothing", "/page/app.js"):
            headers = (await house.owner.get(path)).headers
            assert "default-src 'none'" in headers["content-security-policy"]
            assert "unsafe" not in headers["content-security-policy"]
            assert headers["x-content-type-options"] == "nosniff"
            assert headers["referrer-policy"] == "same-origin"


async def test_below_a_path_all_of_it_lies_there() -> None:
    async with served(Place(port=0, base_path="moot", public_url="https://example.org/moot")) as house:
        assert (await house.owner.get("/moot/api/status")).json()["person"] == ""
        assert (await house.owner.get("/api/status")).status_code == 404
        async with client(house.url) as nobody:
            assert (await nobody.get("/moot/health")).status_code == 200
        proxied = {"host": "example.org", "origin": "https://example.org"}
        assert (await house.owner.get("/moot/api/status", headers=proxied)).status_code == 200
        assert b'data-base="/moot"' in (await house.owner.get("/moot/")).content
        code = await anyio.to_thread.run_sync(house.house.doors.link)
        async with client(house.url) as nobody:
            opened = await nobody.get(f"/moot/open/{code}", follow_redirects=False)
        assert opened.headers["location"] == "/moot/"
        assert "Path=/moot" in opened.headers["set-cookie"]
        assert "Secure" in opened.headers["set-cookie"]


def test_a_session_outlives_a_restart_and_not_another_key(tmp_path: Path) -> None:
    session = Doors(tmp_path).session("ada")
    cookie = f"{COOKIE}={session}"
    assert Doors(tmp_path).who(cookie) == Session("ada")
    assert Doors(tmp_path / "other").who(cookie) is None
    body, _, signature = session.partition(".")
    for forged in (f"{body}x.{signature}", f"{body}.", f".{signature}", "", "x", f"{body}.{signature}é"):
        assert Doors(tmp_path).who(f"{COOKIE}={forged}") is None


@pytest.mark.parametrize("cut", ["", "0", "0" * 63])
def test_a_key_that_is_cut_off_signs_nothing(tmp_path: Path, cut: str) -> None:
    (tmp_path / "session.key").write_text(cut)
    forger = Doors(tmp_path)
    forger._key = cut.encode() or b"-"
    body = forger.session("").partition(".")[0]
    forged = f"{body}.{hmac.new(cut.encode(), body.encode(), 'sha256').hexdigest()}"
    doors = Doors(tmp_path)
    assert doors.who(f"{COOKIE}={forged}") is None
    assert doors.who(f"{COOKIE}={doors.session('')}") == Session("")
    assert len((tmp_path / "session.key").read_bytes()) == 64


def test_who_cannot_be_let_in_is_told_why(tmp_path: Path) -> None:
    (tmp_path / "links").write_text("a file where a folder belongs")
    with pytest.raises(StoreError, match="Check its permissions"):
        Doors(tmp_path).link()


def test_sessions_and_links_end(tmp_path: Path) -> None:
    now = 1_000.0
    doors = Doors(tmp_path, clock=lambda: now)
    session, code = doors.session(""), doors.link("ada", "/x")
    now += 601
    assert doors.open(code) is None
    code = doors.link("ada", "/x")
    opened = doors.open(code)
    assert opened is not None
    assert (opened.name, opened.to) == ("ada", "/x")
    assert doors.open(code) is None
    now += 31 * 86_400
    assert doors.who(f"{COOKIE}={session}") is None


def test_what_is_kept_for_links_and_sessions_is_the_owners_alone(tmp_path: Path) -> None:
    doors = Doors(tmp_path)
    code = doors.link()
    doors.session("")
    assert (tmp_path / "session.key").stat().st_mode & 0o077 == 0
    (link,) = (tmp_path / "links").iterdir()
    assert link.stat().st_mode & 0o077 == 0
    assert code not in link.name


def test_a_cookie_is_secure_where_the_address_is() -> None:
    assert set_cookie("x", secure=True, path="/").endswith("; Secure")
    assert "Max-Age=0" in set_cookie("", secure=False, path="/")


@pytest.mark.parametrize(
    ("host", "alone"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("localhost", True),
        ("0.0.0.0", False),
        ("10.1.2.3", False),
        ("x.org", False),
    ],
)
def test_only_loopback_is_for_this_machine_alone(host: str, alone: bool) -> None:
    assert is_loopback(host) is alone


@pytest.mark.parametrize("url", ["example.org", "ftp://x", "https://", "https://x?y", "https://a@b", "javascript:1"])
def test_what_is_no_public_address_is_refused(url: str) -> None:
    with pytest.raises(InvalidInputError, match="is no address"):
        check_public_url(url)


@pytest.mark.parametrize("path", ["/a/../b", "/a b", "/a//b", "/\x07"])
def test_what_is_no_path_is_refused(path: str) -> None:
    with pytest.raises(InvalidInputError, match="cannot be a path"):
        check_base_path(path)


@pytest.mark.parametrize("name", ["", "*", "http://x", "a b"])
def test_what_is_no_host_is_refused(name: str) -> None:
    with pytest.raises(InvalidInputError, match="is no host"):
        check_names([name])


def test_an_address_knows_by_what_it_may_be_called() -> None:
    address = Address("::1", 80, names=("moot.local:8080",))
    assert {"[::1]:80", "[::1]", "localhost", "moot.local:8080"} <= address.hosts
    assert Address("0.0.0.0", 4747).url == "http://127.0.0.1:4747"


async def test_a_session_is_worth_nothing_once_its_person_has_no_token() -> None:
    doors, tokens = Doors(data_dir()), Tokens()

    def prepared() -> str:
        tokens.add(Person("ada"))
        return f"{COOKIE}={doors.session('ada', tokens.mark('ada'))}"

    cookies = await anyio.to_thread.run_sync(prepared)
    now = 0.0
    people = People(tokens, doors, clock=lambda: now)
    found = await people.who(Credentials(cookies=cookies), "c")
    assert found == Person("ada")
    await anyio.to_thread.run_sync(tokens.revoke, "ada")
    now = 6.0
    assert await people.who(Credentials(cookies=cookies), "c") is None
    owner = f"{COOKIE}={await anyio.to_thread.run_sync(doors.session, '')}"
    assert await people.who(Credentials(cookies=owner), "c") is OWNER
    await anyio.to_thread.run_sync(tokens.close)
