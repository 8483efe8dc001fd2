from __future__ import annotations

import base64
import json
import threading
from collections.abc import Callable

import pytest

from core.errors import AIError
from core.redact import holds_known_secret, redact, register_names, register_secret, without_secrets

KEY = "mK4/p+ecial=Zq9_w8-Xt7"

WRITTEN = {
    "as it is": KEY,
    "percent-encoded": "mK4%2Fp%2Becial%3DZq9_w8-Xt7",
    "percent-encoded in lower case": "mK4%2fp%2becial%3dZq9_w8-Xt7",
    "percent-encoded whole": "".join(f"%{ord(letter):02X}" for letter in KEY),
    "in JSON": KEY.replace("/", "\\u002f").replace("=", "\\u003d"),
    "in HTML": KEY.replace("+", "&#43;").replace("=", "&#x3d;"),
    "on two lines": f"{KEY[:9]}\n{KEY[9:]}",
    "on two lines of Windows": f"{KEY[:9]}\r\n    {KEY[9:]}",
    "on many lines": "\n".join(KEY),
    "quoted-printable": f"{KEY[:9]}=\n{KEY[9:]}",
    "with a line end that is escaped": f"{KEY[:9]}\\n{KEY[9:]}",
    "with NUL": f"{KEY[:9]}\0{KEY[9:]}",
    "with NUL that is escaped": f"{KEY[:9]}\\u0000{KEY[9:]}",
    "with nothing to see": f"{KEY[:9]}\u200b{KEY[9:]}",
    "with much that is not to be seen": "\u2060\ufeff".join(KEY),
    "with a soft hyphen": f"{KEY[:9]}\u00ad{KEY[9:]}",
    "with blanks": f"{KEY[:9]} {KEY[9:]}",
    "with tabs": f"{KEY[:9]}\t\t{KEY[9:]}",
}


@pytest.mark.parametrize("how", WRITTEN)
def test_a_key_in_use_is_found_however_it_is_written(how: str) -> None:
    register_secret(KEY)
    for clean in (redact, without_secrets):
        assert clean(f"before {WRITTEN[how]} after") == "before [redacted] after"
    assert holds_known_secret(f"x {WRITTEN[how]}")


def test_a_key_is_known_with_the_blanks_around_it() -> None:
    register_secret(f" {KEY}\n")
    assert redact(KEY) == "[redacted]"


def test_of_two_keys_the_longer_is_taken_out_whole() -> None:
    register_secret("abcdefghij")
    register_secret("abcdefghij-and-more")
    assert redact("abcdefghij-and-more abcdefghij") == "[redacted] [redacted]"


def test_words_that_make_up_a_short_secret_are_left_alone() -> None:
    register_secret("moment")
    assert redact("mom enters") == "mom enters"


@pytest.mark.parametrize(
    "text",
    [
        "sk-abcdefgh12345678", "sk-" "proj-abc123def456ghi789", "sk-abcd****wxyz", "sk-ab...yz12",
        "xai-a1B2c3D4e5F6g7H8",
        "gsk_a1B2c3D4e5F6g7H8", "gh" "p_a1B2c3D4e5F6g7H8a1B2", "AKIA" "ABCDEFGH1234IJKL", "hf_abcdEFGH1234ijkl5678",
        "AIza" + "a1B2c3D4" * 4, "Bearer a1B2c3D4e5F6", "Basic dXNlcjpwYXNzd29yZA==", "?key=a1B2c3D4e5F6",
        "&access_token=a1B2c3D4e5F6", "https://joe:" "s3cret@host/x",
        "eyJhbGciOiJIUzI1" ".eyJzdWIiOiIxMjM0.abcdefghijkl",
    ],
)  # fmt: skip
def test_what_looks_like_a_key_is_taken_out_of_messages(text: str) -> None:
    said = redact(f"it said {text} and more")
    assert "[redacted]" in said
    assert said.startswith("it said") and said.endswith(" and more")
    assert "a1B2" not in said and "12345678" not in said


@pytest.mark.parametrize(
    "name",
    [
        "xai-grok-code-fast", "xai-grok-code-fast-1", "xai-grok-4-0709", "gsk-llama-3.3-70b-versatile",
        "sk-learn-based", "pplx-sonar-reasoning-pro", "key-value-store",
        "keyboard-shortcuts", "sk_company_internal_model", "hf-transformers-model",
        "npm-run-script-build", "task-force", "skeleton12345", "dp.something",
    ],
)  # fmt: skip
def test_a_name_that_begins_like_a_key_is_none(name: str) -> None:
    assert redact(f"ask {name!r} again") == f"ask {name!r} again"


def test_a_name_that_looks_like_a_key_through_and_through_is_one_unless_it_is_configured() -> None:
    assert redact("xai-grok4mini20250709x") == "[redacted]"
    register_names(["xai-grok4mini20250709x"])
    assert redact("xai-grok4mini20250709x") == "xai-grok4mini20250709x"


def test_keys_may_be_registered_while_others_are_looked_for() -> None:
    stop = threading.Event()
    problems: list[Exception] = []

    def look() -> None:
        while not stop.is_set():
            try:
                redact("a text with nothing in it")
            except Exception as error:
                problems.append(error)
                return

    threads = [threading.Thread(target=look) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(3_000):
        register_secret(f"secret-number-{number}")
    stop.set()
    for thread in threads:
        thread.join()
    assert problems == []
    assert redact("secret-number-0 secret-number-2999") == "[redacted] [redacted]"


def test_an_error_holds_no_key_in_its_words_its_partial_text_or_its_id() -> None:
    register_secret(KEY)
    error = AIError(f"no: {KEY}", partial=f"so far {KEY}", request_id=KEY)
    error.partial += f" and {KEY}"
    assert KEY not in json.dumps([str(error), error.partial, error.request_id])


@pytest.mark.parametrize(
    "unit", ["sk-", "a", "%41", "\\u0041", "://a:b@", "Bearer ", "eyJ", "AIza", "&#65;", "x.", "?key=", "\0", "*"]
)
def test_a_long_text_takes_no_more_than_its_share(unit: str) -> None:
    import time

    register_secret(KEY)
    text = unit * (300_000 // len(unit))
    begun = time.process_time()
    redact(text)
    assert time.process_time() - begun < 3


@pytest.mark.parametrize("cut", range(8, len(KEY)))
def test_a_key_that_somebody_cut_off_at_the_end_is_a_key(cut: int) -> None:
    register_secret(KEY)
    for end in ("", "...", "…"):
        assert redact(f"it said {KEY[:cut]}{end}") == "it said [redacted]"
    assert redact(f"it said {KEY[:4]}") == f"it said {KEY[:4]}"
    assert redact(f"it said {KEY[:cut]} and more") == f"it said {KEY[:cut]} and more"


@pytest.mark.parametrize("before", ["", "u", "u:", "us:", "user:"])
@pytest.mark.parametrize("alphabet", [base64.b64encode, base64.urlsafe_b64encode])
def test_a_key_in_base_64_is_found_wherever_in_it_it_begins(before: str, alphabet: Callable[[bytes], bytes]) -> None:
    register_secret(KEY)
    coded = alphabet(f"{before}{KEY}:after".encode()).decode()
    assert holds_known_secret(coded)
    kept = without_secrets(coded).split("[redacted]")
    assert len(kept) == 2 and coded.startswith(kept[0]) and coded.endswith(kept[1])
    assert len(kept[0]) <= 4 * len(before) / 3 + 3 and len(kept[1]) <= 11


def test_a_key_in_hexadecimal_is_found() -> None:
    register_secret(KEY)
    for coded in (KEY.encode().hex(), KEY.encode().hex().upper()):
        assert without_secrets(f"a {coded} b") == "a [redacted] b"
