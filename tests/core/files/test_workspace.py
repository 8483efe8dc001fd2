from __future__ import annotations

import io
import os
import subprocess
from contextlib import suppress
from pathlib import Path

import pypdf
import pytest
from hypothesis import given
from hypothesis import strategies as st
from samples import PNG, pdf

from core.files.workspace import MAX_TEXT_BYTES, FileRefusedError, Workspace
from core.redact import register_secret


@pytest.fixture
def root(tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    (folder / "src").mkdir(parents=True)
    (folder / "src" / "a.py").write_text("x = 1\n")
    return folder


@pytest.fixture
def space(root: Path) -> Workspace:
    return Workspace.open([str(root)])


def refusal(space: Workspace, path: str) -> str:
    with pytest.raises(FileRefusedError) as caught:
        space.read_text(path)
    return str(caught.value)


def test_a_file_below_the_root_is_read_by_a_relative_or_an_absolute_path(space: Workspace, root: Path) -> None:
    for path in ("src/a.py", "./src/../src/a.py", str(root / "src" / "a.py")):
        file = space.read_text(path)
        assert (file.name, file.text, file.lines) == ("src/a.py", "x = 1\n", 1)


@pytest.mark.parametrize("path", ["../secret.txt", "/etc/passwd", "/proc/self/environ", "/dev/zero", "src/out"])
def test_nothing_outside_of_the_roots_is_read(space: Workspace, root: Path, path: str) -> None:
    (root.parent / "secret.txt").write_text("s")
    (root / "src" / "out").symlink_to(root.parent / "secret.txt")
    message = refusal(space, path)
    assert "outside" in message
    assert str(root.parent) not in message


@given(parts=st.lists(st.sampled_from(["..", ".", "src", "a.py", "/", "~", "project", "link", "\0", "*"]), max_size=8))
def test_no_way_of_writing_a_path_leads_out(tmp_path_factory: pytest.TempPathFactory, parts: list[str]) -> None:
    base = tmp_path_factory.mktemp("base")
    (base / "project" / "src").mkdir(parents=True)
    (base / "project" / "link").symlink_to(base)
    (base / "a.py").write_text("outside")
    (base / "project" / "src" / "a.py").write_text("inside")
    with suppress(FileRefusedError):
        assert Workspace.open([str(base / "project")]).read_text("/".join(parts)).text == "inside"


def test_a_link_that_stays_inside_is_followed(space: Workspace, root: Path) -> None:
    (root / "link.py").symlink_to(root / "src" / "a.py")
    assert space.read_text("link.py").name == "src/a.py"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        (".env", "hold secrets"),
        (".env.production", "hold secrets"),
        ("server.pem", "hold secrets"),
        ("id_rsa", "hold secrets"),
        (".npmrc", "hold secrets"),
        ("credentials.json", "hold secrets"),
        (".git/config", "hold credentials"),
        (".ssh/config", "hold credentials"),
    ],
)
def test_files_that_hold_secrets_by_their_name_are_refused(space: Workspace, root: Path, name: str, why: str) -> None:
    (root / name).parent.mkdir(exist_ok=True)
    (root / name).write_text("harmless")
    assert why in refusal(space, name)


def test_an_example_of_a_secret_file_is_none(space: Workspace, root: Path) -> None:
    (root / ".env.example").write_text("KEY=\n")
    assert space.read_text(".env.example").text == "KEY=\n"


@pytest.mark.parametrize(
    ("name", "line"),
    [
        ("a.py", 'KEY = "sk-ant-api03-' + "a1B2" * 20 + '"'),
        ("a.py", "ghp_" + "a1B2c3" * 6),
        ("notes.md", "-----BEGIN RSA PRIVATE" + " KEY-----"),
        ("a.py", 'aws = "AKIA' + "ABCDEFGHIJKLMNOP" + '"'),
        ("config.yaml", "password: hunter2hunter2"),
    ],
)
def test_a_secret_in_the_text_is_refused_with_its_line_and_without_itself(
    space: Workspace, root: Path, name: str, line: str
) -> None:
    (root / name).write_text(f"first\n{line}\n")
    message = refusal(space, name)
    assert "line 2" in message
    assert line not in message


def test_a_key_in_use_is_never_sent(space: Workspace, root: Path) -> None:
    register_secret("plain-but-known-4711")
    (root / "notes.md").write_text("It is plain-but-known-4711.")
    assert "line 1" in refusal(space, "notes.md")


@pytest.mark.parametrize(
    "line", ["password: ${DB_PASSWORD}", "token: <yours>", "max_tokens: 4096000000", "secret: true"]
)
def test_a_setting_that_only_names_a_secret_is_read(space: Workspace, root: Path, line: str) -> None:
    (root / "config.yaml").write_text(line)
    assert space.read_text("config.yaml").text == line


def test_code_that_speaks_of_passwords_is_read(space: Workspace, root: Path) -> None:
    code = 'def login(password: str, api_key="none"):\n    token = os.environ["TOKEN"]\n    key_functions_by_name = 1\n'
    (root / "login.py").write_text(code)
    assert space.read_text("login.py").text == code


def test_what_git_ignores_as_a_secret_is_refused(space: Workspace, root: Path) -> None:
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    (root / ".gitignore").write_text("*private*\nbuild/\n")
    (root / "my-private-notes.md").write_text("n")
    (root / "build").mkdir()
    (root / "build" / "out.txt").write_text("o")
    assert "'*private*'" in refusal(space, "my-private-notes.md")
    assert space.read_text("build/out.txt").text == "o"


def test_what_is_no_text_is_refused(space: Workspace, root: Path) -> None:
    (root / "a.bin").write_bytes(b"\x7fELF\0\0")
    (root / "b.bin").write_bytes(b"\xff\xfa\xfb")
    os.mkfifo(root / "pipe")
    assert "is binary" in refusal(space, "a.bin")
    assert "not UTF-8" in refusal(space, "b.bin")
    assert "no plain file" in refusal(space, "pipe")
    assert "is a folder" in refusal(space, "src")
    assert "does not exist" in refusal(space, "gone.py")


def test_a_file_of_a_gigabyte_is_refused_without_reading_it(space: Workspace, root: Path) -> None:
    with (root / "big.txt").open("wb") as file:
        file.truncate(1024**3)
    assert "1,024.0 MB; at most 2 MB" in refusal(space, "big.txt")
    assert MAX_TEXT_BYTES == 2 * 1024**2


def test_a_text_with_a_byte_order_mark_is_read(space: Workspace, root: Path) -> None:
    (root / "w.txt").write_text("çé", encoding="utf-16")
    assert space.read_text("w.txt").text == "çé"


def test_a_pdf_gives_its_text_page_by_page_and_a_broken_one_a_reason(space: Workspace, root: Path) -> None:
    (root / "a.pdf").write_bytes(pdf("Hello from page one"))
    assert space.read_text("a.pdf").text == "[page 1]\nHello from page one"
    (root / "broken.pdf").write_bytes(b"%PDF-1.7 nothing")
    assert "cannot be read" in refusal(space, "broken.pdf")
    empty = pypdf.PdfWriter()
    empty.add_blank_page(100, 100)
    buffer = io.BytesIO()
    empty.write(buffer)
    (root / "scan.pdf").write_bytes(buffer.getvalue())
    assert "only pictures" in refusal(space, "scan.pdf")


def test_pictures_are_known_by_their_bytes(space: Workspace, root: Path) -> None:
    (root / "a.png").write_bytes(PNG)
    assert space.read_image("a.png")[0].image.media_type == "image/png"
    (root / "fake.png").write_text("text")
    with pytest.raises(FileRefusedError, match="no picture"):
        space.read_image("fake.png")


def test_a_pattern_gives_the_visible_files_it_matches(space: Workspace, root: Path) -> None:
    (root / "src" / "b.py").write_text("")
    (root / "src" / ".hidden.py").write_text("")
    assert space.expand("src/*.py") == ["src/a.py", "src/b.py"]
    assert space.expand("plain") == ["plain"]
    for bad in ("*.rs", "../*", "/etc/*"):
        with pytest.raises(FileRefusedError):
            space.expand(bad)


def test_without_a_setting_the_folder_of_the_start_is_the_root_but_never_home_or_everything(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    assert Workspace.open(None).read_text("src/a.py").text == "x = 1\n"
    monkeypatch.setenv("HOME", str(root))
    assert "no folder is open" in refusal(Workspace.open(None), "src/a.py")
    too_wide = Workspace.open(["/", str(root), str(root.parent), "/proc", "/nowhere"])
    assert too_wide.roots == ()
    assert len(too_wide.refused_roots) == 5


def test_patterns_mark_what_must_stay_on_this_machine(root: Path) -> None:
    space = Workspace.open([str(root)], ["src/*", "*.secret.md"])
    (root / "b.md").write_text("b")
    assert space.read_text("src/a.py").local_only
    assert not space.read_text("b.md").local_only


@pytest.mark.parametrize("swapped", ["src", "src/deep", "src/deep/a.py"])
def test_what_is_swapped_for_a_link_between_check_and_read_is_not_followed(
    space: Workspace, root: Path, swapped: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for base, text in ((root, "inside"), (root.parent / "private", "outside")):
        (base / "src" / "deep").mkdir(parents=True, exist_ok=True)
        (base / "src" / "deep" / "a.py").write_text(text)

    def swap(*_: object) -> None:
        (root / swapped).rename(root / "gone")
        (root / swapped).symlink_to(root.parent / "private" / swapped)

    monkeypatch.setattr("core.secrecy.check.secret_name", swap)
    assert "has been moved while it was read" in refusal(space, "src/deep/a.py")


def test_a_file_with_a_second_name_is_not_read(space: Workspace, root: Path) -> None:
    (root.parent / "private.txt").write_text("outside")
    os.link(root.parent / "private.txt", root / "mine.txt")
    assert "second name (a hard link)" in refusal(space, "mine.txt")
    mine = Workspace.open([str(root)], by_hand=True)
    assert mine.read_text(str(root / "mine.txt")).text == "outside", "a person may name any file of theirs"


def test_a_private_pattern_holds_for_every_way_to_write_a_name(root: Path) -> None:
    space = Workspace.open([str(root)], ["clients/m\u00fcller*", "Secret/*"])
    for name in (
        "clients/m\u00fcller.txt",
        "clients/mu\u0308ller.txt",
        "Clients/M\u00dcLLER.TXT",
        "secret/x",
        "SECRET/y",
    ):
        assert space.is_local_only(name)
    assert not space.is_local_only("clients/muller.txt")


def test_moots_own_files_are_no_workspace(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = root / "moot"
    own.mkdir()
    (own / "worker.log").write_text("words")
    monkeypatch.setenv("MOOT_HOME", str(own))
    assert "Moot's own files" in refusal(Workspace.open([str(root)]), "moot/worker.log")
    monkeypatch.chdir(own)
    assert "no folder is open" in refusal(Workspace.open(None), "worker.log")


def test_a_private_file_of_a_person_stays_private_wherever_it_lies(root: Path) -> None:
    (root.parent / "clients").mkdir()
    (root.parent / "clients" / "x.txt").write_text("x")
    space = Workspace.open([str(root)], ["clients/*"], by_hand=True)
    assert space.read_text(str(root.parent / "clients" / "x.txt")).local_only
    assert not space.read_text(str(root / "src" / "a.py")).local_only


def test_a_workspace_is_the_same_in_another_process(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    space = Workspace.open(None, ["x"], by_hand=True, send_secrets=True)
    monkeypatch.chdir(root.parent)
    assert Workspace(local_only=("x",)).at(space.place()) == space


def test_a_folder_outside_is_not_listed_by_a_pattern_and_not_probed_by_a_name(space: Workspace, root: Path) -> None:
    (root.parent / "there.txt").write_text("s")
    (root / "link").symlink_to(root.parent)
    for pattern in ("link/*", "link/there.*", "*/there.txt"):
        with pytest.raises(FileRefusedError, match="No file matches"):
            space.expand(pattern)
    told = {refusal(space, name).replace(name, "") for name in ("../there.txt", "../gone.txt", "link/gone.txt")}
    assert len(told) == 1
    assert "outside" in told.pop()
