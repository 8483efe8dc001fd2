"""The sections of credentials.json that give AIs tools: `agents`, and `mcp_servers`, from which tools are borrowed."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from typing import Annotated, Any, Literal, TypeVar
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, StringConstraints, ValidationError, field_validator, model_validator
from pydantic_core import PydanticCustomError

from core.redact import register_names, register_secret
from core.sections import Dollars, Named, Seconds, Strict, Tokens, sentence
from core.untrusted import one_line

Policy = Literal["allow", "ask", "never"]
"""Whether a tool runs by itself, after a person has said yes to just this call, or not at all."""
BUILT_IN_TOOLS = ("workspace", "git", "threads", "clock", "arithmetic", "ask")
"""Names that an agent's `tools` have a meaning for already, so that no server can bear one."""
ToolName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.*-]{1,128}$")]
"""A tool, or several: `*` stands for any letters."""


def fits(name: str, pattern: str) -> bool:
    """Whether *name* is what *pattern* says, in which `*` stands for any letters; however many, it takes one look."""
    first, *others = pattern.split("*")
    if not others:
        return name == pattern
    *inner, last = others
    at, end = len(first), len(name) - len(last)
    if end < at or not (name.startswith(first) and name.endswith(last)):
        return False
    for piece in inner:
        found = name.find(piece, at, end)
        if found < 0:
            return False
        at = found + len(piece)
    return True


class AgentConfig(Strict):
    """One entry of `agents`: an AI with tools and limits, under a name that stands wherever an AI's name does."""

    ai: str | None = None
    """Whose model it is: a row of `ais`, also with a model of its own (`gpt/gpt-6-luna`); None: the default AI."""
    description: Annotated[str, StringConstraints(max_length=500)] = ""
    system: Annotated[str, StringConstraints(min_length=1, max_length=20_000)] | None = None
    tools: Annotated[list[str], Field(max_length=100)] = []
    """Built-in ones (`workspace`, `git`, `threads`, `ask`, `clock`, `arithmetic`), and servers of `mcp_servers`, also
    one tool of such a server (`github.search_code`)."""
    skills: Annotated[list[str], Field(max_length=100)] = []
    approvals: Annotated[dict[ToolName, Policy], Field(max_length=500)] = {}
    max_turns: Annotated[int, Field(gt=0, le=1_000)] = 25
    budget_usd: Dollars | None = None
    """For the agent and everything below it; None: the budgets of its AI alone."""
    budget_tokens: Tokens | None = None
    timeout: Seconds | None = None
    """For everything it does until its answer."""
    depth: Annotated[int, Field(ge=0, le=10)] = 2
    """How many levels of sub-agents may be below it."""
    agents: Annotated[int, Field(ge=0, le=1_000)] = 16
    """How many sub-agents may be asked below it, all together."""


class McpServerConfig(Strict):
    """One entry of `mcp_servers`: a program that speaks MCP over stdio, or an address that speaks it over HTTP."""

    command: Annotated[str, StringConstraints(min_length=1, max_length=4_000)] | None = None
    args: Annotated[list[str], Field(max_length=200)] = []
    env: Annotated[dict[str, SecretStr], Field(max_length=100)] = {}
    cwd: str | None = None
    url: Annotated[str, StringConstraints(max_length=2_000)] | None = None
    headers: Annotated[dict[str, SecretStr], Field(max_length=50)] = {}
    enabled: bool = True
    tools: Annotated[list[ToolName], Field(max_length=500)] | None = None
    """Only these; None: all of them."""
    approvals: Annotated[dict[ToolName, Policy], Field(max_length=500)] = {}
    timeout: Seconds = 120.0
    """For one call of a tool."""
    startup_timeout: Seconds = 30.0

    @model_validator(mode="after")
    def _one_way(self) -> McpServerConfig:
        if (self.command is None) == (self.url is None):
            raise PydanticCustomError("way", "Give either 'command' or 'url'")
        way, others = ("command", ("headers",)) if self.url is None else ("url", ("args", "env", "cwd"))
        if (other := next((one for one in others if one in self.model_fields_set), None)) is not None:
            raise PydanticCustomError("way", f"'{other}' means nothing beside '{way}'. Remove it")
        return self

    @field_validator("env")
    @classmethod
    def _named(cls, env: dict[str, SecretStr]) -> dict[str, SecretStr]:
        if any(not name or "=" in name for name in env):
            raise PydanticCustomError("name", "The name of a variable is empty or has a '=' in it. Correct it")
        if any("\0" in f"{name}{value.get_secret_value()}" for name, value in env.items()):
            raise PydanticCustomError("value", "A variable has a NUL in it. Remove it")
        return env

    @field_validator("headers")
    @classmethod
    def _sendable(cls, headers: dict[str, SecretStr]) -> dict[str, SecretStr]:
        for name, value in headers.items():
            if not re.fullmatch(_HEADER, name):
                raise PydanticCustomError("name", "The name of a header has a blank or an odd sign in it. Correct it")
            if not re.fullmatch(_VALUE, value.get_secret_value()):
                raise PydanticCustomError("value", "The value of a header is one line of ASCII. Correct it")
        return headers

    @field_validator("url")
    @classmethod
    def _address(cls, url: str | None) -> str | None:
        if url is None:
            return None
        try:
            host = urlsplit(url).hostname
        except ValueError:
            host = None
        if not host or not re.fullmatch(r"https?://[!-~]+", url):
            raise PydanticCustomError("url", "An address is http:// or https://, a host and a path, without blanks")
        return url


_HEADER = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
"""The name of a header (RFC 9110, section 5.6.2)."""
_VALUE = r"[\t -~]*"


_Entry = TypeVar("_Entry", AgentConfig, McpServerConfig)


def check_agents(given: Mapping[str, Any], problems: list[str], *, taken: Collection[str]) -> dict[str, AgentConfig]:
    """The good ones of *given*; why each other one is bad goes to *problems*, also where its name is an AI's."""
    agents = _checked("agents", AgentConfig, given, problems)
    if agents.pop("all", None) is not None:
        problems.append("credentials.json: agents.all has the name by which all AIs are asked. Give it another one.")
    for name in [one for one in agents if one in taken]:
        problems.append(f"credentials.json: agents.{name} has the name of an AI. Give it another one.")
        del agents[name]
    register_names(agents)
    return agents


def check_servers(given: Mapping[str, Any], problems: list[str]) -> dict[str, McpServerConfig]:
    """The good ones of *given*; why each other one is bad goes to *problems*."""
    servers = _checked("mcp_servers", McpServerConfig, given, problems)
    for name in [one for one in servers if one in BUILT_IN_TOOLS]:
        problems.append(f"credentials.json: mcp_servers.{name} has the name of a built-in tool. Give it another one.")
        del servers[name]
    for server in servers.values():
        for secret in (*server.env.values(), *server.headers.values()):
            register_secret(secret.get_secret_value())
    return servers


_A_NAME = "A name has letters, digits, '.', '_' and '-', begins with a letter or digit, and has 64 at most. Rename it."


def _checked(section: str, kind: type[_Entry], given: Mapping[str, Any], problems: list[str]) -> dict[str, _Entry]:
    found = {}
    for name, entry in given.items():
        try:
            Named(name=name)
        except ValidationError:
            problems.append(f"credentials.json: {section} has an entry {one_line(ascii(name), 80)}. {_A_NAME}")
            continue
        try:
            found[name] = kind.model_validate(entry)
        except ValidationError as error:
            problems.append(sentence(f"{section}.{name}", error))
    return found
