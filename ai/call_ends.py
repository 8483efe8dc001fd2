"""What is told of a call: that it goes on in another way, and how it ends that brings no answer."""

from __future__ import annotations

import logging
from typing import get_args

import anyio

from ai.client import FellBack, Retrying, Waiting
from ai.roster.configured_ai import ConfiguredAI
from core.errors import AIError, AnswerError, BadResponseError, EmptyAnswerError, TruncatedError
from core.events import CallFailed, CallFellBack, CallRetrying, CallWaiting, Event
from core.untrusted import one_line
from core.values import Failure, FinishReason, Request, Response

log = logging.getLogger(__name__)


def ends_more_than_a_call(error: BaseException) -> bool:
    """Whether *error* is a cancellation or the end of the program, also where a group of errors holds one."""
    if isinstance(error, BaseExceptionGroup):
        return any(map(ends_more_than_a_call, error.exceptions))
    return not isinstance(error, Exception)


def with_words(seat: ConfiguredAI, request: Request, response: Response) -> Response:
    """*response*, in which somebody said something, and which is as whole as it claims: a client may be anybody's.

    Raises:
        EmptyAnswerError: It says nothing, or only calls a tool, and *request* offered none.
        TruncatedError: It ended for a reason that nobody knows.
    """
    error: type[AnswerError]
    if response.finish_reason not in get_args(FinishReason):
        error, why = TruncatedError, f"ended for a reason that nobody knows: {one_line(response.finish_reason, 200)}"
    elif response.text.strip() or (request.tools and response.tool_calls):
        return response
    else:
        called = "called a tool that it was not offered, and " if response.tool_calls else ""
        error, why = EmptyAnswerError, f"{called}said nothing"
    used = response.usage
    known = used.input_tokens is not None and used.output_tokens is not None
    raise error(
        f"{seat.name!r} {why}. Ask again or ask another AI.",
        ai=seat.name,
        provider=seat.provider.name,
        request_id=response.request_id,
        partial=response.text if response.text.strip() else "",
        tokens=(used.input_tokens or 0, used.output_tokens or 0) if known else None,
    )


def as_failure(seat: ConfiguredAI, error: BaseException, written: str) -> AIError:
    """What *error* means for the one call in which it was raised, whatever it is; *written* is what had arrived."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    if not isinstance(error, AIError):
        log.debug("%s: the call failed unexpectedly", seat.name, exc_info=error)
        text = (
            f"{seat.name!r} failed in a way that nobody foresaw ({type(error).__name__}). It may have been billed; "
            "ask again, or ask another AI. MOOT_LOG=debug shows more."
        )
        error = BadResponseError(text, ai=seat.name, provider=seat.provider.name, partial=written)
    error.ai = error.ai or seat.name
    return error


def ended(run: str, call: str, ai: str, error: BaseException, latency_s: float, *, sent: bool = True) -> CallFailed:
    """The last event of a call that was cancelled, or that died of a bug of ours."""
    cancelled = isinstance(error, anyio.get_cancelled_exc_class())
    reason = "The call was cancelled." if cancelled else "The call failed unexpectedly; see the log."
    return CallFailed(run, call, Failure(ai, AIError(reason, ai=ai), latency_s), cancelled=cancelled, sent=sent)


def notice(run: str, call: str, signal: Retrying | FellBack | Waiting) -> Event:
    """What everybody is told of a call that has not ended yet."""
    if isinstance(signal, Waiting):
        return CallWaiting(run, call, signal.seconds, signal.reason)
    if isinstance(signal, Retrying):
        return CallRetrying(run, call, signal.attempt, signal.wait_s, signal.reason)
    return CallFellBack(run, call, signal.to, signal.reason)
