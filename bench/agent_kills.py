"""Kills twenty agents' runs of twenty turns again and again: `python bench/agent_kills.py`, some three minutes.

A worker does them as jobs, over a real provider and a real borrowed server whose tools append a line to a file; `kill
-9` comes before a turn is sent, in flight, once it is kept, before, in and after a tool that changes something, while a
person is waited for, and right after their word. Counted: no turn is paid for again once it was kept, no line is
written twice, none is lost, nothing is signed before a yes, and all runs end. What a kill cut in flight may be asked
again, and is counted apart; a call that may have happened is asked about.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from _measure import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))

from agent_kills import play


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--times", type=int, default=40, help="kills at most; default 40")
    parser.add_argument("--seed", default=secrets.token_hex(4))
    options = parser.parse_args()
    print(f"--seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="moot-agent-kills-") as folder:
        found = play(Path(folder), runs=options.runs, times=options.times, seed=options.seed)
    print(found, *(f"  WRONG: {one}" for one in found.wrong), sep="\n")
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
