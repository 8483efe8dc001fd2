"""Keeps keys out of everything people and models read.

Providers echo keys in 401 bodies, so text from outside is cleaned where it enters, whole: a key that is cut is not
known any more. Known secrets are found however they are written: percent-encoded, escaped, or broken by line ends and
characters that show nothing. Strings that merely look like keys are replaced by shape.
"""

from __future__ import annotations

import base64
import re
import threading
from collections.abc import Iterable
from functools import lru_cache

_MASK = "[redacted]"
_SHORTEST_SECRET = 6
"""Below this length a "secret" is a placeholder such as `none`; replacing it would garble ordinary words."""
_LONGEST_SECRET = 10_000
_SHORTEST_BEGINNING = 8
_LONG_ENOUGH_TO_BREAK = 10
"""A shorter secret is not looked for across line ends: words could make it up."""

_PREFIXED = re.compile(
    r"\b(?:(?:sk|pk|rk|xai|gsk|pplx|tgp|tgp_v1|key|nvapi|tvly|csk|r8|hf|pcsk|lsv2|glpat|npm|pypi|gh[pousr]|github_pat|whsec|"
    r"shpat|sbp|xox[abeoprs])[-_]|hvs\.|dp\.|AKIA|ASIA)[A-Za-z0-9_\-*.…]{8,2000}"
)
_SURE = re.compile(
    r"\bAIza[A-Za-z0-9_\-]{20,200}"
    r"|\beyJ[\w-]{10,2000}\.eyJ[\w-]{10,8000}\.[\w-]{10,2000}"
    r"|(?<=[Bb]earer )[A-Za-z0-9._~+/\-]{8,8000}=*"
    r"|(?<=[Bb]asic )[A-Za-z0-9+/]{12,8000}=*"
    r"|(?<=[?&]key=)[^\s&\"'<>]{8,2000}|(?<=[?&]api_key=)[^\s&\"'<>]{8,2000}|(?<=[?&]token=)[^\s&\"'<>]{8,2000}"
    r"|(?<=[?&]access_token=)[^\s&\"'<>]{8,2000}|(?<=[?&]api-key=)[^\s&\"'<>]{8,2000}"
    r"|(?<=://)[^\s/:@\"'<>]{0,200}:[^\s/@\"'<>]{3,500}(?=@)"
)
_SURE_MARKS = ("AIza", "eyJ", "earer ", "asic ", "key=", "token=", "://")
_PREFIX_MARKS = (
    "sk-", "sk_", "pk-", "pk_", "rk-", "rk_", "xai", "gsk", "pplx", "tgp", "key-", "key_", "nvapi", "tvly", "csk", "r8",
    "hf", "pcsk", "lsv2", "glpat", "npm", "pypi", "gh", "whsec", "shpat", "sbp", "xox", "hvs.", "dp.", "AKIA", "ASIA",
)  # fmt: skip
"""Without one of these a text holds nothing of the kind; to look for them takes a tenth of the time of the pattern."""
_RANDOM = re.compile(r"(?=[A-Za-z0-9]*\d)(?=[A-Za-z0-9]*[A-Za-z])[A-Za-z0-9]{8,}|\*{3,}|\.{3,}|…|[A-Za-z]{24,}|\d{12,}")
"""What a key has and a name lacks: a run of letters and digits, or the stars by which a provider hides the middle."""
_UNSEEN = (
    "\\0\\u00ad\\u034f\\u061c\\u180e\\u200b-\\u200f\\u202a-\\u202e\\u2060-\\u2064\\u2066-\\u206f\\ufe00-\\ufe0f\\ufeff"
)
_NOISE = re.compile(r"\\[nrt0]|\\u200[b-f]|\\u0000|\\x00|&#8203;|%0[AaDd]|%00")
_GAP = rf"(?:[\s{_UNSEEN}]|\\[nrt0]|\\u200[b-f]|\\u0000|\\x00|&#8203;|%0[AaDd]|%00|=\r?\n){{0,12}}"
_SOFT_END = re.compile(r"=\r?\n")
_SEEN = re.compile(f"[{_UNSEEN}]")
_PERCENT = re.compile(r"(?:%[0-9a-fA-F]{2}){1,10000}")
_ESCAPED = re.compile(r"\\u([0-9a-fA-F]{4})|\\x([0-9a-fA-F]{2})|&#(\d{1,7});|&#x([0-9a-fA-F]{1,6});")

_known: frozenset[str] = frozenset()
_names: frozenset[str] = frozenset()
_registering = threading.Lock()


def register_secret(secret: str) -> None:
    """Remember *secret* so that `redact` removes it wherever it turns up."""
    global _known  # noqa: PLW0603 - replaced as a whole, so that whoever reads it in another thread sees one state
    bare = secret.strip()
    if _SHORTEST_SECRET <= len(bare) <= _LONGEST_SECRET:
        with _registering:
            _known = _known | {bare}


def register_names(names: Iterable[str]) -> None:
    """Remember what AIs and models are called: such a name may begin like a key, and is none."""
    global _names  # noqa: PLW0603 - as above
    with _registering:
        _names = _names | frozenset(names)


def holds_known_secret(text: str) -> bool:
    """Whether one of the keys in use is in *text*, however it is written."""
    known = _known
    if any(coded in text for secret in known for coded in (secret, *_coded(secret))):
        return True
    return bool(known) and bool(_written_otherwise(text, known))


def without_secrets(text: str) -> str:
    """*text* without the keys in use, for what others say: what only looks like a key may be meant there."""
    known = sorted(_known, key=len, reverse=True)
    for secret in known:
        if secret in text:
            text = text.replace(secret, _MASK)
        for coded in _coded(secret):
            text = text.replace(coded, _MASK)
    for secret in _written_otherwise(text, known) if known else ():
        text = _anyhow(secret).sub(_MASK, text)
    for secret in known:
        text = _without_beginning(text, secret)
    return text


def _without_beginning(text: str, secret: str) -> str:
    """*text* without the first letters of *secret* at its end, where somebody has cut it off."""
    start = secret[:_SHORTEST_BEGINNING]
    at = text.rfind(start, -len(secret) - 4) if len(secret) > _SHORTEST_BEGINNING else -1
    return text[:at] + _MASK if at >= 0 and secret.startswith(text[at:].rstrip(" .…")) else text


def held_back(text: str) -> int:
    """How many letters at the end of *text* may begin one of the keys in use, while more is still to come."""
    longest = 0
    for secret in _known:
        for size in range(min(len(secret) - 1, len(text)), longest, -1):
            if text.endswith(secret[:size]):
                longest = size
                break
    return longest


def redact(text: str) -> str:
    """Return *text* without known secrets and without anything shaped like an API key."""
    text = without_secrets(text)
    if any(mark in text for mark in _SURE_MARKS):
        text = _SURE.sub(_MASK, text)
    return _PREFIXED.sub(_masked_if_random, text) if any(mark in text for mark in _PREFIX_MARKS) else text


def _masked_if_random(found: re.Match[str]) -> str:
    said = found[0].rstrip(".")
    rest = found[0][len(said) :]
    if said in _names or not _RANDOM.search(said):
        return found[0]
    return _MASK + rest


def _written_otherwise(text: str, secrets: Iterable[str]) -> list[str]:
    """Those of *secrets* that are in *text* in another spelling; asked of every text, so it does not look where."""
    seen = text if text.isascii() and "\0" not in text else _SEEN.sub("", text)
    unbroken, joined = _decoded(seen), _joined(seen)
    if "=\n" in seen or "=\r\n" in seen:  # the line ends of quoted-printable
        joined += "\0" + _joined(_SOFT_END.sub("", seen))
    return [secret for secret in secrets if secret in (joined if len(secret) >= _LONG_ENOUGH_TO_BREAK else unbroken)]


def _joined(text: str) -> str:
    """*text* without white space, however that is written."""
    text = "".join(text.split())
    return _decoded(_NOISE.sub("", text) if any(mark in text for mark in ("\\", "%0", "&#8")) else text)


def _decoded(text: str) -> str:
    if "\\" in text or "&#" in text:
        text = _ESCAPED.sub(_letter, text)
    return _PERCENT.sub(_bytes, text) if "%" in text else text


def _bytes(found: re.Match[str]) -> str:
    return bytes.fromhex(found[0].replace("%", "")).decode("utf-8", "replace")


def _letter(found: re.Match[str]) -> str:
    hexadecimal = found[1] or found[2] or found[4]
    number = int(hexadecimal, 16) if hexadecimal else int(found[3])
    return chr(number) if number < 0x110000 else ""


@lru_cache(maxsize=256)
def _coded(secret: str) -> tuple[str, ...]:
    """*secret* in base 64, wherever in a longer text it begins, and in hexadecimal."""
    raw = secret.encode("utf-8", "surrogatepass")
    if len(raw) < _LONG_ENOUGH_TO_BREAK:
        return ()
    found = [raw.hex(), raw.hex().upper()]
    for before in range(3):  # letters that depend on what stands beside it are left out
        letters = base64.b64encode(bytes(before) + raw).decode().rstrip("=")
        whole = letters[(0, 2, 3)[before] : (before + len(raw)) * 8 // 6]
        found += [whole, whole.translate({ord("+"): "-", ord("/"): "_"})]
    return tuple(dict.fromkeys(found))


@lru_cache(maxsize=256)
def _anyhow(secret: str) -> re.Pattern[str]:
    """*secret* in any spelling, letter by letter."""
    return re.compile(_GAP.join(_spelled(letter) for letter in secret))


def _spelled(letter: str) -> str:
    encoded = "".join(f"%{byte:02x}" for byte in letter.encode("utf-8", "surrogatepass"))
    number = ord(letter)
    forms = [re.escape(letter), f"(?i:{encoded})", rf"(?i:\\u{number:04x})", f"&#{number};", f"(?i:&#x{number:x};)"]
    return f"(?:{'|'.join(forms)})"
