"""The embedded model: a tiny AI that answers without a key and without a network.

`weights.py` finds the model file, `engine.py` runs it in a child process, `serve.py` is that child, `install.py`
fetches what is missing, `personas.py` are the seats it plays. It is an ordinary OpenAI-compatible endpoint to the
rest of `ai/`. May import `core.errors`, `core.paths`, `core.redact` and `ai.wire.settings`; `serve.py` imports only the
standard library and xllamacpp, and nothing imports `serve.py`.

To add a model: make the constants of `weights.py` rows, one per model (file, size, checksum, the package that carries
it), and give `LocalEngine` the row it is to serve.
"""
