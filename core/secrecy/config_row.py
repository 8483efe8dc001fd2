"""What of a row of credentials.json is a secret, or would break where it is used: keys, headers, arguments.

A key that was pasted with something that no key has is refused where it is read, by name, before it can fail as a
header in the middle of everybody's answers.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from core.redact import register_secret

_SHORTEST = 8
_SECRET_NAME = re.compile(
    r"(?i)(?:^|[-_. ])(?:auth(?:orization)?|(?:api|access|auth|app|private|secret|client|subscription)?[-_]?key|"
    r"(?:\w*[-_])?token|(?:\w*[-_])?secret|pass(?:word|wd|phrase)?|credentials?|cookie|session|bearer|"
    r"signature|pw)(?:$|[-_. ])"
)
_RANDOM = re.compile(r"(?=.{0,4000}\d)(?=.{0,4000}[A-Za-z])[A-Za-z0-9+/=_.~-]{16,4000}")
_HEADER_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]{1,200}")
_LOGIN = re.compile(r"://[^/?#@]{0,500}:([^/?#@]{1,2000})@")
_QUERY = re.compile(r"[?&]([^=&#]{1,200})=([^&#]{1,4000})")
_SCHEMES = frozenset(("bearer", "basic", "token", "apikey", "digest", "ssws"))


def bare_key(text: str) -> str:
    """*text* as the key it is meant to be: what stands around it, blanks and line ends, is dropped.

    Raises:
        ValueError: Something is in it that no key has; the message says what, as the end of a sentence.
    """
    key = text.strip(" \t\r\n\v\f\u00a0\u3000")
    wrong = next((letter for letter in key if not "!" <= letter <= "~" or letter in "\"'`"), None)
    if wrong is not None:
        raise ValueError(f"holds {_called(wrong)}, which no key has. Copy the key again, alone and on one line")
    return key


def checked_header(name: str, value: str) -> str:
    """The *value* of a header, without the blanks around it.

    Raises:
        ValueError: Name or value cannot be sent; the message says why, as the end of a sentence.
    """
    if not _HEADER_NAME.fullmatch(name):
        raise ValueError("is no name of a header. Use letters, digits and hyphens")
    value = value.strip()
    wrong = next((letter for letter in value if not " " <= letter <= "~" and letter != "\t"), None)
    if wrong is not None:
        raise ValueError(f"holds {_called(wrong)}, which cannot be sent in a header. Write it without")
    return value


def register_row_secrets(
    headers: Mapping[str, str], extra: Mapping[str, Any], command: Sequence[str], base_url: str | None = None
) -> None:
    """Remember what looks like a secret in the settings of a row, so that it is never shown."""
    for found in (*_in_mapping(headers), *_in_mapping(extra), *_in_arguments(command)):
        register_secret(found)
    register_url_secrets(base_url or "")


def register_url_secrets(url: str) -> None:
    """Remember the password in *url*, and what in its query is called, or looks like, a secret."""
    if found := _LOGIN.search(url):
        register_secret(found[1])
    for name, value in _QUERY.findall(url):
        for secret in _in_text(value, named=bool(_SECRET_NAME.search(name))):
            register_secret(secret)


def _in_mapping(values: Mapping[str, Any], *, inherited: bool = False) -> Iterator[str]:
    for name, value in values.items():
        yield from _in_value(value, named=inherited or bool(_SECRET_NAME.search(str(name))))


def _in_value(value: Any, *, named: bool) -> Iterator[str]:
    if isinstance(value, Mapping):
        yield from _in_mapping(value, inherited=named)
    elif isinstance(value, list | tuple):
        for one in value:
            yield from _in_value(one, named=named)
    elif isinstance(value, str):
        yield from _in_text(value, named=named)


def _in_text(text: str, *, named: bool) -> Iterator[str]:
    """The words of *text* that are secrets: all of a setting that is called one, else those that look random."""
    for word in text.split():
        bare = word.strip("\"',;")
        if len(bare) >= _SHORTEST and bare.lower() not in _SCHEMES and (named or _RANDOM.fullmatch(bare)):
            yield bare
            if "=" in bare.rstrip("=") and len(inner := bare.partition("=")[2]) >= _SHORTEST:
                yield inner


def _in_arguments(command: Sequence[str]) -> Iterator[str]:
    named = False
    for argument in command[1:]:
        name, equals, value = argument.partition("=")
        option = name.startswith("-") or (equals and name.isupper())
        if option and equals:
            yield from _in_text(value, named=bool(_SECRET_NAME.search(name.lstrip("-"))))
            named = False
        elif name.startswith("-"):
            named = bool(_SECRET_NAME.search(name.lstrip("-")))
        else:
            header, colon, rest = argument.partition(":")
            yield from _in_text(rest if colon else argument, named=named or bool(colon and _SECRET_NAME.search(header)))
            named = False


def _called(letter: str) -> str:
    if letter in "\r\n\v\f\u0085\u2028\u2029":
        return "a line break"
    if letter.isspace():
        return "a blank"
    if letter in "\"'`" or unicodedata.category(letter) in ("Pi", "Pf") or letter in "\u201a\u201e":
        return f"a quotation mark ({letter})"
    if unicodedata.category(letter) in ("Cf", "Cc", "Mn"):
        return f"a character that does not show (U+{ord(letter):04X})"
    return f"the character {letter!r} (U+{ord(letter):04X})"
