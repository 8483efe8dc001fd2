"""Fixtures for the official checks of MCP: tools and prompts that ask somebody, in the ways of both eras."""

from __future__ import annotations

import json
from typing import Any

from mcp.server.mcpserver import Context, MCPServer
from mcp.types import (
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    SamplingMessage,
    TextContent,
)

from ai.runs.app import App

NAME = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


def form(message: str, schema: dict[str, Any]) -> ElicitRequest:
    """A question to the user."""
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sample(text: str, longest: int = 100) -> CreateMessageRequest:
    """A question to the host's model."""
    said = SamplingMessage(role="user", content=TextContent(type="text", text=text))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[said], max_tokens=longest))


def answered(ctx: Context[App], name: str, field: str) -> str | None:
    """What the user filled into *field* of the question called *name*; None where that is missing."""
    given = (ctx.input_responses or {}).get(name)
    content = getattr(given, "content", None)
    value = content.get(field) if isinstance(content, dict) else None
    return value if isinstance(value, str) else None


def asking_tools(server: MCPServer[App]) -> None:  # noqa: C901 - one fixture after the other
    """Of the newer era: what is missing is asked for in the result."""
    name = form("What is your name?", NAME)

    @server.tool(structured_output=False)
    def test_input_required_result_elicitation(ctx: Context[App]) -> str | InputRequiredResult:
        """Ask for a name."""
        told = answered(ctx, "user_name", "name")
        return f"Hello, {told}!" if told else InputRequiredResult(input_requests={"user_name": name})

    @server.tool(structured_output=False)
    def test_input_required_result_sampling(ctx: Context[App]) -> str | InputRequiredResult:
        """Ask the host's model."""
        given = (ctx.input_responses or {}).get("capital_question")
        if given is None:
            return InputRequiredResult(input_requests={"capital_question": sample("What is the capital of France?")})
        return f"The model says: {getattr(given, 'content', '')}"

    @server.tool(structured_output=False)
    def test_input_required_result_list_roots(ctx: Context[App]) -> str | InputRequiredResult:
        """Ask for the roots."""
        given = (ctx.input_responses or {}).get("client_roots")
        if given is None:
            return InputRequiredResult(input_requests={"client_roots": ListRootsRequest()})
        return f"Roots: {[str(root.uri) for root in getattr(given, 'roots', [])]}"

    @server.tool(structured_output=False)
    def test_input_required_result_request_state(ctx: Context[App]) -> str | InputRequiredResult:
        """Ask, and remember something meanwhile."""
        if ctx.request_state == "asked":
            return "state-ok"
        sure = {"type": "object", "properties": {"ok": {"type": "boolean"}}, "required": ["ok"]}
        return InputRequiredResult(input_requests={"confirm": form("Please confirm", sure)}, request_state="asked")

    @server.tool(structured_output=False)
    def test_input_required_result_tampered_state(ctx: Context[App]) -> str | InputRequiredResult:
        """Ask, and notice when what was remembered is changed."""
        return test_input_required_result_request_state(ctx)

    @server.tool(structured_output=False)
    def test_input_required_result_multiple_inputs(ctx: Context[App]) -> str | InputRequiredResult:
        """Ask for three things at once."""
        asked = {"user_name": name, "greeting": sample("Generate a greeting", 50), "client_roots": ListRootsRequest()}
        if ctx.request_state == "asked" and set(ctx.input_responses or {}) >= asked.keys():
            return "All there."
        return InputRequiredResult(input_requests=asked, request_state="asked")

    @server.tool(structured_output=False)
    def test_input_required_result_multi_round(ctx: Context[App]) -> str | InputRequiredResult:
        """Ask twice, one after the other."""
        color = {"type": "object", "properties": {"color": {"type": "string"}}, "required": ["color"]}
        if ctx.request_state == "second":
            return "Both rounds are done."
        if ctx.request_state == "first":
            asked = {"step2": form("Step 2: What is your favorite color?", color)}
            return InputRequiredResult(input_requests=asked, request_state="second")
        asked = {"step1": form("Step 1: What is your name?", NAME)}
        return InputRequiredResult(input_requests=asked, request_state="first")

    @server.tool(structured_output=False)
    def test_input_required_result_capabilities(ctx: Context[App]) -> str | InputRequiredResult:
        """Ask for nothing that the client did not say it can do."""
        told = ctx.client_capabilities
        asked: dict[str, Any] = {}
        if told and told.elicitation is not None:
            asked["user_name"] = name
        if told and told.sampling is not None:
            asked["greeting"] = sample("Generate a greeting", 50)
        if ctx.input_responses or not asked:
            return "Asked for what can be done."
        return InputRequiredResult(input_requests=asked)


def old_asking_tools(server: MCPServer[App]) -> None:
    """Of the older era: the server sends a request of its own in the middle of a call."""

    @server.tool(structured_output=False)
    async def test_sampling(prompt: str, ctx: Context[App]) -> str:
        """Ask the host's model."""
        said = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
        given = await ctx.session.create_message([said], max_tokens=100)
        return f"LLM response: {getattr(given.content, 'text', given.content)}"

    async def ask(ctx: Context[App], message: str, schema: dict[str, Any]) -> str:
        given = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
        return f"action={given.action}, content={json.dumps(given.content)}"

    @server.tool(structured_output=False)
    async def test_elicitation(message: str, ctx: Context[App]) -> str:
        """Ask the user."""
        texts = {"username": {"type": "string", "description": "User's response"}}
        texts["email"] = {"type": "string", "description": "User's email address"}
        schema = {"type": "object", "properties": texts, "required": ["username", "email"]}
        return f"User response: {await ask(ctx, message, schema)}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1034_defaults(ctx: Context[App]) -> str:
        """Ask the user, with defaults."""
        fields = {
            "name": {"type": "string", "default": "John Doe"},
            "age": {"type": "integer", "default": 30},
            "score": {"type": "number", "default": 95.5},
            "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
            "verified": {"type": "boolean", "default": True},
        }
        return f"Elicitation completed: {await ask(ctx, 'Who are you?', {'type': 'object', 'properties': fields})}"

    @server.tool(structured_output=False)
    async def test_elicitation_sep1330_enums(ctx: Context[App]) -> str:
        """Ask the user to choose."""
        options = ["option1", "option2", "option3"]
        titled = [{"const": f"value{n}", "title": f"{word} Option"} for n, word in enumerate(("First", "Second"), 1)]
        fields = {
            "untitledSingle": {"type": "string", "enum": options},
            "titledSingle": {"type": "string", "oneOf": titled},
            "legacyEnum": {
                "type": "string",
                "enum": ["opt1", "opt2", "opt3"],
                "enumNames": ["Option One", "Option Two", "Option Three"],
            },
            "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
            "titledMulti": {"type": "array", "items": {"anyOf": titled}},
        }
        return f"Elicitation completed: {await ask(ctx, 'Which?', {'type': 'object', 'properties': fields})}"
