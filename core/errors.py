"""Everything that can go wrong, as one tree.

* MootError
  x InvalidInputError (also ValueError)      what the caller gave cannot be used
    + ForgottenJobError                      the words of a job were deleted, so it cannot run again
    + UnknownJobError                        there is no job of that id
  x ConfigError                              credentials.json or the environment is wrong
    + UnknownAIError (also ValueError)
    + MissingKeyError
    + ElsewhereError                         a job needs a file that is not on this machine
  x NoAnswerError                            nobody who was asked answered; .code says why, where all say the same
  x PartialPanelError                        part of a panel is missing, and the caller wants all or nothing
  x StoreError                               the store in the data folder cannot be read or written
  x LostJobError                             another process owns the job by now
  x ApprovalNeededError                      a person has to say yes or no before the job goes on
  x AIError                                  one AI did not answer
    + AITimeoutError (also TimeoutError)     .phase says which deadline passed
    + ConnectionFailedError                  .sent says whether the request may have been accepted
    + BudgetExceededError                    refused before anything was sent
    + NotUsableError                         its row, or what it is asked, is wrong; nothing was sent
    + NotLocalError                          what is asked must stay on this machine, and this AI is elsewhere
    + AsyncUnavailableError                  the asynchronous machinery failed before anything was sent
    + CircuitOpenError                       rested after repeated failures
    + ProviderError                          the provider answered with an error
      - AuthenticationError                  the key is missing or wrong (401; 400 and 403 that say so)
      - ForbiddenError                       the key is good, but not for this or from here (403, 407, 451)
      - ModelNotFoundError                   404
      - RateLimitedError                     429
      - QuotaExceededError                   402, or 400, 403, 429 for lack of credit
      - OverloadedError                      503, 529
      - ServerError                          other 5xx
      - RequestRejectedError                 other 4xx
        · ContextTooLongError
    + AnswerError                            the provider accepted, but there is no usable answer
      - BadResponseError                     HTML, garbage, null, no choices, or what nobody foresaw
      - TruncatedError                       the answer ended without a reason that is known to mean a whole one
      - EmptyAnswerError
      - ContentFilteredError
      - RefusedError
    + LocalModelError                        the embedded model cannot run here
    + CommandFailedError                     a command-line AI failed

Every message ends with the next step. Messages are redacted when the error is made, so no key can travel in one.
"""

from __future__ import annotations

import errno
import re
from collections.abc import Callable, Sequence
from typing import Any, Literal

from core.redact import redact, without_secrets

TimeoutPhase = Literal["connect", "first token", "idle", "total"]


NO_ROOM = (errno.ENOSPC, errno.EDQUOT)
"""What an OSError's `errno` is when the disk is full."""


class MootError(Exception):
    """Base of every error Moot raises on purpose; its text is fit to show to a user or a model."""

    def __init__(self, message: str) -> None:
        super().__init__(redact(message))

    def __reduce__(self) -> tuple[Callable[..., MootError], tuple[Any, ...]]:
        """How it goes from one process to another: as it is, whatever its class asks for when it is made."""
        return _as_it_was, (type(self), self.args, self.__dict__)

    @property
    def kind(self) -> str:
        """A stable word for logs and structured results, such as `rate_limited`."""
        name = type(self).__name__.removesuffix("Error")
        return re.sub(r"(?<=[a-z])(?=[A-Z])|(?<=I)(?=[A-Z][a-z])", "_", name).lower()

    @property
    def code(self) -> str:
        """A stable word for programs that says what is so; `kind`, unless something finer is known."""
        return self.kind


def _as_it_was(kind: type[MootError], args: tuple[Any, ...], state: dict[str, Any]) -> MootError:
    error = kind.__new__(kind, *args)
    error.args = args
    error.__dict__.update(state)
    return error


class InvalidInputError(MootError, ValueError):
    """An argument cannot be used; the message names it and the fix."""


class ForgottenJobError(InvalidInputError):
    """The words of the job were deleted, so it cannot run again."""


class ConfigError(MootError):
    """credentials.json or the environment cannot be used; the message names file and key."""


class UnknownAIError(ConfigError, ValueError):
    """No AI of that name is configured."""


class MissingKeyError(ConfigError):
    """An AI is configured but has no API key."""


class ElsewhereError(ConfigError):
    """A job needs a file that is not on this machine; in a fleet another one may have it."""


class NoAnswerError(MootError):
    """Nobody who was asked gave an answer; the message says of each why."""

    def __init__(self, message: str, codes: Sequence[str] = ()) -> None:
        super().__init__(message)
        self._codes = set(codes)

    @property
    def code(self) -> str:
        """The code of the failure, if it is the same for all."""
        return next(iter(self._codes)) if len(self._codes) == 1 else self.kind


class PartialPanelError(MootError):
    """Some AIs of a panel gave no answer; the message holds what the others said, and what was paid."""


class StoreError(MootError):
    """The store cannot be read or written; the message says why and what to do."""


class UnknownJobError(InvalidInputError):
    """There is no job of that id."""

    def __init__(self, id: str) -> None:
        super().__init__(f"There is no job {id[:64]!r}: it may have been cleaned up. List the jobs to see their ids.")


class LostJobError(MootError):
    """Another process owns the job by now; this one must leave it alone."""


class ApprovalNeededError(MootError):
    """A tool waits for the word of a person, which is parked with the job; the message says how to give it."""


class AIError(MootError):
    """One AI did not give an answer.

    Attributes:
        ai: The AI's name in the configuration, once known.
        provider: The provider it is reached through.
        status: The HTTP status, if there was one.
        retry_after: Seconds the provider asked to wait, if it did.
        request_id: The provider's id of the request, for its support.
        tokens: How many the provider said it took, in and out, if it said so.
    """

    retryable = False
    """Whether the same request may be sent again; never true of what was, or may have been, accepted."""
    accepted = False
    """Whether the provider may have accepted the request; `ai/wire/classify/acceptance.py` has the rule."""

    def __init__(
        self,
        message: str,
        *,
        ai: str = "",
        provider: str = "",
        status: int | None = None,
        retry_after: float | None = None,
        request_id: str | None = None,
        partial: str = "",
        code: str = "",
        tokens: tuple[int, int] | None = None,
    ) -> None:
        super().__init__(message)
        self.ai = ai
        self.provider = provider
        self.status = status
        self.retry_after = retry_after
        self.request_id = redact(request_id) if request_id else request_id
        self.partial = partial
        self.tokens = tokens
        self._code = code

    @property
    def code(self) -> str:
        return self._code or self.kind

    @property
    def partial(self) -> str:
        """Text that had arrived before the failure; it may have been paid for."""
        return self._partial

    @partial.setter
    def partial(self, text: str) -> None:
        self._partial = without_secrets(text)

    @property
    def maybe_billed(self) -> bool:
        """Whether the provider may charge for it."""
        return self.accepted or bool(self.partial)

    def mark_accepted(self) -> None:
        """Say that the provider may have accepted the request, so that it is not sent again."""
        self.accepted, self.retryable = True, False


class AITimeoutError(AIError, TimeoutError):
    """A deadline passed: `phase` names it. Only a connect timeout is safe to retry."""

    def __init__(
        self, message: str, *, phase: TimeoutPhase, ai: str = "", provider: str = "", partial: str = ""
    ) -> None:
        super().__init__(message, ai=ai, provider=provider, partial=partial)
        self.phase = phase
        self.retryable = phase == "connect"
        self.accepted = not self.retryable

    @property
    def kind(self) -> str:
        return "timeout"


class ConnectionFailedError(AIError):
    """The connection failed; retryable only when the request had not been sent."""

    def __init__(self, message: str, *, sent: bool, ai: str = "", provider: str = "", partial: str = "") -> None:
        super().__init__(message, ai=ai, provider=provider, partial=partial)
        self.sent = sent
        self.retryable = not sent
        self.accepted = sent


class BudgetExceededError(AIError):
    """The call may cost more than a budget allows; nothing was sent. `alone`: by itself, whatever else is spent."""

    def __init__(self, message: str, *, ai: str = "", alone: bool = False) -> None:
        super().__init__(message, ai=ai)
        self.alone = alone


class NotUsableError(AIError):
    """Its row in the configuration, or what it is asked, cannot be used; the message says why. Nothing was sent."""


class NotLocalError(AIError):
    """What is asked must stay on this machine, and this AI is elsewhere; nothing was sent."""


class AsyncUnavailableError(AIError):
    """The asynchronous client cannot be used; nothing was sent, so the synchronous one may try."""


class CircuitOpenError(AIError):
    """This AI failed repeatedly and is rested; `retry_after` says for how long."""


class ProviderError(AIError):
    """The provider answered with an error status. `words` is what it said, to be looked through, never shown."""

    words = ""


class AuthenticationError(ProviderError):
    """The key is missing or wrong, however the provider says so."""


class ForbiddenError(ProviderError):
    """The key is not what is wrong: a region, a permission, a web firewall or a proxy refuses; `code` says which."""


class ModelNotFoundError(ProviderError):
    """The endpoint does not know the model or the path (404)."""


class RateLimitedError(ProviderError):
    """Too many requests (429)."""

    retryable = True


class QuotaExceededError(ProviderError):
    """No credit left, or an allowance used up (402, or another status that says so)."""


class OverloadedError(ProviderError):
    """The provider has no capacity right now (503, 529)."""

    retryable = True


class ServerError(ProviderError):
    """The provider failed (5xx)."""

    retryable = True


class RequestRejectedError(ProviderError):
    """The provider refuses this request as it is (4xx)."""


class ContextTooLongError(RequestRejectedError):
    """The request does not fit the model's context window."""


class AnswerError(AIError):
    """The provider accepted the request, but what came back is no answer. Never retried: it may be billed."""

    accepted = True


class BadResponseError(AnswerError):
    """What came back is not an answer in the provider's protocol."""


class TruncatedError(AnswerError):
    """The answer is not known to be whole; `partial` holds what had arrived."""


class EmptyAnswerError(AnswerError):
    """The answer has no text."""


class ContentFilteredError(AnswerError):
    """The provider's content filter stopped the answer."""


class RefusedError(AnswerError):
    """The model declined to answer; `partial` holds its own words."""


class LocalModelError(AIError):
    """The embedded model cannot run on this machine as it is."""


class CommandFailedError(AIError):
    """A command-line AI could not be started or ended with an error."""
