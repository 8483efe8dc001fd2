"""The console script `moot`. Its name is unique on purpose, unlike `core` or `tools`.

A host starts Moot in the user's workspace, which may hold packages called `core`, `ai`, `tools` or `server`, and
PYTHONPATH may point there. So the folder Moot is installed in comes first on sys.path, before anything is imported.
"""

import sys
from pathlib import Path


def main() -> None:
    """Run the command line."""
    sys.path.insert(0, str(Path(__file__).resolve().parent))
    from server.cli import cli

    cli(prog_name="moot")


if __name__ == "__main__":
    main()
