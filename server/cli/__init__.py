"""The command line: `main.py` lists the commands, `options.py` has what they share.

`commands/` says what each takes, `asking/` makes a question of it, `running/` asks it, `showing/` prints what came.
"""
