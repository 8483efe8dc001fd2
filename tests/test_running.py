"""What runs the HTTP door elsewhere: the dashboard, the compose file and the unit promise nothing that there is not."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from configparser import ConfigParser
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from scripted_ai import scripted_app
from web_house import open_house

from ai.providers.catalog import PROVIDERS
from core.errors import ServerError
from core.events import CallFellBack, CallFinished, CallRetrying, CallStarted
from core.messaging import TOKEN_VARIABLE
from core.values import Answer, Usage
from server.cli.commands.jobs import worker
from server.cli.commands.telegram import telegram
from server.cli.commands.web import tokens_add, web
from server.cli.main import serve
from server.web.serve import PORT

ROOT = Path(__file__).parents[1]
RELEASE = ROOT / "release"
COMPOSE = RELEASE / "compose.yaml"
_OURS = re.compile(r"\b(?:moot|gen_ai|process)_\w+")
_PARTS = ("_bucket", "_count", "_sum", "_total")


def family(name: str) -> str:
    """The family that a series belongs to, without what its kind puts behind it."""
    for part in _PARTS:
        name = name.removesuffix(part)
    return name


def options_of(command: Any, words: list[str]) -> None:
    """Make sure that *words* are what *command* takes."""
    known = {option for parameter in command.params for option in (*parameter.opts, *parameter.secondary_opts)}
    assert {word.partition("=")[0] for word in words if word.startswith("--")} <= known


async def exported() -> tuple[set[str], set[str]]:
    """The series and the families of ours that a server tells after a real call."""
    steps = ["Good day.", ServerError("Broken.", status=500)]
    with anyio.fail_after(60):
        async with open_house(partial(scripted_app, {"gpt": steps})) as house:
            for _ in steps:
                await house.owner.post("/api/chat", json={"agent_id": "gpt", "message": "Hello?"})
            answer = Answer("gpt", "m", "Yes.", 1.0, Usage(1, 1), 0.01, first_token_s=0.5)
            went_wrong = CallRetrying("r", "c", 2, 0.1, "again"), CallFellBack("r", "c", "x", "away")
            for event in (CallStarted("r", "c", "gpt", "m"), *went_wrong, CallFinished("r", "c", answer)):
                house.house.app.bus.publish(event)
            text = (await house.owner.get("/metrics")).text
    found = [one for one in text_string_to_metric_families(text) if _OURS.match(one.name)]
    return {sample.name for one in found for sample in one.samples}, {family(one.name) for one in found}


@pytest.fixture
def dashboard(tmp_path: Path) -> dict[str, Any]:
    command = [sys.executable, str(RELEASE / "grafana.py"), "-o", str(tmp_path)]
    done = subprocess.run(command, cwd=tmp_path, check=True, capture_output=True, text=True)
    made: dict[str, Any] = json.loads(Path(done.stdout.strip()).read_text())
    return made


async def test_the_dashboard_shows_all_that_there_is_and_nothing_else(dashboard: dict[str, Any]) -> None:
    series, families = await exported()
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", ())]
    labels = {"gen_ai_request_model", "gen_ai_token_type", "gen_ai_workflow_name"}
    shown = {name for query in queries for name in _OURS.findall(query)} - labels
    assert shown - series == set()
    assert {family(name) for name in shown} == families


def test_the_dashboards_panels_lie_beside_each_other(dashboard: dict[str, Any]) -> None:
    places = [panel["gridPos"] for panel in dashboard["panels"]]
    assert all(place["x"] + place["w"] <= 24 for place in places)
    cells = [(x, y) for p in places for x in range(p["x"], p["x"] + p["w"]) for y in range(p["y"], p["y"] + p["h"])]
    assert len(cells) == len(set(cells))
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(places)
    assert all(panel["title"] for panel in dashboard["panels"])


@pytest.fixture
def compose() -> dict[str, Any]:
    read: dict[str, Any] = yaml.safe_load(COMPOSE.read_text())
    return read


def test_the_compose_file_starts_what_there_is(compose: dict[str, Any]) -> None:
    services = compose["services"]
    moot, workers = services["moot"], services["worker"]
    assert moot["command"][0] == "serve" and workers["command"][0] == "worker"
    options_of(serve, moot["command"])
    options_of(worker, workers["command"])
    assert moot["ports"] == [f"127.0.0.1:{PORT}:{PORT}"], "nobody else reaches it but through a proxy"
    assert moot["volumes"] == ["data:/data"] and "data" in compose["volumes"]
    assert f"{PORT}/ready" in moot["healthcheck"]["test"][-1]
    keys = {name for provider in PROVIDERS.values() for name in provider.env_keys}
    assert {name for name, value in moot["environment"].items() if value is None} <= keys
    assert services["telegram"]["command"] == ["telegram"]
    assert services["telegram"]["environment"] == {**moot["environment"], TOKEN_VARIABLE: None}
    assert {name: one.get("profiles") for name, one in services.items()} == {
        "moot": None,
        "worker": ["postgres"],
        "telegram": ["telegram"],
        "chroma": ["telegram"],
        "postgres": ["postgres"],
        "prometheus": ["metrics"],
        "grafana": ["metrics"],
    }


def test_what_the_compose_file_names_is_in_it(compose: dict[str, Any]) -> None:
    for service in compose["services"].values():
        assert {one["source"] for one in service.get("configs", ())} <= set(compose["configs"])
        assert set(service.get("secrets", ())) <= set(compose["secrets"])
        assert {one.partition(":")[0] for one in service.get("volumes", ())} <= set(compose["volumes"])
        assert service.get("image", "").partition(":")[2] not in ("latest",)
    (job,) = yaml.safe_load(compose["configs"]["prometheus"]["content"])["scrape_configs"]
    (target,) = job["static_configs"][0]["targets"]
    assert f"--allow-host={target}" in compose["services"]["moot"]["command"], "else it is turned away"
    assert job["authorization"]["credentials_file"] == "/run/secrets/metrics_token"
    for name in ("grafana_sources", "grafana_dashboards"):
        assert yaml.safe_load(compose["configs"][name]["content"])["apiVersion"] == 1
    assert (RELEASE / compose["configs"]["dashboard"]["file"]).resolve() == ROOT / "dist" / "moot-dashboard.json"


def has_compose() -> bool:
    docker = shutil.which("docker")
    done = docker and subprocess.run([docker, "compose", "version"], capture_output=True, check=False)
    return bool(done and done.returncode == 0)


@pytest.mark.slow
@pytest.mark.skipif(not has_compose(), reason="docker compose is not there")
@pytest.mark.parametrize("profile", ["postgres", "metrics", "telegram"])
def test_docker_compose_takes_it(profile: str) -> None:
    command = ["docker", "compose", "-f", str(COMPOSE), "--profile", profile, "config", "--quiet"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr


UNITS = {"moot.service": serve, "moot-telegram.service": telegram}


@pytest.mark.parametrize("name", UNITS)
def test_a_unit_gives_its_program_no_more_than_it_needs(name: str) -> None:
    unit = ConfigParser(strict=False, interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read(RELEASE / name)
    service = unit["Service"]
    for guard in ("NoNewPrivileges", "PrivateTmp", "ProtectHome"):
        assert service[guard] == "yes"
    assert service["ProtectSystem"] == "strict" and service["StateDirectory"] == "moot"
    assert service["User"] != "root" and service["CapabilityBoundingSet"] == ""
    program, command, *words = service["ExecStart"].split()
    assert (Path(program).name, command) == ("moot", UNITS[name].name)
    options_of(UNITS[name], words)
    assert "--no-detach" in words or command == "telegram", "what it starts dies with it"
    assert int(service["TimeoutStopSec"]) > 30 + 5
    assert service["RestartPreventExitStatus"] == "2"


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd is not there")
@pytest.mark.parametrize("name", UNITS)
def test_systemd_takes_the_unit(tmp_path: Path, name: str) -> None:
    copy = tmp_path / name
    copy.write_text((RELEASE / name).read_text().replace("/opt/moot/bin/moot", "/bin/true"))
    done = subprocess.run(["systemd-analyze", "verify", str(copy)], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and name not in done.stderr, done.stderr


PAGE = (ROOT / "docs" / "http.md").read_text()


def test_every_option_and_every_file_of_the_page_is_there() -> None:
    here = {option for command in (serve, web, tokens_add, worker) for one in command.params for option in one.opts}
    rows = re.findall(r"^\| `(--[^|]*)` \|", PAGE, re.M)
    lines = [line for line in PAGE.splitlines() if re.match(r"(?:moot |    serve )", line)]
    named = {option for text in (*rows, *lines) for option in re.findall(r"--[a-z-]+", text)}
    assert named and named <= here
    listed = {option for row in rows for option in re.findall(r"--[a-z-]+", row)}
    assert {option for one in serve.params for option in one.opts} - {
        "--http",
        "--live",
    } <= listed  # the one leads here, the other is for stdin
    assert all((ROOT / name).exists() for name in re.findall(r"release/[a-z]+\.[a-z]+", PAGE))


async def test_every_figure_is_on_the_page() -> None:
    _, families = await exported()
    table = PAGE[PAGE.index("| figure | labels |") :]
    named = {
        name for line in table.splitlines() if line.startswith("| `") for name in _OURS.findall(line.split("|")[1])
    }
    assert {family(name) for name in named} == families


def test_what_proxies_are_told_is_what_events_need() -> None:
    (nginx,) = re.findall(r"^```nginx\n(.*?)^```", PAGE, re.M | re.S)
    assert "proxy_buffering off;" in nginx and f"proxy_pass http://127.0.0.1:{PORT};" in nginx
    assert nginx.count("{") == nginx.count("}")
    (scraped,) = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.M | re.S)
    assert yaml.safe_load(scraped)["scrape_configs"][0]["static_configs"] == [{"targets": [f"127.0.0.1:{PORT}"]}]
