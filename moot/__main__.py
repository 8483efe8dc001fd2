"""The program `moot`: the console scripts, `python -m moot`, and by its path whatever Moot starts of itself.

A host starts Moot in the user's workspace, which may hold packages of any name, and PYTHONPATH may point there. So the
folder Moot is installed in comes first on sys.path, before anything is imported; by a path, this holds for a package
called `moot` there, too. `moot serve` does without the command line: a host waits for it, and click costs four bare
interpreters.
"""

import os
import sys


def main() -> None:
    """Run the command line."""
    sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.realpath(__file__))))
    if sys.argv[1:] == ["serve"]:
        from server.stdio.serve import serve

        serve()
        return
    import signal

    signal.signal(signal.SIGINT, lambda *_: os._exit(130))  # nothing is begun: Ctrl-C in an import shows no traceback
    from server.cli.main import run

    run()


if __name__ == "__main__":
    if not __package__ and not sys.flags.safe_path:
        del sys.path[0]  # the folder of this file, whose modules have their names below the package alone
    main()
