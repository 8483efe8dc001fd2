"""The dialects Moot speaks, one module each, and the catalogue of providers that speak them.

A module here defines `AsyncClient` and `SyncClient` over one vendor's SDK, which it imports when the first request
is made; request building and response parsing are pure functions that both share. Modules here never import
each other. A provider that speaks an existing dialect is a row in `catalog.py`, not a module.

`*_batch.py` speak the batch endpoints, with the requests and answers of the module of their dialect.
"""
