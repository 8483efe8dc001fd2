"""Rows of a batch: what is read, what is refused and where, and that nothing is held."""

from __future__ import annotations

import json
import os
import tracemalloc
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.batch.input import BatchInput, Row, survey
from core.batch.lines import BadRow
from core.batch.template import Template
from core.errors import InvalidInputError


def written(folder: Path, name: str, text: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


def read(path: Path, template: str | None = None, **options: bool) -> list[Row | BadRow]:
    return list(BatchInput(path, Template(template) if template else None, **options).rows())


def prompts(rows: list[Row | BadRow]) -> list[str]:
    return [row.prompt for row in rows if isinstance(row, Row)]


def bad(rows: list[Row | BadRow]) -> list[str]:
    return [str(row) for row in rows if isinstance(row, BadRow)]


def test_jsonl_rows_are_strings_or_objects_with_a_prompt(tmp_path: Path) -> None:
    path = written(tmp_path, "in.jsonl", '"first"\n\n{"prompt": "second", "id": "x7"}\n')
    assert read(path) == [Row(0, 1, "first"), Row(1, "x7", "second")]


def test_what_cannot_be_read_is_told_by_its_line_and_the_rest_is_read(tmp_path: Path) -> None:
    text = b'"good"\n{"prompt": \n42\n{"title": "no prompt"}\n\xff\xfe\n"\\ud800"\n"  "\n"also good"'
    rows = read(written(tmp_path, "in.jsonl", text))
    assert prompts(rows) == ["good", "also good"]
    assert bad(rows) == [
        "line 2: is not valid JSON.",
        "line 3: is neither an object nor a string: write one of them on each line.",
        "line 4: has no field 'prompt' that is text; it has: title. Name fields in a template.",
        "line 5: is not valid JSON.",
        "line 6: is not valid UTF-8.",
        "line 7: the prompt is empty.",
    ]


def test_a_template_takes_fields_and_says_which_there_are(tmp_path: Path) -> None:
    path = written(tmp_path, "in.jsonl", '{"title": "T", "n": 3, "tags": ["a"], "none": null}\n{"titel": "x"}\n')
    rows = read(path, 'As {{"json": 1}}: {title} {n} {tags}{none}')
    assert prompts(rows) == ['As {"json": 1}: T 3 ["a"]']
    assert bad(rows) == ["line 2: has no field 'title', which the template wants; it has: titel."]


@pytest.mark.parametrize("text", ['{"a": 1}', "{title", "title}", "{}", "{title!r}", "{title:>9}"])
def test_a_template_that_is_none_is_refused_with_the_way_to_write_braces(text: str) -> None:
    with pytest.raises(InvalidInputError, match="Write {{ and }} for braces"):
        Template(text)


@given(st.text(), st.dictionaries(st.text(st.characters(codec="ascii", categories=["L"]), min_size=1), st.text()))
def test_literal_text_comes_through_a_template_unchanged(literal: str, fields: dict[str, str]) -> None:
    escaped = literal.replace("{", "{{").replace("}", "}}")
    wanted = "".join(f"{{{name}}}" for name in fields)
    assert Template(escaped + wanted).fill(fields) == literal + "".join(fields.values())


def test_csv_columns_are_fields_also_with_line_breaks_inside(tmp_path: Path) -> None:
    path = written(tmp_path, "in.csv", '\ufeffid,the text\nr1,"two\nlines"\nr2,one\nr3,too,many\nr4,"Ümlaut"\n')
    rows = read(path, "Read: {the text}")
    assert [row.id for row in rows if isinstance(row, Row)] == ["r1", "r2", "r4"]
    assert prompts(rows)[0] == "Read: two\nlines"
    assert bad(rows) == ["line 5: has 3 columns, the heading has 2."]


def test_a_csv_that_is_not_utf8_is_told_row_by_row(tmp_path: Path) -> None:
    rows = read(written(tmp_path, "in.csv", b"prompt\ngood\nM\xfcnchen\n"))
    assert prompts(rows) == ["good"] and bad(rows) == ["line 3: is not valid UTF-8."]


def test_a_folder_is_read_by_name_without_hidden_binary_and_secret_files(tmp_path: Path) -> None:
    folder = tmp_path / "docs"
    (folder / "deep").mkdir(parents=True)
    for name in ("b.txt", "a.md", "deep/c.txt", ".hidden", "id_rsa"):
        written(folder, name, f"text of {name}")
    written(folder, "z.bin", b"\0\1\2")
    rows = read(folder, "{name}: {text}")
    assert prompts(rows) == ["a.md: text of a.md", "b.txt: text of b.txt", "c.txt: text of deep/c.txt"]
    assert [row.id for row in rows if isinstance(row, Row)] == ["a.md", "b.txt", "deep/c.txt"]
    assert [line.split(":")[0] for line in bad(rows)] == ["id_rsa", "z.bin"]


KEY = "sk-" + "a1B2" * 8


def test_a_row_that_holds_a_key_is_not_sent_unless_that_is_meant(tmp_path: Path) -> None:
    path = written(tmp_path, "in.jsonl", json.dumps(f"my key is {KEY}") + '\n"fine"\n')
    assert prompts(read(path)) == ["fine"]
    assert KEY not in bad(read(path))[0] and "looks like a key" in bad(read(path))[0]
    assert len(prompts(read(path, send_secrets=True))) == 2


def test_what_a_model_named_is_searched_for_every_kind_of_secret(tmp_path: Path) -> None:
    path = written(tmp_path, "in.jsonl", f'"postgres://admin:{"Xk29fkQm2"}@db.internal/x"\n"fine"\n')
    assert len(prompts(read(path))) == 2
    assert prompts(read(path, strict=True)) == ["fine"]


@pytest.mark.parametrize(
    ("text", "complaint"), [("", "is empty"), ("\n\n", "is empty"), ("{\n", "No row of 'in.jsonl' can be asked")]
)
def test_an_input_without_a_row_is_refused(tmp_path: Path, text: str, complaint: str) -> None:
    with pytest.raises(InvalidInputError, match=complaint):
        survey(BatchInput(written(tmp_path, "in.jsonl", text)))


def test_a_missing_input_is_refused_by_its_name_alone(tmp_path: Path) -> None:
    with pytest.raises(InvalidInputError, match="There is no file 'nope.jsonl'") as caught:
        survey(BatchInput(tmp_path / "nope.jsonl"))
    assert str(tmp_path) not in str(caught.value)


def test_the_digest_is_of_what_is_asked_and_not_of_how_it_is_written(tmp_path: Path) -> None:
    lines = written(tmp_path, "a.jsonl", '{"id": "1", "t": "x"}\n')
    table = written(tmp_path, "a.csv", "id,t\n1,x\n")
    one, same = (survey(BatchInput(path, Template("Say {t}"))).digest for path in (lines, table))
    assert one == same != survey(BatchInput(lines, Template("say {t}"))).digest


def test_a_large_input_is_not_held_in_memory(tmp_path: Path) -> None:
    path = tmp_path / "in.jsonl"
    with path.open("w") as file:
        file.writelines(json.dumps({"prompt": f"{number} " + "x" * 500}) + "\n" for number in range(20_000))
    tracemalloc.start()
    assert survey(BatchInput(path)).total == 20_000
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert path.stat().st_size > 10_000_000 and peak < 2_000_000


def test_a_line_of_absurd_length_is_told_and_skipped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.batch.lines.LONGEST_ROW", 100)
    rows = read(written(tmp_path, "in.jsonl", f'"{"x" * 350}"\n"good"\n'))
    assert prompts(rows) == ["good"] and bad(rows) == ["line 1: is longer than 100 bytes."]


@pytest.mark.parametrize(
    ("name", "content", "complaint"),
    [
        ("in.jsonl", '"hello"\n'.encode("utf-16"), "'in.jsonl' is UTF-16 text."),
        ("in.jsonl", b"\0" * 20_000, "'in.jsonl' is binary. Give a JSONL or CSV file"),
        ("in.csv", b"a,b\0\n", "'in.csv' is binary."),
        ("in.csv", "prompt,prompt\nhello,1\n", "'in.csv' has two columns 'prompt'."),
        ("in.csv", "hello,1\n", "'in.csv' has a heading and no rows"),
        ("in.csv", "", "'in.csv' is empty"),
        ("in.csv", '"prompt\nhello', "The first line of 'in.csv' is not valid CSV"),
    ],
)
def test_a_file_that_is_no_table_of_ours_says_what_to_do(
    tmp_path: Path, name: str, content: str | bytes, complaint: str
) -> None:
    with pytest.raises(InvalidInputError) as caught:
        survey(BatchInput(written(tmp_path, name, content)))
    assert complaint in str(caught.value)


def test_a_quote_that_is_never_closed_swallows_no_rows_in_silence(tmp_path: Path) -> None:
    rows = read(written(tmp_path, "in.csv", 'prompt\ngood\n"never closed\nlost\n'))
    assert prompts(rows) == ["good"]
    assert bad(rows) == ["lines 3 to 4: a quote that opens here is never closed, so 2 lines could not be read."]
    assert survey(BatchInput(tmp_path / "in.csv")).bad == 2


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("in.csv", "prompt;id\nhello, you;1\n", ["hello, you"]),
        ("in.csv", "sep=;\r\nprompt;id\r\na;1\r\n", ["a"]),
        ("in.csv", "SEP=|\nprompt|id\na,b|1\n", ["a,b"]),
        ("in.csv", "\ufeffprompt,id\na,1\n", ["a"]),
        ("in.csv", "prompt\tid\r\na, b\t1\r\n".encode("utf-16"), ["a, b"]),
        ("in.tsv", "prompt\tid\na;b;c\t1\n", ["a;b;c"]),
        ("in.csv", "prompt,id,\na,1,\nb,2,,,\n", ["a", "b"]),
        ("in.csv", "prompt,id\n,,\n\na,1\n,\n", ["a"]),
        ("in.csv", "prompt,id\ra,1\rb,2\r", ["a", "b"]),
        ("in.csv", ' prompt ,id\n"say ""hi""",1\n', ['say "hi"']),
        ("in.csv", '"a;b;c",prompt\n1,x\n', ["x"]),
        ("in.csv", 'prompt\n"two\r\nlines"\n"x', ["two\r\nlines"]),
    ],
)
def test_tables_are_read_as_spreadsheets_write_them(
    tmp_path: Path, name: str, content: str | bytes, expected: list[str]
) -> None:
    assert prompts(read(written(tmp_path, name, content))) == expected


def test_every_line_of_a_broken_table_is_in_a_row_or_told(tmp_path: Path) -> None:
    rows = read(written(tmp_path, "in.csv", 'prompt,id\n"a\nb" c,1\nfine,2\nx,3,4\n"e",5\n"f,6\ng,7\n\nh,8'))
    assert prompts(rows) == ["fine", "e"]
    assert bad(rows) == [
        "lines 2 to 3: is not valid CSV (',' expected after '\"').",
        "line 5: has 3 columns, the heading has 2.",
        "lines 7 to 10: a quote that opens here is never closed, so 4 lines could not be read.",
    ]
    assert survey(BatchInput(tmp_path / "in.csv")).bad == 7


def test_a_record_that_never_ends_is_not_kept_in_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.batch.csv_rows.LONGEST_ROW", 100)
    rows = read(written(tmp_path, "in.csv", 'prompt\ngood\n"' + "lost\n" * 50))
    assert prompts(rows) == ["good"]
    assert bad(rows)[0].startswith("line 3 to the end: the row that begins here has more than 100 characters")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "in.jsonl")
    os.mkfifo(tmp_path / "in.csv")
    for name in ("in.jsonl", "in.csv"):
        with pytest.raises(InvalidInputError, match="no plain file"):
            survey(BatchInput(tmp_path / name))


def test_a_line_without_an_end_does_not_keep_the_reader_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("core.batch.lines._LONGEST_SKIPPED", 20_000_000)
    with (tmp_path / "in.jsonl").open("wb") as file:
        file.write(b'"x" ' * 3_000)
        file.truncate(50 * 1024**3)
    with pytest.raises(InvalidInputError, match="Line 1 of 'in.jsonl' has no end"):
        survey(BatchInput(tmp_path / "in.jsonl"))


def test_half_a_character_is_no_id(tmp_path: Path) -> None:
    (row,) = read(written(tmp_path, "in.jsonl", '{"id": "\\ud800", "prompt": "x"}\n'))
    assert isinstance(row, Row) and row.id == 1


@pytest.mark.parametrize("name", ["in.jsonl", "in.csv"])
def test_what_a_model_named_must_be_what_was_checked(tmp_path: Path, name: str) -> None:
    for folder in ("inside", "outside"):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / name).write_text("prompt\none\n" if name.endswith("csv") else '"one"\n')
    path = tmp_path / "inside" / name
    assert prompts(read(path, strict=True)) == ["one"]
    (tmp_path / "inside").rename(tmp_path / "gone")
    (tmp_path / "inside").symlink_to(tmp_path / "outside")
    with pytest.raises(InvalidInputError, match="cannot be read"):
        read(path, strict=True)
    assert prompts(read(path)) == ["one"], "a person may have their links"
    os.link(tmp_path / "outside" / name, tmp_path / "gone" / f"hard-{name}")
    with pytest.raises(InvalidInputError, match="second name"):
        read(tmp_path / "gone" / f"hard-{name}", strict=True)
