"""`moot status --system`: how the machine, the jobs and the calls of the last hour are."""

from __future__ import annotations

import anyio

from ai.runs.app import open_app
from core.pictures import without_pictures
from core.untrusted import clean
from server.cli.options import OK, print_json
from server.monitoring.recorder import Recorder, Vitals

_LOOK_S = 0.3
"""Between two looks: the processor's use is that of the time between them."""


def show_system(*, as_json: bool) -> int:
    """Print one look; the exit code."""
    vitals = anyio.run(_look)
    if as_json:
        print_json(vitals.to_json())
    else:
        print("\n".join(without_pictures(clean(line)) for line in vitals.lines()))
    return OK


async def _look() -> Vitals:
    async with open_app() as app:
        recorder = Recorder(app)
        await recorder.look()
        await anyio.sleep(_LOOK_S)
        return await recorder.look()
