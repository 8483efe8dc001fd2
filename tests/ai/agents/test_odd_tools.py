"""Tools that raise, give and claim what no tool should: each is a result or a sentence, and ends nothing else."""

from __future__ import annotations

import asyncio
import functools
import itertools
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Any

import anyio
import pytest
from agent_tools import OBJECT, calling
from scripted_ai import ScriptedClient

from ai.agents.agent import Agent
from ai.agents.executor import ToolExecutor
from ai.agents.function_tools import FunctionTools, as_tools, tool
from ai.agents.offered import ToolExecutionResult
from ai.agents.results import LONGEST_RESULT, bounded
from core.errors import InvalidInputError
from core.values import ToolResult, ToolSpec


class MuteError(Exception):
    def __str__(self) -> str:
        raise ValueError("not even that")


class Own(BaseException):
    pass


class Given:
    """Somebody's own `Tools`, which give what a test says."""

    def __init__(self, gives: Callable[[], Any], spec: Any = None) -> None:
        self._gives = gives
        self._spec = spec or ToolSpec("act", "It acts.", OBJECT, True)

    def specs(self) -> Sequence[ToolSpec]:
        return [self._spec]

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        given: ToolExecutionResult = self._gives()
        return given


async def told(given: Any, name: str = "act") -> ToolResult:
    """What the model is told of one call of *given*, after which the agent goes on to its answer."""
    agent = Agent(ScriptedClient(calling((name, {})), "Done."), tools=[given], approvals={"*": "allow"})
    with anyio.fail_after(10):
        assert await agent.chat("Go") == "Done."
    (result,) = [part for message in agent.history for part in message.parts if isinstance(part, ToolResult)]
    return result


def raising(error: BaseException) -> Callable[[], Any]:
    def act() -> None:
        raise error

    return act


def raising_later(error: BaseException) -> Callable[[], Awaitable[Any]]:
    async def act() -> None:
        raise error

    return act


ODD = [
    (BaseExceptionGroup("several", [SystemExit(1), ValueError("boo")]), "SystemExit: 1; ValueError: boo"),
    (ExceptionGroup("several", [ValueError(str(n)) for n in range(9)]), "ValueError: 2; and 6 more"),
    (asyncio.CancelledError(), "CancelledError"),
    (Own("mine"), "Own: mine"),
    (MuteError(), "MuteError: it cannot say why"),
]


@pytest.mark.parametrize(("error", "said"), ODD)
@pytest.mark.parametrize("made", [raising, raising_later, lambda error: Given(raising(error))])
async def test_whatever_is_raised_is_a_result_and_the_agent_goes_on(
    error: BaseException, said: str, made: Callable[[BaseException], Any]
) -> None:
    result = await told(made(error))
    assert result.is_error and said in result.content


async def test_what_ends_a_program_means_nothing_in_the_thread_of_a_tool() -> None:
    for error in (KeyboardInterrupt(), GeneratorExit()):
        assert type(error).__name__ in (await told(raising(error))).content


async def test_awaiting_a_task_that_was_cancelled_is_no_cancellation_of_the_agent() -> None:
    async def act() -> None:
        task = asyncio.create_task(asyncio.Event().wait())
        task.cancel()
        await task

    assert (await told(act)).is_error


async def test_a_cancellation_from_outside_still_ends_the_call() -> None:
    reached = anyio.Event()

    async def act() -> None:
        reached.set()
        await asyncio.Event().wait()

    with anyio.fail_after(10):
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(FunctionTools([tool(act)]).call, "act", {})
            await reached.wait()
            tasks.cancel_scope.cancel()
        task = asyncio.create_task(FunctionTools([tool(act)]).call("act", {}))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("plain text", "plain text"),
        (None, "(it returned nothing)"),
        ({"a": 1}, '{"a":1}'),
        (ToolExecutionResult(True, result=5), "5"),  # type: ignore[arg-type]
        (ToolExecutionResult(False, error=None), "None"),  # type: ignore[arg-type]
        (ToolExecutionResult(False), "does not say why"),
        (ToolExecutionResult("no", result="x"), "does not say why"),  # type: ignore[arg-type]
    ],
)
async def test_what_is_no_result_is_made_one(given: Any, said: str) -> None:
    assert said in (await told(Given(lambda: given))).content


def endless() -> Iterator[int]:
    yield from itertools.count()


def endless_in_a_list() -> list[Any]:
    return [{"all": itertools.count()}]


def a_wide_range() -> range:
    return range(10**12)


async def endless_later() -> AsyncIterator[int]:
    for number in itertools.count():
        yield number


@pytest.mark.parametrize("act", [endless, endless_in_a_list, a_wide_range, endless_later])
async def test_what_never_ends_is_cut_where_it_can_be_seen(act: Callable[[], Any]) -> None:
    result = await FunctionTools([tool(name="act")(act)]).call("act", {})
    assert result.success and "[cut:" in bounded(result.result) and len(bounded(result.result)) < LONGEST_RESULT + 200


async def test_what_is_yielded_is_told_and_what_fails_on_the_way_is_a_failure() -> None:
    async def act() -> AsyncIterator[int]:
        yield 1
        yield 2

    def breaks() -> Iterator[int]:
        yield 1
        raise ValueError("boo")

    assert "[1,2]" in (await told(act)).content
    broken = await told(breaks, "breaks")
    assert broken.is_error and "ValueError: boo" in broken.content


async def test_a_file_that_is_returned_is_not_read() -> None:
    with open("/dev/zero", "rb") as file:

        def act() -> Any:
            return file

        assert "cannot be shown" in (await told(act)).content


HANGS = """
import sys, threading
sys.path[:0] = [{root!r}, {support!r}]
import anyio
from ai.agents.function_tools import FunctionTools, tool

@tool(timeout_s=0.05)
def hangs() -> None:
    threading.Event().wait()

print(anyio.run(FunctionTools([hangs]).call, "hangs", {{}}).error)
"""


def test_a_synchronous_tool_that_hangs_keeps_no_program_from_ending(pytestconfig: pytest.Config) -> None:
    root = str(pytestconfig.rootpath)
    program = HANGS.format(root=root, support=f"{root}/tests/support")
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True)
    assert "did not finish within 0.05 s" in ended.stdout


def act() -> int:
    """It acts."""
    return 1


def described(**fields: Any) -> Any:
    class Described:
        name, description, parameters = "act", "It acts.", OBJECT

        def execute(self) -> int:
            return 1

    for name, value in fields.items():
        setattr(Described, name, value)
    return Described


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: tool(approval="Ask")(act), "'approval' of the tool 'act' is 'Ask': give 'allow', 'ask' or 'never'"),  # type: ignore[call-overload]
        (lambda: tool(read_only="no")(act), "'read_only' of the tool 'act' is 'no': give True or False"),  # type: ignore[call-overload]
        (lambda: tool(timeout_s=-1)(act), "'timeout_s' of the tool 'act' is -1"),
        (lambda: tool(timeout_s=float("nan"))(act), "'timeout_s'"),
        (lambda: as_tools([described(approval="sometimes")]), "'approval' of the tool 'act'"),
        (lambda: as_tools([described(read_only="no")]), "'read_only' of the tool 'act'"),
        (lambda: as_tools([described(timeout_s="soon")]), "'timeout_s' of the tool 'act'"),
        (lambda: ToolExecutor([], rules={"write": "Ask"}), r"approvals\['write'\] is 'Ask'"),  # type: ignore[dict-item]
        (lambda: ToolExecutor([Given(act, ToolSpec("two words", "", OBJECT))]), "1 to 64 letters"),
        (lambda: ToolExecutor([Given(act, ToolSpec("act", "", None))]), "'parameters' of the tool 'act'"),  # type: ignore[arg-type]
        (lambda: ToolExecutor([Given(act, ToolSpec("act", "", OBJECT, "no"))]), "'read_only' of the tool"),  # type: ignore[arg-type]
        (
            lambda: ToolExecutor([Given(act, ToolSpec("act", "", {"required": "x"}))]),
            "no JSON Schema: 'required' has to",
        ),
        (lambda: ToolExecutor([Given(act, "act")]), "Give a list of ToolSpec"),
    ],
)
def test_what_a_tool_claims_and_nobody_knows_is_refused_and_never_taken_for_a_yes(
    make: Callable[[], Any], said: str
) -> None:
    with pytest.raises(InvalidInputError, match=said):
        make()


class NeedsOne:
    name, description, parameters = "act", "It acts.", OBJECT

    def __init__(self, needed: int) -> None:
        self.needed = needed

    def execute(self) -> int:
        return self.needed


@pytest.mark.parametrize(
    ("given", "said"), [(int, "'int' does not say what it takes"), (NeedsOne, "'NeedsOne' is a class that cannot be")]
)
def test_what_cannot_be_looked_into_or_made_is_one_sentence(given: Any, said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        as_tools([given])


async def test_a_part_of_a_function_is_called_as_the_function() -> None:
    (tools,) = as_tools([functools.partial(added, more=2)])
    assert [spec.name for spec in tools.specs()] == ["added"]
    assert (await tools.call("added", {"number": 1})).result == "3"


def added(number: int, more: int = 0) -> int:
    return number + more


async def test_a_policy_that_nobody_knows_asks() -> None:
    class Odd(Given):
        def policy(self, name: str) -> Any:
            return "Allow"

    assert ToolExecutor([Odd(act)]).policy("act") == "ask"


@pytest.mark.parametrize("word", ["no", "n", 1, object(), None, ""])
async def test_only_true_is_a_persons_yes(word: Any) -> None:
    called: list[int] = []

    @tool(approval="ask")
    def act() -> None:
        called.append(1)

    async def approve(approval: Any) -> Any:
        return word

    for asked in (approve, lambda approval: word):
        agent = Agent(ScriptedClient(calling(("act", {})), "Done."), tools=[act], approve=asked)
        assert await agent.chat("Go") == "Done." and not called


LIMITS = ("budget_usd", "budget_tokens", "timeout_s")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"tools": "workspace"}, r"'tools' has to be a list, such as \['workspace'\]"),
        ({"tools": 5}, "'tools' has to be a list"),
        ({"system": 5}, "'system' has to be a text"),
        ({"name": 5}, "'name' has to be a text"),
        ({"approvals": ["act"]}, "'approvals' has to be a dict"),
        ({"approve": 5}, "'approve' has to be an async function"),
        ({"max_turns": True}, "'max_turns' is True"),
        ({"budget_tokens": True}, "'budget_tokens' is True"),
        ({"budget_tokens": 0.5}, "'budget_tokens' is 0.5: give a whole number"),
        *(({name: float(odd)}, f"'{name}' is {odd}") for name in LIMITS for odd in ("nan", "inf", "-inf")),
        *(({name: 10**400}, f"'{name}' is 1000") for name in LIMITS),
    ],
)
def test_an_agent_of_odd_values_is_one_sentence(options: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidInputError, match=said):
        Agent(ScriptedClient(), **options)


def test_a_chat_takes_a_text() -> None:
    with pytest.raises(InvalidInputError, match="this is a int"):
        Agent(ScriptedClient()).chat(5)  # type: ignore[arg-type]
