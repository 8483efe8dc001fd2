"""A review of 500 seeded defects: the standard library with one small mutation in each of 500 lines.

Five simulated reviewers report what a table says, through the real recipe: each in its own words, kind and severity,
often with a wrong line number, sometimes quoting only a part of the line; and each invents some, quoting the line as it
was before the mutation or one from another file. Bounds: no report of a real defect is lost, none is told as another
one's or by another AI, and every invention is thrown away. Shown without one: how many defects are told once although
several saw them.
"""

from __future__ import annotations

import asyncio
import json
import random
import re
import sysconfig
import tempfile
import threading
from collections import defaultdict
from dataclasses import dataclass
from pathlib import Path

from _measure import Figure, exact, main

DEFECTS = 500
FILES = 50
REVIEWERS = ("ada", "bob", "cyd", "dan", "eve")
SEES = (0.9, 0.7, 0.6, 0.5, 0.4)
INVENTS = 0.15
"""Inventions per real report."""

_MUTATIONS = (
    (" == ", " != "),
    (" != ", " == "),
    (" <= ", " < "),
    (" >= ", " > "),
    (" < ", " <= "),
    (" > ", " >= "),
    (" and ", " or "),
    (" or ", " and "),
    (" + 1", " + 2"),
    (" - 1", " - 2"),
    (" is not None", " is None"),
    (" not in ", " in "),
    ("True", "False"),
)
_WORDS = (
    "The operator on this line is wrong: {new} where {old} is meant, so the branch is taken in the opposite case.",
    "Condition inverted ({new} instead of {old}); callers get the wrong result for ordinary input.",
    "This should read {old}. With {new} boundary values are handled incorrectly.",
    "Off from what the surrounding code expects: {new} makes the check fail exactly when it must hold.",
    "Logic error, {old} was replaced by {new}; see how the value is used below.",
)
_CATEGORIES = ("bug",) * 6 + ("error handling",) * 3 + ("design",)
_SEVERITIES = ("critical", "high", "medium", "low")
_SHOWN = re.compile(r'<source-([0-9a-f]{12}) name="([^"]+)">\n(.*?)\n</source-\1>', re.S)


@dataclass(frozen=True)
class Defect:
    id: str
    file: str
    line: int
    old: str
    new: str
    before: str
    text: str


def measure(rounds: int) -> list[Figure]:
    lost = wrong = unseen = split = seen_by_many = reports = inventions = seeded = 0
    for seed in range(rounds):
        with tempfile.TemporaryDirectory() as folder:
            result = asyncio.run(_review(Path(folder), seed))
        seeded += result["seeded"]
        reports += result["reports"]
        inventions += result["inventions"]
        lost += result["lost"]
        wrong += result["wrong"]
        unseen += result["inventions"] - result["caught"]
        split += result["split"]
        seen_by_many += result["seen by many"]
    return [
        exact(
            "reports of real defects that are lost",
            lost,
            bound=0,
            unit="reports",
            note=f"of {reports}, on {seeded} defects",
        ),
        exact("reports told as another defect's or another AI's", wrong, bound=0, unit="reports", note=f"of {reports}"),
        exact("inventions that pass", unseen, bound=0, unit="inventions", note=f"of {inventions}"),
        exact("defects seen by several and told once", 1 - split / seen_by_many, unit="x", note=f"of {seen_by_many}"),
    ]


async def _review(folder: Path, seed: int) -> dict[str, int]:
    from ai.runs.run import Materials, open_run
    from core.config import Config, FilesConfig
    from core.events import EventBus
    from core.files.workspace import Workspace
    from tools.review import review

    defects = _seeded(folder, random.Random(seed))
    clients = {name: _reviewer(name, seed, defects, sees) for name, sees in zip(REVIEWERS, SEES, strict=True)}
    bus = EventBus()
    caller = _caller(Config(files=FilesConfig(max_tokens=5_000_000)), clients, bus)
    materials = Materials(Workspace.open([str(folder)]))
    async with open_run(f"r{seed}", "review", caller, bus, materials=materials) as run:
        result = await review(run, files=["*.py"])
    return _judged(result, defects, clients)


def _judged(result: object, defects: list[Defect], clients: dict[str, object]) -> dict[str, int]:
    """Compare what the review tells with what each reviewer said; a report carries its defect's id in the fix."""
    place = {defect.id: (defect.file, defect.line) for defect in defects}
    told: dict[str, set[int]] = defaultdict(set)
    heard: set[tuple[str, str]] = set()
    wrong = 0
    for number, finding in enumerate(result.findings):  # type: ignore[attr-defined]
        for claim in finding.claims:
            told[claim.fix].add(number)
            heard.add((claim.ai, claim.fix))
            wrong += place.get(claim.fix) != (finding.file, finding.line) or claim.fix not in clients[claim.ai].said  # type: ignore[attr-defined]
    said = {(name, one) for name, client in clients.items() for one in client.said}  # type: ignore[attr-defined]
    by_many = [one for one in place if sum(one in client.said for client in clients.values()) > 1]  # type: ignore[attr-defined]
    return {
        "seeded": len(defects),
        "reports": len(said),
        "inventions": sum(client.invented for client in clients.values()),  # type: ignore[attr-defined]
        "caught": len(result.dropped),  # type: ignore[attr-defined]
        "lost": len(said - heard),
        "wrong": wrong,
        "split": sum(len(told[one]) > 1 for one in by_many),
        "seen by many": len(by_many),
    }


def _seeded(folder: Path, rng: random.Random) -> list[Defect]:
    """Copies of modules of the standard library with mutated lines, as many in each."""
    modules = sorted(path for path in Path(sysconfig.get_path("stdlib")).glob("*.py") if path.stat().st_size > 8_000)
    defects: list[Defect] = []
    for path in rng.sample(modules, len(modules)):
        if len(defects) == DEFECTS:
            break
        text = path.read_text(encoding="utf-8", errors="ignore")
        lines = text.splitlines()
        wanted = min(DEFECTS // FILES, DEFECTS - len(defects))
        places = [n for n, line in enumerate(lines) if _mutated(line) and lines.count(line) == 1]
        if len(places) < wanted * 3:
            continue
        for n in sorted(rng.sample(places, wanted)):
            old, new = _mutated(lines[n])
            before, lines[n] = lines[n], lines[n].replace(old, new, 1)
            squeezed = ["".join(line.split()) for line in lines]
            if squeezed.count(squeezed[n]) > 1 or any("".join(before.split()) in line for line in squeezed):
                lines[n] = before  # no quotation of it could be told from one of another line
                continue
            defects.append(Defect(f"D{len(defects):03d}", path.name, n + 1, old.strip(), new.strip(), before, lines[n]))
        (folder / path.name).write_text("\n".join(lines) + "\n", encoding="utf-8")
    return defects


def _mutated(line: str) -> tuple[str, str] | None:
    if len(line.strip()) < 16 or line.strip().startswith(("#", '"', "'")):
        return None
    return next(((old, new) for old, new in _MUTATIONS if old in line), None)


def _reviewer(name: str, seed: int, defects: list[Defect], sees: float) -> object:
    """A client that reports, of the lines it is shown, what it sees."""
    from ai.client import AsyncAIClient, Emit
    from core.values import Request, Response, Usage

    class Reviewer(AsyncAIClient):
        def __init__(self) -> None:
            self.said: set[str] = set()
            self.invented = 0

        async def complete(self, request: Request, emit: Emit) -> Response:
            shown = {file: _numbers(rows) for _, file, rows in _SHOWN.findall(request.messages[0].text)}
            findings = []
            for defect in defects:
                rng = random.Random(f"{seed}:{name}:{defect.id}")
                if defect.line not in shown.get(defect.file, ()) or rng.random() > sees:
                    continue
                findings.append(_report(defect, rng))
                self.said.add(defect.id)
                if rng.random() < INVENTS:
                    findings.append(_invention(defect, rng))
                    self.invented += 1
            text = json.dumps({"findings": findings})
            emit(text)
            return Response(text, "simulated", usage=Usage(1, 1))

        async def aclose(self) -> None: ...

    return Reviewer()


def _numbers(rows: str) -> set[int]:
    return {int(found) for found in re.findall(r"^\s*(\d+) .\| ?", rows, re.M)}


def _report(defect: Defect, rng: random.Random) -> dict[str, object]:
    quote = rng.choice(
        (defect.text, defect.text.strip(), f"`{defect.text.strip()}`", f"{defect.line:>4}  | {defect.text}")
    )
    return {
        "file": rng.choice((defect.file, f"./{defect.file}")),
        "line": defect.line + rng.choice((0, 0, 0, 1, -1, 2, -3, 40)),
        "severity": rng.choice(_SEVERITIES),
        "category": rng.choice(_CATEGORIES),
        "claim": rng.choice(_WORDS).format(old=defect.old, new=defect.new),
        "evidence": quote,
        "fix": defect.id,
    }


def _invention(defect: Defect, rng: random.Random) -> dict[str, object]:
    kinds = (
        {"evidence": defect.before},
        {"evidence": f"if {defect.id.lower()}_is_open and not closed:"},
        {"evidence": ""},
        {"file": "no_such_module.py"},
    )
    return _report(defect, rng) | {"fix": f"invented {defect.id}"} | rng.choice(kinds)


def _caller(config: object, clients: dict[str, object], bus: object) -> object:
    from ai.caller import Caller
    from ai.client import AIClient, Emit
    from ai.providers.catalog import PROVIDERS
    from ai.roster.build import build_ai
    from ai.roster.key_lane import Key
    from ai.roster.roster import Roster
    from core.config import AIConfig, Defaults
    from core.values import Request, Response

    class NoSync(AIClient):
        def complete(self, request: Request, emit: Emit, cancelled: threading.Event) -> Response:
            raise AssertionError("the synchronous client must not be used")

    roster = Roster(config)  # type: ignore[arg-type]
    for name, client in clients.items():
        roster.seats[name] = build_ai(
            name,
            AIConfig(),
            PROVIDERS["openai"],
            [Key("", name, client, NoSync())],  # type: ignore[arg-type]
            buckets=roster.buckets,
            defaults=Defaults(attempts=1, concurrency=100),
            find=lambda other: (_ for _ in ()).throw(KeyError(other)),
        )
    return Caller(roster, bus)  # type: ignore[arg-type]


if __name__ == "__main__":
    main(measure, rounds=2)
