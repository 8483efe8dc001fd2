"""Functions as each protocol takes them: names and ids it allows, schemas it understands, and all of it back again.

`offer.py` turns a request into what goes out and an answer into what the caller offered; `emulation.py` does it for
models that know no functions. A protocol that takes less of JSON Schema is a `Takes` in `schema.py`.
"""
