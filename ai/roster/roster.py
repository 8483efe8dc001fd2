"""Which AIs are configured, and each of them open and ready.

Building a client is cheap; its SDK is imported by the first call. An AI that cannot be built is kept as a problem
with its reason, and never stops the others.
"""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, field, replace

import anyio.to_thread
from pydantic import SecretStr

from ai.client import AsyncAIClient
from ai.layers.cache import MIGRATIONS as CACHE_MIGRATIONS
from ai.layers.cache import Cache
from ai.local.engines import LocalEngines
from ai.local.personas import NAMED, PERSONAS, persona
from ai.providers.added import include_added
from ai.providers.catalog import PROVIDERS, Provider
from ai.roster.build import build_ai
from ai.roster.client_settings import client_settings, provider_of
from ai.roster.configured_ai import ConfiguredAI
from ai.roster.key_lane import Key
from ai.roster.names import closest, expanded, match, without_model
from ai.roster.placing import dialect
from ai.roster.rows import budget_of, check_of, enabled_rows, row_of
from ai.wire.raw.bounded import MEGABYTE
from ai.wire.settings import ClientSettings
from ai.wire.transport import SharedHTTP
from core.config import AIConfig, Config
from core.errors import ConfigError, InvalidInputError, UnknownAIError
from core.limits.buckets import Buckets, key_id, open_buckets
from core.limits.budget import Budget
from core.names import extensions
from core.names.naming import module_name
from core.paths import data_dir
from core.people.person import acting
from core.stores.sqlite import Store
from core.tooling import AgentConfig

_MOST_UNLISTED = 128


@dataclass
class Roster:
    """All configured AIs by name. `problems` says of each unusable one why, with the next step."""

    config: Config
    http: SharedHTTP = field(default_factory=SharedHTTP)
    engines: LocalEngines = field(default_factory=LocalEngines)
    seats: dict[str, ConfiguredAI] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    unlisted: dict[str, None] = field(default_factory=dict)
    """Those of `seats` that are there since they were named: other models of an AI, and local personas. Whoever was
    named last stands last."""
    forgotten: list[ConfiguredAI] = field(default_factory=list)
    """Those that were there once and have something to close in the end."""
    budget: Budget | None = None
    buckets: Buckets = field(default_factory=open_buckets)
    answers: Store = field(default_factory=lambda: Store(data_dir() / "cache.db", CACHE_MIGRATIONS, durability="OFF"))

    @classmethod
    def open(cls, config: Config, http: SharedHTTP | None = None) -> Roster:
        """Build every AI the configuration and the environment name."""
        include_added()
        longest = config.defaults.longest_response_mb * MEGABYTE
        roster = cls(config, http or SharedHTTP(longest_response=longest), budget=budget_of(config))
        roster.problems.update(config.bad_rows)
        for name, row in enabled_rows(config):
            try:
                roster.seats[name] = roster.build(name, row)
            except ConfigError as error:
                roster.problems[name] = str(error)
        if not roster.seats and not roster.problems and config.readable:
            for seat in PERSONAS:
                roster.seats[seat.name] = roster.build(seat.name, row_of(seat))
        return roster

    @property
    def names(self) -> list[str]:
        """The AIs that can be asked, by whoever asks now."""
        return acting().allowed([name for name in self.seats if name not in self.unlisted])

    def warnings(self) -> list[str]:
        """Of AIs that the configuration names and that are not there; a sentence for each."""
        defaults, rows = self.config.defaults, self.config.rows
        named = [("defaults.ai", defaults.ai), ("defaults.judge", defaults.judge)]
        named += [(f"agents.{name}.ai", without_model(agent.ai or "")) for name, agent in self.config.agents.items()]
        named += [(f"ais.{name}.fallback", other) for name, row in rows.items() for other in row.fallback]
        agents = self.config.agents
        sentences = [
            f"credentials.json: {place} names {name!r}, which is not there. Add it, or correct the name."
            for place, name in named
            if name and name not in self.seats and name not in self.problems and not persona(name)
            if name not in agents or place.startswith("ais.")
        ]
        sentences += [self._names_agent(name) for name in agents if self._is_agent(agents[name].ai or "")]
        itself = [name for name, row in rows.items() if name in row.fallback]
        sentences += [f"credentials.json: ais.{name}.fallback names {name!r} itself. Remove it." for name in itself]
        return sentences + extensions.problems()

    @property
    def only_local(self) -> bool:
        """Whether nothing but the embedded demo model is there."""
        return bool(self.seats) and all(seat.local for seat in self.seats.values())

    def seat(self, name: str) -> ConfiguredAI:
        """The AI called *name*, in any of the ways that `resolve` knows.

        Raises:
            UnknownAIError: There is none of that name.
            ConfigError: It is configured, but cannot be used; the message says why.
        """
        found = self.resolve(name)
        if found in self.problems:
            raise ConfigError(self.problems[found])
        return self.seats[found]

    def model(self, name: str) -> ConfiguredAI:
        """The AI called *name*, which answers by itself.

        Raises:
            UnknownAIError: There is none of that name.
            ConfigError: It cannot be used, or is an agent, whose tools are called by a run.
        """
        seat = self.seat(name)
        if seat.agent is not None:
            raise ConfigError(
                f"{seat.name!r} is an agent, whose tools cannot be called here. Use moot.ask, or ask an AI."
            )
        return seat

    def resolve(self, name: str) -> str:
        """The name in `seats`, or in `problems`, of the AI that *name* means.

        Case and blanks do not matter. `gpt/gpt-6-mini` is another model of `gpt`, or of the AI whose provider is
        called so; `/gpt-6-mini` one of the default AI. Those, and local personas, exist as soon as they are named.

        Raises:
            UnknownAIError: There is none of that name, or whoever asks may not ask it.
        """
        found = self._resolved(name)
        if not acting().may_ask(found):
            raise self.unknown(name)
        return found

    def _resolved(self, name: str) -> str:
        if not isinstance(name, str):
            raise InvalidInputError(f"An AI is called by its name, such as 'gpt', and not {name!r}.")
        if found := match(name, [*self.seats, *self.problems]):
            return self._named_again(found)
        if (face := match(name, [seat.name for seat in NAMED])) and (seat := persona(face)):
            return self._named_only(face, row_of(seat))
        if named := match(name, self.config.agents):
            return self._agent(named)
        base, slash, model = (part.strip() for part in name.partition("/"))
        if not slash or not model:
            raise self.unknown(name)
        if not base and (found := match(model, [*self.seats, *self.problems])):
            return found
        return self._other_model(self._owner(base), model)

    @property
    def agents(self) -> list[str]:
        """The agents of the configuration that whoever asks may ask."""
        return acting().allowed(list(self.config.agents))

    def agent(self, name: str) -> AgentConfig | None:
        """What the agent called *name* is; None where *name* is an AI's, or nobody's."""
        named = match(name, self.config.agents) if self.config.agents and isinstance(name, str) else None
        return self.config.agents[named] if named else None

    def _agent(self, name: str) -> str:
        """The agent *name*, as an AI with the lanes of the one whose model it is."""
        config = self.config.agents[name]
        if self._is_agent(config.ai or self.config.defaults.ai or ""):
            raise ConfigError(self._names_agent(name))
        try:
            base = self.seat(config.ai) if config.ai else self.default()
        except UnknownAIError as error:
            why = f"credentials.json: agents.{name}.ai names {config.ai!r}, which is not there. Add it, or correct it."
            raise ConfigError(why) from error
        self.seats[name] = replace(base, name=name, system=config.system or base.system, agent=config)
        self.unlisted[name] = None
        self._forget_the_oldest()
        return name

    def _is_agent(self, name: str) -> bool:
        """Whether *name*, also with a model, means an agent. Looks no further: agents may name one another."""
        base = without_model(name).strip()
        if found := match(base, [*self.seats, *self.problems]):
            return found in self.seats and self.seats[found].agent is not None
        return self.agent(base) is not None

    def _names_agent(self, name: str) -> str:
        named = self.config.agents[name].ai
        told = f"agents.{name}.ai names {named!r}" if named else f"agents.{name} has no 'ai', and defaults.ai names"
        return f"credentials.json: {told}{',' if named else ''} an agent itself. Name an AI."

    def meant(self, name: str) -> str:
        """The AI that *name* means; *name* itself where there is none."""
        try:
            return self.resolve(name)
        except UnknownAIError:
            return name

    def expand(self, names: Sequence[str]) -> list[str]:
        """The AIs that *names* mean: groups as their members, lists by comma taken apart, each once.

        Raises:
            UnknownAIError: A name nobody has.
            InvalidInputError: A group there is not.
        """
        said = expanded(names, self.config.groups, self.names)
        return list(dict.fromkeys(map(self.resolve, said)))

    def _owner(self, base: str) -> str:
        """The AI of whose models one is named: by its name, or by that of its provider."""
        if not base:
            return self.default().name
        if found := match(base, [*self.names, *self.problems]):
            return found
        served = [name for name in self.names if match(base, [self.seats[name].provider.name])]
        if served:
            return served[0]
        raise self.unknown(base)

    def _other_model(self, owner: str, model: str) -> str:
        if owner in self.problems:
            return owner
        seat = self.seats[owner]
        if model == seat.model:
            return owner
        if seat.row.command or seat.local:
            raise InvalidInputError(f"{owner!r} has one model of its own. Leave out the model, or name another AI.")
        row = seat.row.model_copy(update={"model": model, "context_window": None})
        return self._named_only(f"{owner}/{model}", row)

    def _named_only(self, name: str, row: AIConfig) -> str:
        self.seats[name] = self.build(name, row)
        self.unlisted[name] = None
        self._forget_the_oldest()
        return name

    def _named_again(self, name: str) -> str:
        if name in self.unlisted:
            self.unlisted[name] = self.unlisted.pop(name)
        return name

    def _forget_the_oldest(self) -> None:
        """Keep no more of them than may be of use: a model can name ever new ones, and each is there when named again.

        Whoever is being asked stays. Whoever holds one that is forgotten can go on asking it: nothing is closed here.
        """
        for name in [*self.unlisted][:-1]:
            if len(self.unlisted) <= _MOST_UNLISTED:
                return
            if not self.seats[name].concurrency.wanted:
                del self.unlisted[name]
                seat = self.seats.pop(name)
                if seat.agent is None and any(
                    type(lane.key.client).aclose is not AsyncAIClient.aclose for lane in seat.lanes
                ):
                    self.forgotten.append(seat)

    def default(self) -> ConfiguredAI:
        """The AI to ask when none is named: `defaults.ai`, else the first."""
        if self.config.defaults.ai and acting().may_ask(self.config.defaults.ai):
            return self.seat(self.config.defaults.ai)
        if not self.names:
            raise self._nobody()
        return self.seats[self.names[0]]

    async def aclose(self) -> None:
        """Close every connection and the embedded model."""
        async with AsyncExitStack() as stack:  # each is closed, whatever the others do
            stack.push_async_callback(anyio.to_thread.run_sync, self.engines.close)
            stack.push_async_callback(self.http.aclose)
            stack.push_async_callback(anyio.to_thread.run_sync, self.buckets.close)
            stack.push_async_callback(anyio.to_thread.run_sync, self.answers.close)
            if self.budget is not None:
                stack.push_async_callback(anyio.to_thread.run_sync, self.budget.close)
            own = (seat for seat in (*self.seats.values(), *self.forgotten) if seat.agent is None)
            for seat in own:
                stack.push_async_callback(seat.aclose)

    def close(self) -> None:
        """Close what code without an event loop may have opened."""
        self.http.close()
        self.engines.close()
        self.buckets.close()
        self.answers.close()
        if self.budget is not None:
            self.budget.close()

    def build(self, name: str, row: AIConfig) -> ConfiguredAI:
        """Build the AI called *name* from *row*.

        Raises:
            ConfigError: Something it needs is missing; the message names it.
        """
        provider = provider_of(name, row)
        single = [("", row)]
        rows = [(alias, row.model_copy(update={"api_key": SecretStr(key)})) for alias, key in row.keys] or single
        keys = [self._key(name, alias, one, provider) for alias, one in rows]
        face = persona(without_model(name))
        return build_ai(
            name,
            row,
            provider,
            keys,
            defaults=self.config.defaults,
            find=lambda other: self.seat(other).without_fallback,
            buckets=self.buckets,
            system=face.system if face and provider.embedded else None,
            check=check_of(name, row, provider),
            cache=self._cache(name, row, provider),
        )

    def settings(self, name: str) -> ClientSettings:
        """What a client of the AI called *name* is built from, with its first key.

        Raises:
            UnknownAIError, ConfigError: It is not there, or cannot be used.
        """
        ai = self.seat(name)
        row = ai.row.model_copy(update={"api_key": SecretStr(ai.row.keys[0][1])}) if ai.row.keys else ai.row
        return client_settings(name, row, ai.provider, self.config.defaults, self.engines)

    def _cache(self, name: str, row: AIConfig, provider: Provider) -> Cache | None:
        if row.cache_ttl is None:
            return None
        identity = "\n".join(
            [name, provider.name, row.base_url or "", row.model or provider.model or "", *(row.command or ())]
        )
        return Cache(identity, row.cache_ttl, self.answers)

    def _key(self, name: str, alias: str, row: AIConfig, provider: Provider) -> Key:
        settings = client_settings(name, row, provider, self.config.defaults, self.engines)
        module = importlib.import_module(provider.module or module_name(f"ai.providers.{dialect(row, provider)}"))
        endpoint = settings.endpoint
        id_ = key_id(endpoint.base_url, endpoint.api_key) if endpoint else key_id(name)
        return Key(alias, id_, module.AsyncClient(settings, self.http), module.SyncClient(settings, self.http))

    def unknown(self, name: str) -> UnknownAIError:
        """The error for a name nobody has, listing those that are known."""
        if not self.config.readable:
            return UnknownAIError(f"No AI named {name!r}: {' '.join(self.config.problems)}")
        known = [*self.names, *acting().allowed(self.problems)]
        near = closest(name, known)
        hint = f" Did you mean {near!r}?" if near else ""
        return UnknownAIError(
            f"No AI named {name!r}. Configured: {', '.join(known) or 'none'}.{hint} "
            "Correct the name, or add one: moot ai add NAME."
        )

    def _nobody(self) -> ConfigError:
        reasons = [*self.config.problems, *(r for r in self.problems.values() if r not in self.config.problems)]
        if reasons:
            return ConfigError(f"No AI can be asked. {' '.join(reasons)}")
        return ConfigError("No AI is enabled. Enable one in credentials.json or set a key such as OPENAI_API_KEY.")


def open_seat(
    name: str,
    config: Config,
    *,
    api_key: str | None = None,
    model: str | None = None,
    base_url: str | None = None,
    http: SharedHTTP | None = None,
) -> Roster:
    """A roster in which the AI or provider called *name* is built with explicit arguments above its row.

    Raises:
        UnknownAIError: *name* is neither configured nor a provider.
        ConfigError: It cannot be used; the message says why.
        InvalidInputError: An argument is no text.
    """
    roster = Roster.open(config, http)
    owner, _, other = name.partition("/")
    if owner not in roster.seats and owner not in roster.problems and owner not in PROVIDERS and not persona(owner):
        raise roster.unknown(owner)
    given = {"api_key": api_key, "model": model or other or None, "base_url": base_url}
    face = persona(owner)
    base = config.rows.get(owner) or (row_of(face) if face else AIConfig(provider=owner))
    if api_key is not None:
        base = base.model_copy(update={"api_keys": []})
    if wrong := [key for key, value in given.items() if not isinstance(value, str | None)]:
        raise InvalidInputError(f"{wrong[0]!r} is no text. Give a str.")
    row = AIConfig.model_validate(base.model_dump() | {key: value for key, value in given.items() if value is not None})
    roster.seats[name] = roster.build(name, row)
    return roster
