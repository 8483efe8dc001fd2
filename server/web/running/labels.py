"""Values of labels within bounds: whatever people type and providers answer, there are only so many series."""

from __future__ import annotations

from collections.abc import Iterable

from core.untrusted import clean

OTHER = "other"
_LONGEST = 100


class Names:
    """The values of one label: those that are expected, and so many others; what comes after them is `other`."""

    def __init__(self, most: int) -> None:
        self._left = most
        self._known: set[str] = {""}

    def expect(self, names: Iterable[str]) -> None:
        """Have *names* be told apart, whatever else comes."""
        self._known.update(_short(name) for name in names)

    def known(self, name: str) -> str:
        """*name* where it is told apart already."""
        name = _short(name)
        return name if name in self._known else OTHER

    def __call__(self, name: str) -> str:
        name = _short(name)
        if name in self._known:
            return name
        if self._left <= 0:
            return OTHER
        self._left -= 1
        self._known.add(name)
        return name


class Pairs:
    """Two labels that go together, such as the model that was asked for and the one that answered."""

    def __init__(self, most: int) -> None:
        self.first, self.second = Names(most), Names(most)
        self._left = 2 * most
        self._known: set[tuple[str, str]] = set()

    def __call__(self, first: str, second: str) -> tuple[str, str]:
        pair = self.first(first), self.second(second)
        if pair in self._known or OTHER in pair:
            return pair
        if self._left <= 0:
            return pair[0], OTHER
        self._left -= 1
        self._known.add(pair)
        return pair


def _short(name: str) -> str:
    return clean(name)[:_LONGEST]
