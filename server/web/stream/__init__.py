"""What happens, for whoever watches over HTTP: one stream of server-sent events for each browser or program.

`hub.py` numbers the events of this process and keeps the latest; `frames.py` says how each one looks; `subscription.py`
is one watcher; `blocks.py` makes drawable pieces of what an AI writes; `sse.py` is the response;
`watch.py` tells of jobs that other processes run. A new event gets its shape in `frames.py`.
"""
