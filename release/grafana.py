"""Makes a Grafana dashboard of what /metrics tells: `uv run python release/grafana.py -o dist`.

    moot-dashboard.json   import it, or let Grafana read it from its folder, as `compose.yaml` does

Every panel is a row of `ROWS`; a test holds them to the figures that the server really has, all of them.
"""

from __future__ import annotations

import argparse
import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[1]
FILE = "moot-dashboard.json"
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_COLUMNS = 24


@dataclass(frozen=True)
class Panel:
    """One graph: *queries* are what is drawn, each with its legend."""

    title: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "short"
    says: str = ""
    width: int = 8
    kind: str = "timeseries"


def _quantile(share: float, name: str, by: str) -> str:
    return f"histogram_quantile({share}, sum by (le, {by}) (rate({name}_bucket[$__rate_interval])))"


def _mean(name: str, by: str, where: str = "") -> str:
    total, count = (f"sum by ({by}) (rate({name}_{part}{where}[$__rate_interval]))" for part in ("sum", "count"))
    return f"{total} / {count}"


def _rate(name: str, by: str, where: str = "") -> str:
    return f"sum by ({by}) (rate({name}{where}[$__rate_interval]))"


_CALL, _CHUNK = "gen_ai_client_operation_duration_seconds", "gen_ai_client_operation_time_to_first_chunk_seconds"
_TOKENS, _RUN = "gen_ai_client_token_usage", "gen_ai_workflow_duration_seconds"
_MODEL, _HTTP = "gen_ai_request_model", "moot_http_request_duration_seconds"

ROWS: dict[str, tuple[Panel, ...]] = {
    "Now": (
        Panel("Calls under way", (("sum by (ai) (moot_calls_in_flight)", "{{ai}}"),), width=6),
        Panel("Calls that wait", (("sum(moot_calls_waiting)", "waiting"),), width=6),
        Panel("Jobs", (("max by (state) (moot_jobs)", "{{state}}"),), width=6),
        Panel(
            "Cost in the range",
            (("sum(increase(moot_cost_usd_total[$__range]))", "USD"),),
            "currencyUSD",
            "",
            6,
            "stat",
        ),
    ),
    "AIs": (
        Panel("Calls", ((_rate(f"{_CALL}_count", _MODEL), f"{{{{{_MODEL}}}}}"),), "reqps"),
        Panel(
            "Calls that failed",
            ((_rate(f"{_CALL}_count", f"{_MODEL}, error_type", '{error_type!=""}'), "{{error_type}}"),),
            "reqps",
        ),
        Panel(
            "Cost per hour",
            (("sum by (ai) (rate(moot_cost_usd_total[$__rate_interval])) * 3600", "{{ai}}"),),
            "currencyUSD",
        ),
        Panel("Half of the calls take at most", ((_quantile(0.5, _CALL, _MODEL), f"{{{{{_MODEL}}}}}"),), "s"),
        Panel("95 % of the calls take at most", ((_quantile(0.95, _CALL, _MODEL), f"{{{{{_MODEL}}}}}"),), "s"),
        Panel("95 % begin to answer within", ((_quantile(0.95, _CHUNK, _MODEL), f"{{{{{_MODEL}}}}}"),), "s"),
        Panel("Tokens per second", ((_rate(f"{_TOKENS}_sum", "gen_ai_token_type"), "{{gen_ai_token_type}}"),)),
        Panel("Tokens of a call", ((_mean(_TOKENS, "gen_ai_token_type"), "{{gen_ai_token_type}}"),)),
        Panel(
            "Calls at once",
            (
                ("sum by (ai) (moot_ai_concurrency)", "{{ai}}"),
                ("sum by (ai) (moot_ai_concurrency_ceiling)", "{{ai}}, at most"),
            ),
            says="How many an AI is sent at once, and how many it may be sent: lower where it complains or slows down.",
        ),
        Panel("Tried again", ((_rate("moot_retries_total", "ai"), "{{ai}}"),), "reqps", width=12),
        Panel("Taken over by another AI", ((_rate("moot_fallbacks_total", "ai"), "{{ai}}"),), "reqps", width=12),
    ),
    "Runs": (
        Panel(
            "Runs", ((_rate(f"{_RUN}_count", "gen_ai_workflow_name"), "{{gen_ai_workflow_name}}"),), "reqps", width=12
        ),
        Panel(
            "95 % of the runs take at most",
            ((_quantile(0.95, _RUN, "gen_ai_workflow_name"), "{{gen_ai_workflow_name}}"),),
            "s",
            width=12,
        ),
    ),
    "Server": (
        Panel("Requests", ((_rate("moot_http_requests_total", "status"), "{{status}}"),), "reqps"),
        Panel("Slowest routes (95 %)", ((f"topk(10, {_quantile(0.95, _HTTP, 'route')})", "{{route}}"),), "s"),
        Panel("Event streams", (("sum(moot_event_streams)", "open"),)),
        Panel("Event loop is late", (("max by (quantile) (moot_loop_lag_seconds)", "{{quantile}}"),), "s"),
        Panel("CPU", (("sum(rate(process_cpu_seconds_total[$__rate_interval]))", "cores"),)),
        Panel("Memory", (("sum(process_resident_memory_bytes)", "resident"),), "bytes"),
        Panel("Open files and connections", (("sum(process_open_fds)", "open"),), width=6),
        Panel("Free on the disk", (("min(moot_disk_free_bytes)", "free"),), "bytes", width=6),
        Panel(
            "Machine",
            tuple((f"max(moot_machine_{name}_ratio)", name) for name in ("cpu", "memory", "disk")),
            "percentunit",
        ),
        Panel(
            "Last hour",
            (("max(moot_calls_last_hour)", "calls"), ("max(moot_errors_last_hour)", "errors")),
        ),
        Panel("Processes", (("sum(moot_processes)", "serving"),), width=6),
        Panel("Up since", (("min(process_start_time_seconds) * 1000", "since"),), "dateTimeAsIso", "", 6, "stat"),
    ),
}


def main() -> int:
    """Write the dashboard into the folder that was named, and say where it is."""
    parser = argparse.ArgumentParser(description="Make the Grafana dashboard.")
    parser.add_argument("-o", "--output", type=Path, default=ROOT / "dist", help="the folder to write into")
    folder: Path = parser.parse_args().output
    folder.mkdir(parents=True, exist_ok=True)
    place = folder / FILE
    place.write_text(json.dumps(dashboard(), indent=2) + "\n", encoding="utf-8")
    sys.stdout.write(f"{place}\n")
    return 0


def dashboard() -> dict[str, Any]:
    """The whole dashboard, for any Grafana from 10 on."""
    panels: list[dict[str, Any]] = []
    y = 0
    for row, members in ROWS.items():
        panels.append(
            {"type": "row", "title": row, "gridPos": _place(0, y, _COLUMNS, 1), "collapsed": False, "panels": []}
        )
        y += 1
        x = 0
        for panel in members:
            if x + panel.width > _COLUMNS:
                x, y = 0, y + 8
            panels.append(_drawn(panel, _place(x, y, panel.width, 8)))
            x += panel.width
        y += 8
    for number, one in enumerate(panels, 1):
        one["id"] = number
    return {
        "uid": "moot",
        "title": "Moot",
        "tags": ["moot"],
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {
            "list": [
                {"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus", "current": {}}
            ]
        },
        "panels": panels,
    }


def _drawn(panel: Panel, place: dict[str, int]) -> dict[str, Any]:
    return {
        "type": panel.kind,
        "title": panel.title,
        "description": panel.says,
        "datasource": _SOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": "ABCDEFGH"[number], "datasource": _SOURCE, "expr": query, "legendFormat": legend}
            for number, (query, legend) in enumerate(panel.queries)
        ],
    }


def _place(x: int, y: int, width: int, height: int) -> dict[str, int]:
    return {"x": x, "y": y, "w": width, "h": height}


if __name__ == "__main__":
    sys.exit(main())
