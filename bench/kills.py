"""Kills, again and again, and counts what was paid twice: `python bench/kills.py`, some twenty minutes.

Twelve scenarios of twenty `kill -9` each: a batch, a host over stdio, a detached worker, the holder and the workers of
a fleet and PostgreSQL itself, alone and mixed, some of them stopped for 5, 20 or 60 seconds as well. After each one: no
finished call was asked again, no answer is lost or doubled, every job is done, and the ledger has every call that the
provider accepted but those that a kill cut in flight. Not part of `bench/run.py`: it counts, and takes its time.
"""

from __future__ import annotations

import argparse
import os
import secrets
import sys
import tempfile
from contextlib import nullcontext
from pathlib import Path

from _measure import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))

from kill_scenarios import EMBEDDED, FLEET, play
from postgres_server import postgres_server


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20, help="things that happen in each scenario; default 20")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    parser.add_argument("only", nargs="*", metavar="WORD", help="scenarios whose names have one of these; default all")
    options = parser.parse_args()
    names = [name for name in EMBEDDED | FLEET if not options.only or any(word in name for word in options.only)]
    os.environ.pop("MOOT_STORE", None)
    print(f"--seed {options.seed}", flush=True)
    wrong = 0
    for name in names:
        own = postgres_server() if name in FLEET else nullcontext()
        with tempfile.TemporaryDirectory(prefix="moot-kills-") as folder, own as server:
            try:
                found = play(name, Path(folder), times=options.times, seed=options.seed, server=server)
            except AssertionError as error:
                wrong += 1
                print(f"{name}: BROKEN: {error}", flush=True)
                continue
        wrong += bool(found.wrong)
        print(f"{name}: {found}", *(f"  WRONG: {one}" for one in found.wrong), sep="\n", flush=True)
    sys.exit(1 if wrong else 0)


if __name__ == "__main__":
    main()
