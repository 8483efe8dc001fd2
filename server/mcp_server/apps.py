"""MCP Apps: hosts that can show pages draw the result of a panel, with the modules of Moot's own page.

The page is one file without anything from outside. It gets the result as every host does, and beside it, in what no
model reads, the texts as trees. A host that does not declare the extension notices nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from typing import Any

import anyio.to_thread
from mcp.server.apps import APP_MIME_TYPE, EXTENSION_ID, client_supports_apps
from mcp.server.extension import Extension
from mcp.server.mcpserver import MCPServer
from mcp.types import CallToolResult

from ai.lazy import load
from core.names.naming import module_name

URI = "ui://moot/p"
SHOWN = frozenset({"ask_many", "consensus", "debate", "judge", "review"})
"""The tools whose results are drawn."""
BLOCKS = "moot/blocks"
_MODULES = ("dom.js", "results.js", "embedded.js")
_KNOWN_BLOCKS = """
let known = new Map();
const knowBlocks = (blocks) => { known = blocks; };
const api = async (method, path, { texts }) => ({ blocks: texts.map((text) => known.get(text) ?? [["p", text]]) });
return { api, knowBlocks };
"""
"""What stands for `server.js`, where there is no server to ask."""
_MARKED = re.compile(r"[*_`#>|\[\]~\n]|^\s*([-+]|\d+[.)])\s|https?:")
"""What a text has that is more than words."""
_DEEPEST = 60


class PanelApps(Extension):
    """Tells hosts that results can be drawn."""

    identifier = EXTENSION_ID


def panel_meta(tool: str) -> dict[str, Any]:
    """What the list of tools says of *tool* for hosts that draw."""
    return {"ui": {"resourceUri": URI}} if tool in SHOWN else {}


async def drawable(reply: CallToolResult, ctx: Any) -> CallToolResult:
    """*reply* with its texts as trees, where the host draws."""
    if reply.is_error or not reply.structured_content or not client_supports_apps(ctx):
        return reply
    trees = (await load("server.markdown")).trees
    blocks = [trees(text) if _MARKED.search(text) else 0 for text in _texts(reply.structured_content)]
    return reply.model_copy(update={"meta": {**(reply.meta or {}), BLOCKS: blocks}})


def add_panel(server: MCPServer[Any]) -> None:
    """Register the page as a resource of *server*."""

    @server.resource(
        URI,
        name="panel",
        title="Panel",
        description="Draws the result of a panel.",
        mime_type=APP_MIME_TYPE,
        meta={"ui": {"csp": {"connectDomains": [], "resourceDomains": []}, "prefersBorder": True}},
    )
    async def panel() -> str:
        return await anyio.to_thread.run_sync(page)


@cache
def page() -> str:
    """The whole page: style and modules in one file. Blocks."""
    place = files(module_name("server.web.page"))
    style = _squeezed_style((place / "app.css").read_text(encoding="utf-8"))
    script = f"const modules = {{}};\nmodules['server.js'] = (() => {{{_KNOWN_BLOCKS}}})();\n"
    script += "".join(_module(name, (place / name).read_text(encoding="utf-8")) for name in _MODULES)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8"><title>Moot</title>'
        f"<style>{style}body{{display:block;block-size:auto}}.embedded{{padding:12px}}</style></head>"
        f'<body><script type="module">{script}</script></body></html>\n'
    )


def _module(name: str, source: str) -> str:
    """One module as a function of its own, which gives what it exports."""
    source = re.sub(
        r'import \{([^}]*)\} from "\./([\w.]+)";', lambda m: f"const {{{m[1]}}} = modules['{m[2]}'];", source
    )
    exported = re.findall(r"^export (?:async )?(?:const|let|function|class) (\w+)", source, flags=re.MULTILINE)
    source = re.sub(r"^export ", "", source, flags=re.MULTILINE)
    body = _squeezed(source.replace("</script", "<\\/script"))
    return f"modules['{name}'] = (() => {{\n{body}return {{ {', '.join(exported)} }};\n}})();\n"


def _squeezed(source: str) -> str:
    """*source* without what only readers of it need: comments on lines of their own, and indentation."""
    source = re.sub(r"/\*(?:.|\n)*?\*/\n?", "", source)
    lines = (line.strip() for line in source.splitlines())
    return "".join(f"{line}\n" for line in lines if line and not line.startswith("//"))


def _squeezed_style(source: str) -> str:
    """The same of a style sheet, whose blanks around signs say nothing either."""
    for wide, narrow in ((" {", "{"), ("{ ", "{"), (" }", "}"), ("; ", ";"), (": ", ":"), (", ", ","), (";}", "}")):
        source = source.replace(wide, narrow)
    return _squeezed(source).replace("\n", "")


def _texts(value: Any, depth: int = 0) -> Iterator[str]:
    """Every text of *value*, in order."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list) and depth < _DEEPEST:
        for inner in value.values() if isinstance(value, dict) else value:
            yield from _texts(inner, depth + 1)
