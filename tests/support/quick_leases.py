"""The command line as it is, but a process of a fleet is taken for dead after MOOT_TEST_LEASE_S: for tests that kill.

python quick_leases.py ARGUMENTS       like `moot ARGUMENTS`
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

if __name__ == "__main__":
    if seconds := os.environ.get("MOOT_TEST_LEASE_S"):
        from core.jobs.fleet.engine import PostgresJobs

        PostgresJobs.__init__.__kwdefaults__["lease_s"] = float(seconds)
    from moot.__main__ import main

    main()
