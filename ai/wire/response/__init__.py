"""An answer as it arrives: `stream.py` reads, `sse.py` cuts, `fold.py` puts together, `finish.py` says how it ended.

A dialect of server-sent events is a fold in `sse_fold.py`.
"""
