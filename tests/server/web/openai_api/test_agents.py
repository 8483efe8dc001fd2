"""An agent behind a model's name: its tools are called here, and what it does on the way is told as its thoughts."""

from __future__ import annotations

from typing import Any

import openai
import pytest
from agent_tools import calling
from endpoint_server import served
from scripted_ai import Step, scripted_app

from core.config import Config, Defaults
from core.tooling import AgentConfig

QUESTION: list[Any] = [{"role": "user", "content": "6 * 7?"}]
SUM: list[Step] = [calling(("calculate", {"expression": "6*7"}), text="Let me see."), "It is 42."]
CONFIG = Config(defaults=Defaults(drain_s=0.05), agents={"counter": AgentConfig(ai="gpt", tools=["arithmetic"])})


async def test_it_is_a_model_that_answers_with_its_tools() -> None:
    async with scripted_app({"gpt": SUM}, config=CONFIG) as app, served(lambda: app) as url:
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
            listed = [model.id async for model in await client.models.list()]
            answer = await client.chat.completions.create(model="counter", messages=QUESTION)
    assert "counter" in listed and answer.choices[0].message.content == "It is 42."
    thoughts = (answer.choices[0].message.model_extra or {})["reasoning_content"]
    assert 'counter calls calculate({"expression":"6*7"})' in thoughts and "calculate gave 42" in thoughts
    assert answer.usage and answer.usage.prompt_tokens == 20


async def test_streamed_its_steps_come_as_thoughts_and_the_answer_is_the_answer_alone() -> None:
    async with scripted_app({"gpt": SUM}, config=CONFIG) as app, served(lambda: app) as url:
        async with openai.AsyncOpenAI(base_url=url, api_key="none") as client:
            stream = await client.chat.completions.create(model="counter", messages=QUESTION, stream=True)
            chunks = [chunk async for chunk in stream]
    deltas = [chunk.choices[0].delta for chunk in chunks if chunk.choices]
    assert "".join(delta.content or "" for delta in deltas) == "It is 42."
    thoughts = "".join((delta.model_extra or {}).get("reasoning_content", "") for delta in deltas)
    assert "calculate gave 42" in thoughts and "Let me see" not in thoughts


async def test_functions_of_the_client_are_refused_and_not_left_out_in_silence() -> None:
    tool: Any = {"type": "function", "function": {"name": "mine", "parameters": {"type": "object"}}}
    async with scripted_app({"gpt": []}, config=CONFIG) as app, served(lambda: app) as url:
        async with openai.AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:
            with pytest.raises(openai.BadRequestError, match="calls tools of its own"):
                await client.chat.completions.create(model="counter", messages=QUESTION, tools=[tool])
