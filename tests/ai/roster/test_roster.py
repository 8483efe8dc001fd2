from __future__ import annotations

import json
from datetime import date
from pathlib import Path
from typing import Any

import pytest
from fake_provider import FakeProvider

from ai.caller import Caller
from ai.client import ignore
from ai.local.engines import LocalEngines
from ai.local.personas import PERSONAS
from ai.local.weights import BETTER, TINY
from ai.providers import openai_chat
from ai.providers.catalog import PROVIDERS
from ai.providers.retirements import RETIREMENTS, retirement_warning
from ai.roster.roster import _MOST_UNLISTED, Roster, open_seat
from core.config import Config, load_config
from core.errors import ConfigError, LocalModelError, MissingKeyError, UnknownAIError
from core.events import EventBus
from core.limits.budget_rows import Estimate
from core.values import Answer, Request

LOCAL = [seat.name for seat in PERSONAS]


def configured(tmp_path: Path, ais: dict[str, Any], **defaults: Any) -> Config:
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"ais": ais, "defaults": defaults}))
    path.chmod(0o600)
    return load_config(path)


PLACED = {"azure", *(name for name, provider in PROVIDERS.items() if provider.platform)}
"""Those of which every customer has an address, a region or a project of their own."""


@pytest.mark.parametrize("name", [name for name in PROVIDERS if name not in ("openai_compatible", "command")])
def test_every_row_of_the_catalogue_builds(tmp_path: Path, name: str) -> None:
    place = {"region": "eu-west-1", "project": "p", "base_url": "http://127.0.0.1:1/v1"}
    row = {"provider": name, "api_key": "k-1234567"} | (place | {"model": "m"} if name in PLACED else {})
    roster = Roster.open(configured(tmp_path, {"x": row}))
    assert roster.names == ["x"] and roster.problems == {}


def test_every_default_model_is_current() -> None:
    for provider in PROVIDERS.values():
        assert provider.model is None or retirement_warning(provider.model, date(2027, 6, 1)) is None
    for retirement in RETIREMENTS.values():
        assert retirement_warning(retirement.use, date(2027, 6, 1)) is None


def test_a_retired_model_is_named_with_its_date_and_successor() -> None:
    assert retirement_warning("gpt-5", date(2026, 11, 21)) == (
        "Model 'gpt-5' will be switched off on 2026-12-11: use 'gpt-6.1-sol' instead."
    )
    assert "was switched off" in (retirement_warning("gpt-4-turbo-2024-04-09", date(2026, 11, 21)) or "")
    assert retirement_warning("gpt-6.1-sol", date(2026, 11, 21)) is None


def test_a_model_whose_calls_another_will_answer_says_so() -> None:
    assert retirement_warning("gemini-2.5-pro", date(2026, 11, 28)) == (
        "Calls to model 'gemini-2.5-pro' will be answered by 'gemini-3.8-flash', at its price, from 2026-12-01 on: "
        "name that."
    )
    assert "are answered" in (retirement_warning("gemini-2.5-flash", date(2026, 12, 2)) or "")


@pytest.mark.parametrize(
    "model", ["gpt-5-pro", "o3-pro", "claude-opus-4-1", "claude-opus-4-1-20250805", "whisper-1", "gpt-4o-transcribe"]
)
def test_models_that_end_are_known(model: str) -> None:
    assert retirement_warning(model, date(2026, 11, 28))


def test_without_anything_configured_the_local_seats_are_there() -> None:
    roster = Roster.open(Config())
    assert roster.names == LOCAL and roster.only_local


def test_the_seat_of_the_better_model_is_there_when_it_is_named_and_says_how_to_have_it() -> None:
    roster = Roster.open(Config())
    seat = roster.seat("local-better")
    assert seat.model == BETTER.name and seat.local
    assert roster.names == LOCAL
    assert seat.unavailable_reason == (
        "The better local model's weights are not installed. Run: moot local install --better"
    )


def test_a_row_may_name_one_of_the_embedded_models_and_no_other(tmp_path: Path) -> None:
    ais = {"coder": {"provider": "local", "model": BETTER.name.lower()}, "odd": {"provider": "local", "model": "big"}}
    roster = Roster.open(configured(tmp_path, ais))
    assert roster.names == ["coder"]
    assert roster.problems["odd"] == (
        f"credentials.json: ais.odd.model: 'big' is unknown. Use one of: {TINY.name}, {BETTER.name}."
    )


def test_each_embedded_model_has_an_engine_of_its_own_until_they_are_closed() -> None:
    engines = LocalEngines()
    assert engines.of(TINY) is engines.of(TINY) is not engines.of(BETTER)
    engines.close()
    with pytest.raises(LocalModelError, match="Open the app again"):
        engines.of(TINY)


def test_other_models_are_forgotten_in_the_order_in_which_they_were_named_last(tmp_path: Path) -> None:
    roster = Roster.open(configured(tmp_path, {"gpt": {"provider": "openai", "api_key": "k-1234567"}}))
    first, second = roster.seat("gpt/first"), roster.seat("gpt/second")
    for number in range(_MOST_UNLISTED - 2):
        roster.seat(f"gpt/model-{number}")
    assert roster.seat("gpt/first") is first, "it was named again, so the second is the oldest"
    roster.seat("gpt/one-too-many")
    assert len(roster.unlisted) == _MOST_UNLISTED and len(roster.seats) == _MOST_UNLISTED + 1
    assert roster.seat("gpt/first") is first and "gpt/second" not in roster.seats
    assert roster.seat("gpt/second") is not second and roster.seat("gpt/second").model == "second"
    assert roster.names == ["gpt"]


def test_who_is_being_asked_is_not_forgotten_and_all_are_bounded_again_afterwards(tmp_path: Path) -> None:
    roster = Roster.open(configured(tmp_path, {"gpt": {"provider": "openai", "api_key": "k-1234567"}}))
    busy = roster.seat("gpt/busy")
    busy.concurrency.in_flight = 1
    for number in range(2 * _MOST_UNLISTED):
        roster.seat(f"gpt/model-{number}")
    assert roster.seat("gpt/busy") is busy and len(roster.unlisted) == _MOST_UNLISTED


async def test_a_client_that_has_something_to_close_is_closed_in_the_end_also_when_forgotten(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed: list[str] = []

    async def aclose(self: Any) -> None:
        closed.append(self._settings.model)

    monkeypatch.setattr(openai_chat.AsyncClient, "aclose", aclose)
    roster = Roster.open(configured(tmp_path, {"gpt": {"provider": "openai", "api_key": "k-1234567", "model": "m"}}))
    for number in range(_MOST_UNLISTED + 3):
        roster.seat(f"gpt/model-{number}")
    await roster.aclose()
    assert sorted(closed) == sorted(["m", *(f"model-{number}" for number in range(_MOST_UNLISTED + 3))])


def test_a_key_in_the_environment_is_an_ai_and_the_local_seats_step_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-12345678")
    roster = Roster.open(Config())
    assert roster.names == ["xai"]
    assert roster.seat(LOCAL[0]).local


def test_a_row_replaces_the_environment_s_ai_and_enabled_false_removes_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XAI_API_KEY", "xai-12345678")
    monkeypatch.setenv("GROQ_API_KEY", "gsk-12345678")
    roster = Roster.open(configured(tmp_path, {"grok": {"provider": "xai"}, "groq": {"enabled": False}}))
    assert roster.names == ["grok"]


def test_a_bad_row_or_a_missing_key_is_told_and_stops_nobody(tmp_path: Path) -> None:
    ais = {
        "good": {"provider": "openai", "api_key": "k-1234567"},
        "keyless": {"provider": "anthropic"},
        "odd": {"provider": "acme"},
        "typo": {"provider": "openai", "modle": "x"},
        "nowhere": {"provider": "openai_compatible"},
        "silent": {"provider": "command"},
    }
    roster = Roster.open(configured(tmp_path, ais))
    assert roster.names == ["good"]
    assert roster.problems["keyless"] == (
        "No key for 'keyless': set \"api_key\" for 'keyless' in credentials.json "
        "or ANTHROPIC_API_KEY in the environment."
    )
    assert roster.problems["odd"].startswith(
        "credentials.json: ais.odd.provider: 'acme' is unknown. Use one of: openai,"
    )
    assert "ais.typo.modle is not a known setting" in roster.problems["typo"]
    assert "ais.nowhere.base_url is missing" in roster.problems["nowhere"]
    assert 'ais.silent.command is missing. Example: ["claude", "-p"]' in roster.problems["silent"]
    with pytest.raises(ConfigError, match="No key for 'keyless'"):
        roster.seat("keyless")


def test_an_unknown_name_lists_the_known_ones(tmp_path: Path) -> None:
    roster = Roster.open(configured(tmp_path, {"gpt": {"provider": "openai", "api_key": "k-1234567"}}))
    with pytest.raises(UnknownAIError, match="No AI named 'gtp'. Configured: gpt") as caught:
        roster.seat("gtp")
    assert isinstance(caught.value, ValueError)


def test_a_broken_file_brings_no_local_seats_and_is_the_reason_given(tmp_path: Path) -> None:
    path = tmp_path / "credentials.json"
    path.write_text("{")
    roster = Roster.open(load_config(path))
    assert roster.names == []
    with pytest.raises(ConfigError, match="not valid JSON at line 1"):
        roster.default()
    with pytest.raises(UnknownAIError, match="not valid JSON at line 1"):
        roster.seat("gpt")


def test_the_default_is_the_configured_one(tmp_path: Path) -> None:
    ais = {name: {"provider": "openai", "api_key": "k-1234567"} for name in ("a", "b")}
    assert Roster.open(configured(tmp_path, ais)).default().name == "a"
    assert Roster.open(configured(tmp_path, ais, ai="b")).default().name == "b"


def test_google_s_key_wins_over_gemini_s(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GEMINI_API_KEY", "second-12345")
    monkeypatch.setenv("GOOGLE_API_KEY", "first-12345")
    seat = Roster.open(Config()).seat("gemini")
    assert seat.client._settings.endpoint.api_key == "first-12345"  # type: ignore[attr-defined]


async def test_a_row_s_settings_reach_the_wire(tmp_path: Path, provider: FakeProvider) -> None:
    row = {
        "provider": "openai_compatible",
        "base_url": provider.base_url,
        "model": "tokens=1",
        "system": "Be brief.",
        "temperature": 0.3,
        "max_tokens": 5,
        "headers": {"x-team": "blue"},
        "extra": {"seed": 1},
    }
    roster = Roster.open(configured(tmp_path, {"gw": row}))
    await roster.seat("gw").complete(Request.of("hi", temperature=0.9), ignore)
    await roster.aclose()
    (sent,) = provider.requests
    assert sent["messages"][0] == {"role": "system", "content": "Be brief."}
    assert (sent["temperature"], sent["max_tokens"], sent["seed"]) == (0.9, 5, 1)
    assert provider.headers[0]["x-team"] == "blue"


async def test_explicit_arguments_win_over_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, provider: FakeProvider
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "from-environment")
    config = configured(tmp_path, {"openai": {"api_key": "from-file", "model": "file-model"}})
    roster = open_seat("openai", config, api_key="explicit-1", model="tokens=1", base_url=provider.base_url)
    await roster.seat("openai").complete(Request.of("hi"), ignore)
    await roster.aclose()
    assert provider.headers[0]["authorization"] == "Bearer explicit-1"
    assert provider.requests[0]["model"] == "tokens=1"


def test_a_client_for_a_provider_without_a_key_says_where_to_put_it() -> None:
    with pytest.raises(MissingKeyError, match="OPENAI_API_KEY"):
        open_seat("openai", Config())


async def test_a_fallback_row_is_followed_and_the_answer_says_who_answered(
    tmp_path: Path, provider: FakeProvider
) -> None:
    base = {"provider": "openai_compatible", "base_url": provider.base_url}
    ais = {"first": {**base, "model": "status=402", "fallback": ["second"]}, "second": {**base, "model": "tokens=2"}}
    roster = Roster.open(configured(tmp_path, ais))
    answer = await roster.seat("first").complete(Request.of("hi"), ignore)
    await roster.aclose()
    assert (answer.text, answer.answered_by) == ("tok tok ", "second")
    assert "no credit left" in (answer.fallback_reason or "")


async def test_an_ai_with_a_cache_is_asked_once_and_the_copy_is_free(tmp_path: Path, provider: FakeProvider) -> None:
    row = {"provider": "openai_compatible", "base_url": provider.base_url, "model": "tokens=2", "cache_ttl": 60}
    roster = Roster.open(configured(tmp_path, {"gw": row, "other": {**row, "model": "tokens=3"}}))
    caller = Caller(roster, EventBus())
    request = Request.of("hi")
    first, twin = await caller.call_many([("gw", request), ("gw", request)])
    other = await caller.call("other", request)
    await roster.aclose()
    assert isinstance(first, Answer)
    assert isinstance(twin, Answer)
    assert isinstance(other, Answer)
    assert sorted([first.cached, twin.cached]) == [False, True]
    assert [a.cost_usd for a in (first, twin) if a.cached] == [0.0]
    assert not other.cached
    assert len(provider.requests) == 2


@pytest.mark.parametrize(
    ("said", "meant"),
    [
        ("GPT", "gpt"),
        (" g p t ", "gpt"),
        ("gpt/m-2", "gpt/m-2"),
        ("openai/m-2", "gpt/m-2"),
        ("ollama/llama", "ollama/llama"),
        ("openrouter/meta/llama", "openrouter/meta/llama"),
        ("/m-2", "gpt/m-2"),
        ("/ollama", "ollama"),
        ("gpt/m-1", "gpt"),
    ],
)
def test_a_name_means_an_ai_or_another_model_of_one(tmp_path: Path, said: str, meant: str) -> None:
    rows = {
        "gpt": {"provider": "openai", "api_key": "k-1234567", "model": "m-1"},
        "ollama": {},
        "openrouter": {"api_key": "k-7654321"},
    }
    roster = Roster.open(configured(tmp_path, rows))
    seat = roster.seat(said)
    assert seat.name == meant
    assert seat.model == (meant.partition("/")[2] or seat.model)
    assert roster.names == ["gpt", "ollama", "openrouter"]


def test_groups_and_lists_are_taken_apart(tmp_path: Path) -> None:
    rows = {name: {"provider": "ollama"} for name in ("a", "b", "c")}
    path = tmp_path / "credentials.json"
    path.write_text(json.dumps({"ais": rows, "groups": {"fast": ["c", "a"]}}))
    path.chmod(0o600)
    roster = Roster.open(load_config(path))
    assert roster.expand(["@Fast, b", "a"]) == ["c", "a", "b"]
    assert roster.expand(["all"]) == ["a", "b", "c"]
    with pytest.raises(ValueError, match="There is no group '@slow'. Groups: @fast"):
        roster.expand(["@slow"])


def test_another_model_is_on_the_bill_of_its_ai(tmp_path: Path) -> None:
    assert Estimate("gpt/m-2", "m-2", 1, 1, None, None).payer == "gpt"
