"""From bytes to one answer, or to one error that says what to do.

`transport.py` is the HTTP client that all SDKs share; `response/` puts an answer together, `classify/` says what a
failure means. `reading.py` is how anything that came is read: no shape is trusted. Knows no provider by name.
"""
