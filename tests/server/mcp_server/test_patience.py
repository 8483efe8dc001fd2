from __future__ import annotations

import pytest

from server.mcp_server.host_limits import patience_s


@pytest.mark.parametrize(
    ("client", "environment", "configured", "seconds"),
    [
        ("codex-mcp-client", {}, None, 255.0),
        ("claude-ai", {}, None, 51.0),
        ("claude-code", {}, None, None),
        ("claude-code", {"MCP_TOOL_TIMEOUT": "100000"}, None, 85.0),
        ("claude-code", {"MCP_TOOL_TIMEOUT": "soon"}, None, None),
        ("gemini-cli-mcp-client", {}, None, 510.0),
        ("somebody new", {}, None, 51.0),
        ("", {}, None, 51.0),
        ("mcp", {}, None, None),
        ("codex-mcp-client", {}, 10.0, 10.0),
        ("codex-mcp-client", {}, 0.0, None),
    ],
)
def test_how_long_a_host_waits(
    client: str, environment: dict[str, str], configured: float | None, seconds: float | None
) -> None:
    assert patience_s(client, environment, configured) == seconds
