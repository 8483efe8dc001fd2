"""What no AI could answer is refused before anything is sent, and before anything is paid for."""

from __future__ import annotations

from core.errors import InvalidInputError
from core.untrusted import is_text
from core.values import Request

LONGEST_PROMPT = 2_000_000
"""Characters; more fits no model's context."""


def check_request(request: Request) -> None:
    """Refuse a prompt that is empty, too long, or no text.

    Raises:
        InvalidInputError: It cannot be sent; the message says what to change.
    """
    texts = [message.text for message in request.messages]
    if all(not text or text.isspace() for text in texts):
        raise InvalidInputError("The prompt is empty: say what the AI should answer.")
    if (length := sum(map(len, texts))) > LONGEST_PROMPT:
        raise InvalidInputError(
            f"The prompt has {length:,} characters; at most {LONGEST_PROMPT:,} are accepted. Shorten it."
        )
    if not all(map(is_text, (request.system or "", *texts))):
        raise InvalidInputError("The prompt is not valid UTF-8 text. Convert it to UTF-8 and ask again.")
