"""What stands around a client, one concern a file, from fallback on the outside to the deadline inside.

A layer is `async (request, emit, call_next) -> Response`. `ai/layers/pipeline.py` holds the order. A layer may import
core and `ai.client`, never another layer and never a provider. To add one, write the file and put it in the list.
"""
