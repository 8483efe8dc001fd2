"""Where the data folder is."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.paths import network_folder

MOUNTS = """\
/dev/sda1 / ext4 rw 0 0
server:/home /home nfs4 rw 0 0
/dev/sdb1 /home/me/local ext4 rw 0 0
broken
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/moot", None),
        ("/home/me/.local/share/moot", "nfs4"),
        ("/home/me/local/moot", None),
        ("/homeless", None),
    ],
)
def test_a_network_folder_is_recognised_by_its_innermost_mount(tmp_path: Path, folder: str, kind: str | None) -> None:
    mounts = tmp_path / "mounts"
    mounts.write_text(MOUNTS)
    assert network_folder(Path(folder), mounts) == kind
    assert network_folder(Path(folder), tmp_path / "nothing") is None
