from __future__ import annotations

import itertools
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from fake_provider import FakeProvider

from ai.client import Emit, Signal, Waiting, ignore
from ai.layers.pipeline import Complete
from ai.layers.rate_limit import RateLimit
from ai.roster.roster import Roster
from ai.wire.rate_headers import tell
from core.config import AIConfig, Config
from core.errors import AIError, ConnectionFailedError, RateLimitedError, RequestRejectedError
from core.events import CallStarted, CallWaiting, RunStarted
from core.limits.bucket import MIGRATIONS, Limit
from core.limits.buckets import Buckets
from core.stores.sqlite import Store
from core.values import Deadlines, Request, Response, Usage
from core.view import RunView

HI = Request.of("hi", max_tokens=9)
"""Ten tokens by the estimate."""
OK = Response("fine", "m", usage=Usage(1, 9))


class Time:
    """A wall clock that only sleeping moves."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.naps: list[float] = []
        self.during: Callable[[], Awaitable[None]] | None = None

    def __call__(self) -> float:
        return self.now

    async def sleep(self, seconds: float) -> None:
        self.naps.append(round(seconds, 3))
        if self.during:
            await self.during()
        self.now += seconds


@pytest.fixture
def time() -> Time:
    return Time()


@pytest.fixture
async def buckets(tmp_path: Path, time: Time) -> AsyncIterator[Buckets]:
    opened = Buckets(Store(tmp_path / "limits.db", MIGRATIONS), clock=time)
    yield opened
    await anyio.to_thread.run_sync(opened.close)


def layer(buckets: Buckets, time: Time, **options: Any) -> RateLimit:
    return RateLimit("gpt", "k", buckets, sleep=time.sleep, **options)


def says(outcome: Response | AIError = OK, **headers: str) -> Complete:
    async def complete(request: Request, emit: Emit) -> Response:
        tell({name.replace("_", "-"): value for name, value in headers.items()})
        if isinstance(outcome, AIError):
            raise outcome
        return outcome

    return complete


def rpm(limit: int, left: int) -> dict[str, str]:
    return {"x_ratelimit_limit_requests": str(limit), "x_ratelimit_remaining_requests": str(left)}


async def test_without_a_known_limit_nothing_is_looked_up(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time)
    for _ in range(50):
        assert await limit(HI, ignore, says()) is OK
    assert not buckets._store.path.exists()
    assert time.naps == []


async def test_a_configured_limit_is_kept_and_a_waiter_is_told_how_long(buckets: Buckets, time: Time) -> None:
    heard: list[Signal] = []
    limit = layer(buckets, time, configured={"requests": Limit(2)})
    for _ in range(3):
        await limit(HI, heard.append, says())
    notices = [signal for signal in heard if isinstance(signal, Waiting)]
    assert time.naps == [1.8, 30.0], "a little less than two at once, then one every 30 s"
    assert [round(notice.seconds, 1) for notice in notices] == [1.8, 30.0]
    assert notices[0].reason == "2 requests per minute"


async def test_the_limits_are_learned_from_the_first_response(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time)
    await limit(HI, ignore, says(**rpm(60, 1)))
    await limit(HI, ignore, says(**rpm(60, 0)))
    assert limit.limits == {"requests": Limit(60)}
    assert time.naps == [1.0]


async def test_no_more_than_could_be_under_way_go_ahead_before_the_first_response(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time, first=2)
    asked, gate = 0, anyio.Event()

    async def slow(request: Request, emit: Emit) -> Response:
        nonlocal asked
        asked += 1
        await gate.wait()
        return await says(**rpm(60, 50))(request, emit)

    with anyio.fail_after(5):
        async with anyio.create_task_group() as tasks:
            for _ in range(5):
                tasks.start_soon(limit, HI, ignore, slow)
            await anyio.wait_all_tasks_blocked()
            assert asked == 2
            gate.set()
    assert asked == 5
    left = await buckets.reserve("k", {"requests": 0}, limit.limits)
    assert left.headroom == pytest.approx((50 - 5) / 58.2, abs=0.03), "those that went ahead are counted too"


async def test_a_wait_longer_than_the_call_may_take_fails_at_once_with_the_number(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time, configured={"requests": Limit(1)}, deadlines=Deadlines(total=20.0))
    await limit(HI, ignore, says())
    with pytest.raises(RateLimitedError, match="its next turn is in 60 s, later than the 20 s") as caught:
        await limit(HI, ignore, says())
    assert caught.value.retry_after == pytest.approx(60)
    assert not caught.value.retryable
    assert time.naps == []


async def test_the_estimate_is_corrected_by_the_usage(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time, configured={"tokens": Limit(100)})
    cheap = Response("x", "m", usage=Usage(1, 1))
    for _ in range(20):
        await limit(HI, ignore, says(cheap))
    assert time.naps == [], "200 by the estimates, 40 really"
    for _ in range(6):
        await limit(HI, ignore, says(Response("x", "m", usage=Usage(10, 10))))
    assert time.naps != [], "60 by the estimates, 120 really"


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (ConnectionFailedError("x", sent=False), {"requests": 0, "tokens": 0}),
        (RequestRejectedError("x"), {"requests": 1, "tokens": 0}),
        (ConnectionFailedError("x", sent=True), {"requests": 1, "tokens": 10}),
    ],
)
async def test_a_failed_call_gives_back_what_it_cannot_have_used(
    buckets: Buckets, time: Time, error: AIError, kept: dict[str, int]
) -> None:
    limits = {"requests": Limit(100), "tokens": Limit(100)}
    limit = layer(buckets, time, configured=limits)
    with pytest.raises(type(error)):
        await limit(HI, ignore, says(error))
    for kind, used in kept.items():
        left = await buckets.reserve("k", {}, {kind: limits[kind]})  # type: ignore[dict-item, index]
        assert 97 - used == pytest.approx(left.headroom * 97)


async def test_a_call_cancelled_while_it_waits_gives_its_place_back(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time, configured={"requests": Limit(2)})
    await limit(HI, ignore, says())
    time.during = anyio.sleep_forever
    with anyio.move_on_after(0.2) as scope:
        await limit(HI, ignore, says())
    assert scope.cancelled_caught
    time.during = None
    assert (await buckets.reserve("k", {"requests": 1}, limit.limits)).wait_s == pytest.approx(1.8)


async def test_after_a_429_the_key_rests_as_long_as_the_provider_asked(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time)
    with pytest.raises(RateLimitedError):
        await limit(HI, ignore, says(RateLimitedError("x", retry_after=7.0)))
    assert limit.resting_s == 7.0
    await limit(HI, ignore, says())
    assert time.naps == [7.0]


async def test_a_pause_that_begins_while_a_call_waits_holds_it_too(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time, configured={"requests": Limit(2)})
    await limit(HI, ignore, says())

    async def refused() -> None:
        time.during = None
        buckets.rest("k", 10.0, "the provider asked for a pause")

    time.during = refused
    await limit(HI, ignore, says())
    assert time.naps == [1.8, 8.2]


async def test_background_calls_wait_until_there_is_room_to_spare(buckets: Buckets, time: Time) -> None:
    limit = layer(buckets, time, configured={"requests": Limit(60)})
    for _ in range(53):
        await limit(HI, ignore, says())
    assert time.naps == []
    await limit(Request.of("hi", max_tokens=9, priority="background"), ignore, says())
    assert time.naps == [pytest.approx(1.62, abs=0.01)]
    await limit(HI, ignore, says())
    assert len(time.naps) == 1, "the reserve is still there"


async def test_what_the_provider_enforces_is_learned_through_the_whole_stack(provider: FakeProvider) -> None:
    row = {"provider": "openai_compatible", "base_url": provider.base_url, "model": "rpm=600,tokens=2"}
    roster = Roster.open(Config({"gpt": AIConfig.model_validate(row)}))
    seat = roster.seat("gpt")
    async with anyio.create_task_group() as tasks:
        for _ in range(30):
            tasks.start_soon(seat.complete, HI, ignore)
    await roster.aclose()
    assert seat.lanes[0].rate_limit.limits == {"requests": Limit(600)}
    assert (provider.rates.accepted, provider.rates.refused) == (30, 0)


def test_a_waiting_call_shows_its_wait_and_why() -> None:
    view = RunView.replay(
        [RunStarted("r", "t"), CallStarted("r", "c", "gpt", "m"), CallWaiting("r", "c", 4.0, "60 requests per minute")]
    )
    assert view.calls["c"].note == "waits 4.0 s for its turn: 60 requests per minute"
    assert view.calls["c"].state == "waiting"


def test_code_without_an_event_loop_waits_for_its_turn_too(tmp_path: Path) -> None:
    buckets = Buckets(Store(tmp_path / "limits.db", MIGRATIONS))
    layer = RateLimit("a", "k", buckets, configured={"requests": Limit(60)}, deadlines=Deadlines(total=30))
    waited: list[float] = []
    for _ in range(80):
        layer.hold_blocking(Request.of("hi"), sleep=waited.append)
    assert waited[0] == 0
    assert 15 < waited[-1] < 30
    with pytest.raises(RateLimitedError, match="its next turn is in"):
        for _ in range(40):
            layer.hold_blocking(Request.of("hi"), sleep=waited.append)
    buckets.close()


async def test_a_pause_that_another_process_was_asked_for_is_kept_by_this_one(tmp_path: Path, time: Time) -> None:
    """Also by one that starts after the other is gone."""
    other = Buckets(Store(tmp_path / "limits.db", MIGRATIONS), clock=time)
    other.rest("k", 60.0, "the provider asked for a pause")
    await anyio.to_thread.run_sync(other.close)
    fresh = Buckets(Store(tmp_path / "limits.db", MIGRATIONS), clock=time)
    await layer(fresh, time)(HI, ignore, says())
    assert time.naps == [60.0]
    await anyio.to_thread.run_sync(fresh.close)


async def test_where_nothing_was_ever_stored_looking_for_a_pause_makes_no_file(tmp_path: Path, time: Time) -> None:
    fresh = Buckets(Store(tmp_path / "limits.db", MIGRATIONS), clock=time)
    await layer(fresh, time)(HI, ignore, says())
    await anyio.to_thread.run_sync(fresh.close)
    assert not (tmp_path / "limits.db").exists() and time.naps == []


async def test_a_damaged_store_keeps_no_call_from_going_ahead(
    tmp_path: Path, time: Time, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "limits.db").write_bytes(b"no database at all" * 1_000)
    fresh = Buckets(Store(tmp_path / "limits.db", MIGRATIONS), clock=time)
    assert await layer(fresh, time)(HI, ignore, says()) == OK
    assert not caplog.records, "looking for a pause is no reason to give the store up"
    await anyio.to_thread.run_sync(fresh.close)


@pytest.mark.parametrize(
    "edit",
    [
        "INSERT INTO rests VALUES ('k', 'soon', 'long', 3)",
        "INSERT INTO rests VALUES ('k', 1e300, -1.0, 'x')",
        "INSERT INTO buckets VALUES ('k', 'requests', 'many', 60, 'full', 'now')",
        "INSERT INTO buckets VALUES ('k', 'requests', 5, 60, 9e999, 9e999)",
    ],
)
async def test_what_somebody_wrote_into_the_store_by_hand_stops_no_call(tmp_path: Path, time: Time, edit: str) -> None:
    store = Store(tmp_path / "limits.db", MIGRATIONS)
    await anyio.to_thread.run_sync(store.submit(lambda connection: connection.execute(edit)).result)
    fresh = Buckets(store, clock=time)
    assert await layer(fresh, time, configured={"requests": Limit(5)})(HI, ignore, says()) == OK
    assert time.naps == []
    await anyio.to_thread.run_sync(fresh.close)


async def test_a_pause_for_ever_in_the_store_lasts_a_day(tmp_path: Path, time: Time) -> None:
    store = Store(tmp_path / "limits.db", MIGRATIONS)
    for_ever = "INSERT INTO rests VALUES ('k', 9e18, 9e18, 'x')"
    await anyio.to_thread.run_sync(store.submit(lambda connection: connection.execute(for_ever)).result)
    fresh = Buckets(store, clock=time)
    await fresh.recall("k")
    assert fresh.resting_s("k") == 86_400.0
    await anyio.to_thread.run_sync(fresh.close)


async def test_no_turn_passes_while_an_sdk_is_imported(buckets: Buckets, time: Time) -> None:
    """Ten calls wait for the same import; else their turns would come meanwhile, and all be used in the same moment."""
    left: list[float] = []

    async def imported() -> None:
        time.now += 5

    async def sent(request: Request, emit: Emit) -> Response:
        left.append(time.now)
        return OK

    limit = layer(buckets, time, configured={"requests": Limit(10, 1.0)}, ready=imported)
    for _ in range(4):
        await limit(HI, ignore, sent)
    assert left[0] == 1_000_005.0
    assert [round(after - before, 2) for before, after in itertools.pairwise(left)] == [0.1, 0.1, 0.1]
