"""Jobs: runs that outlive the call, the window and the process they were started in.

What lives here knows no AI and no front door: values, the engine's protocol, the embedded engine on SQLite, and the
loop that claims jobs and runs them with whatever it is given. It may import the rest of core.

To add an engine: one module with a class that has the methods of `engine.JobEngine`, and a line in `desk.open_engine`.
"""
