"""The sidecar of an output, whatever somebody wrote into it: one sentence, and nothing is asked to be removed."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ai.batch.records import record
from core.batch.kept import Kept
from core.batch.output import Results, Sidecar
from core.batch.records import encoded
from core.errors import InvalidInputError

GOOD: dict[str, Any] = {"run": {"input": "d"}, "job": "j", "width": 3, "generation": 1, "finished": True}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=5,
)


def read(folder: Path, text: str) -> Sidecar | None:
    (folder / "out.jsonl.moot").write_text(text)
    return Sidecar.of(folder / "out.jsonl")


@pytest.mark.parametrize(
    "wrong",
    [
        {"kept": ["../../elsewhere"]},
        {"kept": ["other.jsonl.moot-kept-1"]},
        {"kept": [5]},
        {"kept": "out.jsonl.moot-kept-1"},
        {"generation": "1"},
        {"generation": -1},
        {"generation": True},
        {"width": 0},
        {"width": 1.5},
        {"finished": 1},
        {"run": []},
        {"run": {"input": 3}},
        {"job": None},
        {"of a later version": 1},
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(wrong: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match=r"cannot be read\. Give another output, or move both files away\."):
        read(tmp_path, json.dumps(GOOD | wrong))


def test_what_was_written_is_read(tmp_path: Path) -> None:
    kept = ("out.jsonl.moot-kept-1", "out.jsonl.retry.moot-kept-2")
    written = Sidecar({"input": "d"}, "j", 3, 1, finished=True, digest="abc", mending=True, kept=kept)
    written.write(tmp_path / "out.jsonl")
    assert Sidecar.of(tmp_path / "out.jsonl") == written


@given(field=st.sampled_from([*GOOD, "kept", "digest", "mending"]), value=JSON)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_whatever_stands_in_a_field_it_is_read_or_refused(field: str, value: Any, tmp_path: Path) -> None:
    with suppress(InvalidInputError):
        read(tmp_path, json.dumps(GOOD | {field: value}))


@pytest.mark.parametrize(
    "change", [lambda lines: lines[::-1], lambda lines: lines[1:], lambda lines: [*lines[2:], *lines]]
)
def test_a_table_whose_heading_went_elsewhere_still_has_its_records(change: Any, tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    records = [record({"i": n, "text": f'=say, "{n}"', "latency_s": 1.0}, index=n, id=n, ai="a") for n in range(5)]
    path.write_bytes(b"".join(change(encoded(records, table=True, heading=True).splitlines(keepends=True))))
    assert not Results(path, ("a",)).look().in_order
    kept = Kept([path], ("a",), 5)
    assert kept.found == 5 and [kept.get(n, "a")["index"] for n in range(5)] == list(range(5))  # type: ignore[index]
    kept.close()


def test_a_table_that_a_spreadsheet_marked_is_in_order(tmp_path: Path) -> None:
    path = tmp_path / "out.csv"
    records = [record({"i": n, "text": "x", "latency_s": 1.0}, index=n, id=n, ai="a") for n in range(3)]
    path.write_bytes(b"\xef\xbb\xbf" + encoded(records, table=True, heading=True))
    look = Results(path, ("a",)).look()
    assert look.in_order and look.tally.ok == 3
