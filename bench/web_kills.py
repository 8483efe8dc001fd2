"""Kills the HTTP door twenty times under twenty chats, with a page open: `python bench/web_kills.py`.

After each kill the server starts again on the same port. Counted: no call is paid for again once its answer was kept,
every chat ends, the page's stream tells nothing twice, and it shows how each chat ended by itself.
"""

from __future__ import annotations

import argparse
import secrets
import sys
import tempfile
from pathlib import Path

from _measure import ROOT

sys.path.insert(0, str(ROOT / "tests" / "support"))

from web_kills import play


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--times", type=int, default=20)
    parser.add_argument("--seed", default=secrets.token_hex(4))
    options = parser.parse_args()
    print(f"--seed {options.seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="moot-web-kills-") as folder:
        found = play(Path(folder), times=options.times, seed=options.seed)
    print(found, *(f"  WRONG: {one}" for one in found.wrong), sep="\n")
    sys.exit(1 if found.wrong else 0)


if __name__ == "__main__":
    main()
