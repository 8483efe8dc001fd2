"""The batch endpoints, one module a protocol; each gives `Batches`, as `ai/batch/endpoint.py` describes it.

A new one: a module here, `batches=` on its rows in the catalogue, its protocol in `tests/support/fake_batches.py`.
"""
