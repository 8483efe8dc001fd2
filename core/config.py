"""credentials.json and the environment, read once, checked row by row.

A bad row never stops the start: it becomes a `problem` that names file and key and is shown by `status`.
Order of precedence for a key: explicit argument, credentials.json, environment, none.
"""

from __future__ import annotations

import json
import re
import stat
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

from pydantic import AfterValidator, Field, SecretStr, StringConstraints, ValidationError
from pydantic_core import PydanticCustomError

from core.errors import ConfigError
from core.messaging import TelegramConfig
from core.recalling import MemoryConfig
from core.redact import register_names, register_secret
from core.secrecy.config_row import bare_key, checked_header, register_row_secrets
from core.sections import FILE, Dollars, Named, Seconds, Strict, Tokens, sentence
from core.tooling import AgentConfig, McpServerConfig, check_agents, check_servers
from core.values import Deadlines, Effort


def _as_key(given: SecretStr) -> SecretStr:
    try:
        return SecretStr(bare_key(given.get_secret_value()))
    except ValueError as error:
        raise PydanticCustomError("key", str(error)) from None


def _as_headers(given: dict[str, str]) -> dict[str, str]:
    checked = {}
    for name, value in given.items():
        try:
            checked[name] = checked_header(name, value)
        except ValueError as error:
            shown = name if name.isascii() and name.isprintable() else ascii(name)
            raise PydanticCustomError("header", f"{shown} {error}") from None
    return checked


Key = Annotated[SecretStr, AfterValidator(_as_key)]
RequiredKey = Annotated[SecretStr, AfterValidator(_as_key), Field(min_length=1)]
Headers = Annotated[dict[str, str], AfterValidator(_as_headers)]


class BudgetLimits(Strict):
    """`budget` in `defaults` (all AIs together) or in a row (that AI alone). What is not set is not limited."""

    per_call_usd: Dollars | None = None
    per_run_usd: Dollars | None = None
    per_day_usd: Dollars | None = None
    per_call_tokens: Tokens | None = None
    per_run_tokens: Tokens | None = None
    per_day_tokens: Tokens | None = None
    unknown_price: Literal["refuse", "allow"] = "refuse"

    @property
    def counts_dollars(self) -> bool:
        return any(limit is not None for limit in (self.per_call_usd, self.per_run_usd, self.per_day_usd))


class NamedKey(Strict):
    """One of several keys, with the name by which `status` and the usage call it."""

    alias: Annotated[str, StringConstraints(min_length=1, max_length=64)]
    key: RequiredKey


class QuirkSettings(Strict):
    """`quirks` of a row: where its endpoint departs from OpenAI's. What is not set is as the provider's, or learned."""

    summaries: bool | None = None
    json_schema: bool | None = None
    strict: bool | None = None
    json_object: bool | None = None
    schema_in_prompt: bool | None = None
    stream_options: bool | None = None
    max_tokens_field: Literal["max_tokens", "max_completion_tokens"] | None = None
    effort_field: Literal["reasoning_effort", "reasoning.effort"] | None = None
    efforts: list[Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]] | None = None
    system_role: Literal["system", "developer", "user"] | None = None
    temperature: bool | None = None
    images: bool | None = None
    tools: Literal["native", "emulated"] | None = None
    """How functions are offered; `emulated`: in words, and the answer's form stands for a call."""
    strict_tools: bool | None = None
    kept_reasoning: bool | None = None
    short_ids: bool | None = None


class AIConfig(Strict):
    """One row of `ais`. Everything is optional: the provider's catalogue row fills the gaps."""

    provider: str | None = None
    api_key: Key | None = None
    keyring: bool = False
    """Whether the key is in the system's keyring, under the row's name."""
    api_keys: list[RequiredKey | NamedKey] = []
    """Several keys of one AI, used side by side."""
    model: str | None = None
    base_url: Annotated[str, StringConstraints(pattern=r"^https?://")] | None = None
    query: Annotated[dict[str, str], Field(max_length=20)] = {}
    """Parameters of every request's address, beside those that stand in `base_url`."""
    api: Literal["chat", "responses"] | None = None
    """Which of OpenAI's protocols its endpoint speaks; None: as the provider does, or as it turns out."""
    headers: Headers = {}
    key_command: Annotated[list[str], Field(min_length=1, max_length=50)] | None = None
    """A program and its arguments that print the key, or JSON with a token and when it ends."""
    region: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{2,40}$")] | None = None
    project: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9:._-]{1,100}$")] | None = None
    """Where on Bedrock or Vertex; None: as the environment says."""
    num_ctx: Annotated[int, Field(gt=0, le=100_000_000)] | None = None
    keep_alive: str | int | None = None
    think: bool | Literal["low", "medium", "high"] | None = None
    """Ollama's own: tokens of context, how long a model stays loaded, whether it thinks."""
    command: Annotated[list[str], Field(min_length=1)] | None = None
    enabled: bool = True
    system: str | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    max_tokens: Annotated[int, Field(gt=0)] | None = None
    effort: Effort | None = None
    extra: dict[str, Any] = {}
    concurrency: Annotated[int, Field(gt=0, le=10_000)] | None = None
    rpm: Annotated[int, Field(gt=0, le=10_000_000)] | None = None
    rps: Annotated[float, Field(ge=1, le=100_000)] | None = None
    tpm: Annotated[int, Field(gt=0, le=100_000_000_000)] | None = None
    timeout: Seconds | None = None
    connect_timeout: Seconds | None = None
    first_token_timeout: Seconds | None = None
    idle_timeout: Seconds | None = None
    fallback: list[str] = []
    budget: BudgetLimits | None = None
    hedge_after: Seconds | None = None
    """Ask a second time after so much silence, and take the first answer; both may be billed. None: never."""
    cache_ttl: Seconds | None = None
    """How long an answer to exactly the same request may be given again; None: never."""
    context_window: Annotated[int, Field(gt=0)] | None = None
    """Tokens of prompt and answer together; None: as the price list says."""
    quirks: QuirkSettings = QuirkSettings()
    """What its endpoint does not understand; whatever is not said is tried, and remembered."""
    keep_thoughts: bool = False
    """Whether thoughts that it writes into its answer, such as `<think>…</think>`, stay there."""
    local: bool = False
    """Whether what it is asked stays on this machine; files marked `local_only` go to such AIs only."""
    env: list[str] = []
    """For `command`: further environment variables the program may see."""

    @property
    def keys(self) -> list[tuple[str, str]]:
        """`api_keys` as alias and key; one without an alias is called by its position."""
        named = [
            one if isinstance(one, NamedKey) else NamedKey(alias=f"key {number}", key=one)
            for number, one in enumerate(self.api_keys, 1)
        ]
        return [(one.alias, one.key.get_secret_value()) for one in named]


class Defaults(Strict):
    """`defaults`: used wherever a row or a call says nothing."""

    ai: str | None = None
    judge: str | None = None
    concurrency: Annotated[int, Field(gt=0, le=10_000)] = 10
    budget: BudgetLimits | None = None
    attempts: Annotated[int, Field(gt=0, le=10)] = 3
    reply_within: Annotated[float, Field(ge=0, le=86_400)] | None = None
    """Seconds within which a host gets a reply, if need be a partial one with a job; 0: it waits; None: by host."""
    drain_s: Annotated[float, Field(ge=0, le=3600)] = 30.0
    """How long calls under way may take to finish when a job pauses or this process is told to end."""
    live: bool = False
    """Whether a host's runs can be watched on a page, whose link the first progress note carries."""
    detach: bool = True
    """Whether a worker of its own carries on with jobs when the last window closes."""
    history: Literal["on", "off"] | bool | Annotated[int, Field(ge=1, le=36_500)] = "on"
    """Whether runs are kept to be found again; a number: for so many days."""
    timeout: Seconds = 300.0
    connect_timeout: Seconds = 15.0
    first_token_timeout: Seconds = 120.0
    idle_timeout: Seconds = 60.0
    longest_answer: Annotated[int, Field(gt=0, le=100_000_000)] = 4_000_000
    """Characters of one answer, after which it is cut off and kept as it is."""
    longest_response_mb: Annotated[int, Field(gt=0, le=16_384)] = 256
    """Megabytes of one response, unpacked and with all that is not answer, after which it is cut off."""

    def deadlines(self, row: AIConfig) -> Deadlines:
        return Deadlines(
            connect=row.connect_timeout or self.connect_timeout,
            first_token=row.first_token_timeout or self.first_token_timeout,
            idle=row.idle_timeout or self.idle_timeout,
            total=row.timeout or self.timeout,
        )


class RoleConfig(Strict):
    """One entry of `roles`: how an AI is told to work, under a name that `role=` takes."""

    system: Annotated[str, StringConstraints(min_length=1, max_length=20_000)]
    description: Annotated[str, StringConstraints(max_length=200)] = ""


class FilesConfig(Strict):
    """`files`: what may be read and sent along."""

    roots: list[str] | None = None
    """Folders; None: the one Moot was started in, unless that is the home folder or everything."""
    local_only: list[str] = []
    max_tokens: Annotated[int, Field(gt=0, le=10_000_000)] = 100_000


_HTTPS_OR_HERE = re.compile(r"(https://[^\s/?#@]+|http://(127\.0\.0\.1|localhost|\[::1\])(:\d{1,5})?)(/[^\s?#]*)?")


def _as_https(given: str) -> str:
    if not _HTTPS_OR_HERE.fullmatch(given):
        raise PydanticCustomError("address", "Input should be an address that begins with https://")
    return given


HttpsUrl = Annotated[str, StringConstraints(max_length=500), AfterValidator(_as_https)]
Claim = Annotated[str, StringConstraints(min_length=1, max_length=100)]


class AuthConfig(Strict):
    """`auth`: whose JWTs the HTTP door takes, and what the people in them may."""

    issuer: HttpsUrl
    audience: Annotated[str, StringConstraints(min_length=1, max_length=500)]
    jwks_url: HttpsUrl | None = None
    """Where its keys are; None: where its metadata says."""
    person_claim: Claim = "sub"
    admin_claim: Claim | None = None
    """The claim that makes an administrator by being `true`."""
    ais: list[str] = []
    per_day_usd: Annotated[float, Field(ge=0, le=1_000_000)] | None = None


_Section = TypeVar("_Section", Defaults, FilesConfig, AuthConfig, TelegramConfig, MemoryConfig)


@dataclass(frozen=True)
class Config:
    """What was read. `problems` are sentences for `status`; `readable` is False when the file itself is broken."""

    rows: dict[str, AIConfig] = field(default_factory=dict)
    defaults: Defaults = field(default_factory=Defaults)
    roles: dict[str, RoleConfig] = field(default_factory=dict)
    files: FilesConfig = field(default_factory=FilesConfig)
    groups: dict[str, list[str]] = field(default_factory=dict)  # AIs under one name, such as `@fast`
    auth: AuthConfig | None = None
    telegram: TelegramConfig = field(default_factory=TelegramConfig)
    memory: MemoryConfig = field(default_factory=MemoryConfig)
    agents: dict[str, AgentConfig] = field(default_factory=dict)
    mcp_servers: dict[str, McpServerConfig] = field(default_factory=dict)
    bad_servers: tuple[str, ...] = ()
    """Those of the problems that are about `mcp_servers`."""
    problems: tuple[str, ...] = ()
    exposed: str | None = None
    """The one of them that says that others can read the file."""
    bad_rows: dict[str, str] = field(default_factory=dict)
    bad_auth: str | None = None
    """The one of them that says why nobody's JWTs are taken, though `auth` is there."""
    readable: bool = True


def load_config(path: Path) -> Config:
    """Read *path*; a missing file is an empty configuration."""
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return Config()
    except (OSError, UnicodeDecodeError) as error:
        problem = f"{FILE} cannot be read: {type(error).__name__}. Check its permissions."
        return Config(problems=(problem,), readable=False)
    try:
        raw = json.loads(text)
    except json.JSONDecodeError as error:
        where = f"line {error.lineno}, column {error.colno}"
        problem = f"{FILE} is not valid JSON at {where}: {error.msg}. Fix it and restart."
        return Config(problems=(problem,), readable=False)
    return _check(raw, exposed=_exposed(path))


def _check(raw: object, *, exposed: str | None) -> Config:
    if not isinstance(raw, dict):
        return Config(problems=(f'{FILE} must hold a JSON object such as {{"ais": {{}}}}.',), readable=False)
    problems = [exposed] if exposed else []
    known = ("ais", "defaults", "roles", "files", "groups", "agents", "mcp_servers", "auth", "telegram", "memory")
    problems += [
        f"{FILE}: unknown key {key!r}; known are: {', '.join(known)}." for key in sorted(set(raw) - set(known))
    ]
    rows: dict[str, AIConfig] = {}
    bad_rows: dict[str, str] = {}
    for name, row in _mapping(raw, "ais", problems).items():
        try:
            rows[name] = _check_row(name, row)
        except ConfigError as error:
            bad_rows[name] = str(error)
            problems.append(str(error))
    told = len(problems)
    servers = check_servers(_mapping(raw, "mcp_servers", problems), problems)
    bad_servers = tuple(problems[told:])
    auth = _check_section(AuthConfig, "auth", raw, problems) if "auth" in raw else None
    bad_auth = problems[-1] if "auth" in raw and auth is None else None
    return Config(
        rows=rows,
        defaults=_check_section(Defaults, "defaults", raw, problems) or Defaults(),
        roles=_check_roles(raw, problems),
        files=_check_section(FilesConfig, "files", raw, problems) or FilesConfig(roots=[]),
        groups=_check_groups(raw, problems),
        auth=auth,
        telegram=(_check_section(TelegramConfig, "telegram", raw, problems) or TelegramConfig()).registered(),
        memory=_check_section(MemoryConfig, "memory", raw, problems) or MemoryConfig(),
        agents=check_agents(_mapping(raw, "agents", problems), problems, taken=rows),
        mcp_servers=servers,
        bad_servers=bad_servers,
        bad_auth=bad_auth,
        problems=tuple(problems),
        exposed=exposed,
        bad_rows=bad_rows,
    )


def _mapping(raw: dict[str, Any], key: str, problems: list[str]) -> dict[str, Any]:
    value = raw.get(key, {})
    if isinstance(value, dict):
        return value
    problems.append(f"{FILE}: {key!r} must be an object that maps a name to its settings.")
    return {}


def _check_row(name: str, row: object) -> AIConfig:
    try:
        Named(name=name)
        parsed = AIConfig.model_validate(row)
    except ValidationError as error:
        raise ConfigError(sentence(f"ais.{name}", error)) from None
    if parsed.api_key:
        register_secret(parsed.api_key.get_secret_value())
    programs = [*(parsed.command or ()), *(parsed.key_command or ())]
    register_row_secrets(parsed.headers, {**parsed.extra, **parsed.query}, programs, parsed.base_url)
    register_names(each for each in (name, parsed.model) if each)
    keys = parsed.keys
    if keys and parsed.api_key:
        raise ConfigError(f"{FILE}: ais.{name} has both api_key and api_keys. Move the one key into the list.")
    for _, key in keys:
        register_secret(key)
    if len({alias for alias, _ in keys}) < len(keys) or len({key for _, key in keys}) < len(keys):
        raise ConfigError(f"{FILE}: ais.{name}.api_keys: each key and each alias may appear once. Remove the double.")
    return parsed


def _check_roles(raw: dict[str, Any], problems: list[str]) -> dict[str, RoleConfig]:
    roles = {}
    for name, role in _mapping(raw, "roles", problems).items():
        try:
            Named(name=name)
            roles[name] = RoleConfig.model_validate(role)
        except ValidationError as error:
            problems.append(sentence(f"roles.{name}", error))
    return roles


def _check_groups(raw: dict[str, Any], problems: list[str]) -> dict[str, list[str]]:
    groups = _mapping(raw, "groups", problems)
    bad = [name for name, ais in groups.items() if not isinstance(ais, list) or {*map(type, ais)} - {str}]
    problems += [f"{FILE}: groups.{name} must be a list of names of AIs." for name in bad]
    return {name: ais for name, ais in groups.items() if name not in bad}


def _check_section(kind: type[_Section], key: str, raw: dict[str, Any], problems: list[str]) -> _Section | None:
    """A section of one object; None when it is bad, which is a problem to be told."""
    try:
        return kind.model_validate(raw.get(key, {}))
    except ValidationError as error:
        problems.append(sentence(key, error))
        return None


def _exposed(path: Path) -> str | None:
    if sys.platform == "win32" or not path.stat().st_mode & (stat.S_IRWXG | stat.S_IRWXO):
        return None
    return f"{FILE} can be read by other users of this machine: run chmod 600 on it."
