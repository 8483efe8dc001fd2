"""Everything below /api, as JSON: background chats, jobs, what happened, AIs, usage, threads, files.

`endpoint.py` is what each of them is made of: a method, a path, and types, from which the request is checked and
`openapi.json` is written. `catalog.py` lists them. One more is a function of an `Asked` in the file of its subject, and
one line in that file's ENDPOINTS.
"""
