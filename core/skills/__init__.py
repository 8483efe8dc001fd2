"""Skills: folders with a `SKILL.md` that tell an AI how to do something, in the open Agent Skills format.

`finding.py` looks for them on this machine, `borrowed.py` asks a server of MCP for its own; both give a `Skill`, whose
files are read when they are needed. Moot's own skill lies in `shipped/`; another one is another folder there.
"""
