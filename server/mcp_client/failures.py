"""What may go wrong with a server that is not ours, and what the user can do."""

from __future__ import annotations

from core.errors import MootError


class ToolServerError(MootError):
    """A server could not be reached, or did not answer as it should.

    `sent` says whether it may have got the request: then nobody knows what came of it.
    """

    def __init__(self, message: str, *, sent: bool = False) -> None:
        super().__init__(message)
        self.sent = sent


class ChangedError(ToolServerError):
    """A server is not the one any more whose tools were looked at; nothing was sent to it."""


def to_accept(server: str, acceptable: bool) -> str:
    """What a person can do about a tool that is held back."""
    return f"A person can look at it and accept it: moot tools accept {server}" if acceptable else "Do without it."
