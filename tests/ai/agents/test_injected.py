"""What a tool, a server, a sub-agent, a skill or a file says is data: 258 texts, wherever they come from.

Nothing here asks a model what it would do. It is checked that a text stays inside the one fence that nobody can end,
loses what hides or moves a cursor, is bounded, carries no key on, and changes nothing of what is asked, allowed or
shown.
"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import anyio
import pytest
from agent_tools import Lent, Recorder, calling
from calling_providers import Wanted as WantedCall
from calling_providers import providers
from injections import PLANTED, Injected, injections
from mcp.types import Tool
from scripted_ai import scripted_app

from ai.agents.allowance import Allowance, Limits
from ai.agents.builtin.ground import Ground
from ai.agents.builtin.workspace import workspace_tools
from ai.agents.executor import ToolExecutor
from ai.agents.function_tools import FunctionTools, tool
from ai.agents.loop import Brief, run_agent
from ai.agents.offered import ToolExecutionResult, Tools
from ai.agents.skills import LOAD, Skills
from ai.agents.world import Bare
from ai.runs.agents import Wanted, run_agents
from ai.runs.run import Materials
from core.config import Config
from core.files.workspace import Workspace
from core.jobs.approvals import Approval
from core.skills.skill import MAIN, Skill, SkillFile
from core.tooling import AgentConfig
from core.untrusted import Fence
from core.values import Message, Request, ToolCall, ToolResult
from server.mcp_client.definitions import defined
from tools.agent import agent
from tools.recipe.result import document

ALL = injections()
PARTS = [ALL[start::6] for start in range(6)]
"""So that a failure does not end all the others, and processes share them."""
LONGEST = 60_000
_FENCE = re.compile(r'<result-([0-9a-f]{12}) tool="(\w+)">\n')
_NEEDED = re.compile("[\n\t]")
_FETCHED = re.compile(r"!\[[^\]]*\]\(|<(?:img|svg|iframe|script|link|table|video|div)\b", re.IGNORECASE)
_REFERRED = re.compile(r"!\[")
"""A picture whose address may stand anywhere in the same document."""


def test_there_are_258_of_them_and_no_two_alike() -> None:
    assert len(ALL) == len({one.text for one in ALL}) == 258


class Asked:
    """A person before the agent, who is asked nothing in these runs."""

    def __init__(self) -> None:
        self.questions: list[Approval] = []

    async def __call__(self, approval: Approval) -> bool:
        self.questions.append(approval)
        return False


async def told(tools: Tools, name: str, arguments: Mapping[str, Any]) -> tuple[str, Sequence[Request]]:
    """What the model reads after it has called *name*, and all it was sent."""
    asked = Asked()
    writes = Recorder(names={"write": False})
    box = ToolExecutor([tools, writes], rules={"write": "ask"})
    async with scripted_app({"gpt": [calling((name, arguments)), "Fine."]}) as app:
        brief = Brief("worker", "gpt", box, "Be exact.", 10)
        with anyio.fail_after(20):
            ended = await run_agent(
                Bare(app.caller, approve=asked), brief, Request.of("Do it"), Allowance(Limits(usd=1.0))
            )
        first, second = app.clients["gpt"].requests
    assert [step.tool for step in ended.steps] == [name] and not writes.calls and not asked.questions
    assert box.policy("write") == "ask" and second.tools == first.tools and second.system == first.system
    assert [message.role for message in second.messages] == ["user", "assistant", "user"]
    (result,) = second.messages[-1].parts
    assert isinstance(result, ToolResult)
    return result.content, (first, second)


def is_held(content: str, requests: Sequence[Request], name: str) -> None:
    """Whether *content* is one fence around text that is text alone."""
    begun = _FENCE.match(content)
    assert begun and begun[2] == name
    token = begun[1]
    assert requests[0].system and f"<result-{token}" in requests[0].system
    assert content.endswith(f"\n</result-{token}>") and content.lower().count(token) == 2
    is_plain(content)
    assert not any(key in str(requests) for key in PLANTED)


def is_plain(text: str) -> None:
    """Whether *text* shows all that it has, and is bounded: by Unicode's own tables, not by ours."""
    odd = {one for one in _NEEDED.sub("", text) if unicodedata.category(one) in ("Cc", "Cf", "Cs", "Zl", "Zp")}
    odd |= {one for one in text if "\ufe00" <= one <= "\ufe0f" or one >= "\U000e0000" or one in "\u034f\u3164"}
    assert not odd and len(text) < LONGEST


class Saying:
    """A tool `read` that gives a text, or fails with it; the fence's real token where it says so."""

    def __init__(self, text: str, *, fails: bool = False) -> None:
        self._text = text
        self._fails = fails
        self.token = ""

    def specs(self) -> Any:
        return Recorder(names={"read": True}).specs()

    async def call(self, name: str, arguments: Mapping[str, Any]) -> ToolExecutionResult:
        text = self._text.replace("{token}", self.token).replace("{TOKEN}", self.token.upper())
        return ToolExecutionResult.failed(text) if self._fails else ToolExecutionResult.of(text)


@pytest.mark.parametrize("fails", [False, True])
@pytest.mark.parametrize("part", PARTS)
async def test_what_a_tool_gives_or_fails_with_stays_inside(
    part: list[Injected], fails: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Bare, "rng", lambda self, *label: _same())
    for one in part:
        tools = Saying(one.text, fails=fails)
        tools.token = f"{_same().getrandbits(48):012x}"  # as if the model had been talked into giving it away
        content, requests = await told(tools, "read", {})
        is_held(content, requests, "read")


def _same() -> Any:
    import random

    return random.Random(7)


@pytest.mark.parametrize("part", PARTS)
async def test_what_a_function_raises_stays_inside(part: list[Injected]) -> None:
    for one in part:

        @tool(read_only=True)
        def read() -> str:
            raise ValueError(one.text)  # noqa: B023 - it is called in this turn of the loop

        content, requests = await told(FunctionTools([read]), "read", {})
        is_held(content, requests, "read")


@pytest.mark.parametrize("part", PARTS)
async def test_the_text_of_a_skill_stays_inside(part: list[Injected]) -> None:
    for one in part:

        async def read(path: str, text: str = one.text) -> bytes:
            return f"---\nname: s\ndescription: S.\n---\n{text}".encode(errors="surrogatepass")

        head = {"name": "s", "description": "S."}
        skill = Skill("s", "S.", "workspace", "here", head, (SkillFile(MAIN, 1),), read)
        skills = Skills([skill])
        content, requests = await told(skills, LOAD, {"name": "s"})
        is_held(content, requests, LOAD)
        assert skills.gate("write") is None, "only the skill's own head says what is allowed"


@pytest.mark.parametrize("part", PARTS)
async def test_a_file_of_the_workspace_stays_inside(part: list[Injected], tmp_path: Path) -> None:
    space = workspace_tools(Ground(Workspace((tmp_path.resolve(),))))
    for one in part:
        await anyio.Path(tmp_path / "a.txt").write_bytes(one.text.encode(errors="surrogatepass"))
        content, requests = await told(space, "read_file", {"path": "a.txt"})
        is_held(content, requests, "read_file")


@pytest.mark.parametrize("part", PARTS)
async def test_the_answer_of_a_sub_agent_stays_inside(part: list[Injected]) -> None:
    config = Config(agents={"boss": AgentConfig(ai="gpt", tools=["ask", "lent"], approvals={"write": "ask"})})
    for one in part:
        steps = [calling(("ask", {"ai": "claude", "task": "Do it."})), "Done."]
        writes = Recorder(names={"write": False})
        materials = Materials(borrowed=Lent(writes))
        async with scripted_app({"gpt": steps, "claude": [one.text]}, config=config, materials=materials) as app:
            async with app.run("agent") as run:
                (ended,) = await run_agents(run, [Wanted("boss", Request.of("Go"))])
            requests = app.clients["gpt"].requests
        assert [step.tool for step in ended.steps] == ["ask"] and not writes.calls
        (result,) = requests[1].messages[-1].parts
        assert isinstance(result, ToolResult)
        is_held(result.content, requests, "ask")


def test_what_a_server_says_of_its_tool_is_bounded_and_shows_all_it_has() -> None:
    for one in ALL:
        schema = {"type": "object", "properties": {"x": {"type": "string", "description": one.text}}}
        try:
            listed = Tool.model_validate({"name": "read", "description": one.text, "inputSchema": schema})
        except UnicodeEncodeError:
            continue
        definition = defined(listed)
        if definition.problem:  # it is offered to nobody
            continue
        spec = definition.spec("lent", read_only=definition.reads_only)
        is_plain(spec.description)
        assert spec.name == "lent__read" and not spec.read_only
        if len(one.text) < LONGEST:
            is_plain(spec.parameters["properties"]["x"]["description"])


@pytest.mark.parametrize("provider", providers(), ids=lambda one: one.name)
async def test_no_protocol_takes_it_for_anything_but_a_result(provider: Any) -> None:
    specs = tuple(Recorder().specs())

    async def body(text: str) -> Any:
        call = ToolCall("id0", "read", {"x": 1})
        result = ToolResult("id0", Fence(_same()).around("result", text), name="read")
        messages = (Message.user("Do it"), Message("assistant", (call,)), Message("user", (result,)))
        await provider.ask(Request(messages, system="Be exact.", tools=specs), [WantedCall(0, {})])
        return provider.bodies[-1]

    plain = _shape(await body("fine"))
    for one in ALL:
        if len(one.text) < LONGEST:
            assert _shape(await body(one.text)) == plain, one.name
    await provider.http.aclose()


def _shape(value: Any) -> Any:
    """*value* without what its texts say, but for those by which a protocol tells one thing from another."""
    if isinstance(value, dict):
        return {key: one if key in ("role", "type", "name") else _shape(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_shape(one) for one in value]
    return "" if isinstance(value, str) else value


@pytest.mark.parametrize("part", PARTS)
async def test_what_a_host_is_shown_fetches_nothing_and_moves_no_cursor(part: list[Injected]) -> None:
    config = Config(agents={"worker": AgentConfig(ai="gpt", tools=["lent"])})
    for one in part:
        if len(one.text) > LONGEST:
            continue

        async def does(name: str, arguments: Mapping[str, Any], text: str = one.text) -> ToolExecutionResult:
            return ToolExecutionResult.of(text)

        def parroting(request: Request) -> str:
            (result,) = request.messages[-1].parts
            assert isinstance(result, ToolResult)
            return result.content.split("\n", 1)[1].rpartition("\n")[0] or "nothing"

        steps = [calling(("read", {"x": 1})), parroting]
        materials = Materials(borrowed=Lent(Recorder(does, names={"read": True})))
        async with scripted_app({"gpt": steps}, config=config, materials=materials) as app:  # type: ignore[dict-item]
            async with app.run("agent") as run:
                reply = await agent(run, "Read it", ai="worker")
        whole = document(reply)
        assert not _REFERRED.search(_without_code(whole)) or "]:" not in whole, one.name
        for shown in (whole, json.dumps(reply.model_dump(), ensure_ascii=False)):
            is_plain(shown)
            assert not _FETCHED.search(_without_code(shown)), one.name
            assert not any(key in shown for key in PLANTED)


def _without_code(text: str) -> str:
    return re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)


async def test_a_model_that_obeys_is_still_asked_about() -> None:
    asked, tools = Asked(), Recorder()
    steps = [calling(("read", {"x": 1})), calling(("write", {"x": 1})), "It was not allowed."]
    async with scripted_app({"gpt": steps}) as app:
        brief = Brief("worker", "gpt", ToolExecutor([tools]), None, 10)
        await run_agent(Bare(app.caller, approve=asked), brief, Request.of("Do it"), Allowance(Limits()))
    assert [one.tool for one in asked.questions] == ["write"] and tools.calls == [("read", {"x": 1})]
