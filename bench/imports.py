"""What a start costs before anything was asked: CPU time of fresh interpreters, and what they have imported.

`import ai.caller` is what every program pays that may ask an AI some time. Bound 1.2 times `import pydantic`, the
lightest thing a typed Python program imports. It must load no SDK and no server: those cost 20 to 200 bare
interpreters each and are for the first call that needs them. `moot --help` and `moot --version` need click alone.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import partial

from _measure import ROOT, Figure, clean_environment, exact, interleaved, main, ratio, run_cpu_s

HEAVY = ("openai", "anthropic", "google.genai", "mcp", "mcp_types", "httpx2", "aiohttp")
PROGRAMS = {
    "bare": ["-c", "pass"],
    "pydantic": ["-c", "import pydantic"],
    "model": ["-c", "from pydantic import BaseModel"],
    "caller": ["-c", "import ai.caller"],
    "roster": ["-c", "import ai.roster.roster"],
    "server": ["-c", "import server.mcp_server.app"],
    "mcp": ["-c", "import mcp.server"],
    "click": ["-c", "import click"],
    "help": ["moot/__main__.py", "--help"],
    "version": ["moot/__main__.py", "--version"],
}


def measure(rounds: int) -> list[Figure]:
    subprocess.run(
        [sys.executable, "-m", "compileall", "-q", "ai", "core", "server", "tools", "moot"],
        check=True,
        cwd=ROOT,
        env=clean_environment(),
    )
    cpu = interleaved(rounds, {name: partial(run_cpu_s, arguments) for name, arguments in PROGRAMS.items()})

    def net(name: str) -> list[float]:
        return [whole - bare for whole, bare in zip(cpu[name], cpu["bare"], strict=True)]

    return [
        ratio("import ai.caller / import pydantic", cpu["caller"], cpu["pydantic"], bound=1.2),
        ratio("import ai.caller / import pydantic, without the interpreter", net("caller"), net("pydantic")),
        ratio("import ai.caller / from pydantic import BaseModel", cpu["caller"], cpu["model"]),
        ratio("import ai.roster.roster / from pydantic import BaseModel", cpu["roster"], cpu["model"]),
        ratio("import server.mcp_server.app / import mcp.server", cpu["server"], cpu["mcp"]),
        ratio("moot --help / python -c pass", cpu["help"], cpu["bare"]),
        ratio("moot --help / import click", cpu["help"], cpu["click"]),
        ratio("moot --version / python -c pass", cpu["version"], cpu["bare"]),
        _heavy("import ai.caller", "import ai.caller"),
        _heavy("moot --help", "run('--help')"),
        _heavy("moot --version", "run('--version')"),
    ]


def _heavy(what: str, statement: str) -> Figure:
    """How many of the heavy packages are loaded after *statement*."""
    loaded = _modules_after(statement)
    found = [name for name in HEAVY if name in loaded]
    return exact(f"{what}, SDKs and servers imported", len(found), bound=0, unit="packages", note=", ".join(found))


def _modules_after(statement: str) -> set[str]:
    program = f"""
import json, sys
def run(argument):
    sys.argv = ["moot", argument]
    import contextlib, io
    from moot.__main__ import main
    with contextlib.suppress(SystemExit), contextlib.redirect_stdout(io.StringIO()):
        main()
{statement}
print(json.dumps(sorted(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], check=True, stdout=subprocess.PIPE, cwd=ROOT, env=clean_environment()
    )
    return set(json.loads(done.stdout))


if __name__ == "__main__":
    main(measure, rounds=15)
