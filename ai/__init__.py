"""How one calls an AI: clients, the layers around them, the roster of configured AIs, and the caller.

Read in this order: `client.py` (the one abstraction), `pipeline.py` and `layers/` (what stands around a client),
`roster.py` (which AIs are configured and open), `caller.py` (call one, call many), `run.py` (what a recipe holds).
May import core (except `ai.runs.app`), anyio and httpx2; a vendor SDK only inside its own module in
`ai/providers/`, and only when an AI of that kind is called for the first time.

To add an OpenAI-compatible provider, add a row to `providers/catalog.py`. Write a module only when the protocol
itself is different.
"""
