"""The skills on this machine: Moot's own, the user's, and those of the workspace, which are somebody else's words.

A folder that is no good skill is told of in one sentence, and the others are there all the same. Everything here
blocks but what reads a file of a skill.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

import anyio.to_thread

from core.files.opening import NotPlainError, read_below
from core.files.workspace import Workspace
from core.paths import data_dir
from core.people.person import acting
from core.secrecy.check import secret_in
from core.secrecy.names import named_like_a_secret
from core.skills.frontmatter import FrontmatterError, read_frontmatter
from core.skills.skill import (
    MAIN,
    MOST_BYTES,
    MOST_FILES,
    Skill,
    SkillError,
    SkillFile,
    check_head,
    check_name,
    check_path,
)
from core.untrusted import clean, one_line

MOOT, USER, WORKSPACE = "moot", "user", "workspace"
_FIRST = (USER, MOOT, WORKSPACE)
"""Whose skill a bare name means: what lies in a folder that is worked on never stands for what its user has chosen."""
_IN_WORKSPACE = (".agents/skills", ".claude/skills", "skills")
_SHIPPED = Path(__file__).with_name("shipped")
_MOST_FOLDERS = 1_000
_DEEPEST = 12
_NOT_PART = frozenset({"__pycache__", "node_modules"})
"""Beside hidden ones: what programs leave in a folder."""


@dataclass(frozen=True, slots=True)
class Place:
    """A folder with skills in it.

    Args:
        shown: What people call it.
        within: What nothing may lead out of; None: the user has laid it out, links and all.
        shared: Whether hosts are served what lies in it.
    """

    folder: Path
    origin: str
    shown: str
    within: Path | None = None
    shared: bool = False


@dataclass
class Found:
    """The skills, one for each full name, and why every other folder is none: `bad` has that by the folder's name."""

    skills: list[Skill] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    bad: dict[str, str] = field(default_factory=dict)

    def refuse(self, name: str, why: str) -> None:
        """Tell why what is called *name* is no skill."""
        self.problems.append(why)
        self.bad.setdefault(name, why)

    def named(self, name: str) -> Skill:
        """The skill called *name*, which may be its full name.

        Raises:
            SkillError: There is none.
        """
        found = [one for one in self.skills if name in (one.name, one.full_name) and (not one.foreign or "." in name)]
        if not found:
            raise SkillError(_unknown(name, self.skills))
        return min(found, key=lambda one: len(_FIRST) if one.foreign else _FIRST.index(one.origin))

    def all_named(self, names: Iterable[str]) -> list[Skill]:
        """The skills called *names*, each once.

        Raises:
            SkillError: There is none of one of them.
        """
        return list({one.full_name: one for one in map(self.named, names)}.values())


def user_places() -> list[Place]:
    """Where the skills of whoever owns this installation lie."""
    places = [Place(data_dir() / "skills", USER, "the data folder's skills", shared=True)]
    try:
        home = Path.home()
    except RuntimeError:  # a service that has none
        return places
    return [
        *places,
        Place(home / ".agents" / "skills", USER, "~/.agents/skills", shared=True),
        Place(home / ".claude" / "skills", USER, "~/.claude/skills"),
    ]


def workspace_places(workspace: Workspace) -> list[Place]:
    """Where skills lie in the folders that are open to Moot."""
    return [
        Place(root / below, WORKSPACE, f"{root.name}/{below}", within=root)
        for root in workspace.roots
        if root != workspace.uploads
        for below in _IN_WORKSPACE
    ]


def shipped_places() -> list[Place]:
    """Where the skills lie that come with Moot."""
    return [Place(_SHIPPED, MOOT, "Moot", shared=True)]


def find_all(workspace: Workspace | None = None, *, mine: bool | None = None) -> Found:
    """Every skill of Moot, of *workspace*, and of the user.

    Args:
        mine: Whether the skills of whoever owns the installation count; None: where it is they who ask.
    """
    own = acting().owns if mine is None else mine
    places = [
        *(user_places() if own else []),
        *shipped_places(),
        *(workspace_places(workspace) if workspace else []),
    ]
    return find_skills(places, is_local_only=workspace.is_local_only if workspace else None)


def find_skills(places: Sequence[Place], *, is_local_only: Callable[[str], bool] | None = None) -> Found:
    """The skills in *places*; of two with one full name the first stands.

    Args:
        is_local_only: Whether a file may go only to AIs on this machine, by its name below its root.
    """
    found, seen = Found(), set[Path]()
    for place in places:
        for folder, shown in _folders(place, found):
            if folder in seen:  # two places often lead to one folder by a link
                continue
            seen.add(folder)
            try:
                skill = _skill(folder, shown, place, is_local_only)
            except SkillError as error:
                found.refuse(shown, str(error))
                continue
            _add(skill, found)
    return found


def _add(skill: Skill, found: Found) -> None:
    other = next((one for one in found.skills if one.full_name == skill.full_name), None)
    if other is None:
        found.skills.append(skill)
        return
    found.problems.append(
        f"The skill {skill.name!r} in {skill.place} is not used: {other.place} has one of that name. Rename one of "
        "the two, folder and head."
    )


def _folders(place: Place, found: Found) -> list[tuple[Path, str]]:
    """The folders in *place* that mean to be skills, resolved, and what they are called there."""
    try:
        top = place.folder.resolve(strict=True)
        if place.within is not None and not top.is_relative_to(place.within):
            found.problems.append(f"{place.shown} leads out of its workspace, so it is not read. Put the folder there.")
            return []
        with os.scandir(top) as entries:
            names = sorted(entry.name for entry, _ in zip(entries, range(_MOST_FOLDERS + 1), strict=False))
    except (FileNotFoundError, NotADirectoryError):
        return []
    except (OSError, RuntimeError) as error:
        found.problems.append(f"{place.shown} cannot be read ({type(error).__name__}). Check its permissions.")
        return []
    if len(names) > _MOST_FOLDERS:
        found.problems.append(
            f"{place.shown} holds more than {_MOST_FOLDERS:,} folders, so it is not read. Keep fewer."
        )
        return []
    folders = []
    for name in names:
        if name.startswith(".") or not os.path.lexists(top / name / MAIN):
            continue
        try:
            folder = (top / name).resolve(strict=True)
        except (OSError, RuntimeError):
            continue  # gone since
        if place.within is not None and not folder.is_relative_to(place.within):
            found.refuse(name, f"The skill {one_line(name, 64)!r} in {place.shown} is a link that leads elsewhere.")
        else:
            folders.append((folder, name))
    return folders


def _skill(folder: Path, name: str, place: Place, is_local_only: Callable[[str], bool] | None) -> Skill:
    """The skill in *folder*, which *place* calls *name*.

    Raises:
        SkillError: It is none.
    """
    trusted = place.within is None
    try:
        files = _files(folder)
        text = _head_text(read_below(folder, (MAIN,), MOST_BYTES, hard_links=trusted))
        head, _ = read_frontmatter(text)
        description = check_head(head)
        called = check_name(head.get("name"), name)
    except FrontmatterError as error:
        raise SkillError(f"The skill {one_line(name, 64)!r} in {place.shown} {error}") from None
    except NotPlainError as error:
        raise SkillError(f"The skill {one_line(name, 64)!r} in {place.shown}: its {MAIN} {error}.") from None
    except OSError as error:
        raise SkillError(
            f"The skill {one_line(name, 64)!r} in {place.shown} cannot be read ({type(error).__name__}). Put its own "
            "files there, no links, and check their permissions."
        ) from None
    skill = Skill(
        name=called,
        description=one_line(description),
        origin=place.origin,
        place=place.shown,
        frontmatter=head,
        files=files,
        read=partial(_read, folder, called, trusted),
        shared=place.shared,
        note=_note(text),
    )
    if is_local_only is not None and place.within is not None:
        below = folder.relative_to(place.within).as_posix()
        return replace(skill, local_only=any(is_local_only(f"{below}/{one.path}") for one in files))
    return skill


def _head_text(data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FrontmatterError(f"has a {MAIN} that is not UTF-8. Save it as UTF-8.") from None


def _note(text: str) -> str:
    plain = text.replace("\r\n", "\n")
    hidden = len(plain) - len(clean(plain))
    return f"{hidden} characters of its {MAIN} show nothing, and no AI is shown them" if hidden > 0 else ""


def _files(folder: Path) -> tuple[SkillFile, ...]:
    """Every file below *folder*, `SKILL.md` first; what is hidden is no part of it.

    Raises:
        FrontmatterError: There are too many, they are too large, or one of them is a link or no file.
        OSError: They cannot be listed.
    """
    found: list[SkillFile] = []
    waiting: list[tuple[str, ...]] = [()]
    seen = size = 0
    while waiting:
        above = waiting.pop()
        with os.scandir(folder.joinpath(*above)) as entries:
            for entry in entries:
                seen += 1
                if seen > 4 * MOST_FILES:
                    raise FrontmatterError(_too_many())
                if entry.name.startswith(".") or entry.name in _NOT_PART:
                    continue
                path = "/".join((*above, entry.name))
                if entry.is_symlink():
                    raise FrontmatterError(f"holds the link {one_line(path, 80)!r}. Put the file itself there.")
                if entry.is_dir():
                    if len(above) >= _DEEPEST:
                        raise FrontmatterError(f"has folders deeper than {_DEEPEST}. Lay it out flatter.")
                    waiting.append((*above, entry.name))
                    continue
                found.append(_file(entry, path))
                size += found[-1].size
                if len(found) > MOST_FILES:
                    raise FrontmatterError(_too_many())
                if size > MOST_BYTES:
                    raise FrontmatterError(f"has more than {MOST_BYTES // 1_048_576} MB. Take large files out of it.")
    return tuple(sorted(found, key=lambda one: (one.path != MAIN, one.path)))


def _too_many() -> str:
    return f"has more than {MOST_FILES} files. Take out what its {MAIN} does not need."


def _file(entry: os.DirEntry[str], path: str) -> SkillFile:
    if not entry.is_file(follow_symlinks=False):
        raise FrontmatterError(f"holds {one_line(path, 80)!r}, which is no plain file. Take it out.")
    try:
        check_path(path)
        path.encode()
    except (SkillError, UnicodeEncodeError):
        raise FrontmatterError(f"holds a file of a name that is none: {one_line(path, 80)!r}. Rename it.") from None
    return SkillFile(path, entry.stat(follow_symlinks=False).st_size)


async def _read(folder: Path, name: str, trusted: bool, path: str) -> bytes:
    return await anyio.to_thread.run_sync(_bytes, folder, name, trusted, path)


def _bytes(folder: Path, name: str, trusted: bool, path: str) -> bytes:
    """What the file called *path* of the skill holds.

    Raises:
        SkillError: It is a secret, or cannot be read.
    """
    parts = check_path(path)
    what = f"{path!r} of the skill {name!r}"
    if reason := named_like_a_secret(Path(*parts)):
        raise SkillError(f"{what} is not read: {reason}. Leave it out.")
    try:
        data = read_below(folder, parts, MOST_BYTES, hard_links=trusted)
    except NotPlainError as error:
        raise SkillError(f"{what} {error}.") from None
    except OSError as error:
        raise SkillError(f"{what} cannot be read ({type(error).__name__}). Check that it is still there.") from None
    if reason := secret_in(data.decode("utf-8", "replace"), path):
        raise SkillError(f"{what} is not read: {reason}. Remove it from the file.")
    return data


def _unknown(name: str, skills: Sequence[Skill]) -> str:
    known = ", ".join(sorted({one.full_name if one.foreign else one.name for one in skills})[:40])
    told = f"There are {known}" if known else "There are none"
    return f"There is no skill {one_line(name, 80)!r}. {told}; `moot skills` lists them, and those that are not good."
