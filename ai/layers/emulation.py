"""Has an AI that knows no functions asked for them in words, and reads its calls out of what it writes."""

from __future__ import annotations

from ai.client import Emit, Signal, Thinking
from ai.layers.pipeline import Complete
from ai.wire.functions.emulation import Emulation
from core.values import Request, Response


class EmulatedFunctions:
    """Stands next to the client. What is written is told once it is known to be text, and no call."""

    def __init__(self, emulation: Emulation) -> None:
        self._emulation = emulation

    async def __call__(self, request: Request, emit: Emit, call_next: Complete) -> Response:
        if not request.tools:
            return await call_next(self._emulation.asked(request), emit)

        def hold_back(signal: Signal) -> None:
            emit(Thinking("") if isinstance(signal, str) else signal)

        response = self._emulation.heard(await call_next(self._emulation.asked(request), hold_back), request)
        if response.text:
            emit(response.text)
        return response
