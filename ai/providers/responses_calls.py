"""The function calls of one response of OpenAI's Responses API: told in pieces, as an item, and in the list at its end.

Each is taken in once, whichever of the three is missing: gateways leave out places, ids, pieces, items or the list, and
number the list's items in another way than the events.
"""

from __future__ import annotations

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ai.wire.raw.reading import mapping, text
from ai.wire.response.fold import AnswerFold


@dataclass
class _Begun:
    """A call whose item was announced, and what came of its arguments so far."""

    item: Mapping[str, Any]
    place: object
    said: io.StringIO = field(default_factory=io.StringIO)
    over: bool = False


class ResponsesCalls:
    """The calls that *fold* is told of."""

    def __init__(self, fold: AnswerFold) -> None:
        self._fold = fold
        self._begun: list[_Begun] = []
        self._known: set[tuple[str, str]] = set()
        """Ids and names of the calls that are taken in."""
        self._nameless = 0
        """How many calls without an id the events told of, which the list at the end tells of again."""
        self._hollow = False
        """Whether a call was broken off before it had arguments."""

    def event(self, kind: str, data: Mapping[str, Any]) -> bool:
        """Take in an event, if it is about a call."""
        of_call = mapping(data.get("item")).get("type") == "function_call"
        match kind:
            case "response.function_call_arguments.delta":
                self._piece(data, text(data.get("delta")))
            case "response.function_call_arguments.done":
                self._piece(data, text(data.get("arguments")), whole=True)
            case "response.output_item.added" if of_call:
                self._begun.append(_Begun(mapping(data.get("item")), data.get("output_index")))
            case "response.output_item.done" if of_call:
                self._finished(data)
            case _:
                return False
        self._fold.alive()
        return True

    def listed(self, item: Mapping[str, Any]) -> None:
        """Take in an item of the list at the end, unless the events told of it."""
        begun = next((one for one in self._begun if _id(one.item) == _id(item) and not one.over), None)
        if begun is not None:
            begun.over = True
        if not _id(item) and self._nameless > 0:
            self._nameless -= 1
            return
        self._take(item, begun.said.getvalue() if begun else "")

    def close(self, *, whole: bool) -> None:
        """Take in what was begun and nobody told of again. *whole*: the response is said to be complete."""
        for one in self._begun:
            if not one.over and (said := one.said.getvalue()):
                self._take(one.item, said)
            elif not one.over and _key(one.item) not in self._known:
                self._hollow = True
        if self._hollow and whole:
            self._fold.incomplete("began to call a function, and broke it off")

    def _piece(self, event: Mapping[str, Any], said: str, *, whole: bool = False) -> None:
        """Take in a piece of a call's arguments, or all of them."""
        self._fold.called(0 if whole else len(said))
        if (begun := self._of(event)) is None:
            return
        if whole and said:
            begun.said = io.StringIO()
        begun.said.write(said)

    def _finished(self, event: Mapping[str, Any]) -> None:
        """Take in the item of *event*, which is whole; where it leaves out its arguments, its pieces have them."""
        item, begun = mapping(event.get("item")), self._of(event)
        if begun is not None:
            begun.over = True
        self._nameless += not _id(item)
        self._take(item, begun.said.getvalue() if begun else "")

    def _of(self, event: Mapping[str, Any]) -> _Begun | None:
        """The call that *event* is about, by the id of its item, by its place, or because it is the last one."""
        id_ = text(event.get("item_id")) or text(mapping(event.get("item")).get("id"))
        place = event.get("output_index")
        going_on = [one for one in reversed(self._begun) if not one.over]
        by_id = [one for one in going_on if id_ and one.item.get("id") == id_]
        by_place = [one for one in going_on if place is not None and one.place == place]
        return next(iter([*by_id, *by_place, *(going_on if place is None else [])]), None)

    def _take(self, item: Mapping[str, Any], said: str) -> None:
        if _id(item) and _key(item) in self._known:
            return
        self._known.add(_key(item))
        given = item.get("arguments") or said or item.get("arguments")
        self._hollow = self._hollow or (item.get("status") == "incomplete" and not given)
        self._fold.add_tool_call(*_key(item), given)


def _id(item: Mapping[str, Any]) -> str:
    return text(item.get("call_id")) or text(item.get("id"))


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return _id(item), text(item.get("name"))
