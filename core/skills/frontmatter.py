"""The head of a `SKILL.md`: a small YAML mapping between two lines of dashes, read without anything that YAML can do.

No tags, no anchors and no aliases, so that nothing is made and nothing grows; plain words are typed as YAML 1.2's core
schema says, since other programs compare what they read with what we read.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from core.errors import InvalidInputError
from core.untrusted import is_text

if TYPE_CHECKING:
    import yaml

LONGEST = 32 * 1024
"""Characters between the dashes."""
_DEEPEST = 8
_MOST_VALUES = 2_000
_BLOCK = re.compile(r"\ufeff?---[ \t]*\r?\n(.*?)(?:^|\r?\n)---[ \t]*(?:\r?\n|\Z)", re.DOTALL | re.MULTILINE)
_LARGEST = 2**53 - 1
"""What every program reads alike out of JSON."""
_NULL = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE, _FALSE = frozenset({"true", "True", "TRUE"}), frozenset({"false", "False", "FALSE"})
_INT = re.compile(r"[-+]?[0-9]{1,300}|0o[0-7]{1,300}|0x[0-9a-fA-F]{1,300}")
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]{1,300}|[0-9]{1,300}(?:\.[0-9]{0,300})?)(?:[eE][-+]?[0-9]{1,9})?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")


class FrontmatterError(InvalidInputError):
    """A head that is none; the message goes on after the file's name: "has no ..."."""


def read_frontmatter(text: str) -> tuple[dict[str, Any], str]:
    """What the head of *text* says, as JSON values, and the text after it.

    Raises:
        FrontmatterError: There is no head, or it is no plain mapping.
    """
    found = _BLOCK.match(text[: LONGEST + 100])
    if found is None:
        raise FrontmatterError(
            f"does not begin with a head of at most {LONGEST:,} characters between two lines '---'. Put name and "
            "description there."
        )
    value = _Reader(found[1]).value()
    if not isinstance(value, dict):
        raise FrontmatterError("has a head that is no mapping. Write lines such as 'name: my-skill'.")
    return value, text[found.end() :]


class _Reader:
    """Makes values of the events that the parser gives, one after the other."""

    def __init__(self, text: str) -> None:
        self._events = _events(text)
        self._count = 0

    def value(self) -> Any:
        import yaml

        try:
            for _ in range(2):  # the stream and the document begin
                next(self._events)
            found = self._node(next(self._events), 0)
            if isinstance(next(self._events), yaml.DocumentEndEvent) and not isinstance(
                next(self._events), yaml.StreamEndEvent
            ):
                raise FrontmatterError("has a head of several documents. Keep one.")
        except yaml.YAMLError as error:
            raise FrontmatterError(f"has a head that is no YAML{_place(error)}. Correct it.") from None
        except (StopIteration, RecursionError):
            raise FrontmatterError("has an empty head. Put name and description there.") from None
        return found

    def _node(self, event: yaml.Event, depth: int) -> Any:
        import yaml

        self._count += 1
        if depth > _DEEPEST or self._count > _MOST_VALUES:
            raise FrontmatterError("has a head that is nested too deeply or too large. Keep it small and flat.")
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None) is not None:
            raise FrontmatterError("uses anchors or aliases (& or *) in its head. Write the values out, in quotes.")
        if getattr(event, "tag", None) is not None:
            raise FrontmatterError("uses a tag (!) in its head. Write plain values, in quotes where needed.")
        if isinstance(event, yaml.ScalarEvent):
            if not is_text(event.value):
                raise FrontmatterError("has half a character in its head. Write it whole.")
            return _scalar(event.value) if event.style is None else event.value
        if isinstance(event, yaml.SequenceStartEvent):
            return list(self._items(depth))
        if isinstance(event, yaml.MappingStartEvent):
            return self._mapping(depth)
        raise FrontmatterError("has an empty head. Put name and description there.")

    def _items(self, depth: int) -> Iterator[Any]:
        import yaml

        while not isinstance(event := next(self._events), yaml.SequenceEndEvent):
            yield self._node(event, depth + 1)

    def _mapping(self, depth: int) -> dict[str, Any]:
        import yaml

        found: dict[str, Any] = {}
        while not isinstance(event := next(self._events), yaml.MappingEndEvent):
            if not isinstance(event, yaml.ScalarEvent):
                raise FrontmatterError("has a key in its head that is no word. Write 'key: value'.")
            self._node(event, depth + 1)
            if event.value in found:
                raise FrontmatterError(f"says {event.value[:80]!r} twice in its head. Keep one.")
            found[event.value] = self._node(next(self._events), depth + 1)
        return found


def _events(text: str) -> Iterator[yaml.Event]:
    import yaml  # for skills alone

    return iter(yaml.parse(text, Loader=yaml.SafeLoader))


def _scalar(text: str) -> Any:
    """A plain word by the core schema of YAML 1.2."""
    if text in _NULL:
        return None
    if text in _TRUE:
        return True
    if text in _FALSE:
        return False
    if _NOT_FINITE.fullmatch(text):
        raise FrontmatterError(f"has {text!r} in its head, which is no number. Put it in quotes.")
    if _INT.fullmatch(text):
        whole = int(text, {"0o": 8, "0x": 16}.get(text[:2], 10))
        if abs(whole) > _LARGEST:
            raise FrontmatterError(f"has {text[:40]!r} in its head, which is too large. Put it in quotes.")
        return whole
    if _FLOAT.fullmatch(text):
        number = float(text)
        if not math.isfinite(number):
            raise FrontmatterError(f"has {text[:40]!r} in its head, which is too large. Put it in quotes.")
        return number
    return text


def _place(error: yaml.YAMLError) -> str:
    mark = getattr(error, "problem_mark", None)
    return f" (line {mark.line + 2})" if mark is not None else ""
