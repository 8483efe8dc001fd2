"""A skill as a value: what its head says, which files it has, and how each is read."""

from __future__ import annotations

import hashlib
import re
import unicodedata
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from typing import Any

from core.errors import InvalidInputError
from core.skills.frontmatter import FrontmatterError, read_frontmatter
from core.untrusted import clean, one_line

MAIN = "SKILL.md"
MOST_FILES = 512
MOST_BYTES = 16 * 1024 * 1024
"""What one skill may hold, `SKILL.md` included: the limits that every host of the open extension accepts."""
LONGEST_DESCRIPTION = 1_024
LONGEST_COMPATIBILITY = 500
_LONGEST_PATH = 500
_NAME = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_TOOL = re.compile(r"[^\s,()]+(?:\([^()]*\))?")
_ALLOWING = "allowedtools"
_EACH = ("license", "compatibility")

Read = Callable[[str], Awaitable[bytes]]


class SkillError(InvalidInputError):
    """A skill, or a file of one, that cannot be used; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class SkillFile:
    """One file of a skill: its path below the skill's folder with `/`, and its size in bytes."""

    path: str
    size: int
    digest: str = ""
    """`sha256:` and 64 hexadecimal digits; empty where the file has to be read for it."""


@dataclass(frozen=True)
class Skill:
    """A skill that may be loaded.

    Args:
        origin: Who it is from: `user`, `workspace`, `moot`, or the name of the server that serves it.
        place: Where it lies, for people: `~/.agents/skills`; of a served one its address.
        frontmatter: Its head, word for word.
        files: All of its files, `SKILL.md` first.
        read: Gives the bytes of one of them, by its path; raises SkillError.
        foreign: Whether a server serves it, which nobody here wrote or looked through.
        local_only: Whether it may go only to AIs on this machine.
        shared: Whether it is served to hosts.
        note: What its owner has to know, although it can be used.
        alias: What it is called instead of its name where its server has two of that name.
    """

    name: str
    description: str
    origin: str
    place: str
    frontmatter: Mapping[str, Any]
    files: tuple[SkillFile, ...]
    read: Read = field(repr=False, compare=False)
    foreign: bool = False
    local_only: bool = False
    shared: bool = False
    note: str = ""
    alias: str = ""

    @property
    def full_name(self) -> str:
        """By which it is named where several have its name: `workspace.release-notes`."""
        return f"{self.origin}.{self.alias or self.name}"

    @property
    def allowed_tools(self) -> tuple[str, ...] | None:
        """The patterns of `allowed-tools`; None where the head says nothing of tools."""
        said = self.frontmatter.get("allowed-tools")
        if said is None:
            return None
        return tuple(tool for one in ([said] if isinstance(said, str) else said) for tool in _TOOL.findall(str(one)))

    def file(self, path: str) -> SkillFile:
        """The file called *path*.

        Raises:
            SkillError: It has none of that name.
        """
        found = next((one for one in self.files if one.path == path), None)
        if found is None:
            some = ", ".join(one.path for one in self.files[:20])
            raise SkillError(f"The skill {self.name!r} has no file {path[:200]!r}. It has: {some}.")
        return found

    async def text(self, path: str = MAIN) -> str:
        """The text of one file, without anything that shows nothing.

        Raises:
            SkillError: There is none of that name, it cannot be read, or it is no text.
        """
        data = await self.read(self.file(path).path)
        return clean(as_text(data, f"{path!r} of the skill {self.name!r}"))

    async def body(self) -> str:
        """`SKILL.md` below its head.

        Raises:
            SkillError: It cannot be read, or is no `SKILL.md` any more.
        """
        return head_of(self.name, await self.read(MAIN))[1]


def check_name(name: object, folder: str) -> str:
    """*name* where it is one, and that of its *folder*.

    Raises:
        FrontmatterError: It is not.
    """
    if not isinstance(name, str) or not name:
        raise FrontmatterError("has no 'name' in its head. Give it that of its folder.")
    if len(name) > 64 or _NAME.fullmatch(name) is None:
        raise FrontmatterError(
            f"is called {one_line(name, 80)!r}; a name has at most 64 lower-case letters, digits and single hyphens."
        )
    if name != folder:
        raise FrontmatterError(f"is called {name!r}, and its folder is not. Give both the same name.")
    return name


def check_head(head: Mapping[str, Any]) -> str:
    """The description of *head*, whose other fields are as the open format has them.

    Raises:
        FrontmatterError: A field is not.
    """
    description = head.get("description")
    if not isinstance(description, str) or not clean(description).strip():
        raise FrontmatterError("has no 'description' in its head. Say what it does and when to use it.")
    if len(description) > LONGEST_DESCRIPTION:
        raise FrontmatterError(f"has a description of more than {LONGEST_DESCRIPTION:,} characters. Shorten it.")
    for name in _EACH:
        if not isinstance(head.get(name, ""), str):
            raise FrontmatterError(f"has a {name!r} in its head that is no text. Put it in quotes.")
    if len(head.get("compatibility", "")) > LONGEST_COMPATIBILITY:
        raise FrontmatterError(f"has a 'compatibility' of more than {LONGEST_COMPATIBILITY} characters. Shorten it.")
    if not isinstance(head.get("metadata", {}), dict):
        raise FrontmatterError("has a 'metadata' in its head that is no mapping. Write 'key: value' below it.")
    _check_allowed(head)
    return description


def _check_allowed(head: Mapping[str, Any]) -> None:
    """Refuse a head that says something of tools, and not in the one way that is read."""
    for key in head:
        if key != "allowed-tools" and (key == "<<" or _looks_like_allowing(key)):
            raise FrontmatterError(
                f"writes {key[:80]!r} in its head, which would allow every tool. Write 'allowed-tools'."
            )
    tools = head.get("allowed-tools", "")
    if not isinstance(tools, str) and not (isinstance(tools, list) and all(isinstance(one, str) for one in tools)):
        raise FrontmatterError("has an 'allowed-tools' in its head that is no text. Write names with blanks between.")
    for text in [tools] if isinstance(tools, str) else tools:
        if _TOOL.sub("", text).strip(" \t\r\n,"):
            raise FrontmatterError("has an 'allowed-tools' in its head whose brackets do not fit. Correct them.")


def _looks_like_allowing(key: str) -> bool:
    """Whether a reader would take *key* for `allowed-tools`: with hidden or foreign letters, or by a slip."""
    plain = re.sub(r"[\W_]", "", unicodedata.normalize("NFKC", clean(key))).casefold()
    return len(plain) < 2 * len(_ALLOWING) and SequenceMatcher(None, plain, _ALLOWING).ratio() >= 0.9


def head_of(name: str, data: bytes) -> tuple[dict[str, Any], str]:
    """The head and the body of the `SKILL.md` that *data* is; the body without anything that shows nothing.

    Raises:
        SkillError: It has no good head.
    """
    try:
        head, body = read_frontmatter(as_text(data, f"{MAIN} of the skill {name!r}"))
    except FrontmatterError as error:
        raise SkillError(f"{MAIN} of the skill {name!r} {error}") from None
    return head, clean(body).strip()


def as_text(data: bytes, what: str) -> str:
    """*data* as text.

    Raises:
        SkillError: It is none.
    """
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise SkillError(f"{what[:1].upper()}{what[1:]} is no text in UTF-8, so no AI can read it.") from None
    if "\0" in text:
        raise SkillError(f"{what[:1].upper()}{what[1:]} is no text, so no AI can read it.")
    return text


def check_path(path: str) -> tuple[str, ...]:
    """The parts of *path*, a relative one with `/` that stays below its folder.

    Raises:
        SkillError: It is none.
    """
    parts = tuple(path.split("/"))
    bad = any(part in ("", ".", "..") or "\\" in part or "\0" in part or ":" in part for part in parts)
    if bad or len(path) > _LONGEST_PATH:
        raise SkillError(f"{one_line(path, 80)!r} is no path of a file in a skill. Give one such as 'references/a.md'.")
    return parts


def digest_of(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"
