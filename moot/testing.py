"""For the tests of programs that use Moot: AIs that say what a test tells them to, without a network or a key.

with moot.testing.scripted(gpt=ScriptedAI("four")) as ais:
    assert my_program() == "four"
assert "2+2" in ais["gpt"].prompts[0]
"""

from __future__ import annotations

import os
import tempfile
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from ai.client import AsyncAIClient, Emit
from ai.roster.stand_ins import scripts
from core.errors import AIError, RequestRejectedError
from core.values import Request, Response, Usage

__all__ = ["ScriptedAI", "Step", "scripted"]

Step = str | AIError | Response | Callable[[Request], str]
"""What one call gives: a text, an error it raises, a whole response, or what a function makes of the request."""


class ScriptedAI(AsyncAIClient):
    """An AI whose calls give *steps*, one after another.

    Strict on purpose: a call without a step fails, and `check()` complains of steps nobody asked for.

    Attributes:
        requests: What was asked of it, in the order of the calls.
    """

    def __init__(self, *steps: Step) -> None:
        for number, step in enumerate(steps, 1):
            if isinstance(step, type) or not (isinstance(step, str | AIError | Response) or callable(step)):
                raise TypeError(
                    f"Step {number} of ScriptedAI is {step!r}: give a text, an AIError, a Response, or a function."
                )
        self._steps = deque(steps)
        self._unexpected: list[str] = []
        self._broken: list[str] = []
        self.requests: list[Request] = []

    @property
    def prompts(self) -> list[str]:
        """The last message of every request."""
        return [request.messages[-1].text for request in self.requests]

    async def complete(self, request: Request, emit: Emit) -> Response:
        self.requests.append(request)
        try:
            step = self._steps.popleft()
        except IndexError:
            asked = request.messages[-1].text[:200]
            self._unexpected.append(asked)
            raise RequestRejectedError(f"ScriptedAI has no step for this call: {asked!r}. Give it one more.") from None
        if isinstance(step, AIError):
            raise step
        text = step if isinstance(step, str) else step.text if isinstance(step, Response) else self._made(step, request)
        for word in text.split(" "):
            emit(f"{word} ")
        return step if isinstance(step, Response) else _response(request, text)

    def _made(self, step: Callable[[Request], str], request: Request) -> str:
        try:
            text = step(request)
            if not isinstance(text, str):
                raise TypeError(f"it gave {text!r} and no text")
        except AIError:
            raise
        except Exception as error:  # such as an assertion of the test, which the program under test must not hide
            self._broken.append(f"{type(error).__name__}: {error}")
            raise RequestRejectedError(f"A function of ScriptedAI failed: {self._broken[-1]}. Mend it.") from error
        return text

    def check(self) -> None:
        """Complain of functions that failed, of calls that had no step, and of steps that had no call.

        Raises:
            AssertionError: There are some.
        """
        if self._broken:
            raise AssertionError(f"Functions of ScriptedAI failed: {self._broken}. Mend them.")
        if self._unexpected:
            raise AssertionError(f"ScriptedAI had no step for these calls: {self._unexpected}. Give it more steps.")
        if self._steps:
            raise AssertionError(f"ScriptedAI was never asked for these steps: {list(self._steps)}. Take them out.")


@contextmanager
def scripted(**ais: ScriptedAI) -> Iterator[dict[str, ScriptedAI]]:
    """Have all functions of `moot` ask *ais*, and nobody else, while the block runs; every script is checked then.

    Nothing is read from the user's configuration or written into the user's data: the block has a folder of its own.
    """
    for name, ai in ais.items():
        if not isinstance(ai, ScriptedAI):
            raise TypeError(f"{name!r} is {ai!r}: give a ScriptedAI.")
    before = os.environ.get("MOOT_HOME")
    with tempfile.TemporaryDirectory(prefix="moot-test-", ignore_cleanup_errors=True) as home:
        scripts.append(ais)
        os.environ["MOOT_HOME"] = home
        try:
            yield ais
        finally:
            scripts.remove(ais)
            del os.environ["MOOT_HOME"]
            if before is not None:
                os.environ["MOOT_HOME"] = before
    for ai in ais.values():
        ai.check()


def _response(request: Request, text: str) -> Response:
    usage = Usage(sum(len(message.text.split()) for message in request.messages), len(text.split()))
    return Response(text, "scripted", usage=usage, request_id="scripted")
