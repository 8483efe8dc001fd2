"""One turn with two tools, as each library does it: `python _agent_subjects.py SUBJECT BASE_URL` prints its CPU.

Run by the interpreter of the environment that has the library: nothing but the subject's own is imported. Each is used
as its documentation shows it, with tools that are async functions, over Chat Completions, and nothing is kept between
two runs. What sends traces to somebody is switched off.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Awaitable, Callable
from typing import Any

RUNS, WARM_UP = 200, 20
MODEL = "play"
SYSTEM = "Be brief."
PROMPT = "Is it warmer in Oslo or in Bergen?"
Run = Callable[[], Awaitable[str]]


async def weather(city: str) -> str:
    """The weather in a city.

    Args:
        city: Its name.
    """
    return f"It is {len(city)} degrees in {city}."


_SPEC: dict[str, Any] = {
    "name": "weather",
    "description": "The weather in a city.",
    "parameters": {
        "type": "object",
        "properties": {"city": {"type": "string", "description": "Its name."}},
        "required": ["city"],
    },
}
_BEGUN: list[dict[str, Any]] = [{"role": "system", "content": SYSTEM}, {"role": "user", "content": PROMPT}]


async def moot(base_url: str, measure: Callable[[Run], Awaitable[None]]) -> None:
    from _subjects import moot_config

    from ai.agents.agent import Agent
    from ai.runs.app import open_app

    async with open_app(moot_config(base_url, [MODEL])):
        agent = Agent("ai0", tools=[weather], system=SYSTEM)
        await measure(lambda: agent.generate(PROMPT))


async def sdk(base_url: str, measure: Callable[[Run], Awaitable[None]]) -> None:
    """By hand, with the SDK's plain calls."""
    import openai

    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def run() -> str:
            messages: Any = list(_BEGUN)
            tools: Any = [{"type": "function", "function": _SPEC}]
            while True:
                reply = await client.chat.completions.create(model=MODEL, messages=messages, tools=tools)
                message = reply.choices[0].message
                if not message.tool_calls:
                    return message.content or ""
                messages.append(message)
                given = [json.loads(call.function.arguments) for call in message.tool_calls]  # type: ignore[union-attr]
                told = await asyncio.gather(*(weather(**one) for one in given))
                for call, text in zip(message.tool_calls, told, strict=True):
                    messages.append({"role": "tool", "tool_call_id": call.id, "content": text})

        await measure(run)


async def sdk_stream(base_url: str, measure: Callable[[Run], Awaitable[None]]) -> None:
    """By hand, streamed as Moot has it."""
    import openai

    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:

        async def run() -> str:
            messages: Any = list(_BEGUN)
            tools: Any = [{"type": "function", "function": _SPEC}]
            while True:
                words: list[str] = []
                calls: dict[int, dict[str, str]] = {}
                async for chunk in await client.chat.completions.create(
                    model=MODEL, messages=messages, tools=tools, stream=True, stream_options={"include_usage": True}
                ):
                    for choice in chunk.choices:
                        words.append(choice.delta.content or "")
                        for part in choice.delta.tool_calls or ():
                            call = calls.setdefault(part.index, {"id": part.id or "", "name": "", "arguments": ""})
                            assert part.function
                            call["name"] += part.function.name or ""
                            call["arguments"] += part.function.arguments or ""
                if not calls:
                    return "".join(words)
                asked = [
                    {"id": one["id"], "type": "function", "function": {n: one[n] for n in ("name", "arguments")}}
                    for one in calls.values()
                ]
                messages.append({"role": "assistant", "tool_calls": asked})
                told = await asyncio.gather(*(weather(**json.loads(one["arguments"])) for one in calls.values()))
                for one, text in zip(calls.values(), told, strict=True):
                    messages.append({"role": "tool", "tool_call_id": one["id"], "content": text})

        await measure(run)


async def openai_agents(base_url: str, measure: Callable[[Run], Awaitable[None]]) -> None:
    await _openai_agents(base_url, measure, streamed=False)


async def openai_agents_stream(base_url: str, measure: Callable[[Run], Awaitable[None]]) -> None:
    await _openai_agents(base_url, measure, streamed=True)


async def _openai_agents(base_url: str, measure: Callable[[Run], Awaitable[None]], *, streamed: bool) -> None:
    import openai
    from agents import (  # type: ignore[import-not-found]
        Agent,
        OpenAIChatCompletionsModel,
        Runner,
        function_tool,
        set_tracing_disabled,
    )

    set_tracing_disabled(True)
    async with openai.AsyncOpenAI(base_url=base_url, api_key="none") as client:
        model = OpenAIChatCompletionsModel(model=MODEL, openai_client=client)
        agent = Agent(name="a", instructions=SYSTEM, tools=[function_tool(weather)], model=model)

        async def run() -> str:
            if not streamed:
                return str((await Runner.run(agent, PROMPT)).final_output)
            result = Runner.run_streamed(agent, PROMPT)
            async for _ in result.stream_events():
                pass
            return str(result.final_output)

        await measure(run)


async def pydantic_ai(base_url: str, measure: Callable[[Run], Awaitable[None]]) -> None:
    await _pydantic_ai(base_url, measure, streamed=False)


async def pydantic_ai_stream(base_url: str, measure: Callable[[Run], Awaitable[None]]) -> None:
    await _pydantic_ai(base_url, measure, streamed=True)


async def _pydantic_ai(base_url: str, measure: Callable[[Run], Awaitable[None]], *, streamed: bool) -> None:
    from pydantic_ai import Agent  # type: ignore[import-not-found]
    from pydantic_ai.models.openai import OpenAIChatModel  # type: ignore[import-not-found]
    from pydantic_ai.providers.openai import OpenAIProvider  # type: ignore[import-not-found]

    model = OpenAIChatModel(MODEL, provider=OpenAIProvider(base_url=base_url, api_key="none"))
    agent = Agent(model, system_prompt=SYSTEM, tools=[weather])

    async def run() -> str:
        if not streamed:
            return str((await agent.run(PROMPT)).output)
        async with agent.run_stream(PROMPT) as result:
            words = [word async for word in result.stream_text(delta=True)]
        return "".join(words)

    await measure(run)


async def _cpu_ms(subject: str, base_url: str) -> float:
    taken = 0.0

    async def measure(run: Run) -> None:
        nonlocal taken
        for _ in range(WARM_UP):
            said = await run()
            assert said.startswith("It is warmer in Bergen."), said
        started = time.process_time()
        for _ in range(RUNS):
            await run()
        taken = (time.process_time() - started) * 1000 / RUNS

    await _SUBJECTS[subject](base_url, measure)
    return taken


_SUBJECTS = {
    one.__name__: one
    for one in (moot, sdk, sdk_stream, openai_agents, openai_agents_stream, pydantic_ai, pydantic_ai_stream)
}


if __name__ == "__main__":
    print(asyncio.run(_cpu_ms(sys.argv[1], sys.argv[2])))
