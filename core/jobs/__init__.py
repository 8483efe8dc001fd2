"""Jobs: runs that outlive the call, the window and the process they were started in.

`jobs.py` is the way in for doors and recipes; `runner.py` claims and runs. What an engine can do stands in
`engine.py`: `sqlite.py` is the embedded one, `fleet/` one for many machines, and both run the functions of `rows.py`
on their tables. Knows no AI and no front door.
"""
