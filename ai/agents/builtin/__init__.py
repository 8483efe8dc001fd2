"""The tools that Moot brings: files of the workspace, git, threads, the clock, arithmetic. All of them only read.

`named.py` gives them by name; none is there unless it is named. Another one is a file with a function that returns
`Tools`, and its name in `named.py`. `lookups.py` has those who work together look each thing up once.
"""
