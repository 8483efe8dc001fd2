"""Each text has marks in its key, which are taken out here: these are files that others search for keys, too."""

from __future__ import annotations

import base64
import random
import string
import sysconfig
import time
from pathlib import Path

import pytest

from core.secrecy.check import secret_in
from core.secrecy.scan import find_secret, rules

_RANDOM = random.Random(7)


def chars(count: int, letters: str = string.ascii_letters + string.digits) -> str:
    """As random as a key, and the same in every run; with a digit."""
    return "".join(_RANDOM.choice(letters) for _ in range(count - 1)) + "7"


def hexed(count: int) -> str:
    return chars(count, "0123456789abcdef")


B64 = string.ascii_letters + string.digits + "+/"
LOGIN = base64.b64encode(b"user:Xk29fkQm2z").decode()

KEYS = {
    "openai": "sk¦-" + chars(48),
    "openai project": "sk¦-proj-" + chars(100) + "_-" + chars(20),
    "openai service": "sk¦-svcacct-" + chars(60),
    "anthropic": "sk¦-ant-api03-" + chars(93) + "AA",
    "anthropic admin": "sk¦-ant-admin01-" + chars(93) + "AA",
    "moot": "mo¦ot_tP7-vB0qYw3nJx_5kLr9cZs2HdGf8MeUa4RiXoWb6Qy",
    "moot app": "mo¦ota_Vx3_zK8mTn5qPw7-cLd2RbYs9JfHg4EuAi6ZoXkWr1Q",
    "moot refresh": "mo¦otr_5f0c9a7be14d832660ffab91c37d2e48.Nq8-yB2vKs6_xTz4mRw9LcJd7GhFp3EuIi5AoXkWr1Q",
    "openrouter": "sk¦-or-v1-" + hexed(64),
    "google": "AI¦zaSy" + chars(33),
    "google oauth": "ya¦29.a0" + chars(60),
    "google client": "GOC¦SPX-" + chars(28),
    "google refresh": "1/¦/0" + chars(60),
    "xai": "xa¦i-" + chars(80),
    "groq": "gs¦k_" + chars(52),
    "perplexity": "pp¦lx-" + chars(48),
    "hugging face": "hf¦_" + chars(34),
    "replicate": "r8¦_" + chars(37),
    "nvidia": "nv¦api-" + chars(64),
    "tavily": "tv¦ly-" + chars(32),
    "pinecone": "pc¦sk_" + chars(60),
    "langsmith": "ls¦v2_pt_" + hexed(32) + "_" + hexed(10),
    "together": "tg¦p_v1_" + chars(40),
    "github": "gh¦p_" + chars(36),
    "github oauth": "gh¦o_" + chars(36),
    "github app": "gh¦s_" + chars(36),
    "github refresh": "gh¦r_" + chars(36),
    "github fine-grained": "github¦_pat_" + chars(22) + "_" + chars(59),
    "gitlab": "gl¦pat-" + chars(20),
    "gitlab runner": "gl¦rt-" + chars(20),
    "gitlab deploy": "gl¦dt-" + chars(20),
    "npm": "np¦m_" + chars(36),
    "pypi": "py¦pi-AgEIcHlwaS5vcmc" + chars(80),
    "rubygems": "ruby¦gems_" + hexed(48),
    "crates": "ci¦o" + chars(32),
    "docker hub": "dc¦kr_pat_" + chars(27),
    "digitalocean": "do¦p_v1_" + hexed(64),
    "digitalocean oauth": "do¦o_v1_" + hexed(64),
    "aws id": "AK¦IA" + chars(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "aws temporary id": "AS¦IA" + chars(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "aws secret": "aws_secret_access_key¦ = " + chars(40, B64),
    "aws secret in JSON": '"SecretAccessKey"¦: "x", "aws_secret_access_key": "' + chars(40, B64) + '"',
    "aws session": "aws_session_token¦=" + chars(200, B64),
    "azure storage": "DefaultEndpointsProtocol=https;AccountName=x;AccountKey¦=" + chars(86, B64) + "==",
    "azure bus": "Endpoint=sb://x/;SharedAccessKeyName=r;SharedAccessKey¦=" + chars(43, B64) + "=",
    "azure signature": "https://x.blob.core.windows.net/c?sv=2020&sig¦=" + chars(43) + "%3D",
    "vault": "hv¦s." + chars(90),
    "vault short": "hv¦s." + chars(24),
    "vault batch": "hv¦b." + chars(140),
    "terraform cloud": chars(14) + ".atl¦asv1." + chars(67),
    "shopify": "shp¦at_" + hexed(32),
    "shopify app": "shp¦pa_" + hexed(32),
    "shopify shared": "shp¦ss_" + hexed(32),
    "doppler": "dp¦.pt." + chars(43),
    "doppler service": "dp¦.st.prd." + chars(43),
    "slack bot": "xo¦xb-" + "1234567890-" * 2 + chars(24),
    "slack user": "xo¦xp-" + "1234567890-" * 3 + hexed(32),
    "slack app": "xa¦pp-1-A0123456789-1234567890123-" + hexed(64),
    "slack hook": "https://hooks.slack.com¦/services/T01234567/B01234567/" + chars(24),
    "discord hook": "https://discord.com/api¦/webhooks/123456789012345678/" + chars(68),
    "discord bot": "M" + chars(23) + "¦." + chars(6) + "." + chars(38),
    "telegram": "123456789¦:AA" + chars(33),
    "stripe": "sk¦_live_" + chars(24),
    "stripe restricted": "rk¦_live_" + chars(24),
    "stripe test": "sk¦_test_" + chars(24),
    "stripe hook": "wh¦sec_" + chars(32),
    "twilio": "S¦K" + hexed(32),
    "sendgrid": "SG¦." + chars(22) + "." + chars(43),
    "mailgun": "key¦-" + hexed(32),
    "mailchimp": hexed(32) + "¦-us12",
    "brevo": "xkey¦sib-" + hexed(64) + "-" + chars(16),
    "square": "sq0¦atp-" + chars(22),
    "facebook": "EA¦ACEdEose0cBA" + chars(100),
    "linear": "lin¦_api_" + chars(40),
    "notion": "nt¦n_" + chars(46),
    "figma": "fig¦d_" + chars(40),
    "atlassian": "AT¦ATT3xFfGF0" + chars(180),
    "bitbucket": "AT¦BB" + chars(32),
    "netlify": "nf¦p_" + chars(36),
    "supabase": "sb¦p_" + hexed(40),
    "posthog": "ph¦x_" + chars(43),
    "sentry": "snt¦ryu_" + hexed(64),
    "grafana": "gl¦sa_" + chars(32) + "_" + hexed(8),
    "pulumi": "pu¦l-" + hexed(40),
    "databricks": "da¦pi" + hexed(32),
    "new relic": "NR¦AK-" + chars(27, string.ascii_uppercase + string.digits),
    "postman": "PM¦AK-" + hexed(24) + "-" + hexed(34),
    "airtable": "pa¦t" + chars(14) + "." + hexed(64),
    "tailscale": "ts¦key-auth-" + chars(20) + "-" + chars(30),
    "age": "AGE¦-SECRET-KEY-1" + chars(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L"),
    "nuget": "oy¦2" + chars(43, string.ascii_lowercase + string.digits),
    "jfrog": "AK¦Cp" + chars(69),
    "heroku": "HR¦KU-AA" + chars(58),
    "easypost": "EZ¦AK" + chars(54),
    "jwt": "ey¦J" + chars(30) + ".ey" + "J" + chars(60) + "." + chars(43),
    "1password": "ops¦_eyJ" + chars(300),
    "redis address": "redis¦://:Xk29fkQm2z@cache:6379/0",
    "postgres address": "DATABASE_URL=postgres¦://app:Xk29fkQm2z@db.example.com/app",
    "mysql address": "mysql+pymysql¦://root:Xk29fkQm2z@localhost/x",
    "mongo address": "mongodb+srv¦://u:Xk29fkQm2z@c0.mongodb.net/x",
    "amqp address": "amqps¦://u:Xk29fkQm2z@mq:5671",
    "http address": "https¦://deploy:Xk29fkQm2z@git.example.com/x.git",
    "jdbc": "jdbc:postgresql://h/x?user=u&password¦=Xk29fkQm2z",
    "ado": "Server=h;Database=d;User Id=u;Password¦=Xk29fkQm2z;",
    "docker login": '{"auths": {"r.example.com": {"auth"¦: "' + LOGIN + '"}}}',
    "netrc": "machine api.example.com\n  login joe\n  password¦ Xk29fkQm2z\n",
    "netrc line": "machine h login joe password¦ Xk29fkQm2z",
    "pgpass": "db.example.com:5432:app:joe¦:Xk29fkQm2z",
    "pgpass star": "*:*:*:joe¦:Xk29fkQm2z",
    "htpasswd": "joe:$apr¦1$abcdefgh$" + chars(22),
    "shadow": "root:$6¦$saltsalt$" + chars(86) + ":19000:0:99999:7:::",
    "curl header": "curl -H 'Authorization¦: Bearer " + chars(40) + "' https://x",
    "curl token": 'curl -H "Authorization¦: token ' + chars(40) + '" https://x',
    "curl basic": "curl --header 'Authorization¦: Basic " + LOGIN + "' https://x",
    "basic user": "cur¦l -u joe:Xk29fkQm2z https://x",
    "curl key": "curl -H 'X-Api-Key¦: " + chars(32) + "' https://x",
    "gitlab header": "PRIVATE-TOKEN¦: " + chars(24),
    "npmrc": "//registry.npmjs.org/:_authToken¦=" + chars(36),
    "rsa": "-----BEGIN RSA¦ PRIVATE KEY-----\nMIIE",
    "openssh": "-----BEGIN OPENSSH¦ PRIVATE KEY-----\nb3Bl",
    "pgp": "-----BEGIN PGP¦ PRIVATE KEY BLOCK-----",
    "encrypted": "-----BEGIN ENCRYPTED¦ PRIVATE KEY-----",
    "service account": '{"type": "service_account", "private_key": "-----BEGIN¦ PRIVATE KEY-----\\nMII"}',
    "putty": "PuTTY-User¦-Key-File-3: ssh-ed25519",
    "key in base64": "LS0t¦LS1CRUdJTiBSU0EgUFJJVkFURSBLRVkt",
    "wireguard": "[Interface]\nPrivateKey¦ = " + chars(43, B64) + "=",
    "kube": "    client-key-data¦: " + chars(200, B64),
    "jwk": '{"kty": "EC", "d"¦: "' + chars(43) + '"}',
    "password option": "mysql -u root --password¦=Xk29fkQm2z db",
    "sshpass": "sshpass -p¦ Xk29fkQm2z ssh host",
    "pgpassword": "PGPASSWORD¦=Xk29fkQm2z psql",
    "passin": "openssl rsa -passin pass¦:Xk29fkQm2z",
    "oracle": "jdbc:oracle:thin¦:scott/Xk29fkQm2z@host:1521:x",
    "address with an at sign": "mongodb¦://u:Xk29@kQm2z@host/x",
    "plain setting": "DB_PASSWORD¦=hunter2hunter2",
    "exported pass": "export DB_PASS¦='hunter2hunter2'",
    "php": "define('DB_PASSWORD'¦, 'hunter2hunter2');",
    "code": 'client = Client(api_key¦="' + hexed(32) + '")',
    "code in JavaScript": "const apiKey¦ = '" + chars(40) + "';",
    "code in JSON": '{"clientSecret"¦: "' + chars(40) + '"}',
    "vault of old": "VAULT_TOKEN=s¦." + chars(24),
    "azure application": "client_secret¦ = abc8Q~" + chars(34),
    "exported": "export SERVICE_TOKEN¦=" + chars(32),
    "environment": "ENV API_KEY¦ = '" + chars(24) + "'",
    "constant": 'CLIENT_SECRET¦ = "' + chars(40) + '"',
    "sonar": "squ¦_" + hexed(40),
    "elevenlabs": "sk¦_" + hexed(48),
    "cloudflare user": "cfut¦_" + chars(40),
    "twitter": "AAAAAAAAAA¦AAAAAAAAAAA" + chars(10) + "%3D" + chars(40),
    "asana": "1¦/4290720064168251:" + hexed(32),
    "zapier": "https://hooks.zapier¦.com/hooks/catch/1234567/ab7cdefg/",
    "one-time passwords": "otpauth¦://totp/x?issuer=y&secret=" + chars(31, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"),
    "laravel": "APP¦_KEY=base64:" + base64.b64encode(chars(32).encode()).decode(),
    "rails": "secret_key¦_base: " + hexed(128),
    "vault approle": "secret¦_id: 36fa87be-6765-63cf-08f6-070d44c85a3a",
    "wallet": "mnemonic¦: abandon ability able about above absent absorb abstract absurd abuse access accident",
    "mysql": "mysql¦ -u root -p" + chars(12) + " db",
    "ldap": "bind¦pw " + chars(14),
    "parameters of postgres": 'connect("host=db user=x pass¦word=' + chars(14) + ' dbname=y")',
    "aws in words": "Secret access¦ key: Ez5jhy0I9lO7F3vlfFrGYJ3GxeYYXwSLQcWtxJTQ",
    "password in code": 'db_pass¦word = "' + "Jat7kEgAXOw4Nx4Ij" + '"',
    "wide letters": "ｓ¦ｋ-proj-" + chars(50),
}

SETTINGS = {
    "deploy.yaml": "apiVersion: v1\nkind¦: Secret\ndata:\n  any: aHVudGVyMg==\n",
    "phrase.yaml": 'password¦: "correct horse 7 battery"',
    "config.yaml": "password¦: hunter2hunter2",
    "application.properties": "spring.datasource.password¦=hunter2hunter2",
    "app.ini": "secret_key¦ = hunter2hunter2",
    "settings.json": '{"apiKey"¦: "hunter2hunter2"}',
    "config.toml": 'access_token¦ = "hunter2hunter2"',
    "web.config": '<add name="x" connectionString="Server=h;Pwd¦=hunter2hunter2" />',
    "main.tf": 'password¦ = "hunter2hunter2"',
}

HARMLESS = [
    "password: ${DB_PASSWORD}", "token: <yours>", "max_tokens: 4096000000", "secret: true", "api_key: null",
    "postgres://user:password@localhost/db", "https://user:pass@host", "redis://localhost:6379", "http://[::1]:80/a@b",
    "see https://example.com/a:b@c", "Authorization: Bearer $TOKEN", "Authorization: Bearer <token>", "curl -u $USER:$PASS x",
    "sk-...", "xai-grok-code-fast-1", "gsk_example", "sk-learn and scikit", "AIza", "ghp_xxx", "key-value-store-of-the-system",
    "import secrets\ntoken = secrets.token_hex()", "def login(password: str, api_key='none'): ...",
    "a.py:1234:def f():", "root:x:0:0:root:/root:/bin/bash", "PASSWORD = os.environ['PASSWORD']", "API_KEY=your-api-key-here",
    "-----BEGIN PUBLIC KEY-----", "-----BEGIN CERTIFICATE-----", "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI joe@host",
    "d41d8cd98f00b204e9800998ecf8427e", "sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "3f2504e0-4f89-11d3-9a0c-0305e82c3301", "data:image/png;base64," + "iVBORw0KGgo" * 20, "machine learning login page",
    "default login method, password reset", "TOKEN_URL = 'https://example.com/oauth/token'",
]  # fmt: skip


@pytest.mark.parametrize("kind", KEYS)
def test_a_key_is_found_whatever_file_it_is_in(kind: str) -> None:
    text = KEYS[kind].replace("¦", "")
    assert find_secret(f"first\n{text}\nlast\n", "notes.md"), text
    if not KEYS[kind].startswith(
        (
            "apiVersion",
            "DB_",
            "pgpass",
            "db.",
            "*:",
            "joe:",
            "root:",
            "first",
            "[",
            "machine",
            "export",
            "ENV",
            "CLIENT",
        )
    ):
        assert find_secret(f"{'x ' * 4_000}{text} y", "a.min.js") or "\n" in text or kind == "kube", text


@pytest.mark.parametrize("name", SETTINGS)
def test_a_settings_file_that_sets_a_password_is_one(name: str) -> None:
    assert find_secret(SETTINGS[name].replace("¦", ""), name)


@pytest.mark.parametrize("text", HARMLESS)
def test_what_only_speaks_of_keys_holds_none(text: str) -> None:
    for name in ("a.py", "config.yaml" if ":" in text and "//" not in text else "b.md"):
        if name == "config.yaml" and text.startswith(
            ("Authorization", "default", "API_KEY", "PASSWORD", "import", "def ")
        ):
            continue
        assert find_secret(f"one\n{text}\n", name) is None


@pytest.mark.parametrize("between", ["\u200b", "\u00ad", "\u2060", "\ufeff", "\0", "\u202e", "\u200d"])
def test_a_character_that_shows_nothing_hides_no_key(between: str) -> None:
    key = KEYS["github"].replace("¦", "")
    assert find_secret(between.join(key), "a.md")
    assert secret_in(f"x\ny {key[:9]}{between}{key[9:]}", "a.md") == (
        "line 2 holds what looks like a secret (token with a mark of its maker)"
    )


def test_the_tables_are_long_enough() -> None:
    assert len(KEYS) >= 120
    assert len(rules()) > 220


def test_few_files_of_python_and_of_this_repository_are_refused() -> None:
    """At most one in five hundred; keys that are there on purpose, in *.pem, are none of them."""
    here = Path(__file__).parents[3]
    library = Path(sysconfig.get_path("stdlib"))
    ours = [
        path
        for room in ("ai", "core", "server", "tools", "tests", "bench", "release", "docs")
        for path in _texts(here / room)
    ]
    theirs = [path for path in _texts(library) if "site-packages" not in path.parts][::4]
    for files in ([path for path in ours if path.name != "gitleaks.toml"], theirs):
        found = [path.name for path in files if secret_in(path.read_text("utf-8", "ignore"), path.name)]
        assert len(found) <= max(1, len(files) / 500), found


def _texts(folder: Path) -> list[Path]:
    return [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix in {".py", ".md", ".json", ".toml", ".txt"} and path.is_file()
    ]


@pytest.mark.parametrize(
    "unit",
    [
        "a",
        "0",
        "-",
        "_",
        ".",
        ":",
        "/",
        " ",
        "\n",
        "=",
        '"',
        "A:",
        "://",
        "sk-",
        "key=",
        "token: ",
        "eyJ",
        "x@",
        "curl -u ",
    ],
)
def test_time_is_in_proportion_to_the_text(unit: str) -> None:
    text = unit * (200_000 // len(unit))
    begun = time.process_time()
    find_secret(text, "a.yaml")
    half = time.process_time() - begun
    begun = time.process_time()
    find_secret(text * 2, "a.yaml")
    assert time.process_time() - begun < max(1.0, half * 4)
