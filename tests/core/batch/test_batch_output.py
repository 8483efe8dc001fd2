"""The output of a batch: what broke off is cut, what is whole stays, and nobody writes into another run's file."""

from __future__ import annotations

import csv
import errno
import io
import os
from pathlib import Path
from typing import Any

import pytest

from core.batch.kept import Kept
from core.batch.output import DiskFullError, OutOfOrderError, Results, Sidecar, find_run
from core.errors import InvalidInputError, StoreError

AIS = ("a", "b")


def record(index: int, ai: str, **fields: Any) -> dict[str, Any]:
    known = {"index": index, "id": f"r{index}", "ai": ai, "status": "ok", "text": 'line one\nline two, "quoted"'}
    return known | {"error": None, "cost_usd": 0.5, "json": {"n": index}} | fields


def all_records(rows: int) -> list[dict[str, Any]]:
    return [record(index, ai) for index in range(rows) for ai in AIS]


def filled(path: Path, rows: int) -> Results:
    results = Results(path, AIS)
    results.open()
    results.append(all_records(rows))
    results.close()
    return results


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_whatever_is_left_of_the_last_record_is_cut_and_written_again(tmp_path: Path, name: str) -> None:
    whole = filled(tmp_path / name, 3).path.read_bytes()
    for length in range(len(whole)):
        path = tmp_path / f"{length}-{name}"
        path.write_bytes(whole[:length])
        results = Results(path, AIS)
        done = results.open().done
        results.append(all_records(3)[done:])
        results.close()
        assert path.read_bytes() == whole, f"torn after {length} bytes"


@pytest.mark.parametrize("name", ["out.jsonl", "out.csv"])
def test_records_are_read_back_as_they_were_written(tmp_path: Path, name: str) -> None:
    read = list(filled(tmp_path / name, 2).records())
    assert [(one["index"], one["ai"], one["text"], one["json"], one["cost_usd"]) for one in read] == [
        (one["index"], one["ai"], one["text"], one["json"], one["cost_usd"]) for one in all_records(2)
    ]


def saved_again(text: str, separator: str, encoding: str, *, mark: bool = False) -> bytes:
    """A table as a spreadsheet saves it."""
    lines = io.StringIO()
    csv.writer(lines, delimiter=separator, lineterminator="\r\n").writerows(csv.reader(io.StringIO(text)))
    return (f"sep={separator}\r\n" * mark + lines.getvalue()).encode(encoding)


@pytest.mark.parametrize(
    ("separator", "encoding", "mark"),
    [(",", "utf-16", False), ("\t", "utf-16", False), (";", "utf-8", False), (";", "utf-8-sig", True)],
)
def test_a_table_that_a_spreadsheet_saved_again_is_read_and_not_continued(
    tmp_path: Path, separator: str, encoding: str, mark: bool
) -> None:
    path = tmp_path / "out.csv"
    written = [record(index, ai, text='漢字 \u0a0a\u010a; a\tb, "c"\nd') for index in range(3) for ai in AIS]
    results = Results(path, AIS)
    results.open()
    results.append(written)
    results.close()
    path.write_bytes(saved_again(path.read_text(encoding="utf-8"), separator, encoding, mark=mark))
    before = path.read_bytes()
    with pytest.raises(OutOfOrderError):
        Results(path, AIS).open()
    assert path.read_bytes() == before
    kept = Kept([path], AIS, 3)
    found = [kept.get(one["index"], one["ai"]) for one in written]
    kept.close()
    assert [one and one["text"] for one in found] == [one["text"] for one in written]


def test_lines_that_an_editor_saved_again_in_utf16_are_read(tmp_path: Path) -> None:
    path = filled(tmp_path / "out.jsonl", 2).path
    path.write_bytes(path.read_text(encoding="utf-8").encode("utf-16"))
    with pytest.raises(OutOfOrderError):
        Results(path, AIS).open()
    kept = Kept([path], AIS, 2)
    assert kept.found == 4
    assert [kept.get(one["index"], one["ai"]) for one in all_records(2)] == all_records(2)
    kept.close()


def test_the_tally_says_what_is_known_of_the_cost_and_the_first_errors(tmp_path: Path) -> None:
    results = Results(tmp_path / "out.jsonl", AIS)
    results.open()
    failed = record(0, "b", status="error", error="timeout: too slow", cost_usd=None)
    results.append([record(0, "a"), failed, record(1, "a", cost_usd=None)])
    results.close()
    tally = Results(tmp_path / "out.jsonl", AIS).open()
    assert (tally.ok, tally.failed, tally.cost_usd, tally.cost_complete) == (2, 1, 0.5, False)
    assert tally.first_errors == ["r0 (b): timeout: too slow"]


def test_a_text_that_a_spreadsheet_would_run_is_made_harmless(tmp_path: Path) -> None:
    results = Results(tmp_path / "out.csv", ("a",))
    results.open()
    results.append([record(0, "a", text="=HYPERLINK(1)")])
    results.close()
    assert "'=HYPERLINK(1)" in results.path.read_text()


@pytest.mark.parametrize(("code", "kind"), [(errno.ENOSPC, DiskFullError), (errno.EIO, StoreError)])
def test_a_write_that_fails_leaves_the_file_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, kind: type[Exception]
) -> None:
    results = Results(tmp_path / "out.jsonl", AIS)
    results.open()
    results.append(all_records(1))
    before = results.path.read_bytes()
    real = os.write

    def short(fd: int, data: bytes) -> int:
        if code == errno.ENOSPC:
            return real(fd, data[:10])
        raise OSError(code, "broken")

    monkeypatch.setattr(os, "write", short)
    with pytest.raises(kind, match="'out.jsonl' cannot be written"):
        results.append(all_records(2)[2:])
    assert results.path.read_bytes() == before
    monkeypatch.setattr(os, "write", real)
    results.append(all_records(2)[2:])
    results.close()
    assert len(list(results.records())) == 4


def test_an_output_of_another_run_is_refused_with_what_is_different(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    mine = {"input or template": "1", "AIs": "2"}
    assert find_run(output, mine) == Sidecar(mine)
    Sidecar(mine, job="j").write(output)
    assert find_run(output, mine).job == "j"
    with pytest.raises(InvalidInputError, match="belongs to another run: other AIs. Give another output"):
        find_run(output, {**mine, "AIs": "3"})


def test_a_file_that_is_of_no_batch_is_never_written_over(tmp_path: Path) -> None:
    output = tmp_path / "thesis.jsonl"
    output.write_text("years of work")
    with pytest.raises(InvalidInputError, match="'thesis.jsonl' exists and is not of a batch"):
        find_run(output, {})
    with pytest.raises(InvalidInputError, match="is a folder"):
        find_run(tmp_path, {})
    with pytest.raises(InvalidInputError, match="does not exist"):
        find_run(tmp_path / "no" / "out.jsonl", {})


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="there are no named pipes here")
def test_what_is_no_file_is_never_replaced_by_an_output(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InvalidInputError, match="'pipe' is a device or a pipe"):
        find_run(tmp_path / "pipe", {})


def test_of_two_starts_at_once_one_gets_the_output(tmp_path: Path) -> None:
    output = tmp_path / "out.jsonl"
    first, second = Sidecar({}, job="first"), Sidecar({}, job="second")
    assert first.claim(output).job == "first"
    assert second.claim(output).job == "first"


def test_a_sidecar_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    (tmp_path / "out.jsonl.moot").write_text("{")
    with pytest.raises(InvalidInputError, match=r"'out.jsonl.moot' beside the output cannot be read"):
        Sidecar.of(tmp_path / "out.jsonl")
