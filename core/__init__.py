"""The ground everything stands on: values, errors, events, views, configuration, prices.

What lives here knows no AI and no front door. It may import the standard library, anyio, pydantic,
platformdirs and genai-prices. The one exception is `ai.runs.app`, which sits above `ai/` and wires a
running application together; that is why this file stays a docstring: re-exporting lifecycle here would be
a circular import.

To add something: a value that several rooms need goes to `values.py`, a way to fail to `errors.py` (and into
its tree), something that happened to `events.py` (and into the fold in `view.py`), a setting to `config.py`.
"""
