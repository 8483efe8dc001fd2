"""A provider on loopback that answers in sentences: Markdown, or JSON where a schema is asked for.

    python speaking_provider.py      prints its base URL, serves until stdin closes

A message that has `ECHO:` in it is answered with what stands behind that word, so that a test decides what an AI says.
The settings in the model name are those of `fake_provider.py`; `voice` makes answers of two AIs differ.
"""

from __future__ import annotations

import asyncio
import json
import re
import sys
from typing import Any

from fake_provider import FakeProvider

_ESSAY = """Use **SQLite** until a second machine has to write ({voice}).

A file is enough for one process, and it is easier to keep:

- no server to run, watch and upgrade
- a backup is a copy
- `WAL` lets many read while one writes

| store | writers | to run |
| --- | ---: | --- |
| SQLite | 1 | nothing |
| PostgreSQL | many | a server |

```python
connection = sqlite3.connect("moot.db")
connection.execute("PRAGMA journal_mode = WAL")
```

Move on when two machines write at once; [the documentation](https://sqlite.org/whentouse.html) says the same.
"""


def speak(asked: dict[str, Any]) -> list[str]:
    """The pieces of the answer to *asked*."""
    message = asked["messages"][-1]["content"]
    said = message if isinstance(message, str) else " ".join(part.get("text", "") for part in message)
    settings = dict(part.split("=", 1) for part in asked["model"].split(",") if "=" in part)
    voice = settings.get("voice", "one")
    form = asked.get("response_format", {}).get("json_schema", {}).get("schema")
    if "ECHO:" in said:
        text = said.partition("ECHO:")[2].lstrip()
    elif form is not None:
        text = json.dumps(_filled(form, voice, ""))
    else:
        text = _ESSAY.format(voice=voice)
    return re.findall(r"\s*\S+\s?", text) or [text]


def _filled(form: dict[str, Any], voice: str, name: str) -> Any:
    """Something that fits *form*, which says what its property is called by *name*."""
    match form.get("type"):
        case "object":
            return {key: _filled(value, voice, key) for key, value in form.get("properties", {}).items()}
        case "array":
            return [_filled(form["items"], voice, name)] if form.get("minItems") or "enum" in form["items"] else []
        case "boolean":
            return voice == "two"
        case "integer" | "number":
            return 80
    if "enum" in form:
        return form["enum"][0]
    if name in ("answer", "position"):
        return "PostgreSQL" if voice == "two" else "SQLite"
    return f"One file is **simpler** to keep than a server, and that decides it ({voice})."


async def _main() -> None:
    provider = FakeProvider(speak=speak)
    async with await provider.start(int(sys.argv[1]) if len(sys.argv) > 1 else 0):
        print(provider.base_url, flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(_main())
