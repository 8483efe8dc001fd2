"""Every function and every call of BFCL v4 through each protocol and back: no argument may be lost or changed.

A case goes through the real client: the request is built, the model that wants the calls of the answer key writes them
in pieces as the schema on the wire wants them, and what the client makes of it is compared. Then the turn goes back
with a result for each call, and the next request is read. The wheel with the cases is fetched once, not installed.

A function that is held to its schema exactly is not told a null that the schema does not know: there it leaves out what
it stands for. One case of the key has such nulls.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import anyio
from _measure import ROOT, Figure, exact, main

sys.path.insert(0, str(ROOT / "tests" / "support"))

from bfcl import Case, cases, wheel
from calling_providers import NAME, CallingProvider, Wanted, as_sent, providers

from ai.wire.strict_schema import without_nulls
from core.values import Message, Request, Text, ToolCall, ToolResult, ToolSpec


@dataclass
class Tally:
    """What was counted of one protocol."""

    counted: Counter[str] = field(default_factory=Counter)
    wrong: list[str] = field(default_factory=list)


def measure(rounds: int) -> list[Figure]:
    path = wheel(fetch=True)
    assert path is not None
    found = list(cases(path))
    figures = []
    for provider in providers():
        tally = Tally()
        anyio.run(through, provider, found, tally)
        done = tally.counted
        print(*tally.wrong[:5], sep="\n", end="\n" if tally.wrong else "", file=sys.stderr)
        note = (
            f"{len(found):,} cases, {done['functions']:,} functions, {done['calls']:,} calls, "
            f"{done['arguments']:,} arguments, {done['strict']:,} functions held to exactly"
        )
        figures.append(exact(f"{provider.name}, lost or changed", len(tally.wrong), bound=0, unit="calls", note=note))
    return figures


async def through(provider: CallingProvider, found: list[Case], tally: Tally) -> None:
    """Send *found* through *provider*, and count."""
    for case in found:
        for turn in case.turns or ((),):
            await _turn(provider, case, turn, tally)
    await provider.http.aclose()


async def _turn(provider: CallingProvider, case: Case, turn: Any, tally: Tally) -> None:
    request = Request(
        (Message.user(case.question),),
        tools=tuple(ToolSpec(one.name, one.description, one.parameters) for one in case.functions),
    )
    provider.bodies.clear()
    places = {one.name: place for place, one in enumerate(case.functions)}
    offered = _Offered(provider, case)
    provider_wants = [Wanted(places[name], arguments) for name, arguments in turn]
    if not turn:  # no call is right: only what is offered is looked at
        provider_wants = [Wanted(0, {})]
    provider.encode = offered.encode
    response = await provider.ask(request, provider_wants)
    provider.encode = offered.plain
    tally.wrong += [f"{provider.name} {case.id}: the name {name!r}" for name in offered.bad_names(provider.bodies[0])]
    tally.counted["functions"] += len(case.functions)
    tally.counted["strict"] += offered.strict(provider.bodies[0])
    if not turn:
        return
    turn = offered.expected(turn, provider.bodies[0])
    heard = [(call.name, call.arguments) for call in response.tool_calls]
    tally.counted["calls"] += len(turn)
    tally.counted["arguments"] += sum(len(arguments) for _, arguments in turn)
    for wanted, got in zip(turn, heard, strict=False):
        if json.dumps(wanted) != json.dumps(got) or any(call.broken for call in response.tool_calls):
            tally.wrong.append(f"{provider.name} {case.id}: {wanted} came as {got}")
    if len(heard) != len(turn) or len({call.id for call in response.tool_calls}) != len(turn):
        tally.wrong.append(f"{provider.name} {case.id}: {len(heard)} of {len(turn)} calls, or ids that are alike")
    await _back(provider, request, response.tool_calls, tally, case)


async def _back(
    provider: CallingProvider, request: Request, calls: tuple[ToolCall, ...], tally: Tally, case: Case
) -> None:
    """The turn and a result for each call go back: every argument and every result is in the next request."""
    results = tuple(ToolResult(call.id, f"result-{n}-of-{case.id}", name=call.name) for n, call in enumerate(calls))
    messages = (*request.messages, Message("assistant", (Text("I look."), *calls)), Message("user", results))
    again = Request(messages, tools=request.tools)
    await provider.ask(again, [Wanted(0, {})])
    body = provider.bodies[-1]
    words = json.dumps(body)
    sent = _arguments_in(body)
    for call in calls:
        if dict(call.arguments) not in sent:
            tally.wrong.append(f"{provider.name} {case.id}: {dict(call.arguments)} did not go back")
    tally.wrong += [
        f"{provider.name} {case.id}: {one.content} did not go back" for one in results if one.content not in words
    ]


def _arguments_in(value: Any) -> list[Any]:
    """Every object in a request's body, also those that are written as text."""
    found: list[Any] = []
    if (isinstance(value, str) and value[:1] == "{") or (isinstance(value, str) and "\n{" in value):
        try:
            value = json.loads(value[value.index("{") :])
        except ValueError:
            return found
    if isinstance(value, dict):
        found.append(value)
        found += [one for inner in value.values() for one in _arguments_in(inner)]
    elif isinstance(value, list):
        found += [one for inner in value for one in _arguments_in(inner)]
    return found


class _Offered:
    """Writes the calls of one case as the schemas on the wire want them."""

    def __init__(self, provider: CallingProvider, case: Case) -> None:
        self._provider = provider
        self._case = case
        self.plain = provider.encode

    def encode(self, body: Mapping[str, Any], wanted: Any) -> bytes:
        functions = self._provider.functions(body)
        strict = [bool(one.get("strict")) for one in body.get("tools", [{}] * len(functions))]
        strict += [False] * len(functions)
        sent = [
            Wanted(
                one.index,
                as_sent(
                    functions[one.index][1],
                    self._case.functions[one.index].parameters,
                    one.arguments,
                    strict=strict[one.index],
                ),
            )
            for one in wanted
        ]
        return self.plain(body, sent)

    def expected(self, turn: Any, body: Mapping[str, Any]) -> Any:
        """*turn*, without nulls where the function is held to a schema that knows none: there they leave it out."""
        strict = {
            one.name: bool(sent.get("strict"))
            for one, sent in zip(self._case.functions, body.get("tools", ()), strict=False)
        }
        schemas = {one.name: one.parameters for one in self._case.functions}
        return [(name, without_nulls(given, schemas[name]) if strict.get(name) else given) for name, given in turn]

    def strict(self, body: Mapping[str, Any]) -> int:
        return sum(bool(one.get("strict")) for one in body.get("tools", ()))

    def bad_names(self, body: Mapping[str, Any]) -> list[str]:
        if self._provider.emulated:
            return []
        return [name for name, _ in self._provider.functions(body) if not NAME.fullmatch(name)]


if __name__ == "__main__":
    main(measure, rounds=1)
