"""Runs every benchmark, each in a process of its own, and prints one table.

python bench/run.py            all figures
python bench/run.py --check    exit 1 when a bound is broken, and again in a longer second measurement
python bench/run.py wide imports --rounds 3
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from _measure import Figure, clean_environment

HERE = Path(__file__).resolve().parent
BENCHMARKS = (
    "fan_out",
    "wide",
    "overhead",
    "streaming",
    "endpoint",
    "imports",
    "start",
    "ask",
    "tools_list",
    "ledger",
    "rate_limits",
    "faults",
    "articles",
    "panel",
    "review",
    "jobs",
    "batch",
    "cluster",
    "documents",
    "agent_cpu",
    "agent_tree",
)


def main() -> None:
    options = _options()
    broken = False
    results: list[dict[str, Any]] = []
    for name in options.benchmarks or BENCHMARKS:
        figures, failed = _run(name, options)
        broken = broken or failed
        results += [{"benchmark": name} | figure for figure in figures]
        if not options.json:
            _print_table(name, figures)
    if options.json:
        print(json.dumps(results, indent=1))
    sys.exit(1 if broken else 0)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("benchmarks", nargs="*", metavar="BENCHMARK", help=f"of {', '.join(BENCHMARKS)}; default all")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bound is broken, twice")
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.add_argument("--rounds", type=int, help="instead of each benchmark's own number")
    options = parser.parse_args()
    if unknown := set(options.benchmarks) - set(BENCHMARKS):
        parser.error(f"no benchmark called {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    return options


def _run(name: str, options: argparse.Namespace) -> tuple[list[dict[str, Any]], bool]:
    """The figures of one benchmark, and whether it failed."""
    command = [sys.executable, str(HERE / f"{name}.py"), "--json"]
    command += ["--check"] if options.check else []
    command += ["--rounds", str(options.rounds)] if options.rounds else []
    done = subprocess.run(command, check=False, stdout=subprocess.PIPE, text=True, env=clean_environment())
    try:
        return json.loads(done.stdout), done.returncode != 0
    except ValueError:
        print(f"{name} did not run: exit code {done.returncode}", file=sys.stderr)
        return [], True


def _print_table(name: str, figures: list[dict[str, Any]]) -> None:
    print(f"\n{name}")
    for fields in figures:
        fields.pop("ok")
        print(f"  {Figure(**fields)}", flush=True)


if __name__ == "__main__":
    main()
