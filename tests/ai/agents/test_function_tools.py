"""Python functions as tools: what a model is told of them, how they are called, and everything they can do wrong."""

from __future__ import annotations

import asyncio
import enum
import threading
from typing import Annotated, Any, Literal

import pytest
from pydantic import BaseModel, Field

from ai.agents.docstrings import described
from ai.agents.function_tools import FunctionTools, as_tools, tool
from ai.agents.offered import ToolExecutionResult
from core.errors import InvalidInputError


class Quarter:
    """A number of some library's own."""

    def __float__(self) -> float:
        return 0.25


class Colour(enum.Enum):
    RED = "red"


class Place(BaseModel):
    name: str
    height_m: float = 0


@tool
def weather(city: str, days: int = 1, *, unit: Literal["C", "F"] = "C") -> str:
    """Tell the weather.

    Args:
        city: Where, such as Oslo.
        days: How many days from
            today on.
        unit: Degrees.

    Returns:
        A sentence.
    """
    return f"{city} {days} {unit}"


async def called(one: Any, **arguments: Any) -> ToolExecutionResult:
    (tools,) = as_tools([one])
    return await tools.call(tools.specs()[0].name, arguments)


def test_a_model_is_told_what_signature_and_docstring_say() -> None:
    assert weather.spec.name == "weather" and weather.spec.description == "Tell the weather."
    assert weather.spec.parameters == {
        "type": "object",
        "additionalProperties": False,
        "required": ["city"],
        "properties": {
            "city": {"type": "string", "description": "Where, such as Oslo."},
            "days": {"type": "integer", "default": 1, "description": "How many days from today on."},
            "unit": {"type": "string", "enum": ["C", "F"], "default": "C", "description": "Degrees."},
        },
    }


def test_it_is_still_the_function_it_is_made_of() -> None:
    assert weather("Oslo", unit="F") == "Oslo 1 F"


async def test_left_out_arguments_have_their_defaults_and_given_ones_their_types() -> None:
    assert (await called(weather, city="Oslo", days=3)).result == "Oslo 3 C"

    def typed(place: Place, colour: Colour, many: Annotated[list[int], Field(max_length=2)]) -> str:
        return f"{type(place).__name__} {place.height_m} {colour} {many}"

    result = await called(typed, place={"name": "Oslo"}, colour="red", many=[1, 2])
    assert result.result == "Place 0 Colour.RED [1, 2]"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({}, "'city' is missing."),
        ({"city": 3}, "'city': Input should be a valid string."),
        ({"city": "Oslo", "town": 1}, "There is no argument 'town'."),
        ({"city": "Oslo", "unit": "K"}, "'unit': Input should be 'C' or 'F'."),
    ],
)
async def test_a_bad_call_is_told_what_is_wrong_and_not_made(arguments: dict[str, Any], said: str) -> None:
    result = await called(weather, **arguments)
    assert not result.success and said in result.error and "call it again" in result.error


async def test_a_synchronous_function_runs_in_a_thread_and_an_asynchronous_one_on_the_loop() -> None:
    here = threading.get_ident()

    def sync() -> bool:
        return threading.get_ident() != here

    async def on_the_loop() -> bool:
        await asyncio.sleep(0)
        return threading.get_ident() == here

    assert (await called(sync)).result == "true" and (await called(on_the_loop)).result == "true"


async def test_a_method_is_a_tool_of_its_object() -> None:
    class Counter:
        def __init__(self) -> None:
            self.count = 5

        @tool
        def add(self, more: int) -> int:
            """Add to the count."""
            self.count += more
            return self.count

        async def plain(self, more: int) -> int:
            return self.count + more

    counter = Counter()
    assert "self" not in counter.add.spec.parameters["properties"]
    assert (await called(counter.add, more=2)).result == "7" and (await called(counter.plain, more=1)).result == "8"


async def test_a_class_with_name_description_parameters_and_execute_is_one() -> None:
    class Echo:
        name = "echo"
        description = "Say it again."
        parameters = {"type": "object", "properties": {"text": {"type": "string"}}}

        async def execute(self, text: str) -> str:
            return text * 2

    for given in (Echo, Echo()):
        assert (await called(given, text="ab")).result == "abab"
    assert (await called(Echo, wrong=1)).success is False


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (None, "(it returned nothing)"),
        (b"\0\1", "(it returned 2 bytes, which are no text)"),
        (float("nan"), '"NaN"'),
        ({"a": [1, float("inf")]}, '{"a":[1,"Infinity"]}'),
        (Place(name="Oslo"), '{"name":"Oslo","height_m":0.0}'),
        (object(), "(it ran, and returned a object, which cannot be shown as text)"),
        ({1, 2}, "[1,2]"),
        ([1, ...], '[1,"(a ellipsis, which cannot be shown as text)"]'),
        ({"a": Quarter()}, '{"a":0.25}'),
    ],
)
async def test_whatever_it_returns_is_told_as_text(value: Any, said: str) -> None:
    def give() -> Any:
        return value

    assert await called(give) == ToolExecutionResult.of(said)


@pytest.mark.parametrize(
    "error", [ValueError("no such /home/me/secret/file.txt"), SystemExit(3), RecursionError(), KeyError("x")]
)
async def test_whatever_it_raises_is_a_result_that_says_so(error: BaseException) -> None:
    def bad() -> None:
        raise error

    async def worse() -> None:
        raise error

    for one in (bad, worse):
        result = await called(one)
        assert not result.success and type(error).__name__ in result.error and not result.known
        assert "/home/me" not in result.error


async def test_what_hangs_is_given_up_and_what_it_did_is_not_known() -> None:
    @tool(timeout_s=0.05)
    async def hangs() -> None:
        await asyncio.Event().wait()

    @tool(timeout_s=0.05, read_only=True)
    async def reads() -> None:
        await asyncio.Event().wait()

    assert await called(hangs) == ToolExecutionResult.failed("hangs did not finish within 0.05 s.", known=False)
    assert (await called(reads)).known


def test_what_a_model_cannot_be_told_is_refused_with_a_sentence() -> None:
    def many(*args: int) -> None: ...

    def foreign(lock: threading.Lock) -> None: ...

    def lost(one: Nowhere) -> None: ...  # type: ignore[name-defined]  # noqa: F821

    for bad, said in ((many, "Give each one a name"), (foreign, "cannot be described"), (lost, "cannot be found")):
        with pytest.raises(InvalidInputError, match=said):
            tool(bad)
    with pytest.raises(InvalidInputError, match="1 to 64 letters"):
        tool(name="two words")(weather.execute)
    with pytest.raises(InvalidInputError, match="Two tools"):
        FunctionTools([weather, weather])
    with pytest.raises(InvalidInputError, match="A tool is a function"):
        as_tools([3])


def test_names_that_pydantic_keeps_for_itself_are_fine() -> None:
    def odd(schema: str, json: int, model_config: bool, _hidden: int = 1) -> None: ...

    assert list(tool(odd).spec.parameters["properties"]) == ["schema", "json", "model_config", "_hidden"]


@pytest.mark.parametrize(
    "docstring",
    [
        "Do it.\n\nArgs:\n    one (int): The first,\n        on two lines.\n    two: The other.\n\nRaises:\n    A: b",
        "Do it.\n\nParameters\n----------\none : int\n    The first,\n    on two lines.\ntwo\n    The other.",
        "Do it.\n\n:param int one: The first,\n    on two lines.\n:param two: The other.\n:returns: x",
    ],
)
def test_docstrings_are_read_in_the_three_usual_forms(docstring: str) -> None:
    found = described(docstring)
    assert found.summary == "Do it." and found.parameters["one"] == "The first, on two lines."
    assert found.parameters["two"].startswith("The other.")
