"""From bytes to one answer, or to one error that says what to do.

`transport.py` is the HTTP client that all SDKs share; `response/` puts an answer together, `classify/` says what a
failure means. What came is read through `raw/`, which trusts no shape. Knows no provider by name.
"""
