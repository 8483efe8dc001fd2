"""The HTTP door: one ASGI application for people, hosts and programs, behind the same engine as every other door.

`serve.py` starts it, `application.py` puts it together, `house.py` is what its rooms share. `access/` finds out who
asks and turns away who may not; `stream/` has what happens, as server-sent events; `api/` is everything below /api;
`openai_api/` everything below /v1; `mcp_endpoint.py` is /mcp; `page/` is what a browser shows. Another kind of client
gets a room of its own, whose routes `application.py` mounts.
"""
