"""What the benchmarks share: interleaved rounds, figures with their spread and bound, fresh processes, CPU, output.

A benchmark is a program that calls `main(measure, rounds=...)`. `measure(rounds)` gives figures; every ratio is the
median over rounds in which both sides ran one after the other, because this is the only thing a noisy machine leaves
intact. What has to start cold runs in a process of its own: `fresh(worker, ...)`.
"""

from __future__ import annotations

import argparse
import atexit
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import median, quantiles
from typing import Any, TypeVar

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))  # the one place: benchmarks run from a checkout and measure it, not an installed Moot

if "MOOT_HOME" not in os.environ:  # what is measured must not land in the developer's own ledger
    os.environ["MOOT_HOME"] = tempfile.mkdtemp(prefix="moot-bench-")
    atexit.register(shutil.rmtree, os.environ["MOOT_HOME"], ignore_errors=True)

_FAKE_PROVIDER = ROOT / "tests" / "support" / "fake_provider.py"
_WORKER_FLAG = "--worker"
_MORE_ROUNDS = 2
"""A broken bound is measured once more, over so many times the rounds, before it counts."""

_MEASURED = ("x", "ms")
"""Units with a fraction; everything else is counted."""

Sample = TypeVar("Sample")
Worker = Callable[..., Any]


@dataclass(frozen=True)
class Figure:
    """One measured quantity: the median, the quartiles around it, and the most it may be (None: only shown)."""

    name: str
    value: float
    low: float
    high: float
    bound: float | None = None
    unit: str = "x"
    note: str = ""

    @property
    def ok(self) -> bool:
        return self.bound is None or self.value <= self.bound

    def __str__(self) -> str:
        spread = "" if self.low == self.high else f" [{self._text(self.low)}..{self._text(self.high)}]"
        bound = "" if self.bound is None else f" (bound <= {self._text(self.bound)}) {'ok' if self.ok else 'ABOVE'}"
        note = f"  # {self.note}" if self.note else ""
        return f"{self.name}: {self._text(self.value)} {self.unit}{spread}{bound}{note}"

    def _text(self, value: float) -> str:
        return f"{value:.2f}" if self.unit in _MEASURED else f"{value:,.0f}"


def figure(
    name: str, samples: Sequence[float], *, bound: float | None = None, unit: str = "x", note: str = ""
) -> Figure:
    """The median of *samples*."""
    low, _, high = quantiles(samples, n=4, method="inclusive") if len(samples) > 1 else (samples[0],) * 3
    return Figure(name, median(samples), low, high, bound, unit, note)


def exact(name: str, value: float, *, bound: float | None = None, unit: str, note: str = "") -> Figure:
    """Something that was counted, not measured."""
    return Figure(name, value, value, value, bound, unit, note)


def ratio(
    name: str, above: Sequence[float], below: Sequence[float], *, bound: float | None = None, note: str = ""
) -> Figure:
    """The median over the rounds of *above* / *below*, paired round by round."""
    return figure(name, [a / b for a, b in zip(above, below, strict=True)], bound=bound, note=note)


def interleaved(rounds: int, subjects: Mapping[str, Callable[[], Sample]]) -> dict[str, list[Sample]]:
    """A sample of every subject a round. Every other round runs backwards, so that nobody always goes first."""
    samples: dict[str, list[Sample]] = {name: [] for name in subjects}
    for number in range(rounds):
        order = list(subjects) if number % 2 == 0 else list(subjects)[::-1]
        for name in order:
            samples[name].append(subjects[name]())
    return samples


def fresh(worker: str, **arguments: Any) -> Any:
    """Run *worker* of the benchmark that is running in an interpreter of its own, and give back what it returned."""
    script = sys.modules["__main__"].__file__
    assert script is not None
    done = subprocess.run(
        [sys.executable, script, _WORKER_FLAG, worker, json.dumps(arguments)],
        check=True,
        stdout=subprocess.PIPE,
        env=clean_environment(),
    )
    return json.loads(done.stdout)


def run_cpu_s(arguments: Sequence[str]) -> float:
    """CPU seconds, user and system, of a whole Python process."""
    before = children_cpu_s()
    subprocess.run(
        [sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL, env=clean_environment(), cwd=ROOT
    )
    return children_cpu_s() - before


def children_cpu_s() -> float:
    """CPU seconds of all processes that were started here and have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def clean_environment() -> dict[str, str]:
    """The environment with compiled modules allowed and nobody's keys or proxies in it."""
    drop = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH")
    wanted = {name: value for name, value in os.environ.items() if name not in drop}
    return {name: value for name, value in wanted.items() if not name.lower().endswith(("_api_key", "_proxy"))}


@contextmanager
def fake_provider(log: Path | None = None) -> Iterator[str]:
    """The base URL of a provider in another process; the model name says how it behaves, *log* what it was asked."""
    command = [sys.executable, str(_FAKE_PROVIDER), *([str(log)] if log else [])]
    child = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert child.stdin
    assert child.stdout
    try:
        yield child.stdout.readline().strip()
    finally:
        child.stdin.close()
        child.wait(timeout=10)
        child.stdout.close()


def main(measure: Callable[[int], list[Figure]], *, rounds: int, workers: Sequence[Worker] = ()) -> None:
    """Run a benchmark as a program, or one of its workers when `fresh` started it."""
    if len(sys.argv) == 4 and sys.argv[1] == _WORKER_FLAG:
        _work({worker.__name__: worker for worker in workers}, sys.argv[2], json.loads(sys.argv[3]))
        return
    options = _options(rounds)
    figures = measure(options.rounds)
    if options.check:
        figures = _again(measure, figures, options.rounds * _MORE_ROUNDS)
    if options.json:
        print(json.dumps([asdict(f) | {"ok": f.ok} for f in figures]))
    else:
        print(*figures, sep="\n")
    sys.exit(1 if options.check and not all(f.ok for f in figures) else 0)


def _options(rounds: int) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=sys.modules["__main__"].__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--json", action="store_true", help="print one JSON list")
    parser.add_argument("--check", action="store_true", help="exit 1 when a bound is broken, twice")
    parser.add_argument("--rounds", type=int, default=rounds, help=f"default {rounds}")
    return parser.parse_args()


def _work(workers: Mapping[str, Worker], name: str, arguments: dict[str, Any]) -> None:
    result = workers[name](**arguments)
    if hasattr(result, "__await__"):
        import asyncio

        result = asyncio.run(result)
    print(json.dumps(result))


def _again(measure: Callable[[int], list[Figure]], figures: list[Figure], rounds: int) -> list[Figure]:
    """*figures*, with those above their bound taken from one longer measurement."""
    broken = {f.name: f for f in figures if not f.ok}
    if not broken:
        return figures
    print(f"Above the bound: {', '.join(broken)}. Measuring once more over {rounds} rounds.", file=sys.stderr)
    second = {f.name: f for f in measure(rounds)}
    return [_noted(second[f.name], f) if f.name in broken else f for f in figures]


def _noted(second: Figure, first: Figure) -> Figure:
    note = f"measured again, first {first.value:.2f}"
    return replace(second, note=f"{second.note}; {note}" if second.note else note)
