"""The HTTP door with what the official checks of MCP want to find beside Moot's own tools: fixtures, for tests alone.

Everything around them is what users get: the gate, the endpoint, both eras, sessions, subscriptions, completion, tasks.
Nobody has to say who they are here, since the checks cannot.
"""

from __future__ import annotations

import base64
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import uvicorn
from conformance_questions import answered, asking_tools, form, old_asking_tools
from mcp.server.mcpserver import Context, MCPServer
from mcp.server.mcpserver.exceptions import ToolError
from mcp.server.mcpserver.prompts.base import UserMessage
from mcp.server.mcpserver.tools import Tool
from mcp.shared.exceptions import MCPError
from mcp.types import (
    MISSING_REQUIRED_CLIENT_CAPABILITY,
    AudioContent,
    CallToolResult,
    ClientCapabilities,
    EmbeddedResource,
    EmptyResult,
    ImageContent,
    InputRequiredResult,
    MissingRequiredClientCapabilityErrorData,
    SamplingCapability,
    SetLevelRequestParams,
    SubscribeRequestParams,
    TextContent,
    TextResourceContents,
    UnsubscribeRequestParams,
)
from mcp.types import Tool as ListedTool
from scripted_ai import scripted_app
from tasks_server import RECIPES, Insisting

from ai.runs.app import App
from core.paths import data_dir
from core.people.person import OWNER
from core.people.tokens import Tokens
from server.mcp_server.lazy_server import LateServer
from server.toolbox import KINDS
from server.web import mcp_endpoint
from server.web.access.doors import Doors
from server.web.access.people import Credentials, Entry, People
from server.web.assembly import Place, assemble, uvicorn_settings
from server.web.house import House
from server.web.serve import address_of, listen

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8BQDwAEhQGAhKmMIQAAAABJRU5ErkJggg=="
SILENCE = base64.b64encode(
    b"RIFF$\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0\x40\x1f\0\0\x40\x1f\0\0\x01\0\x08\0data\0\0\0\0"
).decode()


class FixtureServer(LateServer):
    """Moot's server, whose own lists are followed by what is registered with it."""

    async def list_tools(self) -> list[ListedTool]:
        return [*await super().list_tools(), *await MCPServer.list_tools(self)]

    async def call_tool(
        self, name: str, arguments: dict[str, Any], context: Context[App, Any] | None = None
    ) -> CallToolResult | InputRequiredResult:
        if self._tool_manager.get_tool(name):
            return await MCPServer.call_tool(self, name, arguments, context)
        return await super().call_tool(name, arguments, context)


def furnish(server: MCPServer[App]) -> None:
    """Register every fixture."""
    for add in (_plain_tools, asking_tools, old_asking_tools, _resources, _prompts):
        add(server)


def _plain_tools(server: MCPServer[App]) -> None:  # noqa: C901 - one fixture after the other
    @server.tool(structured_output=False)
    def test_simple_text() -> str:
        """Say something."""
        return "This is a simple text response for testing."

    @server.tool(structured_output=False)
    def test_image_content() -> ImageContent:
        """Show a picture."""
        return ImageContent(type="image", data=PIXEL, mime_type="image/png")

    @server.tool(structured_output=False)
    def test_audio_content() -> AudioContent:
        """Play a sound."""
        return AudioContent(type="audio", data=SILENCE, mime_type="audio/wav")

    @server.tool(structured_output=False)
    def test_embedded_resource() -> EmbeddedResource:
        """Hand over a resource."""
        return _embedded("test://embedded-resource", "text/plain", "This is an embedded resource content.")

    @server.tool(structured_output=False)
    def test_multiple_content_types() -> list[Any]:
        """Hand over several things."""
        return [
            TextContent(type="text", text="Multiple content types test:"),
            ImageContent(type="image", data=PIXEL, mime_type="image/png"),
            _embedded("test://mixed-content-resource", "application/json", '{"test":"data","value":123}'),
        ]

    @server.tool(structured_output=False)
    async def test_tool_with_logging(ctx: Context[App]) -> str:
        """Tell what is going on."""
        for line in ("Tool execution started", "Tool processing data", "Tool execution completed"):
            await ctx.info(line)
            await anyio.sleep(0.05)
        return "Told."

    @server.tool(structured_output=False)
    def test_error_handling() -> str:
        """Fail."""
        raise ToolError("This tool intentionally returns an error for testing")

    @server.tool(structured_output=False)
    async def test_tool_with_progress(ctx: Context[App]) -> str:
        """Tell how far it is."""
        for done in (0, 50, 100):
            await ctx.report_progress(done, 100)
            await anyio.sleep(0.05)
        return "Done."

    @server.tool(structured_output=False)
    async def test_reconnection(ctx: Context[App]) -> str:
        """Have the client come back for the answer."""
        await ctx.close_sse_stream()
        await anyio.sleep(0.1)
        return "Reconnection test completed."

    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "$defs": {
            "address": {
                "$anchor": "addressDef",
                "type": "object",
                "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
            }
        },
        "properties": {
            "name": {"type": "string"},
            "address": {"$ref": "#/$defs/address"},
            "contactMethod": {"type": "string", "enum": ["phone", "email"]},
            "phone": {"type": "string"},
            "email": {"type": "string"},
        },
        "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
        "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
        "then": {"required": ["phone"]},
        "else": {"required": ["email"]},
        "additionalProperties": False,
    }

    def json_schema_2020_12_tool() -> str:
        """Tool with JSON Schema 2020-12 features"""
        return "Valid."

    @server.tool(structured_output=False)
    def test_missing_capability(ctx: Context[App]) -> str:
        """Refuse where the client cannot sample."""
        told = ctx.client_capabilities
        if told is None or told.sampling is None:
            wanted = ClientCapabilities(sampling=SamplingCapability())
            data = MissingRequiredClientCapabilityErrorData(required_capabilities=wanted)
            raise MCPError(
                code=MISSING_REQUIRED_CLIENT_CAPABILITY,
                message="The client did not say that it can sample.",
                data=data.model_dump(by_alias=True, mode="json", exclude_none=True),
            )
        return "It can sample."

    def test_x_mcp_header(region: str = "", count: int = 0) -> str:
        """Take arguments that stand in headers too."""
        return f"region={region}, count={count}"

    marked = Tool.from_function(test_x_mcp_header, structured_output=False)
    marked.parameters = {
        "type": "object",
        "properties": {
            "region": {"type": "string", "x-mcp-header": "Region"},
            "count": {"type": "integer", "x-mcp-header": "Count"},
        },
    }
    server._tool_manager._tools[marked.name] = marked

    tool = Tool.from_function(json_schema_2020_12_tool, structured_output=False)
    tool.parameters = schema
    server._tool_manager._tools[tool.name] = tool


def _embedded(uri: str, kind: str, text: str) -> EmbeddedResource:
    return EmbeddedResource(type="resource", resource=TextResourceContents(uri=uri, mime_type=kind, text=text))


def _resources(server: MCPServer[App]) -> None:
    @server.resource("test://static-text", mime_type="text/plain", description="A text.")
    def static_text() -> str:
        return "This is the content of the static text resource."

    @server.resource("test://static-binary", mime_type="image/png", description="A picture.")
    def static_binary() -> bytes:
        return base64.b64decode(PIXEL)

    @server.resource("test://template/{id}/data", mime_type="application/json", description="A template.")
    def template(id: str) -> str:
        return json.dumps({"id": id, "templateTest": True, "data": f"Data for ID: {id}"})

    @server.resource("test://watched-resource", mime_type="text/plain", description="One to watch.")
    def watched() -> str:
        return "Nothing changes."

    inner = server._lowlevel_server
    watched_by_moot = {name: inner.get_request_handler(f"resources/{name}") for name in ("subscribe", "unsubscribe")}

    def or_fixture(name: str) -> Any:
        async def handle(ctx: Any, params: Any) -> Any:
            if str(params.uri).startswith("test://"):
                return EmptyResult()
            return await watched_by_moot[name].handler(ctx, params)

        return handle

    inner.add_request_handler("resources/subscribe", SubscribeRequestParams, or_fixture("subscribe"))
    inner.add_request_handler("resources/unsubscribe", UnsubscribeRequestParams, or_fixture("unsubscribe"))

    async def set_level(ctx: Any, params: SetLevelRequestParams) -> EmptyResult:
        return EmptyResult()

    inner.add_request_handler("logging/setLevel", SetLevelRequestParams, set_level)


def _prompts(server: MCPServer[App]) -> None:
    @server.prompt(description="A simple prompt.")
    def test_simple_prompt() -> str:
        return "This is a simple prompt for testing."

    @server.prompt(description="A prompt with arguments.")
    def test_prompt_with_arguments(arg1: str, arg2: str) -> str:
        return f"Prompt with arguments: arg1='{arg1}', arg2='{arg2}'"

    @server.prompt(description="A prompt with a resource.")
    def test_prompt_with_embedded_resource(resourceUri: str) -> list[Any]:  # noqa: N803 - the checks' own name
        held = _embedded(resourceUri, "text/plain", "Embedded resource content for testing.")
        return [UserMessage(held), UserMessage("Please process the embedded resource above.")]

    @server.prompt(description="A prompt with a picture.")
    def test_prompt_with_image() -> list[Any]:
        picture = ImageContent(type="image", data=PIXEL, mime_type="image/png")
        return [UserMessage(picture), UserMessage("Please analyze the image above.")]

    @server.prompt(description="A prompt that asks.")
    def test_input_required_result_prompt(ctx: Context[App]) -> Any:
        told = answered(ctx, "user_context", "context")
        if told:
            return f"With this context: {told}"
        schema = {"type": "object", "properties": {"context": {"type": "string"}}, "required": ["context"]}
        return InputRequiredResult(input_requests={"user_context": form("What context should the prompt use?", schema)})


class Everybody(People):
    """Lets in whoever comes: the checks have no token."""

    async def enter(self, credentials: Credentials, client: str) -> Entry | None:
        return Entry(OWNER, self._stands)

    async def _stands(self) -> bool:
        return True


@asynccontextmanager
async def _app() -> AsyncIterator[App]:
    async with scripted_app({}) as app:
        yield app


def _with_fixtures(*given: Any, **options: Any) -> MCPServer[App]:
    server = _create(*given, recipes=RECIPES, extensions=[Insisting()], **options)
    server.__class__ = FixtureServer
    furnish(server)
    return server


_create = mcp_endpoint.create_mcp_server


def main() -> None:
    """Serve until told to stop; the first line of stdout is the port."""
    from server.web import application

    mcp_endpoint.create_mcp_server = _with_fixtures
    application.People = Everybody  # type: ignore[misc]
    KINDS.update({recipe.name: recipe for recipe in RECIPES if recipe.background})
    place = Place(port=0)
    bound = listen(place)
    house = House(address_of(place, bound), Tokens(), Doors(data_dir()))
    app = assemble(house, place, _app)
    print(house.address.port, flush=True)
    uvicorn.Server(uvicorn.Config(app, **uvicorn_settings())).run(sockets=[bound])


if __name__ == "__main__":
    main()
