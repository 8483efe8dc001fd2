"""The command line: `main.py` lists the commands. Each imports click alone until it is run."""
