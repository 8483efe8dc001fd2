"""Single calls of AIs, without a recipe."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Unpack

from ai import caller
from ai.async_client import create_async_ai_client as open_client
from ai.client import AsyncAIClient
from ai.roster.stand_ins import scripted_ais
from core.errors import InvalidInputError, UnknownAIError
from core.values import Failure, Outcome, Request, RequestOptions
from moot.client import here


async def call_ai_async(ai: str, prompt: str, **options: Unpack[RequestOptions]) -> str:
    """Ask one AI and return its text.

    Args:
        ai: A name from credentials.json, or a provider whose key is in the environment.
        prompt: All it sees.
        options: Fields of `Request` such as `temperature`; in `extra` what goes to the provider as it is.

    Raises:
        TypeError: There is no such option; what was probably meant is named.
        UnknownAIError: No AI of that name (a ValueError).
        AITimeoutError: It took too long (a TimeoutError).
        AIError: It gave no answer; the subclass says why.
    """
    (outcome,) = await call_multiple_ais([ai], prompt, **options)
    if isinstance(outcome, Failure):
        raise outcome.error
    return outcome.text


async def call_multiple_ais(ais: Sequence[str], prompt: str, **options: Unpack[RequestOptions]) -> list[Outcome]:
    """Ask several AIs the same at once; an `Answer` or a `Failure` for each, in the order asked.

    Raises:
        TypeError: There is no such option; what was probably meant is named.
        InvalidInputError: *ais* is no list of names, or a value is none that its option takes; nothing was sent.
        UnknownAIError: One of the names is not configured; nothing was sent.
    """
    names = [ais] if isinstance(ais, str) else list(ais)
    if isinstance(ais, str) or not all(isinstance(ai, str) for ai in names):
        raise InvalidInputError(f"'ais' is a list of names, such as ['gpt'], and not {ais!r}.")
    request = Request.of(prompt, **options)
    async with here() as moot:
        return await moot.outcomes([(ai, request) for ai in names])


def call_ai(ai: str, prompt: str, **options: Unpack[RequestOptions]) -> str:
    """Ask one AI through the vendor's synchronous SDK, and block until its text is there.

    Raises:
        TypeError: There is no such option; what was probably meant is named.
        UnknownAIError: No AI of that name (a ValueError).
        AITimeoutError: It took too long (a TimeoutError).
        AIError: It gave no answer; the subclass says why.
    """
    if scripted_ais() is None:
        return caller.call_ai(ai, prompt, **options)
    from moot.blocking import block

    return block(call_ai_async, ai, prompt, **options)


async def create_async_ai_client(
    ai: str, api_key: str | None = None, model: str | None = None, *, base_url: str | None = None
) -> AsyncAIClient:
    """A client for one AI, with retries, deadlines and the other layers around it. Use it with `async with`.

    Args:
        ai: A provider such as "openai", "anthropic", "gemini", or a name from credentials.json.
        api_key, model, base_url: Win over credentials.json and the environment.

    Raises:
        UnknownAIError: *ai* is neither a provider nor configured (a ValueError).
        ConfigError: A key or an address is missing; the message says which.
    """
    given = scripted_ais()
    if given is None:
        return await open_client(ai, api_key, model, base_url=base_url)
    if ai not in given:
        raise UnknownAIError(f"No AI named {ai!r}. There are: {', '.join(given) or 'none'}.")
    return given[ai]
