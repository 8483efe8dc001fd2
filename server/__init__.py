"""The front doors, thin: each opens the app, adapts, and closes it again.

`mcp_app.py` is the MCP server, `cli.py` and its companions the command line. Doors never import each other;
what they share lives in `toolbox.py`. mcp is imported only here. To add a door, write one module that opens
`ai.runs.app.open_app()` and runs the recipes of `tools/`. Never name a file http.py, types.py, logging.py
or json.py: run as a script it would shadow the standard library.
"""
