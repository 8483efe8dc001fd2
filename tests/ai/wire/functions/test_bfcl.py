"""A sample of BFCL v4 through each protocol and back; `bench/tool_wire.py` sends all of it."""

from __future__ import annotations

from typing import Any

import pytest
from bfcl import VERSION, Case, cases, folder, wheel
from calling_providers import CallingProvider, Wanted, as_sent, providers

from core.values import Message, Request, ToolSpec

_EVERY = 60
"""Of so many cases one is taken."""


@pytest.fixture(scope="module")
def sample() -> list[Case]:
    path = wheel()
    if path is None:
        pytest.skip(f"the wheel bfcl-eval {VERSION} is not in {folder().name}: python bench/tool_wire.py fetches it")
    found = list(cases(path))
    assert len(found) > 3_000
    return [case for case in found[::_EVERY] if case.turns]


@pytest.mark.parametrize("provider", providers(), ids=lambda one: one.name)
async def test_every_argument_of_a_sample_arrives_as_the_model_meant_it(
    provider: CallingProvider, sample: list[Case]
) -> None:
    plain = provider.encode
    for case in sample:
        tools = tuple(ToolSpec(one.name, one.description, one.parameters) for one in case.functions)
        places = {one.name: place for place, one in enumerate(case.functions)}

        def encode(body: Any, wanted: Any, case: Case = case) -> bytes:
            offered = provider.functions(body)
            strict = [bool(one.get("strict")) for one in body.get("tools", ())] + [False] * len(offered)
            sent = [
                as_sent(offered[n][1], case.functions[n].parameters, one.arguments, strict=strict[n])
                for one in wanted
                for n in [one.index]
            ]
            return plain(body, [Wanted(one.index, given) for one, given in zip(wanted, sent, strict=True)])

        provider.encode = encode
        for turn in case.turns:
            request = Request((Message.user(case.question),), tools=tools)
            response = await provider.ask(request, [Wanted(places[name], given) for name, given in turn])
            assert [(call.name, call.arguments) for call in response.tool_calls] == list(turn), case.id
