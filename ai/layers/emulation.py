"""Has an AI that knows no functions asked for them in words, and reads its calls out of what it writes."""

from __future__ import annotations

from ai.client import Emit, Thinking
from ai.layers.pipeline import Complete
from ai.wire.functions.emulation import Emulation
from core.values import Request, Response


class EmulatedFunctions:
    """Stands next to the client. What is written is told once it is known to be text, and no call."""

    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        said = await call_next(self._emulation.asked(request), hushed(emit, request))
        response = self._emulation.heard(said, request)
        if request.tools and response.text:
            emit(response.text)
        return response


def hushed(emit: Emit, request: Request) -> Emit:
    """*emit*, which hears no text but that something is written, where that may be a call."""
    if not request.tools:
        return emit
    return lambda signal: emit(Thinking("") if isinstance(signal, str) else signal)
