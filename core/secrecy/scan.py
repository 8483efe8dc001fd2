"""Looks for keys and passwords in a text, by rules that are data: those of Gitleaks, and a few of our own.

A rule has a pattern and the words without which it cannot match, so that most texts cost one search per word. Every
repetition has an end, so that the time is in proportion to the text.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from functools import cached_property, lru_cache
from pathlib import Path, PurePath
from typing import Any

_FOLDER = Path(__file__).with_name("rules")
_LONGEST = 2_000
"""What a repetition without an end in a rule of Gitleaks may match at most."""
_NOT_USED = {
    "private-key": "ours needs no end of the key",
    "generic-api-key": "it errs in code; ours looks at settings",
    "curl-auth-header": "it takes the square of a line's length",
    "curl-auth-user": "it takes the square of a line's length",
    "pkcs12-file": "it is about names",
    "aws-amazon-bedrock-api-key-short-lived": "it takes the beginning for the whole; ours does not",
    "flutterwave-public-key": "it is public",
    "lob-pub-api-key": "it is public",
    "mailgun-pub-key": "it is public",
    "discord-client-id": "it is public",
    "linkedin-client-id": "it is public",
    "sidekiq-sensitive-url": "an address with a password is found by ours",
    "jwt-base64": "a token within a token",
    "kubernetes-secret-yaml": "it takes long; ours looks at settings",
}
_INVISIBLE = re.compile(r"[\0\u00ad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u2064\u2066-\u206f\ufeff]")
_WIDE = {0xFF01 + place: 0x21 + place for place in range(94)}
_BEFORE = re.compile(r"^((?:\(\?i\))?)\[\\w\.-\]\{0,50\}\?")
_FLAG_INSIDE = re.compile(r"(?<!^)\(\?i\)")
_ENDLESS = re.compile(r"(?<!\\)\{(\d+),\}")
_PLACEHOLDER = re.compile(
    r"(?i)(?:my|your|the|some|a)?[-_]?(?:pass(?:wor[dt]|wd|phrase)?|pwd?|pw|secret|token|user(?:name)?|login|key|api[-_]?key|"
    r"hidden|redacted|placeholder|changeme|change[-_]me|example|credentials?|foo|bar|baz|spam|eggs|xyz|abc|123|p4ss)"
    r"[-_]?(?:here|\d{0,3})|[x*.#_-]{3,}|%\w{2,}%?|%\(\w{1,40}\)s?|\[.{0,80}|\(.{0,80}|.{0,40}\.\.\.|.{0,40}…|(?-i:[a-z]{1,5})"
)


@dataclass(frozen=True)
class Rule:
    """One kind of secret; *source* is its pattern as it stands in the data."""

    name: str
    source: str
    keywords: tuple[str, ...]
    entropy: float = 0.0
    group: int | None = None
    digit: bool = False
    placeholder: bool = False
    files: tuple[str, ...] = ()
    allowed: tuple[str, ...] = ()
    stopwords: tuple[str, ...] = ()

    @classmethod
    def of(cls, data: dict[str, Any]) -> Rule:
        lists = [one for one in data.get("allowlists", []) if one.get("regexTarget", "secret") == "secret"]
        return cls(
            data["id"],
            data["regex"],
            tuple(data.get("keywords", ())),
            float(data.get("entropy", 0)),
            data.get("secretGroup"),
            bool(data.get("digit")),
            bool(data.get("placeholder")),
            tuple(data.get("files", ())),
            tuple(pattern for one in lists for pattern in one.get("regexes", ())),
            tuple(word for one in lists for word in one.get("stopwords", ())),
        )

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        return re.compile(_in_python(self.source))

    @cached_property
    def _allowed(self) -> list[re.Pattern[str]]:
        return [re.compile(_in_python(pattern)) for pattern in self.allowed]

    def find(self, text: str) -> int | None:
        """Where in *text* a secret of this kind begins; None where there is none."""
        for found in self.pattern.finditer(text):
            groups = [found[self.group]] if self.group else [one for one in found.groups() if one]
            if self._is_one(groups[0] if groups else found[0]):
                return found.start()
        return None

    def is_for(self, name: str) -> bool:
        return not self.files or any(fnmatch(name, pattern) for pattern in self.files)

    def _is_one(self, secret: str) -> bool:
        if self.digit and not any(letter.isdigit() for letter in secret):
            return False
        if self.entropy and _entropy(secret) <= self.entropy:
            return False
        if self.placeholder and _PLACEHOLDER.fullmatch(secret.strip("\"'`,;\\")):
            return False
        if any(word in secret.lower() for word in self.stopwords):
            return False
        return not any(pattern.search(secret) for pattern in (*self._allowed, *_allowed_always()))


def find_secret(text: str, name: str = "") -> tuple[str, int] | None:
    """The kind of the first secret that is found in *text*, and its line, counted from 1.

    Args:
        name: The file's name: some rules are for settings files only.
    """
    text = without_invisible(text)
    if not text.isascii():
        text = text.translate(_WIDE)  # a key typed in wide letters is read as one all the same
    lowered = text.lower()
    called = PurePath(name).name.lower()
    for rule in rules():
        if not rule.is_for(called) or not any(word in lowered for word in rule.keywords):
            continue
        at = rule.find(text)
        if at is not None:
            return rule.name, text.count("\n", 0, at) + 1
    return None


def are_read() -> bool:
    """Whether `find_secret` blocks for nothing any more."""
    return bool(rules.cache_info().currsize and _allowed_always.cache_info().currsize)


def read_rules() -> None:
    """Have everything read that `find_secret` may need. Blocks, the first time."""
    rules()
    _allowed_always()


def without_invisible(text: str) -> str:
    """*text* without characters that show nothing, which would break a key in two for a reader that is no person."""
    return text if text.isascii() and "\0" not in text else _INVISIBLE.sub("", text)


@lru_cache(maxsize=1)
def rules() -> tuple[Rule, ...]:
    """All rules, ours first; patterns are made when they are first needed."""
    return tuple(_read("moot.toml")) + tuple(rule for rule in _read("gitleaks.toml") if rule.name not in _NOT_USED)


def _read(name: str) -> Iterator[Rule]:
    data = _data(name)
    yield from (Rule.of(rule) for rule in data["rules"] if "regex" in rule)


def _data(name: str) -> dict[str, Any]:
    import tomllib  # most calls send no file

    with (_FOLDER / name).open("rb") as file:
        return tomllib.load(file)


@lru_cache(maxsize=1)
def _allowed_always() -> Sequence[re.Pattern[str]]:
    """What is no secret in any rule: variables and templates."""
    listed = _data("gitleaks.toml")["allowlist"]["regexes"]
    return [re.compile(_in_python(pattern)) for pattern in listed if not pattern.startswith("(?i)^true|false")]


def _in_python(pattern: str) -> str:
    """*pattern*, which is written for Go, for Python, and with an end for every repetition."""
    pattern = _BEFORE.sub(r"\1", pattern).replace(r"\z", r"\Z").replace("[[", r"[\[")
    pattern = _ENDLESS.sub(lambda found: f"{{{found[1]},{int(found[1]) + _LONGEST}}}", pattern)
    inside = _FLAG_INSIDE.search(pattern)
    while inside:
        end = _end_of_group(pattern, inside.end())
        pattern = f"{pattern[: inside.start()]}(?i:{pattern[inside.end() : end]}){pattern[end:]}"
        inside = _FLAG_INSIDE.search(pattern)
    return pattern


def _end_of_group(pattern: str, start: int) -> int:
    """Where the group ends in which *start* stands, as far as a flag counts in Go."""
    depth, at, in_set = 0, start, False
    while at < len(pattern):
        letter = pattern[at]
        if letter == "\\":
            at += 1
        elif in_set:
            in_set = letter != "]"
        elif letter == "[":
            in_set = True
        elif letter == "(":
            depth += 1
        elif letter == ")":
            if depth == 0:
                return at
            depth -= 1
        at += 1
    return len(pattern)


def _entropy(secret: str) -> float:
    counts, length = Counter(secret).values(), len(secret)
    return -sum(count / length * math.log2(count / length) for count in counts)
