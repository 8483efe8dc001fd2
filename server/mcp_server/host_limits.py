"""How long a host waits for a tool before it gives up, so that Moot can return what it has and a job before that.

Hosts do not say it, so it goes by the name they give themselves. What is known was measured or is their documented
default; a host whose user raised the limit merely gets a job where it could have waited.
"""

from __future__ import annotations

from collections.abc import Mapping

_MARGIN = 0.85
"""The share of a host's limit that is used: the answer has to travel too."""
_SDK_DEFAULT_S = 60.0
"""What the TypeScript SDK waits, and so every host that sets nothing; progress does not extend it by default."""

_LIMITS_S: tuple[tuple[str, float | None], ...] = (
    ("claude-code", None),  # 2.1 did not give up in 25 minutes, unless MCP_TOOL_TIMEOUT says so
    ("claude", _SDK_DEFAULT_S),  # Claude Desktop calls itself claude-ai
    ("codex", 300.0),  # measured with 0.169; tool_timeout_sec is absolute: progress does not extend it
    ("gemini", 600.0),  # measured with 0.61
    ("mcp", None),  # the Python SDK's client under its own name waits as long as its program says
    ("inspector", None),
)


def patience_s(client: str, environment: Mapping[str, str], configured: float | None = None) -> float | None:
    """Seconds within which the host called *client* should have an answer; None: it waits.

    Args:
        configured: `defaults.reply_within`; 0 means that every host waits.
    """
    if configured is not None:
        return configured or None
    name = client.lower()
    told = environment.get("MCP_TOOL_TIMEOUT", "")
    if name.startswith("claude-code") and told.isdigit() and int(told) > 0:
        return int(told) / 1000 * _MARGIN
    limit = next((limit for start, limit in _LIMITS_S if name.startswith(start)), _SDK_DEFAULT_S)
    return None if limit is None else limit * _MARGIN
