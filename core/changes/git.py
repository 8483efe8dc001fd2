"""The only place that starts git, on a repository that may be hostile.

A repository's configuration can name programs for nearly everything git does, and files anywhere. So git never sees
it: every command runs in a private folder that stands in for `.git`, with a configuration of our own. References and
objects are the repository's, linked; from its configuration a few plain values are taken, which can be no command and
no path. What is not there cannot run: no filter, no hook, no helper, no fetch, no include, no other working tree.

A library was weighed: libgit2 reads the repository's own configuration (its working tree, its ignore and attribute
files), and pure Python takes minutes where git takes a second. The stand-in takes the same away from git itself.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from core.errors import InvalidInputError

_GIT_S = 60.0
MOST_BYTES = 64 * 1024 * 1024
"""What is read of git's output; more is refused."""
_LONGEST_POINTER = 4_096
_DEEPEST_ALTERNATES = 5
_KEPT_SETTINGS = {
    "core.repositoryformatversion": re.compile(r"[01]"),
    "core.filemode": re.compile(r"true|false"),
    "core.symlinks": re.compile(r"true|false"),
    "core.ignorecase": re.compile(r"true|false"),
    "core.precomposeunicode": re.compile(r"true|false"),
    "core.eol": re.compile(r"lf|crlf|native"),
    "core.longpaths": re.compile(r"true|false"),
    "extensions.objectformat": re.compile(r"sha1|sha256"),
    "extensions.refstorage": re.compile(r"files|reftable"),
}
"""The values of a repository that are needed to read it."""
_OURS = {
    "core.bare": "false",
    "core.autocrlf": "input",  # a file with the line ends of Windows is compared as git would store it
    "core.safecrlf": "false",
    "core.attributesfile": os.devnull,
    "core.excludesfile": os.devnull,
    "core.fsmonitor": "false",
    "core.hookspath": os.devnull,
    "core.quotepath": "true",
    "diff.suppressblankempty": "false",
    "gc.auto": "0",
    "maintenance.auto": "false",
    "protocol.allow": "never",
    "safe.barerepository": "explicit",
}
_ATTRIBUTES = "* !diff -filter -ident -working-tree-encoding\n"
"""Goes before what a repository says of its files: text is shown although it is called binary, and nothing converts."""
_HEADS = ("ORIG_HEAD", "FETCH_HEAD", "MERGE_HEAD", "CHERRY_PICK_HEAD", "REVERT_HEAD", "REBASE_HEAD")
_LINKED = ("refs", "packed-refs", "logs", "shallow", "reftable", *_HEADS)


class GitError(InvalidInputError):
    """Git could not do it; nothing that git printed is in the message."""


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository whose files lie where they may be read.

    Args:
        top: The folder that holds `.git`, resolved.
        git_dir: Where its head and its index are.
        common_dir: Where its objects and references are; another one only for a second working tree.
    """

    top: Path
    git_dir: Path
    common_dir: Path


def find_repository(folder: Path, roots: Sequence[Path]) -> Repository | None:
    """The repository that *folder* lies in; None where there is none.

    A folder counts only by a `.git` in it or above it: a bare repository that lies among the files is no repository.

    Raises:
        InvalidInputError: Its `.git`, objects or working tree lie elsewhere, and nothing there says that they belong
            to it.
    """
    top = next((place for place in (folder, *folder.parents) if os.path.lexists(place / ".git")), None)
    if top is None:
        return None
    git_dir, common_dir = _git_dirs(top)
    allowed = [top, *roots]
    if not _below(git_dir, allowed):
        if not _vouches(git_dir, common_dir, top):
            raise _elsewhere("its '.git' points to a folder outside")
        allowed.append(common_dir)
    elif not _below(common_dir, allowed):
        raise _elsewhere("its '.git' takes objects from a folder outside")
    _check_objects(common_dir / "objects", allowed)
    return Repository(top, git_dir, common_dir)


class Git:
    """Git on one repository, for as long as `opened` lasts."""

    def __init__(self, repository: Repository, place: Path) -> None:
        self.repository = repository
        self.copies = place / "copies"
        """A folder that stands for the working tree when git is to read files: what lies there was checked."""
        self._dir = place / "git"
        self._environment = _environment(place, repository.top)

    def run(self, *arguments: str, given: bytes = b"", in_copies: bool = False, most: int = MOST_BYTES) -> bytes:
        """What git prints; blocks.

        Args:
            given: What it reads.
            in_copies: Work on the copies; otherwise on the folder of the repository.

        Raises:
            GitError: It failed, took too long, or printed more than *most* bytes.
        """
        found = self.try_run(*arguments, given=given, in_copies=in_copies, most=most)
        if found is None:
            raise GitError(
                "git could not read the repository: something is missing or damaged in it. In a partial clone fetch "
                "what is missing first; else try `git fsck`, or give 'diff' or 'files' instead."
            )
        return found

    def try_run(
        self, *arguments: str, given: bytes = b"", in_copies: bool = False, most: int = MOST_BYTES
    ) -> bytes | None:
        """What git prints, or None where it fails."""
        tree = self.copies if in_copies else self.repository.top
        environment = {**self._environment, "GIT_DIR": str(self._dir), "GIT_WORK_TREE": str(tree)}
        command = [_program(environment["PATH"]), "--no-pager", *arguments]
        return _output(command, tree, environment, given, most)


@contextmanager
def opened(repository: Repository) -> Iterator[Git]:
    """Git on *repository*, with nothing of its configuration; what was made for it is gone in the end.

    Raises:
        GitError: There is no git, or the repository cannot be understood.
    """
    with tempfile.TemporaryDirectory(prefix="moot-git-") as name:
        place = Path(name)
        (place / "copies").mkdir()
        _stand_in(repository, place / "git")
        yield Git(repository, place)


def _git_dirs(top: Path) -> tuple[Path, Path]:
    """Where the repository at *top* keeps its head, and its objects."""
    entry = top / ".git"
    if entry.is_file():
        _, found, pointed = _line_of(entry).partition("gitdir: ")
        if not found:
            raise _elsewhere("its '.git' is a file that names no folder")
        entry = top / pointed
    git_dir = _resolved(entry)
    common = git_dir / "commondir"
    return git_dir, _resolved(git_dir / _line_of(common)) if common.is_file() else git_dir


def _vouches(git_dir: Path, common_dir: Path, top: Path) -> bool:
    """Whether the repository at *git_dir*, which lies elsewhere, says itself that *top* is a working tree of it."""
    back = git_dir / "gitdir"
    if git_dir.parent == common_dir / "worktrees" and back.is_file():
        return _resolved(Path(_line_of(back)).parent) == top
    named = _settings_of(git_dir / "config", top).get("core.worktree")
    return named is not None and common_dir == git_dir and _resolved(git_dir / named) == top


def _check_objects(objects: Path, allowed: Sequence[Path], depth: int = 0) -> None:
    """Refuse objects that come from another place, by a link or as a loan from another repository."""
    place = _resolved(objects)
    if not _below(place, allowed) or any(entry.is_symlink() for entry in _entries(place)):
        raise _elsewhere("its objects lie outside")
    loans = place / "info" / "alternates"
    if not os.path.lexists(loans):
        return
    for line in _text_of(loans).splitlines():
        if line and not line.startswith("#"):
            if depth >= _DEEPEST_ALTERNATES or line.startswith('"'):
                raise _elsewhere("it takes objects from a repository that cannot be followed")
            _check_objects(place / line, allowed, depth + 1)


def _entries(objects: Path) -> Iterator[os.DirEntry[str]]:
    for folder in (objects, objects / "pack", objects / "info"):
        if folder.is_dir():
            with os.scandir(folder) as found:
                yield from found


def _stand_in(repository: Repository, place: Path) -> None:
    """Make the folder that git takes for `.git`."""
    (place / "objects" / "info").mkdir(parents=True)
    objects = str(_resolved(repository.common_dir / "objects"))
    if "\n" in objects or objects.startswith('"'):
        raise GitError("The name of the repository's folder is none that git can be told. Rename the folder.")
    (place / "objects" / "info" / "alternates").write_text(f"{objects}\n", encoding="utf-8", errors="surrogateescape")
    head = _line_of(repository.git_dir / "HEAD")
    if not re.fullmatch(r"ref: refs/[^\0\s]+|[0-9a-f]{40}|[0-9a-f]{64}", head):
        raise GitError("The repository has no head that git understands. Try `git fsck`.")
    (place / "info").mkdir()
    (place / "info" / "attributes").write_text(_ATTRIBUTES, encoding="utf-8")
    (place / "HEAD").write_text(f"{head}\n", encoding="utf-8", errors="surrogateescape")
    settings = _settings_of(repository.common_dir / "config", repository.top)
    _check_worktree(repository, settings)
    _write_settings(place / "config", settings)
    for name in _LINKED:
        source = repository.common_dir if name not in _HEADS else repository.git_dir
        _bring(source / name, place / name)
    (place / "refs").mkdir(exist_ok=True)
    for part in (repository.git_dir / "index", *repository.git_dir.glob("sharedindex.*")):
        if os.path.lexists(part):
            if part.is_symlink() or not part.is_file():
                raise _elsewhere("its index lies outside")
            shutil.copy2(part, place / part.name)  # with its time, by which git knows which files to look into


def _check_worktree(repository: Repository, settings: Mapping[str, str]) -> None:
    """Refuse a repository whose files are said to lie elsewhere than around its `.git`."""
    named = settings.get("core.worktree")
    alone = repository.git_dir == repository.common_dir
    if named is not None and alone and _resolved(repository.git_dir / named) != repository.top:
        raise _elsewhere("its setting core.worktree names another folder")


def _write_settings(path: Path, settings: Mapping[str, str]) -> None:
    kept = {
        key: value.lower()
        for key, value in settings.items()
        if key in _KEPT_SETTINGS and _KEPT_SETTINGS[key].fullmatch(value.lower())
    }
    unknown = [key for key in settings if key.startswith("extensions.") and key not in _KEPT_SETTINGS]
    strange = set(unknown) - {"extensions.worktreeconfig", "extensions.partialclone", "extensions.preciousobjects"}
    if strange or ("extensions.objectformat" in settings and "extensions.objectformat" not in kept):
        raise GitError("The repository is of a kind that Moot does not know. Give 'diff' or 'files' instead.")
    lines = []
    for key, value in {**kept, **_OURS}.items():
        section, _, name = key.partition(".")
        lines += [f"[{section}]", f'\t{name} = "{value}"']
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def _settings_of(path: Path, top: Path) -> dict[str, str]:
    """What a configuration file says by itself, by lower-case names; nothing it includes is read."""
    with tempfile.TemporaryDirectory(prefix="moot-git-") as name:
        place = Path(name)
        copy = place / "config"
        copy.write_bytes(_bytes_of(path))
        environment = _environment(place, top)
        command = [_program(environment["PATH"]), "config", "--file", str(copy), "--no-includes", "--null", "--list"]
        told = _output(command, place, environment, b"", MOST_BYTES)
    if told is None:
        raise GitError("The configuration of the repository cannot be read. Correct its .git/config.")
    pairs = (entry.partition("\n") for entry in told.decode("utf-8", "surrogateescape").split("\0") if entry)
    return {key.lower(): value if equals else "true" for key, equals, value in pairs}


def _environment(place: Path, top: Path) -> dict[str, str]:
    """Nothing of ours but what a program needs to start: no setting of git can come in by a variable."""
    passed = {name: os.environ[name] for name in ("SYSTEMROOT", "TMPDIR", "TEMP", "TMP") if name in os.environ}
    return {
        **passed,
        "PATH": _trusted_path(top),
        "HOME": str(place),
        "XDG_CONFIG_HOME": str(place),
        "LC_ALL": "C",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_SYSTEM": os.devnull,
        "GIT_CONFIG_GLOBAL": os.devnull,
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_CEILING_DIRECTORIES": str(place),
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_NO_LAZY_FETCH": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",
        "GIT_ALLOW_PROTOCOL": "",
        "GIT_PROTOCOL_FROM_USER": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_PAGER": "",
    }


def _trusted_path(top: Path) -> str:
    """The path without the files of the repository, and without wherever we happen to stand."""
    folders = [entry for entry in os.environ.get("PATH", os.defpath).split(os.pathsep) if os.path.isabs(entry)]
    return os.pathsep.join(entry for entry in folders if not _resolved(Path(entry)).is_relative_to(top))


def _program(path: str) -> str:
    found = shutil.which("git", path=path) if path else None
    if found is None:
        raise GitError("git is not installed. Give 'diff' or 'files' instead.")
    return found


def _output(command: list[str], folder: Path, environment: dict[str, str], given: bytes, most: int) -> bytes | None:
    """What *command* prints, None when it fails; what it reads comes from a file, so that neither waits for the other.

    Raises:
        GitError: It took longer than a minute, or printed more than *most* bytes.
    """
    with tempfile.TemporaryFile() as stdin:
        stdin.write(given)
        stdin.seek(0)
        process = subprocess.Popen(
            command, stdin=stdin, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, cwd=folder, env=environment
        )
    late = threading.Timer(_GIT_S, process.kill)
    late.start()
    try:
        assert process.stdout is not None
        with process.stdout as stdout:
            told = stdout.read(most + 1)
        if len(told) > most:
            raise GitError(f"The change is larger than {most // 1_048_576} MB. Name 'paths' to narrow it.")
        code = process.wait()
        if late.finished.is_set():
            raise GitError("git took longer than a minute. Name 'paths' to narrow the diff.")
    finally:
        late.cancel()
        process.kill()
        process.wait()
    return told if code == 0 else None


def _bring(source: Path, target: Path) -> None:
    if not os.path.lexists(source):
        return
    if source.exists() and not (source.is_dir() or source.is_file()):  # git would wait for a pipe
        raise GitError("The repository's own files are not as git makes them. Try `git fsck`.")
    try:
        target.symlink_to(_resolved(source))
    except OSError:  # Windows, without the right to make links
        (shutil.copytree if source.is_dir() else shutil.copy2)(source, target)


def _below(path: Path, allowed: Sequence[Path]) -> bool:
    return any(path.is_relative_to(folder) for folder in allowed)


def _resolved(path: Path) -> Path:
    try:
        return path.resolve()
    except (OSError, RuntimeError, ValueError):
        raise _elsewhere("it leads around in a circle") from None


def _line_of(path: Path) -> str:
    return _text_of(path).strip("\r\n")


def _text_of(path: Path) -> str:
    return _bytes_of(path).decode("utf-8", "surrogateescape")


def _bytes_of(path: Path) -> bytes:
    """A small file of the repository's own; a pipe in its place is not waited for."""
    try:
        if not path.is_file() or path.stat().st_size > _LONGEST_POINTER * 64:
            raise GitError("The repository's own files are not as git makes them. Try `git fsck`.")
        return path.read_bytes()
    except OSError:
        raise GitError("The repository's own files cannot be read. Check their permissions.") from None


def _elsewhere(why: str) -> GitError:
    return GitError(
        f"The repository is not read: {why} of what is open to Moot. Give 'diff' or 'files' instead, or add the folder "
        "it belongs to to files.roots in credentials.json."
    )
