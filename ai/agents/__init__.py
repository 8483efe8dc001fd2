"""AIs that use tools: the loop of turns, what it may call, what it may spend, and whom it asks first.

Knows no MCP and no door: an agent takes anything that is a `Tools` (`offered.py`). May import the rest of `ai` and
`core`. Another kind of tool is a class with `specs()` and `call()`; another that Moot brings is a file in `builtin/`.
"""
