"""One question at the command line, beside `llm` 0.36 against the same endpoint on loopback.

CPU of the whole process, and seconds until the first byte of the answer is in a pipe: each at most 0.6 of llm's. Both
programs stream from the same provider, and both have their modules compiled.

`llm` is taken from MOOT_BENCH_LLM, the path of its program; else it is installed once, into the user's cache.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path

import platformdirs
from _measure import ROOT, Figure, children_cpu_s, clean_environment, fake_provider, interleaved, main, ratio

LLM = "llm==0.36"
MODEL = "tokens=30,gap=0.005"


def measure(rounds: int) -> list[Figure]:
    llm = _llm()
    with fake_provider() as url, tempfile.TemporaryDirectory() as folder:
        homes = _configured(Path(folder), url)
        moot = [sys.executable, str(ROOT / "moot" / "__main__.py"), "ask", "-a", "gpt", "hi"]
        subjects = {
            "moot": partial(_asked, moot, homes),
            "llm": partial(_asked, [llm, "-m", "fake", "--key", "k", "hi"], homes),
        }
        for asked in subjects.values():
            asked()  # compiles what is not compiled
        taken = interleaved(rounds, subjects)
    cpu, first = ({who: [sample[unit] for sample in samples] for who, samples in taken.items()} for unit in (0, 1))
    return [
        ratio("one ask / llm, CPU", cpu["moot"], cpu["llm"], bound=0.6),
        ratio("first byte in a pipe / llm, wall", first["moot"], first["llm"], bound=0.6),
    ]


def _asked(command: Sequence[str], homes: Mapping[str, str]) -> tuple[float, float]:
    """CPU seconds of one question, and seconds until its answer began."""
    before, started = children_cpu_s(), time.perf_counter()
    environment = clean_environment() | homes
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        assert process.stdout
        assert process.stderr
        begun = os.read(process.stdout.fileno(), 1)
        first = time.perf_counter() - started
        process.stdout.read()
        told = process.stderr.read().decode()
    if process.returncode or not begun:
        raise RuntimeError(told)
    return children_cpu_s() - before, first


def _configured(folder: Path, url: str) -> dict[str, str]:
    """Homes in which both programs know the same model at *url*."""
    moot, llm = folder / "moot", folder / "llm"
    moot.mkdir()
    llm.mkdir()
    row = {"provider": "openai_compatible", "base_url": url, "model": MODEL, "api_key": "key-1234"}
    credentials = moot / "credentials.json"
    credentials.write_text(json.dumps({"ais": {"gpt": row}}))
    credentials.chmod(0o600)
    fake = {"model_id": "fake", "model_name": MODEL, "api_base": url, "api_key_name": "openai"}
    (llm / "extra-openai-models.yaml").write_text(json.dumps([fake]))  # JSON is YAML
    return {"MOOT_HOME": str(moot), "LLM_USER_PATH": str(llm)}


def _llm() -> str:
    """The path of llm's program."""
    if named := os.environ.get("MOOT_BENCH_LLM"):
        return named
    place = Path(platformdirs.user_cache_dir("moot-bench", appauthor=False)) / LLM.replace("==", "-")
    program = place / "bin" / "llm"
    if not program.exists():
        subprocess.run([sys.executable, "-m", "venv", str(place)], check=True)
        python = str(place / "bin" / "python")
        subprocess.run([python, "-m", "pip", "install", "-q", "--disable-pip-version-check", LLM], check=True)
        subprocess.run([python, "-m", "compileall", "-q", str(place / "lib")], check=False, stdout=subprocess.DEVNULL)
    return str(program)


if __name__ == "__main__":
    main(measure, rounds=9)
