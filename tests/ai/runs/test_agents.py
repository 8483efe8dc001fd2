"""Agents in runs: wherever an AI's name may stand, and kept turn by turn, whenever the process dies."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import anyio
import pytest
from agent_tools import Lent, Recorder, calling
from scripted_ai import ScriptedApp, Step, scripted_app

from ai.agents.allowance import Limits
from ai.agents.offered import ToolExecutionResult
from ai.runs.agents import Wanted, run_agents
from ai.runs.memo import Memo
from ai.runs.run import Materials, Run, new_run_id
from core.config import Config, Defaults
from core.errors import ApprovalNeededError, ConfigError, InvalidInputError, MootError
from core.events import CallStarted, ToolFinished, ToolStarted
from core.jobs.approvals import ANSWERED, ASKED, Approval
from core.tooling import AgentConfig
from core.values import Answer, Failure, Message, Request, Response, ToolCall, ToolResult, Usage


def configured(**agents: AgentConfig) -> Config:
    return Config(defaults=Defaults(drain_s=0.05), agents=agents)


def lending(tools: Recorder) -> Materials:
    return Materials(borrowed=Lent(tools))


class Journal:
    """A job's journal in memory, which dies at the step that a test names."""

    def __init__(self, kept: dict[str, Any] | None = None, *, dies_at: int = -1) -> None:
        self.kept = kept if kept is not None else {}
        self.steps = 0
        self._dies_at = dies_at

    @property
    def waiting(self) -> int:
        return 0

    async def memo(self, job: str, keys: Collection[str]) -> dict[str, Any]:
        return {key: self.kept[key] for key in keys if key in self.kept}

    def record(self, job: str, key: str, value: Any) -> None:
        self.step()
        self.kept.setdefault(key, value)
        self.step()

    def step(self) -> None:
        """The process may die before and after everything that is kept, and around every call of a tool."""
        self.steps += 1
        if self.steps == self._dies_at:
            raise KilledError

    async def settle(self) -> None:
        pass

    async def ready(self, job: str) -> None:
        pass


class KilledError(GeneratorExit):
    """The end of the process, as far as a test can make it: of a kind that nothing takes for a failure of its own."""


def run_of(app: ScriptedApp, journal: Journal, materials: Materials) -> Run:
    return Run("jobid-jobid-jobid", app.caller, app.bus, materials=materials, memo=Memo(journal, "jobid-jobid-jobid"))


async def test_an_agent_stands_wherever_an_ais_name_may() -> None:
    tools = Recorder()
    config = configured(researcher=AgentConfig(ai="gpt", tools=["lent"], system="Look it up."))
    steps = [calling(("read", {"x": 1})), "It is 1."]
    async with scripted_app({"gpt": steps, "claude": ["No idea."]}, config=config, materials=lending(tools)) as app:
        async with app.run("ask_many") as run:
            found, plain = await run.ask_many([("Researcher", Request.of("x?")), ("claude", Request.of("x?"))])
    assert isinstance(found, Answer) and (found.ai, found.text) == ("researcher", "It is 1.")
    assert isinstance(plain, Answer) and plain.text == "No idea."
    assert tools.calls == [("read", {"x": 1})]
    first = app.clients["gpt"].requests[0]
    assert first.system and first.system.startswith("Look it up.")
    started = [event for event in app.events if isinstance(event, CallStarted)]
    assert [(one.ai, one.role) for one in started if one.ai == "gpt"] == [("gpt", "researcher")] * 2
    used = [event for event in app.events if isinstance(event, ToolStarted | ToolFinished)]
    assert [type(one) for one in used] == [ToolStarted, ToolFinished] and used[0].agent == "researcher"


async def test_an_agent_is_never_asked_without_its_tools() -> None:
    config = configured(researcher=AgentConfig(ai="gpt", tools=["clock"]))
    async with scripted_app({"gpt": []}, config=config) as app:
        outcome = await app.caller.call("researcher", Request.of("Hello"))
        assert isinstance(outcome, Failure) and "is an agent" in str(outcome.error)
        with pytest.raises(ConfigError, match="is an agent"):
            app.caller.call_blocking("researcher", Request.of("Hello"))
        assert app.roster.names == ["gpt"] and app.roster.agents == ["researcher"]


@pytest.mark.parametrize(
    ("agent", "said"),
    [
        (AgentConfig(ai="nobody"), "agents.a.ai names 'nobody'"),
        (AgentConfig(ai="b"), "agents.a.ai names 'b', an agent itself"),
        (AgentConfig(ai="a"), "agents.a.ai names 'a', an agent itself"),
        (AgentConfig(ai="A/other-model"), "agents.a.ai names 'A/other-model', an agent itself"),
        (AgentConfig(ai="round"), "agents.a.ai names 'round', an agent itself"),
        (AgentConfig(ai="gpt", tools=["fly"]), "There is no tool 'fly'"),
    ],
)
async def test_what_is_wrong_with_an_agent_is_said_by_name(agent: AgentConfig, said: str) -> None:
    config = configured(a=agent, b=AgentConfig(ai="gpt"), round=AgentConfig(ai="a"))
    async with scripted_app({"gpt": []}, config=config) as app, app.run("ask_one") as run:
        with pytest.raises((ConfigError, InvalidInputError), match=said):
            await run.ask("a", Request.of("Hello"))


async def test_all_who_are_asked_can_be_given_tools_and_look_each_thing_up_once() -> None:
    asks = [("gpt", Request.of("Sum?")), ("claude", Request.of("Sum?"))]
    steps: list[Step] = [calling(("calculate", {"expression": "6*7"})), "42"]
    async with scripted_app({"gpt": steps, "claude": steps}) as app, app.run("debate") as run:
        outcomes = await run.ask_many(asks, role="opening", tools=("arithmetic",))
    assert [one.text for one in outcomes if isinstance(one, Answer)] == ["42", "42"]
    assert {event.role for event in app.events if isinstance(event, CallStarted)} == {"opening"}


async def test_a_sub_agent_gets_a_task_and_shares_what_may_be_spent() -> None:
    config = configured(boss=AgentConfig(ai="gpt", tools=["ask"], agents=1))
    ask = calling(("ask", {"ai": "claude", "task": "Do it."}))
    again = calling(("ask", {"ai": "claude", "task": "And this."}))
    async with scripted_app({"gpt": [ask, again, "Done."], "claude": ["Did it."]}, config=config) as app:
        async with app.run("agent") as run:
            (ended,) = await run_agents(run, [Wanted("boss", Request.of("Go"))])
    first, second = ended.steps
    assert first.success and "Did it." in first.note
    assert not second.success and "number is used up" in second.note
    assert isinstance(ended.outcome, Answer) and ended.outcome.text == "Done."
    assert ended.outcome.usage.input_tokens == 40, "what a sub-agent took is in the whole"


async def test_agents_that_call_themselves_end_where_the_levels_do() -> None:
    config = configured(loop=AgentConfig(ai="gpt", tools=["ask"], depth=3))

    def deeper(request: Request) -> str:
        raise AssertionError("this is not reached")

    ask = calling(("ask", {"ai": "loop", "task": "Deeper."}))
    async with scripted_app({"gpt": [ask, ask, ask, "bottom", "3", "2", "1"]}, config=config) as app:
        async with app.run("agent") as run:
            (ended,) = await run_agents(run, [Wanted("loop", Request.of("Go"))])
    assert isinstance(ended.outcome, Answer) and ended.outcome.text == "1"
    assert not app.clients["gpt"].requests[3].tools, "the fourth level has nobody below it"


async def test_limits_of_a_call_can_only_be_tighter_than_those_of_the_agent() -> None:
    config = configured(a=AgentConfig(ai="gpt", budget_tokens=1_000, tools=["clock"]))
    async with scripted_app({"gpt": []}, config=config) as app, app.run("agent") as run:
        wanted = Wanted("a", Request.of("x" * 10_000), limits=Limits(tokens=1_000_000))
        (ended,) = await run_agents(run, [wanted])
    assert isinstance(ended.outcome, Failure) and "of 1,000 are left" in str(ended.outcome.error)


def scripted_model(request: Request) -> Response:
    """A model that reads, writes, reads, writes and answers: what it says next is told by what it has seen."""
    seen = [part for message in request.messages for part in message.parts if isinstance(part, ToolResult)]
    plan = [("read", 1), ("write", 1), ("read", 2), ("write", 2)]
    if len(seen) < len(plan):
        name, x = plan[len(seen)]
        call = ToolCall(f"c{len(seen)}", name, {"x": x})
        return Response("", "scripted-1", "tool_calls", Usage(10, 5), tool_calls=(call,))
    return Response(" ".join(result.content.split("\n")[1] for result in seen), "scripted-1", usage=Usage(10, 5))


class _Model:
    """Counts what was paid for, and what was paid for twice."""

    def __init__(self) -> None:
        self.paid: list[int] = []

    def __call__(self, request: Request) -> Response:
        self.paid.append(len(request.messages))
        return scripted_model(request)


async def _live(
    journal: Journal, tools: Recorder, model: _Model, *, policy: str = "allow"
) -> tuple[Answer | Failure | None, list[Any]]:
    """One process: it goes as far as it comes."""
    config = configured(worker=AgentConfig(ai="gpt", tools=["lent"], approvals={"write": policy}))  # type: ignore[dict-item]
    async with scripted_app({"gpt": []}, config=config) as app:
        client = app.clients["gpt"]

        async def complete(request: Request, emit: Any) -> Response:
            return model(request)

        client.complete = complete  # type: ignore[method-assign]
        try:
            (outcome,) = await run_of(app, journal, lending(tools)).ask_many([("worker", Request.of("Go"))])
        except KilledError:
            return None, app.events
        except BaseExceptionGroup as group:
            if group.split(KilledError)[1] is not None:
                raise
            return None, app.events
        return outcome, app.events


def _dying(journal_of: list[Journal]) -> Recorder:
    """Tools around whose effects the process may die."""

    async def does(name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        journal_of[-1].step()
        effects.append((name, arguments["x"]))
        journal_of[-1].step()
        return ToolExecutionResult.of(f"{name}{arguments['x']}")

    effects: list[tuple[str, int]] = []
    tools = Recorder(does)
    tools.effects = effects  # type: ignore[attr-defined]
    return tools


async def test_wherever_the_process_dies_nothing_is_done_or_paid_for_twice() -> None:
    journals = [Journal()]
    whole, _ = await _live(journals[0], _dying(journals), _Model())
    assert isinstance(whole, Answer) and whole.text == "read1 write1 read2 write2"
    steps = journals[0].steps
    assert steps > 20
    for dies_at in range(1, steps + 1):
        journals, model = [Journal(dies_at=dies_at)], _Model()
        tools = _dying(journals)
        first, _ = await _live(journals[-1], tools, model)
        kept_turns = sum("@" in key for key in journals[-1].kept)
        journals.append(Journal(journals[-1].kept))
        paid = len(model.paid)
        try:
            second, _ = await _live(journals[-1], tools, model)
        except ApprovalNeededError:
            (asked,) = [Approval.of_json(v) for k, v in journals[-1].kept.items() if k.startswith(ASKED)]
            assert asked.why == "unknown" and asked.tool == "write"
            journals[-1].kept[f"{ANSWERED}{asked.id}"] = {"yes": False, "at": asked.asked_at}
            journals.append(Journal(journals[-1].kept))
            second, _ = await _live(journals[-1], tools, model)
        effects = tools.effects  # type: ignore[attr-defined]
        assert all(effects.count(("write", x)) <= 1 for x in (1, 2)), f"dying at {dies_at}: {effects}"
        assert isinstance(second, Answer), f"dying at {dies_at}: {second}"
        assert len(model.paid) - paid <= 5 - kept_turns, f"dying at {dies_at}: a kept turn was paid for again"
        assert first is None or dies_at == steps


async def test_a_yes_to_doing_a_call_again_counts_for_one_try() -> None:
    journals: list[Journal] = [Journal()]
    tools, model = _dying(journals), _Model()
    kept: dict[str, Any] = {}

    def done() -> int:
        return int(tools.effects.count(("write", 1)))  # type: ignore[attr-defined]

    async def live(*, until_done: int) -> None:
        """A process that dies once the call has begun and was done so often."""
        journals.append(Journal(kept))

        def step() -> None:
            if done() == until_done and any("began" in key for key in kept):
                raise KilledError

        journals[-1].step = step  # type: ignore[method-assign]
        assert (await _live(journals[-1], tools, model))[0] is None

    def answer() -> None:
        open_ = [Approval.of_json(v) for k, v in kept.items() if k.startswith(ASKED)]
        (one,) = [one for one in open_ if f"{ANSWERED}{one.id}" not in kept]
        assert one.why == "unknown"
        kept[f"{ANSWERED}{one.id}"] = {"yes": True, "at": one.asked_at}

    await live(until_done=0)
    with pytest.raises(ApprovalNeededError):
        await _live(Journal(kept), tools, model)
    answer()
    await live(until_done=1)
    with pytest.raises(ApprovalNeededError):
        await _live(Journal(kept), tools, model)
    assert done() == 1


async def test_a_resumed_run_tells_nothing_again() -> None:
    journal, tools, model = Journal(), Recorder(), _Model()
    whole, _ = await _live(journal, tools, model)
    again, events = await _live(Journal(journal.kept), tools, model)
    assert isinstance(whole, Answer) and isinstance(again, Answer) and again.text == whole.text
    assert len(model.paid) == 5 and len(tools.calls) == 4
    assert again.usage == whole.usage and not [e for e in events if isinstance(e, CallStarted | ToolStarted)]


async def test_an_approval_is_asked_once_kept_with_the_job_and_used_for_this_call_alone() -> None:
    journal, tools, model = Journal(), Recorder(), _Model()
    with pytest.raises(ApprovalNeededError, match=r"worker wants to call write\(\{\"x\":1\}\)"):
        await _live(journal, tools, model, policy="ask")
    with pytest.raises(ApprovalNeededError):
        await _live(Journal(journal.kept), tools, model, policy="ask")
    (first,) = [Approval.of_json(value) for key, value in journal.kept.items() if key.startswith(ASKED)]
    journal.kept[f"{ANSWERED}{first.id}"] = {"yes": True, "at": first.asked_at}
    with pytest.raises(ApprovalNeededError, match=r"\{\"x\":2\}"):
        await _live(Journal(journal.kept), tools, model, policy="ask")
    assert tools.calls == [("read", {"x": 1}), ("write", {"x": 1}), ("read", {"x": 2})]
    second = next(a for k, v in journal.kept.items() if k.startswith(ASKED) and (a := Approval.of_json(v)) != first)
    journal.kept[f"{ANSWERED}{second.id}"] = {"yes": False, "at": second.asked_at}
    outcome, _ = await _live(Journal(journal.kept), tools, model, policy="ask")
    assert isinstance(outcome, Answer) and len(tools.calls) == 3 and "said no" in outcome.text
    assert len(model.paid) == 5


async def test_a_yes_that_was_not_used_in_time_is_asked_for_again() -> None:
    journal, tools, model = Journal(), Recorder(), _Model()
    with pytest.raises(ApprovalNeededError):
        await _live(journal, tools, model, policy="ask")
    (first,) = [Approval.of_json(value) for key, value in journal.kept.items() if key.startswith(ASKED)]
    journal.kept[f"{ANSWERED}{first.id}"] = {"yes": True, "at": first.asked_at - 90_000}
    journal.kept[f"{ASKED}{first.id}"] = replace(first, asked_at=first.asked_at - 90_000).to_json()
    with pytest.raises(ApprovalNeededError):
        await _live(Journal(journal.kept), tools, model, policy="ask")
    rounds = [Approval.of_json(value).round for key, value in journal.kept.items() if key.startswith(ASKED)]
    assert sorted(rounds) == [1, 2] and ("write", {"x": 1}) not in tools.calls


async def test_who_waits_for_a_person_does_not_cut_off_the_others() -> None:
    asks = [("worker", Request.of("Go")), ("claude", Request.of("Slow"))]
    config = configured(worker=AgentConfig(ai="gpt", tools=["lent"]))
    journal = Journal()
    steps: list[Step] = [calling(("write", {"x": 1}))]
    async with scripted_app({"gpt": steps, "claude": ["I am done."]}, config=config) as app:
        with pytest.raises(ApprovalNeededError), anyio.fail_after(5):
            await run_of(app, journal, lending(Recorder())).ask_many(asks)
    assert any(isinstance(value, dict) and value.get("text") == "I am done." for value in journal.kept.values())


async def test_a_run_that_is_no_job_asks_whoever_sits_before_it() -> None:
    asked: list[Approval] = []
    tools = Recorder()
    config = configured(worker=AgentConfig(ai="gpt", tools=["lent"]))

    async def approve(approval: Approval) -> bool:
        asked.append(approval)
        return True

    steps: list[Step] = [calling(("write", {"x": 1})), "Done."]
    async with scripted_app({"gpt": steps}, config=config, materials=lending(tools)) as app:
        async with app.run("agent") as run:
            run.approve = approve
            await run.ask("worker", Request.of("Go"))
    assert len(asked) == 1 and tools.calls == [("write", {"x": 1})]


def test_a_run_id_is_no_jobs() -> None:
    assert "-" not in new_run_id() and Message.user("x").text == "x"


async def test_a_turn_is_known_by_its_place_whatever_its_tools_have_become_since() -> None:
    journal, model = Journal(), _Model()
    await _live(journal, Recorder(), model)
    changed = Recorder(names={"read": True, "write": False, "new": True})
    again, _ = await _live(Journal(journal.kept), changed, model)
    assert isinstance(again, Answer) and len(model.paid) == 5


async def test_agents_that_are_asked_the_same_at_once_keep_their_turns_apart() -> None:
    config = configured(worker=AgentConfig(ai="gpt", tools=["lent"], approvals={"write": "allow"}))
    journal = Journal()
    for _ in range(2):
        tools, model = Recorder(), _Model()
        async with scripted_app({"gpt": []}, config=config) as app:

            async def complete(request: Request, emit: Any, model: _Model = model) -> Response:
                return model(request)

            app.clients["gpt"].complete = complete  # type: ignore[method-assign]
            asks = [("worker", Request.of("Go"))] * 2
            outcomes = await run_of(app, journal, lending(tools)).ask_many(asks)
        assert all(isinstance(one, Answer) for one in outcomes)
        journal = Journal(journal.kept)
    assert not tools.calls and not model.paid


async def test_a_server_that_cannot_be_reached_silences_one_seat_and_not_the_panel() -> None:
    class Away(Lent):
        async def tools(self, names: Any) -> Any:
            raise MootError("'lent' cannot be reached. Start it.")

    config = configured(worker=AgentConfig(ai="gpt", tools=["lent"]))
    materials = Materials(borrowed=Away(Recorder()))
    async with scripted_app({"gpt": [], "claude": ["Here."]}, config=config, materials=materials) as app:
        async with app.run("ask_many") as run:
            away, here = await run.ask_many([("worker", Request.of("?")), ("claude", Request.of("?"))])
    assert isinstance(away, Failure) and "'lent' cannot be reached" in str(away.error)
    assert isinstance(here, Answer)
