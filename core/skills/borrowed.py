"""Skills that servers of MCP serve (the extension `io.modelcontextprotocol/skills`): listed, pinned, and read late.

What a server says is somebody else's: an entry that is not whole is refused in a sentence, a file is used only if it is
the one that its entry tells of, byte for byte, and an entry that has changed since it was first used is held back until
a person accepts it. A digest is no proof of honesty; it only keeps what was looked at from changing behind one's back.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import unquote

import anyio.to_thread

from core.files.atomic import write_atomically
from core.paths import data_dir
from core.skills.finding import Found
from core.skills.frontmatter import FrontmatterError
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
    digest_of,
    head_of,
)
from core.untrusted import one_line

EXTENSION = "io.modelcontextprotocol/skills"
_MOST_PAGES = 50
_MOST_SKILLS = 1_000
_LONGEST_URI = 2_000
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*://[!-~]+")


class Lend(Protocol):
    """Sends a request to a server of MCP."""

    async def __call__(
        self, server: str, method: str, params: Mapping[str, Any] | None = None, *, extension: str
    ) -> dict[str, Any]:
        """What *server* answers; raises MootError where it does not."""
        ...


class SkillPins:
    """What each skill of a server was when it was first used: its files and their digests, in a file of its own."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or data_dir() / "skill_pins"

    def check(self, skill: Skill) -> None:
        """Remember *skill* where it is new. Blocks.

        Raises:
            SkillError: It is no longer what it was.
        """
        before, now = self._read(skill), _pinned(skill)
        if before is None:
            self.accept(skill)
        elif before != now:
            raise SkillError(
                f"The skill {skill.full_name!r} has changed since it was first used ({_difference(before, now)}). Look "
                f"at it with `moot skills show {skill.full_name}`, then: moot skills accept {skill.full_name}"
            )

    def accept(self, skill: Skill) -> None:
        """Take *skill* as it is now. Blocks."""
        write_atomically(self._file(skill), json.dumps(_pinned(skill), indent=1) + "\n", private=True)

    def _read(self, skill: Skill) -> dict[str, str] | None:
        try:
            found = json.loads(self._file(skill).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError):
            return {}  # damaged: nothing that is served now is what it says
        return found if isinstance(found, dict) else {}

    def _file(self, skill: Skill) -> Path:
        name = hashlib.sha256(f"{skill.origin}\n{skill.place}".encode()).hexdigest()
        return self._folder / f"{name}.json"


class Unpinned(SkillPins):
    """For a person who looks at a skill before it is used: nothing is held back, and nothing is pinned by looking."""

    def check(self, skill: Skill) -> None:
        pass


async def borrowed_skills(lend: Lend, server: str, *, pins: SkillPins | None = None) -> Found:
    """The skills that *server* lists, and why each other one is none. Nothing of them is fetched yet.

    Args:
        pins: Where they are pinned when their `SKILL.md` is first read; None: the user's.

    Raises:
        MootError: The server cannot be asked, or serves no skills.
        SkillError: What it lists is no list.
    """
    found = Found()
    for entry in await _listed(lend, server):
        try:
            found.skills.append(_skill(lend, server, entry, pins or SkillPins()))
        except SkillError as error:
            found.refuse(_called(entry), str(error))
    counted = Counter(one.name for one in found.skills)
    found.skills = [replace(one, alias=_alias(one)) if counted[one.name] > 1 else one for one in found.skills]
    return found


async def _listed(lend: Lend, server: str) -> list[Any]:
    entries: list[Any] = []
    seen: set[str] = set()
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = await lend(server, "skills/list", {"cursor": cursor} if cursor else {}, extension=EXTENSION)
        listed, cursor = page.get("skills"), page.get("nextCursor")
        if not isinstance(listed, list):
            raise SkillError(f"The MCP server {server!r} lists no skills, but something else. Do without its skills.")
        entries += listed
        if len(entries) > _MOST_SKILLS:
            raise SkillError(f"The MCP server {server!r} lists more than {_MOST_SKILLS:,} skills. Do without them.")
        if not isinstance(cursor, str) or not cursor:
            return entries
        if cursor in seen:
            break
        seen.add(cursor)
    raise SkillError(f"The MCP server {server!r} lists its skills without an end. Do without them.")


def _skill(lend: Lend, server: str, entry: Any, pins: SkillPins) -> Skill:
    """The skill that *entry* tells of.

    Raises:
        SkillError: It is not whole.
    """
    said = entry if isinstance(entry, dict) else {}
    uri = said.get("uri")
    shown = one_line(uri, 120) if isinstance(uri, str) else "without an address"
    try:
        root = _root(uri)
        head = said.get("frontmatter")
        if not isinstance(head, dict):
            raise FrontmatterError("has no frontmatter. Its server has to say what it is.")
        description = check_head(head)
        name = check_name(head.get("name"), unquote(root.rpartition("/")[2]))
        addresses, files = _files(root, said.get("resources"))
    except FrontmatterError as error:
        raise SkillError(f"A skill of the MCP server {server!r} ({shown}) {error}") from None
    skill = Skill(
        name=name,
        description=one_line(description),
        origin=server,
        place=str(uri),
        frontmatter=head,
        files=files,
        read=_unread,
        foreign=True,
    )
    return replace(skill, read=partial(_read, lend, skill, addresses, pins))


def _called(entry: Any) -> str:
    """What a bad *entry* would be called, as far as its address says."""
    uri = entry.get("uri") if isinstance(entry, dict) else None
    return unquote(uri.removesuffix(f"/{MAIN}").rpartition("/")[2]) if isinstance(uri, str) else ""


async def _unread(path: str) -> bytes:
    raise SkillError(f"{path!r} cannot be read.")


def _root(uri: object) -> str:
    """The folder that the `SKILL.md` at *uri* lies in."""
    if not isinstance(uri, str) or len(uri) > _LONGEST_URI or not _URI.fullmatch(uri) or not uri.endswith(f"/{MAIN}"):
        raise FrontmatterError(f"has an address that is not the one of a {MAIN}.")
    root = uri.removesuffix(f"/{MAIN}")
    if any(unquote(part) in ("", ".", "..") for part in root.partition("://")[2].split("/")):
        raise FrontmatterError("has an address that leads around.")
    return root


def _files(root: str, resources: object) -> tuple[dict[str, str], tuple[SkillFile, ...]]:
    """The address of each file by its path, and the files, `SKILL.md` first."""
    if resources == "dynamic":
        raise FrontmatterError("is made anew for each reader, so nobody can say what it holds. It is not used.")
    if not isinstance(resources, list) or len(resources) > MOST_FILES:
        raise FrontmatterError(f"does not list its files, or more than {MOST_FILES}. It is not used.")
    addresses: dict[str, str] = {}
    files = []
    for one in resources:
        path, file = _file(root, one)
        if path in addresses:
            raise FrontmatterError(f"lists {path[:80]!r} twice. It is not used.")
        addresses[path] = one["uri"]
        files.append(file)
    if MAIN not in addresses:
        raise FrontmatterError(f"does not list its {MAIN}. It is not used.")
    if sum(file.size for file in files) > MOST_BYTES:
        raise FrontmatterError(f"has more than {MOST_BYTES // 1_048_576} MB. It is not used.")
    return addresses, tuple(sorted(files, key=lambda file: (file.path != MAIN, file.path)))


def _file(root: str, one: Any) -> tuple[str, SkillFile]:
    said = one if isinstance(one, dict) else {}
    uri, digest, size = said.get("uri"), said.get("digest"), said.get("size")
    if not isinstance(uri, str) or len(uri) > _LONGEST_URI or not uri.startswith(f"{root}/"):
        raise FrontmatterError("lists a file that lies elsewhere. It is not used.")
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise FrontmatterError("lists a file without a digest. It is not used.")
    if not isinstance(size, int) or isinstance(size, bool) or size < 0:
        raise FrontmatterError("lists a file without its size. It is not used.")
    path = unquote(uri.removeprefix(f"{root}/"))
    try:
        check_path(path)
        path.encode()
    except (SkillError, UnicodeEncodeError):
        raise FrontmatterError("lists a file of a name that is none. It is not used.") from None
    return path, SkillFile(path, size, digest)


async def _read(lend: Lend, skill: Skill, addresses: Mapping[str, str], pins: SkillPins, path: str) -> bytes:
    """The bytes of one file, if they are those that its entry tells of.

    Raises:
        MootError: The server cannot be asked, or the skill has changed.
    """
    file = skill.file(path)
    await anyio.to_thread.run_sync(pins.check, skill)
    answer = await lend(skill.origin, "resources/read", {"uri": addresses[path]}, extension=EXTENSION)
    data = _content(answer, addresses[path])
    if data is None or len(data) != file.size or digest_of(data) != file.digest:
        raise SkillError(
            f"{path!r} of the skill {skill.full_name!r} is not what its server told of before, so it is not used. List "
            "its skills anew."
        )
    if path == MAIN and _canonical(head_of(skill.name, data)[0]) != _canonical(skill.frontmatter):
        raise SkillError(f"The {MAIN} of {skill.full_name!r} says something else than its server does. It is not used.")
    return data


def _content(answer: Mapping[str, Any], uri: str) -> bytes | None:
    """The bytes of the one content that is at *uri*; None where there is none."""
    contents = answer.get("contents")
    for one in contents if isinstance(contents, list) else []:
        if not isinstance(one, dict) or one.get("uri") != uri:
            continue
        if isinstance(text := one.get("text"), str):
            with suppress(UnicodeEncodeError):
                return text.encode()
        elif isinstance(blob := one.get("blob"), str) and len(blob) <= 2 * MOST_BYTES:
            with suppress(binascii.Error, ValueError):
                return base64.b64decode(blob, validate=True)
    return None


def _alias(skill: Skill) -> str:
    """What tells one of two skills of a name apart: its path, as its address has it, which is plain letters."""
    return skill.place.partition("://")[2].removesuffix(f"/{MAIN}")


def _pinned(skill: Skill) -> dict[str, str]:
    head = hashlib.sha256(_canonical(skill.frontmatter).encode()).hexdigest()
    return {"": f"sha256:{head}"} | {one.path: one.digest for one in skill.files}


def _difference(before: Mapping[str, str], now: Mapping[str, str]) -> str:
    told = [f"{path or 'its head'} changed" for path in now if path in before and before[path] != now[path]]
    told += [f"{path} is new" for path in now if path not in before]
    told += [f"{path} is gone" for path in before if path not in now]
    return ", ".join(told[:8]) + (f" and {len(told) - 8} more" if len(told) > 8 else "")


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True)
