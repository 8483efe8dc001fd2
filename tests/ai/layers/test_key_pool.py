from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fake_provider import FakeProvider

from ai.client import Emit, ignore
from ai.layers.key_pool import KeyPool
from ai.layers.pipeline import Complete
from ai.roster.roster import Roster, open_seat
from core.config import Config, load_config
from core.errors import (
    AIError,
    AuthenticationError,
    CircuitOpenError,
    QuotaExceededError,
    RateLimitedError,
    ServerError,
)
from core.redact import redact
from core.values import Request, Response
from tools.status import KeyStatus, _ready

HI = Request.of("hi")
OK = Response("fine", "m")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class ScriptedKey:
    alias: str
    complete: Complete
    room: float

    def headroom(self) -> float:
        return self.room


def key(alias: str, *steps: AIError | Response, headroom: float = 1.0) -> ScriptedKey:
    left = list(steps)

    async def complete(request: Request, emit: Emit) -> Response:
        step = left.pop(0)
        if isinstance(step, AIError):
            raise step
        return step

    return ScriptedKey(alias, complete, headroom)


async def test_calls_go_round_the_keys_and_the_answer_names_the_one_that_was_used() -> None:
    pool = KeyPool("gpt", [key("a", OK, OK), key("b", OK)])
    assert [(await pool(HI, ignore)).key for _ in range(3)] == ["a", "b", "a"]


async def test_the_key_with_the_most_headroom_goes_first() -> None:
    pool = KeyPool("gpt", [key("a", headroom=0.2), key("b", OK, OK, headroom=0.9)])
    assert [(await pool(HI, ignore)).key for _ in range(2)] == ["b", "b"]


@pytest.mark.parametrize(
    "error",
    [AuthenticationError("refused"), QuotaExceededError("refused"), RateLimitedError("x"), CircuitOpenError("x")],
)
async def test_when_one_key_is_refused_the_next_is_tried(error: AIError) -> None:
    pool = KeyPool("gpt", [key("a", error), key("b", OK)])
    assert (await pool(HI, ignore)).key == "b"


async def test_a_wrong_key_is_rested_alone_with_its_reason_and_tried_again_later() -> None:
    clock = Clock()
    pool = KeyPool("gpt", [key("a", AuthenticationError("refused"), OK), key("b", OK, OK)], clock=clock)
    assert [(await pool(HI, ignore)).key for _ in range(2)] == ["b", "b"]
    assert list(pool.rests().values()) == ["rested for 3600 s more. refused", ""]
    clock.now = 3_600.0
    assert (await pool(HI, ignore)).key == "a"


async def test_a_failure_that_another_key_cannot_mend_goes_straight_up() -> None:
    pool = KeyPool("gpt", [key("a", ServerError("x")), key("b")])
    with pytest.raises(ServerError):
        await pool(HI, ignore)


async def test_when_no_key_is_left_the_first_reason_goes_up_and_then_how_long_they_rest() -> None:
    pool = KeyPool(
        "gpt", [key("a", QuotaExceededError("no credit")), key("b", AuthenticationError("no"))], clock=Clock()
    )
    with pytest.raises(QuotaExceededError):
        await pool(HI, ignore)
    with pytest.raises(CircuitOpenError, match="All 2 keys of 'gpt' are rested, the next for 600 s. no credit"):
        await pool(HI, ignore)


def row(**fields: Any) -> dict[str, Any]:
    return {"provider": "openai_compatible", "base_url": "http://127.0.0.1:9/v1", "model": "m"} | fields


def configured(tmp_path: Path, **fields: Any) -> Config:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"ais": {"gpt": row(**fields)}}))
    path.chmod(0o600)
    return load_config(path)


async def test_several_keys_of_a_row_are_used_in_turn_each_with_a_breaker_of_its_own(
    tmp_path: Path, provider: FakeProvider
) -> None:
    keys = ["sk-one-12345", {"alias": "team", "key": "sk-two-12345"}]
    roster = Roster.open(configured(tmp_path, base_url=provider.base_url, model="tokens=1", api_keys=keys))
    seat = roster.seat("gpt")
    assert [(await seat.complete(HI, ignore)).key for _ in range(3)] == ["key 1", "team", "key 1"]
    assert [headers["authorization"] for headers in provider.headers[:2]] == [
        "Bearer sk-one-12345",
        "Bearer sk-two-12345",
    ]
    assert seat.lanes[0].breaker is not seat.lanes[1].breaker
    await roster.aclose()


async def test_status_says_which_key_rests_and_why(tmp_path: Path) -> None:
    roster = Roster.open(configured(tmp_path, api_keys=["sk-one-12345", "sk-two-12345"]))
    seat = roster.seat("gpt")
    assert seat.pool
    seat.pool._rest(seat.pool._kept[1], AuthenticationError("refused"))
    assert _ready(seat).keys == [
        KeyStatus(alias="key 1"),
        KeyStatus(alias="key 2", problem="rested for 3600 s more. refused"),
    ]


def test_a_single_key_needs_no_pool(tmp_path: Path) -> None:
    seat = Roster.open(configured(tmp_path, api_key="sk-one-12345")).seat("gpt")
    assert seat.pool is None
    assert _ready(seat).keys == []


def test_an_explicit_key_stands_in_for_all_of_the_row(tmp_path: Path) -> None:
    config = configured(tmp_path, api_keys=["sk-one-12345", "sk-two-12345"])
    seat = open_seat("gpt", config, api_key="explicit-1").seat("gpt")
    assert seat.client._settings.endpoint.api_key == "explicit-1"  # type: ignore[attr-defined]
    assert seat.pool is None


def test_no_key_of_a_list_is_ever_shown(tmp_path: Path) -> None:
    config = configured(tmp_path, api_keys=["sk-one-12345", {"alias": "team", "key": "sk-two-12345"}])
    assert "12345" not in redact(f"sk-one-12345 sk-two-12345 {config}")


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"api_keys": ["sk-same-12345", "sk-same-12345"]}, "each key and each alias may appear once"),
        ({"api_keys": ["sk-one-12345"], "api_key": "sk-two-12345"}, "has both api_key and api_keys"),
        ({"api_keys": [""]}, "ais.gpt.api_keys"),
        ({"rpm": 0}, "ais.gpt.rpm: Input should be greater than 0"),
        ({"rpm": -5}, "ais.gpt.rpm: Input should be greater than 0"),
        ({"rpm": 10**9}, "ais.gpt.rpm: Input should be less than or equal to 10000000"),
        ({"tpm": "lots"}, "ais.gpt.tpm: Input should be a valid integer"),
        ({"tpm": 1.5}, "ais.gpt.tpm"),
    ],
)
def test_senseless_keys_and_limits_are_refused_with_a_sentence(
    tmp_path: Path, fields: dict[str, Any], said: str
) -> None:
    (problem,) = configured(tmp_path, **fields).problems
    assert said in problem
    assert "12345" not in problem
