"""Tools of other MCP servers, the rows of `mcp_servers`: connections, pins, and what a call gives.

A door passes `opening.borrowing` to `open_app()`; nothing else here is imported until a tool is needed. From the wire
up: `lines.py`, `messages.py` and `program.py` (stdio), `endpoint.py` (HTTP), `connection.py` (one server, started late
and again), `definitions.py` (what a tool says of itself, which is data), `pins.py` (what a person, or the first use,
has taken as it is), `offer.py` (what may be used of it now) and `borrowed.py` (what the loop of an agent sees). A
further transport is a file with an async context manager that gives the client its two streams, and a line in
`connection.py`.
"""
