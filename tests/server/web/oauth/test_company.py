"""JWTs of a company's issuer: which are taken, whose they are, and how often its keys are fetched."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import jwt
import pytest
from company_issuer import AUDIENCE, Issuer, company_issuer
from cryptography.hazmat.primitives import serialization
from mcp.server.auth.provider import AccessToken
from scripted_ai import scripted_app
from web_house import Opened, client, open_house

from core.config import AuthConfig, load_config
from core.paths import credentials_path
from core.people.person import LONGEST_NAME, Person
from core.people.tokens import _NAME
from server.web.assembly import Place
from server.web.oauth import company_keys
from server.web.oauth.company import CompanyTokens
from server.web.oauth.company_keys import CompanyKeys, KeysError, read_keys


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    with company_issuer() as made:
        yield made


def auth_of(issuer: Issuer, **other: Any) -> AuthConfig:
    return AuthConfig(issuer=issuer.url, audience=AUDIENCE, **other)


async def person_of(tokens: CompanyTokens, token: str) -> Person | None:
    access = await tokens.verify_token(token)
    return tokens.person(access) if access else None


@pytest.mark.parametrize("kid", ["r1", "e1"])
async def test_a_token_that_its_issuer_signed_for_us_is_taken(issuer: Issuer, kid: str) -> None:
    tokens = CompanyTokens(auth_of(issuer, ais=["gpt"], per_day_usd=2.5, admin_claim="moot_admin"))
    person = await person_of(tokens, issuer.token(kid))
    assert person is not None
    assert person.name.startswith("u-ada.")
    assert (person.ais, person.per_day_usd, person.admin) == (("gpt",), 2.5, False)
    admin = await person_of(tokens, issuer.token(kid, moot_admin=True))
    assert admin is not None and admin.admin
    for value in ("true", 1, ["true"]):
        other = await person_of(tokens, issuer.token(kid, moot_admin=value))
        assert other is not None and not other.admin


@pytest.mark.parametrize(
    "claims",
    [
        {"iss": "https://evil.example"},
        {"iss": None},
        {"aud": "https://other.example/mcp"},
        {"aud": None},
        {"aud": []},
        {"exp": 1},
        {"exp": None},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": [1]},
        {"nbf": int(time.time()) + 3_600},
        {"iat": int(time.time()) + 3_600},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 501},
    ],
)
async def test_a_token_that_is_not_for_us_or_not_for_now_is_not_taken(issuer: Issuer, claims: dict[str, Any]) -> None:
    tokens = CompanyTokens(auth_of(issuer))
    assert await person_of(tokens, issuer.token()) is not None
    assert await person_of(tokens, issuer.token(**claims)) is None


async def test_one_audience_of_several_and_a_clock_that_is_a_little_off_will_do(issuer: Issuer) -> None:
    tokens = CompanyTokens(auth_of(issuer))
    assert await person_of(tokens, issuer.token(aud=["https://other.example", AUDIENCE])) is not None
    assert await person_of(tokens, issuer.token(exp=int(time.time()) - 30)) is not None
    assert await person_of(tokens, issuer.token(exp=int(time.time()) - 90)) is None


def _part(value: dict[str, Any]) -> str:
    return base64.urlsafe_b64encode(json.dumps(value).encode()).decode().rstrip("=")


def _by_hand(header: dict[str, Any], claims: dict[str, Any], secret: bytes = b"") -> str:
    body = f"{_part(header)}.{_part(claims)}"
    signature = hmac.new(secret, body.encode(), hashlib.sha256).digest() if secret else b""
    return f"{body}.{base64.urlsafe_b64encode(signature).decode().rstrip('=')}"


async def test_what_nobody_signed_or_anybody_could_is_not_taken(issuer: Issuer) -> None:
    tokens = CompanyTokens(auth_of(issuer))
    claims = jwt.decode(issuer.token(), options={"verify_signature": False})
    public = issuer.private["r1"].public_key()
    pem = public.public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    forged = [
        _by_hand({"alg": "none", "kid": "r1"}, claims),
        _by_hand({"alg": "None", "kid": "r1"}, claims),
        _by_hand({"alg": "HS256", "kid": "r1"}, claims, pem),
        _by_hand({"alg": "HS256", "kid": "r1"}, claims, json.dumps(issuer.keys()[0]).encode()),
        _by_hand({"alg": "RS256", "kid": "r1"}, claims, pem),
        _by_hand({"alg": ["RS256"], "kid": "r1"}, claims, pem),
        _by_hand({"kid": "r1"}, claims),
        jwt.encode(claims, issuer.private["r1"], "RS512", headers={"kid": "r1"}),
        jwt.encode(claims, issuer.private["r1"], "PS256", headers={"kid": "r1"}),
        jwt.encode(claims, issuer.private["r1"], "RS256", headers={"kid": "e1"}),
        jwt.encode(claims, issuer.private["e1"], "ES256", headers={"kid": "r1"}),
        issuer.token(headers={"typ": "oauth-id-jag+jwt"}),
        issuer.token(headers={"typ": "logout+jwt"}),
        issuer.token(headers={"typ": 7}),
        issuer.token(headers={"crit": ["x"], "x": 1}),
        issuer.token()[:-4] + "AAAA",
        issuer.token().replace(".", ".x", 1),
        "..",
        "a.b.c",
        "\ud800.x.y",
        "x" * 20_000 + "..",
        f"{_part({'alg': 'RS256', 'jwk': issuer.keys()[0], 'jku': 'https://evil.example'})}.{_part(claims)}.x",
    ]
    for token in forged:
        assert await person_of(tokens, token) is None, token[:80]
    assert len(issuer.asked) == 2


async def test_another_key_of_the_same_name_is_no_key(issuer: Issuer) -> None:
    tokens = CompanyTokens(auth_of(issuer))
    with company_issuer() as other:
        other.url = issuer.url
        assert await person_of(tokens, other.token()) is None


async def test_new_keys_are_found_and_looked_for_once_in_a_minute(issuer: Issuer) -> None:
    now = 0.0
    tokens = CompanyTokens(auth_of(issuer), CompanyKeys(auth_of(issuer), clock=lambda: now))
    assert await person_of(tokens, issuer.token()) is not None
    assert len(issuer.asked) == 2
    issuer.add_rsa("r2")
    assert await person_of(tokens, issuer.token("r2")) is None
    now = 61.0
    assert await person_of(tokens, issuer.token("r2")) is not None
    assert len(issuer.asked) == 4
    del issuer.private["r1"]
    unknown = [issuer.token("r2", headers={"kid": f"k{number}"}) for number in range(50)]
    async with anyio.create_task_group() as tasks:
        for token in unknown:
            tasks.start_soon(person_of, tokens, token)
    assert len(issuer.asked) == 4
    now = 122.0
    async with anyio.create_task_group() as tasks:
        for token in unknown:
            tasks.start_soon(person_of, tokens, token)
    assert len(issuer.asked) == 6


async def test_keys_are_good_for_a_day_while_their_issuer_is_away(
    issuer: Issuer, caplog: pytest.LogCaptureFixture
) -> None:
    now = 0.0
    tokens = CompanyTokens(auth_of(issuer), CompanyKeys(auth_of(issuer), clock=lambda: now))
    token = issuer.token(exp=int(time.time()) + 600)
    assert await person_of(tokens, token) is not None
    issuer.broken = True
    now = 7_200.0
    assert await person_of(tokens, token) is not None
    assert "answers 500" in caplog.text
    now = 90_000.0
    assert await person_of(tokens, token) is None


async def test_a_token_that_names_no_key_is_taken_where_there_is_one(issuer: Issuer) -> None:
    assert await person_of(CompanyTokens(auth_of(issuer)), issuer.token(None)) is not None
    issuer.add_rsa("r2")
    assert await person_of(CompanyTokens(auth_of(issuer)), issuer.token(None)) is None


async def test_a_short_or_odd_key_is_no_key(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    issuer.add_rsa("short", 1024)
    tokens = CompanyTokens(auth_of(issuer))
    claims = {"iss": issuer.url, "aud": AUDIENCE, "sub": "ada", "exp": int(time.time()) + 600}
    with pytest.warns(jwt.InsecureKeyLengthWarning, match="RSA key"):
        token = jwt.encode(claims, issuer.private["short"], "RS256", headers={"kid": "short"})
    assert await person_of(tokens, token) is None
    good = issuer.keys()
    for odd in ({"use": "enc"}, {"alg": "RS512"}, {"n": "x" * 1_401}, {"n": "!"}, {"kty": "oct"}, {"kty": None}):
        keys = [{**good[0], **odd}, "no object"]
        monkeypatch.setattr(Issuer, "keys", lambda self, keys=keys: keys)
        assert await person_of(CompanyTokens(auth_of(issuer)), issuer.token()) is None


@pytest.mark.parametrize(
    ("metadata", "why"),
    [
        ({"issuer": "https://evil.example"}, "says that it is https://evil.example"),
        ({"jwks_uri": "http://evil.example/keys"}, "names no jwks_uri"),
        ({"jwks_uri": "file:///etc/passwd"}, "names no jwks_uri"),
        ({"jwks_uri": None}, "names no jwks_uri"),
        ({"jwks_uri": 7}, "names no jwks_uri"),
    ],
)
def test_metadata_that_does_not_hold_leads_nowhere(issuer: Issuer, metadata: dict[str, Any], why: str) -> None:
    issuer.metadata = metadata
    with pytest.raises(KeysError, match=why):
        read_keys(auth_of(issuer))


def test_what_is_no_set_of_keys_is_told(issuer: Issuer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(read_keys(auth_of(issuer, jwks_url=f"{issuer.url}/keys"))) == 2
    assert issuer.asked == ["/keys"]
    with pytest.raises(KeysError, match="answers 404"):
        read_keys(auth_of(issuer, jwks_url=f"{issuer.url}/nothing"))
    with pytest.raises(KeysError, match="no 'keys'"):
        read_keys(auth_of(issuer, jwks_url=f"{issuer.url}/.well-known/openid-configuration"))
    with pytest.raises(KeysError, match="cannot be reached"):
        read_keys(AuthConfig(issuer="http://127.0.0.1:1", audience="x"))
    monkeypatch.setattr(company_keys, "_MOST_BYTES", 10)
    with pytest.raises(KeysError, match="too large"):
        read_keys(auth_of(issuer))


async def test_whose_a_token_is_cannot_be_taken_for_another(issuer: Issuer) -> None:
    tokens = CompanyTokens(auth_of(issuer))
    names = {}
    odd = ["ada", "Ada", "ada ", "ada.", "u-ada", "ada@x", "../../etc", "con", "ü" * 50, "a" * 500, "-", "\0", "ada\n"]
    for subject in odd:
        person = await person_of(tokens, issuer.token(sub=subject))
        assert person is not None
        assert len(person.name) <= LONGEST_NAME
        assert not _NAME.fullmatch(person.name), "a token could be made for somebody called the same"
        assert set(person.name) <= set("abcdefghijklmnopqrstuvwxyz0123456789-.")
        assert person.folder().parent.name == "people"
        names[subject] = person.name
    assert len(set(names.values())) == len(odd)
    other = CompanyTokens(AuthConfig(issuer="https://other.example", audience=AUDIENCE))
    access = AccessToken(token="", client_id="", scopes=[], subject="ada")
    assert other.person(access).name != names["ada"]


async def test_an_email_counts_where_it_was_verified(issuer: Issuer) -> None:
    tokens = CompanyTokens(auth_of(issuer, person_claim="email"))
    first = await person_of(tokens, issuer.token(email="Ada@example.org"))
    second = await person_of(tokens, issuer.token(email="ada@EXAMPLE.org", email_verified=True, sub="other"))
    assert first == second
    assert first is not None and first.name.startswith("u-ada.")
    for verified in (False, "true"):
        assert await person_of(tokens, issuer.token(email="ada@example.org", email_verified=verified)) is None
    assert await person_of(tokens, issuer.token()) is None


@asynccontextmanager
async def served(issuer: Issuer, **other: Any) -> AsyncIterator[Opened]:
    def configure() -> None:
        credentials_path().parent.mkdir(parents=True, exist_ok=True)
        auth = {"issuer": issuer.url, "audience": AUDIENCE, **other}
        credentials_path().write_text(json.dumps({"auth": auth}))

    await anyio.to_thread.run_sync(configure)
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, {"gpt": []}), Place(port=0)) as house:
            yield house


async def test_every_door_takes_them_and_keeps_people_apart(issuer: Issuer) -> None:
    async with served(issuer) as house:
        headers = {"accept": "application/json, text/event-stream"}
        ping = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        people = []
        for subject in ("ada", "bob"):
            async with client(house.url, authorization=f"Bearer {issuer.token(sub=subject)}") as http:
                people.append((await http.get("/api/status")).json()["person"])
                assert (await http.post("/mcp", json=ping, headers=headers)).status_code in (200, 400)
                assert (await http.get("/v1/models")).status_code == 200
        assert len(set(people)) == 2
        async with client(house.url) as http:
            reply = await http.post("/mcp", json=ping)
            assert "resource_metadata=" in reply.headers["www-authenticate"]
            told = (await http.get("/.well-known/oauth-protected-resource/mcp")).json()
            assert told["authorization_servers"] == [issuer.url]
            assert (await http.get("/.well-known/oauth-authorization-server")).status_code == 404
            typed = await http.post("/enter", data={"token": issuer.token()}, follow_redirects=False)
            assert typed.status_code == 401
            for _ in range(4):
                reply = await http.get("/api/status", headers={"authorization": f"Bearer {issuer.token(aud='x')}"})
                assert reply.status_code == 401


@pytest.mark.parametrize(
    ("auth", "problem"),
    [
        ({"audience": "x"}, "credentials.json: auth.issuer: Field required."),
        (
            {"issuer": "http://idp.example.org", "audience": "x"},
            "credentials.json: auth.issuer: Input should be an address that begins with https://.",
        ),
        (
            {"issuer": "https://u:p@idp.example.org", "audience": "x"},
            "credentials.json: auth.issuer: Input should be an address that begins with https://.",
        ),
        (
            {"issuer": "https://idp.example.org", "audience": "x", "algorithms": ["none"]},
            "credentials.json: auth.algorithms is not a known setting. Remove it or check its spelling.",
        ),
        (7, "credentials.json: auth: Input should be an object in braces."),
    ],
)
def test_a_bad_setting_is_told_and_lets_nobody_in(auth: Any, problem: str, tmp_path: Path) -> None:
    file = tmp_path / "credentials.json"
    file.write_text(json.dumps({"auth": auth}))
    file.chmod(0o600)
    config = load_config(file)
    assert config.auth is None
    assert config.problems == (problem,)
