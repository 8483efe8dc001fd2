"""The embedded models: tiny AIs that answer without a key and without a network.

`weights.py` has a row for each and finds its file, `engine.py` runs one in a child process, `engines.py` has an engine
for each that is asked, `serve.py` is that child, `install.py` fetches what is missing, `personas.py` are the seats they
play. Each is an ordinary OpenAI-compatible endpoint to the rest of `ai/`. May import `core.errors`, `core.files`,
`core.paths`, `core.redact` and `ai.wire.settings`; `serve.py` imports only the standard library and xllamacpp, and
nothing imports `serve.py`.

To add a model: a row in `MODELS` of `weights.py`, the checksums of its wheels in `wheels.py`, and a seat for it.
"""
