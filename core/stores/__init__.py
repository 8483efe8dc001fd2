"""What the processes of a user, or of a fleet, share: SQLite files or PostgreSQL, behind one face.

`choose.py` opens what MOOT_STORE asks for. Both stores write through `writer.py` (one thread, one commit for all that
has gathered); `spool.py` makes what waits for its commit survive a kill, and `owners.py` tells who is still alive.
Imports errors, events and paths; knows nothing of what is kept in it. A table belongs to whoever reads it.
"""
