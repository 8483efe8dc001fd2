from __future__ import annotations

import json
import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path

import anyio
import anyio.to_thread
import pytest
from fake_provider import FakeProvider
from scripted_ai import Hold, NoSync, ScriptedClient, scripted_app, scripted_seat

from ai import caller as caller_module
from ai.async_client import create_async_ai_client
from ai.caller import Caller, call_ai, call_ai_async, call_multiple_ais
from ai.client import AIClient, Emit
from ai.runs.app import cleanup_async_ai_clients, initialize_all_clients_async, open_app
from ai.wire.transport import SharedHTTP
from core.config import BudgetLimits
from core.errors import AIError, AITimeoutError, AsyncUnavailableError, InvalidInputError, ServerError, UnknownAIError
from core.events import CallFailed, CallFinished, CallStarted, EventBus, Token
from core.limits.budget import Budget
from core.limits.budget_rows import Estimate
from core.usage.ledger import Ledger
from core.values import Answer, Failure, Request, Response
from core.view import RunView

HI = Request.of("hi")


async def test_many_are_asked_at_once_and_come_back_in_the_order_asked() -> None:
    slow, fast = Hold("slow"), Hold("fast")
    async with scripted_app({"a": [slow], "b": [fast]}) as app:
        outcomes: list[object] = []
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:

                async def ask() -> None:
                    outcomes.extend(await app.caller.call_many([("a", HI), ("b", HI)]))

                tasks.start_soon(ask)
                await slow.reached.wait()
                await fast.reached.wait()
                fast.gate.set()
                await anyio.wait_all_tasks_blocked()
                slow.gate.set()
    assert [(o.ai, o.text) for o in outcomes if isinstance(o, Answer)] == [("a", "slow"), ("b", "fast")]


async def test_a_failing_ai_never_spoils_the_others() -> None:
    async with scripted_app({"a": [ServerError("down")], "b": ["fine"]}) as app:
        first, second = await app.caller.call_many([("a", HI), ("b", HI)])
    assert isinstance(first, Failure) and first.error.ai == "a"
    assert isinstance(second, Answer) and second.text == "fine"


async def test_an_unknown_name_is_refused_before_anybody_is_asked() -> None:
    async with scripted_app({"a": []}) as app:
        with pytest.raises(UnknownAIError, match="'nobody'"):
            await app.caller.call_many([("a", HI), ("nobody", HI)])


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("", "empty"),
        (" \n ", "empty"),
        ("x" * (2_000_001), "2,000,001 characters"),
        ("half \ud83d", "not valid UTF-8"),
    ],
)
async def test_a_prompt_nobody_could_answer_is_refused_before_it_is_sent(prompt: str, complaint: str) -> None:
    async with scripted_app({"a": []}) as app:
        with pytest.raises(InvalidInputError, match=complaint):
            await app.caller.call("a", Request.of(prompt))


async def test_every_call_that_starts_ends_exactly_once_and_replay_equals_live() -> None:
    async with scripted_app({"a": ["one two"], "b": [ServerError("down")]}) as app:
        live = RunView()
        app.bus.add_sink(live.apply)
        async with app.run("ask_many", run_id="r") as run:
            await run.ask_many([("a", HI), ("b", HI)])
            run.step("asked")
    started = [e.call for e in app.events if isinstance(e, CallStarted)]
    ended = [e.call for e in app.events if isinstance(e, CallFinished | CallFailed)]
    assert sorted(started) == sorted(ended) and len(started) == 2
    assert [e.text for e in app.events if isinstance(e, Token)] == ["one ", "two "]
    assert RunView.replay(app.events) == live
    assert (live.outcome, live.steps, live.finished) == ("done", ["asked"], 2)


async def test_a_cancelled_call_ends_in_the_stream_and_reaches_the_client() -> None:
    hold = Hold("never")
    async with scripted_app({"a": [hold]}) as app:
        with anyio.fail_after(5):
            async with anyio.create_task_group() as tasks:

                async def ask() -> None:
                    async with app.run("ask_one", run_id="r") as run:
                        await run.ask("a", HI)

                tasks.start_soon(ask)
                await hold.reached.wait()
                tasks.cancel_scope.cancel()
    view = RunView.replay(app.events)
    assert [call.state for call in view.calls.values()] == ["cancelled"]
    assert view.outcome == "cancelled"
    assert app.clients["a"].cancelled == 1


async def test_an_answer_carries_model_tokens_latency_and_price() -> None:
    from core.values import Usage

    response = Response("hello", "gpt-6.1-sol", usage=Usage(1_000, 100))
    async with scripted_app({"a": [response]}) as app:
        answer = await app.caller.call("a", HI)
    assert isinstance(answer, Answer)
    assert (answer.model, answer.usage, answer.provider) == ("gpt-6.1-sol", Usage(1_000, 100), "openai")
    assert answer.cost_usd == pytest.approx(0.003)
    assert answer.latency_s > 0


class Broken(ScriptedClient):
    """Its asynchronous machinery is gone."""

    async def complete(self, request: Request, emit: Emit) -> Response:
        raise AsyncUnavailableError("no loop", ai="a")


class InThread(AIClient):
    def __init__(self) -> None:
        self.thread = ""

    def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
        self.thread = threading.current_thread().name
        emit("from ")
        emit("thread")
        return Response("from thread", "m")


async def test_the_synchronous_client_steps_in_when_the_asynchronous_one_cannot_be_used() -> None:
    sync = InThread()
    async with scripted_app({}) as app:
        app.roster.seats["a"] = scripted_seat("a", Broken(), sync)
        answer = await app.caller.call("a", HI)
    assert isinstance(answer, Answer) and answer.text == "from thread"
    assert sync.thread != threading.main_thread().name
    assert [e.text for e in app.events if isinstance(e, Token)] == ["from ", "thread"]


async def test_the_synchronous_client_never_repeats_what_may_have_been_accepted() -> None:
    async with scripted_app({}) as app:
        app.roster.seats["a"] = scripted_seat("a", ScriptedClient(ServerError("x")), NoSync())
        outcome = await app.caller.call("a", HI)
    assert isinstance(outcome, Failure)


@pytest.fixture
def gateway(isolated: Path, provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> FakeProvider:
    """credentials.json with a few AIs that behave as their names say."""
    base = {"provider": "openai_compatible", "base_url": provider.base_url, "api_key": "k-1234567"}
    ais = {
        "quick": {**base, "model": "tokens=2"},
        "stuck": {**base, "model": "fault=hang", "timeout": 0.05},
        "down": {**base, "model": "status=400"},
    }
    path = isolated / "credentials.json"
    path.write_text(json.dumps({"ais": ais}))
    path.chmod(0o600)
    monkeypatch.setenv("MOOT_CREDENTIALS", str(path))
    return provider


async def test_the_library_calls_work_without_setting_anything_up(gateway: FakeProvider) -> None:
    assert await call_ai_async("quick", "What is 2+2?", temperature=0.1) == "tok tok "
    outcomes = await call_multiple_ais(["quick", "down"], "hi")
    assert [type(outcome) for outcome in outcomes] == [Answer, Failure]
    assert gateway.requests[0]["temperature"] == 0.1


async def test_a_timeout_is_a_timeout_error_and_an_unknown_ai_a_value_error(gateway: FakeProvider) -> None:
    with pytest.raises(TimeoutError):
        await call_ai_async("stuck", "hi")
    with pytest.raises(ValueError, match="nobody"):
        await call_ai_async("nobody", "hi")


async def test_the_synchronous_call_goes_through_the_synchronous_sdk(gateway: FakeProvider) -> None:
    assert await anyio.to_thread.run_sync(call_ai, "quick", "hi") == "tok tok "
    with pytest.raises(ValueError, match="nobody"):
        await anyio.to_thread.run_sync(call_ai, "nobody", "hi")


async def test_a_synchronous_call_that_never_ends_ends_at_its_total_deadline(
    gateway: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    from core.config import load_config
    from core.paths import credentials_path

    path = credentials_path()
    rows = json.loads(await anyio.Path(path).read_text())
    rows["ais"]["stuck"]["model"] = "fault=drip,tokens=1,gap=0.005"
    await anyio.Path(path).write_text(json.dumps(rows))
    assert load_config(path).rows["stuck"].timeout == 0.05
    with anyio.fail_after(5), pytest.raises(AITimeoutError) as caught:
        await anyio.to_thread.run_sync(call_ai, "stuck", "hi")
    assert caught.value.phase == "total"


async def test_initialised_clients_are_used_and_closed_again(gateway: FakeProvider) -> None:
    app = await initialize_all_clients_async()
    assert await call_ai_async("quick", "hi") == "tok tok "
    assert [caller for caller, _ in caller_module._running] == [app.caller]
    http = app.roster.http.client
    await cleanup_async_ai_clients()
    assert http.is_closed and caller_module._running == []
    await cleanup_async_ai_clients()


async def test_an_app_closes_its_connections_also_when_it_is_cancelled(gateway: FakeProvider) -> None:
    with anyio.CancelScope() as scope:
        async with open_app() as app:
            await app.caller.call("quick", HI)
            http = app.roster.http.client
            scope.cancel()
            await anyio.sleep_forever()
    assert http.is_closed


async def test_a_client_made_by_hand_works_as_documented(gateway: FakeProvider) -> None:
    async with await create_async_ai_client("openai", "key-123456", "tokens=2", base_url=gateway.base_url) as client:
        assert await client.generate("Hello") == "tok tok "
        assert [piece async for piece in client.stream("Hello")] == ["tok tok "], "what comes together is told together"
        assert await client.list_models() == ["fake-1", "fake-2"]
    assert gateway.headers[0]["authorization"] == "Bearer key-123456"


async def test_a_client_that_shares_connections_leaves_them_open(gateway: FakeProvider) -> None:
    http = SharedHTTP()
    async with await create_async_ai_client("quick", http=http) as client:
        await client.generate("Hello")
    assert not http.client.is_closed
    await http.aclose()


async def test_a_retry_is_told_and_the_answer_comes(gateway: FakeProvider, isolated: Path) -> None:
    from ai.roster.roster import Roster
    from core.config import AIConfig, Config

    row = AIConfig(provider="openai_compatible", base_url=gateway.base_url, model="status=503,retry_after=0,times=1")
    roster = Roster.open(Config(rows={"flaky": row}))
    bus, view = EventBus(), RunView()
    bus.add_sink(view.apply)
    answer = await Caller(roster, bus).call("flaky", HI)
    await roster.aclose()
    assert isinstance(answer, Answer) and answer.text == "tok "
    (call,) = view.calls.values()
    assert call.note.startswith("retry 2 in") and len(gateway.requests) == 2


async def test_calls_from_a_program_are_in_the_ledger_too(gateway: FakeProvider) -> None:
    await call_ai_async("quick", "hi")
    await anyio.to_thread.run_sync(call_ai, "quick", "hi")
    with pytest.raises(AIError):
        await anyio.to_thread.run_sync(call_ai, "down", "hi")

    def recorded() -> list[tuple[str, int, int]]:
        ledger = Ledger()
        try:
            now = datetime.now(UTC)
            rows = ledger.usage(now - timedelta(days=1), now + timedelta(days=1), by="ai")
            return sorted((row.key, row.calls, row.failed) for row in rows)
        finally:
            ledger.close()

    assert await anyio.to_thread.run_sync(recorded) == [("down", 1, 1), ("quick", 2, 0)]


async def test_a_call_that_is_cut_off_after_it_was_sent_stays_on_the_budget(tmp_path: Path) -> None:
    hold = Hold("never")
    async with scripted_app({"a": [hold]}) as app:
        budget = app.roster.budget = Budget(tmp_path, BudgetLimits(per_day_tokens=1_000_000), {})
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(app.caller.call, "a", Request.of("Hi", max_tokens=500_000))
            await hold.reached.wait()
            tasks.cancel_scope.cancel()
        refused = await budget.refusal("", [Estimate("a", "m", 0, 600_000, None, None)])
    assert refused is not None and "is spent" in refused


async def test_another_event_loop_does_not_use_an_app_that_is_open_here(gateway: FakeProvider) -> None:
    def elsewhere() -> int:
        async def main() -> int:
            async with caller_module.running_caller() as caller:
                return int(caller is not app.caller)

        return anyio.run(main)

    async with open_app() as app:
        async with caller_module.running_caller() as caller:
            assert caller is app.caller
        assert await anyio.to_thread.run_sync(elsewhere)
        async with open_app() as second:
            async with caller_module.running_caller() as caller:
                assert caller is second.caller
        async with caller_module.running_caller() as caller:
            assert caller is app.caller
