"""Many rows: asked one by one (`rows.py`), or handed to a provider's batch endpoint (`provider_pass.py`).

`submissions.py` takes one AI's rows through its endpoint in a durable order, `endpoints/` has one module a protocol.
"""
