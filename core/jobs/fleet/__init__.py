"""Jobs in a PostgreSQL database that many machines share; `docs/fleet.md` draws whose each part is.

`engine.py` keeps the protocol, `task_queue.py` is Procrastinate's, `leases.py` knows who may go on, `parts.py` cuts a
job for several workers, `commits.py` writes finished calls.
"""
