"""The spool: whatever was written whole is read back, wherever the last write broke off."""

from __future__ import annotations

import json
from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given
from hypothesis import strategies as st

from core.stores import spool as spool_module
from core.stores.spool import Spool, left_behind, read_spool

CALLS = st.lists(st.tuples(st.text(max_size=20), st.text(max_size=200)), max_size=8)


@given(CALLS, st.data())
def test_a_spool_cut_anywhere_gives_every_line_that_is_whole_and_nothing_else(
    calls: list[tuple[str, str]], data: st.DataObject
) -> None:
    with TemporaryDirectory() as folder:
        spool = Spool(Path(folder), "me")
        spool.open()
        ends, path = [0], Path(folder) / "me.0.spool"
        for key, text in calls:
            spool.put("job", key, json.dumps(text), 1.0)
            ends.append(path.stat().st_size)
        cut = data.draw(st.integers(0, ends[-1]))
        with path.open("r+b") as file:
            file.truncate(cut)
        found = [(key, json.loads(value)) for _, key, value, _ in read_spool(path)]
        whole = sum(end - 1 <= cut for end in ends[1:])  # the last byte of a line is only its line break
        assert found == calls[:whole]
        spool.close()


def test_a_line_that_broke_off_does_not_spoil_the_next(tmp_path: Path) -> None:
    path = tmp_path / "me.0.spool"
    path.write_text('["job", "first", 1')
    spool = Spool(tmp_path, "me")
    spool.open()
    spool.put("job", "second", "2", 1.0)
    assert [key for _, key, _, _ in read_spool(path)] == ["second"]
    spool.close()


def test_it_is_emptied_when_the_store_has_everything_and_removed_at_the_end(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "me")
    spool.open()
    segments = [spool.put("job", f"k{n}", "1", 1.0) for n in range(3)]
    for segment in segments[:2]:
        spool.done(segment)
    assert (tmp_path / "me.0.spool").stat().st_size > 0
    spool.done(segments[2])
    assert (tmp_path / "me.0.spool").stat().st_size == 0
    spool.close()
    assert left_behind(tmp_path) == {}


def test_what_the_store_does_not_have_is_left_for_others(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "me")
    spool.open()
    spool.put("job", "key", "1", 1.0)
    spool.close()
    assert left_behind(tmp_path) == {"me": [tmp_path / "me.0.spool"]}


def test_it_stays_small_however_long_the_job(tmp_path: Path) -> None:
    spool = Spool(tmp_path, "me")
    spool.open()
    waiting = []
    most = 0
    for number in range(200):
        waiting.append(spool.put("job", f"k{number}", json.dumps("x" * 100_000), 1.0))
        if len(waiting) > 10:  # the store is always ten behind
            spool.done(waiting.pop(0))
        most = max(most, sum(path.stat().st_size for path in tmp_path.iterdir()))
    assert most < 3 * spool_module._SEGMENT_BYTES
    for segment in waiting:
        spool.done(segment)
    spool.close()
    assert list(tmp_path.iterdir()) == []
