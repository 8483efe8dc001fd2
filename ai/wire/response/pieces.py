"""Function calls of Chat Completions, which come in pieces: which piece belongs to which call.

The protocol has an index and an id for it, and gateways leave out the one, the other or both, number with texts, give
one index to all calls or a new id to every piece, and say at the end once more what they said in pieces.
"""

from __future__ import annotations

import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ai.wire.raw.reading import arguments, mapping, position, text

_BESIDE = ("extra_content",)
"""What goes back with a call: Gemini's signature, where it answers in this protocol."""
_OTHER_NAMES = {"parameters", "args", "input"}
"""What some call the arguments, which this protocol does not."""
_SPACED = 4
"""How many times as long the same arguments may be, with spaces between."""


@dataclass
class PiecedCall:
    """A call that is being written."""

    id: str = ""
    name: str = ""
    extra: dict[str, Any] = field(default_factory=dict)
    unclear: bool = False
    """Whether its arguments stand where the protocol has none."""
    _said: io.StringIO = field(default_factory=io.StringIO)
    _ends: str = ""
    """The last letter of its arguments so far."""

    @property
    def said(self) -> str:
        """Its arguments so far."""
        return self._said.getvalue()

    def ends_before(self, id_: str, name: str, said: str) -> bool:
        """Whether a piece with *id_*, *name* and arguments begins another call."""
        if not (name and self.name):
            return False
        if id_ and self.id:
            return id_ != self.id
        if name != self.name:
            return True
        return bool(said) and self._is_whole and not (self.id and self._has(said))

    def grow(self, said: str) -> None:
        """Take in a piece of the arguments, unless it says all of them again."""
        if said and not self._has(said):
            self._said.write(said)
            self._ends = said.rstrip()[-1:] or self._ends

    @property
    def _is_whole(self) -> bool:
        return self._ends == "}" and arguments(self.said) is not None

    def _has(self, said: str) -> bool:
        near = self._ends == "}" and self._said.tell() <= _SPACED * len(said)  # looked at only where it may be so
        if not near or not said.lstrip().startswith("{") or (given := arguments(said)) is None:
            return False
        return arguments(self.said) == given


class Pieces:
    """The calls of one answer, in the order in which they began."""

    def __init__(self) -> None:
        self.calls: list[PiecedCall] = []
        self._at: dict[int, PiecedCall] = {}
        """The call that is being written at each index."""
        self._last: PiecedCall | None = None
        self._old = self._new = False

    def take(self, pieces: Sequence[Any]) -> int:
        """Take in what one event says of calls; how many characters of arguments that were."""
        self._new = self._new or bool(pieces)
        size = 0
        for order, one in enumerate(pieces):
            piece = mapping(one)
            index = _index(piece.get("index"))
            if index is None and len(pieces) > 1:
                index = order
            size += self._piece(index, piece)
        return size

    def take_old(self, function: Mapping[str, Any]) -> int:
        """Take in `function_call`, the one call of before there were several; some send it beside the new form."""
        if self._new and not self._old:
            return 0
        self._old = True
        return self._piece(0, {"function": function})

    def _piece(self, index: int | None, piece: Mapping[str, Any]) -> int:
        function, id_ = mapping(piece.get("function")), text(piece.get("id"))
        name, given = text(function.get("name")), function.get("arguments")
        said = given if isinstance(given, str) else json.dumps(given) if given is not None else ""
        call = self._of(index, id_, name, said)
        call.id, call.name = call.id or id_, name or call.name
        call.grow(said)
        call.extra |= {key: piece[key] for key in _BESIDE if piece.get(key)}
        call.unclear = call.unclear or ("arguments" not in function and bool(function.keys() & _OTHER_NAMES))
        self._last = call
        return len(said)

    def _of(self, index: int | None, id_: str, name: str, said: str) -> PiecedCall:
        call = self._last if index is None else self._at.get(index)
        if id_ and (call is None or call.id != id_) and (known := self._known(index, id_)):
            return known
        if call is None or call.ends_before(id_, name, said):
            call = PiecedCall()
            self.calls.append(call)
        if index is not None:
            self._at[index] = call
        return call

    def _known(self, index: int | None, id_: str) -> PiecedCall | None:
        """The call of that id which a piece goes on with, where its index does not say otherwise."""
        if index is not None and index not in self._at:
            return None
        return next((one for one in reversed(self.calls) if one.id == id_), None)


def _index(said: object) -> int | None:
    """The index that a piece bears, also one that is written as text; None where it bears none."""
    if isinstance(said, str) and said.isascii() and said.isdigit() and len(said) < 5:
        said = int(said)
    found = position(said, -1)
    return None if found < 0 else found
