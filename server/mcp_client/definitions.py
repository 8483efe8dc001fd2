"""What a server says of a tool: data, whatever it claims. Kept as it came for the pins, cleaned for a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mcp.client import Client
from mcp.types import Tool

from ai.wire.functions.form import misshapen
from core.untrusted import clean, one_line
from core.values import ToolSpec
from server.mcp_client.canonical import canonical, digest
from server.mcp_client.names import is_plain, offered_name

MOST_TOOLS = 2_000
"""Of one server; what it lists beyond is not looked at."""
_MOST_PAGES = 100
_LONGEST_DEFINITION = 100_000
_LONGEST_LISTING = 20_000_000
"""Characters of JSON."""
_LONGEST_DESCRIPTION = 4_000
_PROSE = ("description", "title", "$comment")
"""Keys of a schema whose strings are read and mean nothing to a program."""


@dataclass(frozen=True, slots=True)
class Definition:
    """One tool as its server lists it; `told` is all of it that reaches a model, a person or a decision."""

    name: str
    told: Mapping[str, Any]
    digest: str
    problem: str = ""
    """Why nobody may use it, also if a person accepts it."""
    hidden: int = 0
    """How many characters that show nothing are in its descriptions."""

    @property
    def reads_only(self) -> bool:
        """Whether its server claims that it changes nothing."""
        return bool((self.told.get("annotations") or {}).get("readOnlyHint") is True)

    @property
    def description(self) -> str:
        """Its description, cleaned; what is too long is cut, and says so."""
        text = clean(str(self.told.get("description") or self.told.get("title") or "")).strip()
        if len(text) > _LONGEST_DESCRIPTION:
            text = f"{text[:_LONGEST_DESCRIPTION]}\n[cut: {len(text) - _LONGEST_DESCRIPTION:,} more characters]"
        return text

    def spec(self, server: str, *, read_only: bool) -> ToolSpec:
        """What a model is told of it."""
        schema = _cleaned(self.told["inputSchema"])
        return ToolSpec(offered_name(server, self.name), self.description, schema, read_only)


@dataclass(frozen=True, slots=True)
class Listing:
    """All that a server lists, each name once; `cut` says in a sentence what was not looked at."""

    tools: Sequence[Definition]
    cut: str = ""


async def listed(client: Client) -> Listing:
    """The tools of a server, page by page.

    Raises:
        MCPError: It does not list them.
    """
    found: dict[str, Definition] = {}
    seen: set[str] = set()
    cursor, size = None, 0
    for _ in range(_MOST_PAGES):
        page = await client.list_tools(cursor=cursor, cache_mode="bypass")
        for tool in page.tools:
            one = defined(tool)
            size += len(str(one.told))
            if len(found) >= MOST_TOOLS or size > _LONGEST_LISTING:
                return Listing(list(found.values()), f"It lists more than the {len(found):,} tools that are looked at.")
            found[one.name] = _twice(one) if one.name in found else one
        cursor = page.next_cursor
        if not cursor:
            return Listing(list(found.values()))
        if cursor in seen:
            return Listing(list(found.values()), "Its list goes round in a circle, and was read once.")
        seen.add(cursor)
    return Listing(list(found.values()), f"Its list has more than {_MOST_PAGES} pages; the others are not looked at.")


def defined(tool: Tool) -> Definition:
    """*tool* as it is pinned. Icons and `_meta` reach nobody, and are no part of it."""
    whole = tool.model_dump(by_alias=True, mode="python", exclude_none=True, exclude={"icons", "meta"})
    try:
        text = canonical(whole)
    except (ValueError, RecursionError, TypeError):
        return Definition(tool.name, _only_named(tool), "", "its definition holds what JSON cannot say")
    if len(text) > _LONGEST_DEFINITION:
        problem = f"its definition has {len(text):,} characters, and {_LONGEST_DEFINITION:,} are read"
        return Definition(tool.name, _only_named(tool), digest(text), problem)
    return Definition(tool.name, whole, digest(whole), _problem(tool), _hidden_in_prose(whole))


def _only_named(tool: Tool) -> dict[str, Any]:
    return {"name": tool.name, "inputSchema": {"type": "object"}}


def _twice(one: Definition) -> Definition:
    return Definition(one.name, one.told, one.digest, "it is listed twice under one name", one.hidden)


def _problem(tool: Tool) -> str:
    if not is_plain(tool.name):
        return "its name is not made of plain letters"
    schema: Mapping[str, Any] = tool.input_schema
    if schema.get("type") != "object":
        return "its arguments are no object"
    if wrong := misshapen(schema):
        return f"its schema is none: {one_line(wrong, 200)}"
    if _hidden(schema, prose=False):
        return "characters that show nothing are hidden in the names or values of its schema"
    return ""


def _hidden_in_prose(whole: Mapping[str, Any]) -> int:
    return _hidden(whole, prose=True)


def _hidden(value: Any, *, prose: bool, in_prose: bool = False) -> int:
    """How many characters `clean` takes out of the strings of *value*: of its prose, or of all else."""
    if isinstance(value, str):
        return max(0, len(value.replace("\r\n", "\n")) - len(clean(value))) if prose == in_prose else 0
    if isinstance(value, Mapping):
        keys = 0 if prose else sum(len(key) - len(clean(key)) for key in value)
        return keys + sum(
            _hidden(one, prose=prose, in_prose=key in _PROSE and isinstance(one, str)) for key, one in value.items()
        )
    if isinstance(value, list | tuple):
        return sum(_hidden(one, prose=prose) for one in value)
    return 0


def _cleaned(value: Any) -> Any:
    """A schema whose prose is cleaned; all else is as it was, or the tool would not be offered."""
    if isinstance(value, Mapping):
        return {
            key: clean(one) if key in _PROSE and isinstance(one, str) else _cleaned(one) for key, one in value.items()
        }
    if isinstance(value, list | tuple):
        return [_cleaned(one) for one in value]
    return value


def shown(value: Any, longest: int = 200) -> str:
    """*value* on one line for a person, who sees what is hidden in it: each such character as its number."""
    text = value if isinstance(value, str) else _compact(value)
    visible = "".join(char if clean(char) == char and char.isprintable() else _numbered(char) for char in text[:20_000])
    return one_line(visible, longest)


def _numbered(char: str) -> str:
    return "\\n" if char == "\n" else f"\\u{ord(char):04x}"


def _compact(value: Any) -> str:
    try:
        return canonical(value)
    except (ValueError, TypeError, RecursionError):
        return repr(value)
