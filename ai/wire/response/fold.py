"""Puts an answer together from what a provider sends, and says honestly when there is none.

One fold per protocol, shared by the asynchronous and the synchronous client; `ai/wire/response/stream.py` feeds it.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ai.client import Emit, Thinking
from ai.wire.raw.reading import arguments, sound
from ai.wire.response.finish import Ending, ending
from ai.wire.response.thoughts import ThoughtSplitter, without_lone_end
from core.errors import (
    AnswerError,
    BadResponseError,
    ContentFilteredError,
    EmptyAnswerError,
    RefusedError,
    TruncatedError,
)
from core.untrusted import Cleaner, clean, one_line
from core.values import FinishReason, Part, Reasoning, Request, Response, Text, ToolCall, Usage

if TYPE_CHECKING:
    from ai.wire.classify.failure import Who

_REPLACEMENT = "\ufffd"
_WORD = 41
_NAME = 200
_QUOTED = 300
_LONGEST_ID = 256
_KEPT_OF_BROKEN = 2_000
UNREADABLE_CALL = "asked for a function in a form that cannot be read"
"""Why an answer is not whole that calls something, and nobody can say what."""
LONGEST_ANSWER = 4_000_000
"""Characters. The longest answer that any model can give has some 500,000."""
_FINISH: Mapping[Ending, FinishReason] = {"length": "length", "tool_calls": "tool_calls"}


class AnswerFold:
    """Collects one answer. Set what the protocol says on the attributes, then call `finish`.

    Attributes:
        usage: As the provider reported it.
        opened: The provider began to answer: from here on the request counts as accepted.
        terminated: The protocol's own end was seen; what merely stops is truncated.
        complete: The answer is all there; what may still come are figures about it.
        done: Nothing more is to come: whoever reads may stop.
        keeps_thoughts: Whether `<think>…</think>` stays part of the answer.
        longest: Characters of answer, and of thoughts, after which it is cut off.
    """

    def __init__(self, who: Who, model: str, emit: Emit) -> None:
        self.who = who
        self.model = model
        self.usage = Usage()
        self.request_id: str | None = None
        self.finish_reason: FinishReason | None = None
        self.opened = False
        self.terminated = False
        self.filtered = False
        self.refusal: str | None = None
        self.tool_calls: list[ToolCall] = []
        self.keeps_thoughts = False
        self.longest = LONGEST_ANSWER
        self._offered = False
        """Whether functions were offered: then the turn is kept as it has to be sent back."""
        self._turn = 0
        self._ids: set[str] = set()
        """Of all calls of the conversation: they have to differ."""
        self._marks: list[tuple[int, Part]] = []
        """Calls and reasoning, each with how much text stood before it."""
        self._kept = 0
        self.done = False
        self._why_not = ""
        """Why the answer is not whole, although the protocol's end was seen."""
        self._emit = emit
        self._gathered: list[str] | None = None
        """What is told together, since it came together; None: each piece by itself."""
        self._half = ""
        """The first half of a surrogate pair, where a token broke off between the two."""
        self._thoughts: ThoughtSplitter | None = ThoughtSplitter()
        self._text = io.StringIO()  # a list of tokens costs 53 bytes of object for each
        self._cleaner = Cleaner()
        self._length = self._thought = self._called = 0
        self._same: set[tuple[str, str, str]] = set()
        """Calls that bore an id, by it, their name and their arguments."""

    @property
    def text(self) -> str:
        return self._text.getvalue()

    @property
    def complete(self) -> bool:
        return self.terminated

    @property
    def _named_request(self) -> str | None:
        return one_line(self.request_id, _NAME) if self.request_id else None

    def add_text(self, text: str) -> None:
        if self._half or not text.isascii():
            text = self._in_whole_characters(text)
        if self._thoughts is None or self.keeps_thoughts:
            self._write(text)
            return
        self._sort(self._thoughts.feed(text))
        if self._thoughts.decided:
            self._thoughts = None  # the rest is answer

    def add_thinking(self, text: str) -> None:
        self._thought += len(text)
        if self._thought > self.longest:
            raise self.too_long("thought without end")
        self._tell_gathered()
        self._emit(Thinking(clean(text)))

    def offers(self, request: Request) -> None:
        """Say what was asked: an answer that may call functions is read as a turn that goes back to the model."""
        self._offered = bool(request.tools)
        if self._offered:
            self._turn = len(request.messages)
            said = [part for message in request.messages for part in message.parts]
            self._ids = {part.id for part in said if isinstance(part, ToolCall)}

    @property
    def written(self) -> int:
        """How many characters of text there are so far."""
        return self._length

    def add_tool_call(
        self, id: str, name: str, said: object, signature: bytes | None = None, *, at: int | None = None
    ) -> ToolCall | None:
        """A whole tool call; *at*: behind how much text it began, where that is not all of it.

        One that cannot be read is kept as `broken`; where none was offered, the answer is not whole. One that is told a
        second time, id and all, is the same one.
        """
        given = arguments(said)
        if given is not None and id:
            same = id, name, json.dumps(given, sort_keys=True)
            if same in self._same:
                return None
            self._same.add(same)
        broken = "" if given is not None and name else _raw(said)
        if broken and not self._offered:
            self.incomplete(UNREADABLE_CALL)
            return None
        readable = {} if broken or given is None else given
        call = ToolCall(self._own_id(id), one_line(name, _NAME), readable, signature, broken)
        self.tool_calls.append(call)
        self._marks.append((self._length if at is None else at, call))
        return call

    def called(self, size: int) -> None:
        """Count *size* characters of a call that is being written.

        Raises:
            TruncatedError: It goes on past what may be kept.
        """
        self._called += size
        if self._called > self.longest:
            raise self.too_long("called functions without end")
        self.alive()

    def gather(self) -> None:
        """Take in what is known to be whole only once nothing more comes: a reason for the end may come before it."""

    def add_reasoning(self, dialect: str, item: Mapping[str, Any], *, at: int | None = None) -> None:
        """What the provider wants back with the turn, in its own words; *at*: behind how much text it stood."""
        if not self._offered or (whole := sound(item)) is None:
            return
        self._kept += len(json.dumps(whole))
        if self._kept > self.longest:
            raise self.too_long("thought without end")
        self._marks.append((self._length if at is None else at, Reasoning(dialect, whole)))

    def _own_id(self, id_: str) -> str:
        """*id_*, or one of ours where it is missing, not for eyes, or another call's."""
        if not id_ or id_ in self._ids or len(id_) > _LONGEST_ID or not id_.isprintable():
            id_ = f"call_{self._turn}_{len(self.tool_calls)}"
            while id_ in self._ids:
                id_ += "_"
        self._ids.add(id_)
        return id_

    def alive(self) -> None:
        """The provider sent nothing that can be shown, but it is at work."""
        self._emit(Thinking(""))

    def end(self, table: Mapping[str, Ending], word: str) -> None:
        """Take in the reason for which the answer ended; one that is not in *table* means that it is not whole."""
        if word.strip().lower() in ("null", "none"):  # how some write that there is none yet
            return
        match ending(table, word):
            case None:
                self._why_not = f"ended its answer for a reason that Moot does not know, {one_line(word, _WORD)!r}"
            case "failed":
                self._why_not = f"broke off its answer ({one_line(word, _WORD)})"
            case "filtered":
                self.filtered = True
            case "refused":
                self.refusal = self.refusal or self.text
            case known:
                self.finish_reason = _FINISH.get(known, "stop")
        self.terminated = True

    def incomplete(self, why: str) -> None:
        """Say that the answer is not whole, whatever the provider says of its end."""
        self._why_not = self._why_not or why

    def finish(self) -> Response:
        """The whole answer.

        Raises:
            AnswerError: It is truncated, filtered, refused or empty.
        """
        self._flush()
        self.gather()
        if self._offered and self.finish_reason == "tool_calls" and not self.tool_calls and self.text.strip():
            self.incomplete("said that it calls a function, and named none")
        if self.filtered:
            raise self._error(
                ContentFilteredError,
                "stopped the answer with its content filter. Rephrase the question or ask another AI.",
            )
        if self.refusal is not None:
            said = f": {one_line(self.refusal, _QUOTED)}" if self.refusal else ""
            raise self._error(RefusedError, f"declined to answer{said}. Rephrase the question or ask another AI.")
        if not self.terminated or self._why_not:
            why = self._why_not or "broke off in the middle of its answer"
            raise self._error(TruncatedError, f"{why}. What arrived is kept; ask again for a whole one.")
        text = self.text
        if not self.keeps_thoughts and (apart := without_lone_end(text)):
            text = apart[1]
        if not text.strip() and not self.tool_calls:
            raise self._error(EmptyAnswerError, self._emptiness())
        calls = self.tool_calls and self.finish_reason in (None, "stop")
        return Response(
            text=text,
            model=one_line(self.model, _NAME),
            finish_reason="tool_calls" if calls else self.finish_reason or "stop",
            usage=self.usage,
            request_id=self._named_request,
            tool_calls=tuple(self.tool_calls),
            parts=self._in_order(text) if self._offered else (),
        )

    def _in_order(self, text: str) -> tuple[Part, ...]:
        """The turn in order, where text and then calls is not all of it."""
        if all(isinstance(part, ToolCall) and at == self._length for at, part in self._marks):
            return ()
        moved = text != self.text  # a thought was cut off: what stood where is not known any more
        parts: list[Part] = []
        told = 0
        for at, part in sorted(self._marks, key=lambda mark: mark[0]):
            place = (len(text) if isinstance(part, ToolCall) else 0) if moved else at
            if place > told:
                parts.append(Text(text[told:place]))
                told = place
            parts.append(part)
        return (*parts, Text(text[told:])) if told < len(text) else tuple(parts)

    def broken_off(self) -> AnswerError:
        """The error for an answer in whose middle something came that is no part of one."""
        return self._error(
            TruncatedError,
            "sent garbage in the middle of its answer. What arrived is kept; ask again for a whole one.",
        )

    def unreadable(self, error: Exception) -> AnswerError:
        """The error for what nobody foresaw while the answer was read."""
        return self._error(
            BadResponseError, f"sent what could not be read ({type(error).__name__}). Ask again or ask another AI."
        )

    def _flush(self) -> None:
        if self._half:
            self._half = ""
            self.add_text(_REPLACEMENT)
        if self._thoughts is not None:
            self._sort(self._thoughts.flush())
        self._keep(self._cleaner.flush())

    def _emptiness(self) -> str:
        if self.finish_reason == "length":
            return "used up max_tokens before it wrote anything. Raise max_tokens or lower the effort."
        if self._thoughts is not None and self._thoughts.in_thought:
            return "thought aloud to the end and gave no answer. Ask again or ask another AI."
        return "gave an empty answer. Ask again or ask another AI."

    def _sort(self, pieces: Iterator[tuple[bool, str]]) -> None:
        for thought, text in pieces:
            if thought:
                self.add_thinking(text)
            else:
                self._write(text)

    def _write(self, text: str) -> None:
        self._keep(self._cleaner.feed(text))

    def _keep(self, text: str) -> None:
        if not text:
            return
        self._length += len(text)
        if self._length > self.longest:
            self._text.write(text[: self.longest - self._length])
            raise self.too_long("wrote without end")
        self._text.write(text)
        if self._gathered is None:
            self._emit(text)
        else:
            self._gathered.append(text)

    def _tell_gathered(self) -> None:
        if self._gathered:
            text = "".join(self._gathered)
            self._gathered.clear()
            self._emit(text)

    def too_long(self, did: str) -> AnswerError:
        """The error for an answer that goes on past what may be kept."""
        return self._error(
            TruncatedError,
            f"{did} and was cut off after {self.longest:,} characters. What arrived is kept; ask for less, or raise "
            "defaults.longest_answer in credentials.json.",
        )

    def _in_whole_characters(self, text: str) -> str:
        """*text* with U+FFFD for halves of surrogate pairs, which JSON can carry but no file or socket would take."""
        text, self._half = self._half + text, ""
        if "\ud800" <= text[-1:] <= "\udbff":
            text, self._half = text[:-1], text[-1]
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")

    def _error(self, kind: type[AnswerError], rest: str) -> AnswerError:
        who, used = self.who, self.usage
        known = used.input_tokens is not None and used.output_tokens is not None
        return kind(
            f"{who.ai!r} {rest}",
            ai=who.ai,
            provider=who.provider,
            request_id=self._named_request,
            partial=self.text,
            tokens=(used.input_tokens or 0, used.output_tokens or 0) if known else None,
        )


def _raw(said: object) -> str:
    """What a model wrote that is no call, never empty and never long."""
    text = clean(said if isinstance(said, str) else json.dumps(said, default=repr)).strip()
    return f"{text[:_KEPT_OF_BROKEN]}… (cut)" if len(text) > _KEPT_OF_BROKEN else text or "(nothing)"
