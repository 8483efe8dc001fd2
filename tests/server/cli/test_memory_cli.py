"""`moot memory` and `moot threads search`, as they are typed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from core.memory.history import History, PastRun
from core.memory.scope import Place
from core.memory.threads import USER, Threads, Turn
from core.paths import data_dir
from server.cli.main import cli


def run(*words: str, given: str = "") -> Result:
    return CliRunner().invoke(cli, ["memory", *words], input=given, catch_exceptions=False)


@pytest.fixture(autouse=True)
def kept(isolated: Path) -> Path:
    threads = Threads(data_dir() / "threads.db")
    boat = Turn(USER, "We bought the zebracanary kayak.", message="m1", at="2026-03-05T10:00:00+00:00")
    threads.add("a", [boat, Turn("gpt", "Nice.")]).result(5)
    threads.add("tg 1 1", [Turn(USER, "The kayak of the chat.")], place=Place("tg 1")).result(5)
    threads.close()
    history = History()
    history.add(PastRun("ask_one", boat.text, ("gpt",), thread="a")).result(5)
    history.close()
    return isolated


def test_it_shows_what_is_kept_and_that_words_alone_are_searched_for_now() -> None:
    shown = run()
    assert "3 turns in 2 threads" in shown.output
    assert "Searched by words alone. Static vectors" in shown.output
    assert "moot memory install" in shown.output
    assert json.loads(run("--json").output)["turns"] == 3


def test_it_finds_passages_with_when_who_and_where() -> None:
    shown = run("search", "Which", "kayak?", "--thread", "a")
    assert "[1] 2026-03-05 10:00  user in a, message m1  (words)" in shown.output
    assert "The kayak of the chat" not in shown.output
    (one,) = json.loads(run("search", "kayak", "--chat", "tg 1", "--json").stdout)["passages"]
    assert one["text"] == "The kayak of the chat."
    assert run("search", "nowhere").exit_code == 1
    assert "either --thread or --chat" in run("search", "x", "--thread", "a", "--chat", "b").output


def test_it_forgets_to_the_last_byte_and_not_without_a_yes(kept: Path) -> None:
    assert "Say where" in run("forget").output
    assert "Forgotten" not in run("forget", "--thread", "a", given="n\n").output
    assert "Forgotten: 1 turn." in run("forget", "--thread", "a", "--message", "m1", "-y").output
    assert run("forget", "--thread", "a", "--message", "m1", "-y").exit_code == 1
    left = b"".join(path.read_bytes() for path in data_dir().rglob("*") if path.is_file())
    assert b"zebracanary" not in left
    assert json.loads(run("forget", "--all", "--since", "1d", "-y", "--json").stdout)["turns"] == 2
    assert "is no day" in run("forget", "--all", "--since", "x", "-y").output


def test_what_it_exports_it_imports(tmp_path: Path) -> None:
    lines = run("export", "--thread", "a").stdout
    assert json.loads(lines.splitlines()[0])["text"] == "We bought the zebracanary kayak."
    run("forget", "--thread", "a", "-y")
    assert "kept 2 new turns" in run("import", "-", given=lines).output
    assert run("export", "--thread", "a").stdout == lines
    assert "kept nothing" in run("import", "-", given=lines).output
    assert "Line 1 is no JSON" in run("import", "-", given="x").output
    assert "Line 1: 'thread' cannot be '../x'" in run("import", "-", given='{"thread": "../x", "text": ""}').output


def test_an_export_of_what_is_not_there_says_so_and_leaves_the_file(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    assert "wrote 2 turns" in run("export", "--thread", "a", "-o", str(file)).output
    before = file.read_bytes()
    none = run("export", "--thread", "b", "-o", str(file))
    assert (none.exit_code, "Nothing is kept there" in none.output, file.read_bytes()) == (1, True, before)
    assert run("export", "--thread", "b").exit_code == 1


def test_searching_threads_finds_what_holds_some_of_the_words_after_what_holds_all() -> None:
    shown = CliRunner().invoke(cli, ["threads", "search", "zebracanary", "boat"], catch_exceptions=False)
    assert shown.output.startswith("a, user, 2026-03-05 10:00: We bought the zebracanary kayak.")


def test_who_has_said_nothing_yet_is_told_how_to_begin(kept: Path) -> None:
    assert run("forget", "--all", "--yes").exit_code == 0
    assert "To begin: moot ask --thread NAME" in run().output
    assert "To list what is kept: moot threads" in run("search", "kayak").output


def test_it_does_not_say_that_all_is_indexed_where_nothing_can_be() -> None:
    done = run("reindex")
    assert (done.exit_code, "all is indexed" in done.output, "searched" in done.output) == (1, False, False)
    assert "Run: moot memory install" in done.output


def test_an_import_says_what_is_wrong_in_one_sentence(tmp_path: Path) -> None:
    file = tmp_path / "x.jsonl"
    file.write_bytes(b'{"thread": "n", "text": "fine"}\n{"thread": "n", "text": "\xff"}\n')
    bad = run("import", str(file))
    assert (bad.exit_code, "Traceback" in bad.output) == (2, False)
    assert "is not valid UTF-8" in bad.output


@pytest.mark.parametrize(
    ("words", "why"),
    [
        (("forget", "--all", "--topic", "5", "--yes"), "--topic is a topic of a chat"),
        (("forget", "--all", "--thread", "", "--yes"), "--thread is empty"),
        (("forget", "--all", "--chat", "", "--yes"), "--chat is empty"),
        (("search", "kayak", "--thread", ""), "--thread is empty"),
        (("export", "--chat", ""), "--chat is empty"),
        (("forget", "--all", "--thread", "a", "--yes"), "either --all"),
        (("forget", "--all", "--since", "2026-05-01", "--until", "2026-01-01", "--yes"), "'since' is not before"),
        (("export", "--topic", "5"), "--topic is a topic of a chat"),
        (("forget", "--all", "--since", "0001-01-01T00:00:00+12:00", "--yes"), "is no day"),
        (("forget", "--all", "--until", "9999-12-31T23:59:59-12:00", "--yes"), "is no day"),
    ],
)
def test_a_place_or_day_that_is_none_never_means_everything(words: tuple[str, ...], why: str) -> None:
    refused = run(*words)
    assert (refused.exit_code, why in refused.output, "kayak" in refused.output) == (2, True, False)
    assert json.loads(run("--json").output)["turns"] == 3


def test_an_export_is_for_its_owner_alone_and_whole_or_as_it_was(tmp_path: Path) -> None:
    file = tmp_path / "said.jsonl"
    file.write_text("before")
    file.chmod(0o644)
    assert run("export", "--thread", "a", "-o", str(file)).exit_code == 0
    assert file.stat().st_mode & 0o777 == 0o600
    assert len(file.read_text().splitlines()) == 2
    assert "cannot be written: " in run("export", "-o", str(tmp_path / "none" / "x")).output
    (data_dir() / "threads.db").write_bytes(b"no database" * 1_000)
    assert run("export", "-o", str(file)).exit_code == 1
    assert len(file.read_text().splitlines()) == 2
    assert [path.name for path in tmp_path.glob("said*")] == ["said.jsonl"]


@pytest.mark.parametrize(
    ("what", "told"),
    [
        (("--message", ""), "'message' is empty"),
        (("--turn", "99999999999999999999"), "'turn' is the number of no turn"),
    ],
)
def test_what_names_nothing_forgets_nothing(what: tuple[str, str], told: str) -> None:
    refused = run("forget", "--all", "--yes", *what)
    assert refused.exit_code == 2
    assert told in refused.output
    assert json.loads(run("--json").output)["turns"] == 3
