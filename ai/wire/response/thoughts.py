"""Takes the thoughts that some models write into their answer out of it: `<think>…</think>` and its relatives.

Only what stands before the answer is taken for thoughts. A mark in the middle of one is part of what is said: somebody
may have asked about such marks.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_NAMES = "think|thinking|thought|reasoning|antthinking|seed:think"
_MARKS: dict[str, str] = {
    # Magistral's chat template; Kimi-VL's; OpenThinker's; Cohere Command A Reasoning's
    "[THINK]": "[/THINK]",
    "◁think▷": "◁/think▷",
    "<|begin_of_thought|>": "<|end_of_thought|>",
    "<|START_THINKING|>": "<|END_THINKING|>",
    # gpt-oss, where a server hands its channels through: openai-harmony, docs/format.md
    "<|channel|>analysis<|message|>": "<|end|>",
}
_HEADS = ("<|start|>assistant<|channel|>final<|message|>", "<|channel|>final<|message|>", "<|begin_of_solution|>")
"""What announces the answer, in the same formats."""
_TAG = re.compile(rf"<({_NAMES})(?:\s[^<>]{{0,100}})?>", re.IGNORECASE)
_LONGEST_TAG = 140
_TAG_END = re.compile(r"</(?:think|thinking|seed:think)>", re.IGNORECASE)


class ThoughtSplitter:
    """Feed it the answer's text as it comes; it gives (is it a thought, text), with what cannot be told yet held back.

    `in_thought` says in the end whether a thought was never closed.
    """

    def __init__(self) -> None:
        self.in_thought = False
        self.decided = False
        """Whether the answer itself has begun: from here on everything is answer."""
        self.thought = False
        """Whether anything was taken out."""
        self._held = ""
        self._open = ""
        self._close = ""
        self._depth = 0

    def feed(self, text: str) -> Iterator[tuple[bool, str]]:
        self._held += text
        while not self.decided:
            before = self._held, self.in_thought
            if self.in_thought:
                yield from self._thoughts()
            else:
                self._beginning()
            if not self.decided and (self._held, self.in_thought) == before:
                return
        if self._held:
            yield False, self._held
            self._held = ""

    def flush(self) -> Iterator[tuple[bool, str]]:
        """What was held back when the answer ended."""
        if self._held:
            yield self.in_thought, self._held
            self._held = ""

    def _beginning(self) -> None:
        """Look for a mark where the answer begins; white space before it belongs to neither."""
        said = self._held.lstrip()
        if not said:
            return
        for head in _HEADS:
            if said.startswith(head):
                self._held = said[len(head) :]
                return
        if not self._enter(said) and not _may_become_mark(said):
            self.decided = True
            if self.thought:
                self._held = said

    def _enter(self, said: str) -> bool:
        if tag := _TAG.match(said):
            self._open, self._close = f"<{tag[1]}", f"</{tag[1]}>"
            self._held = said[tag.end() :]
        elif mark := next((mark for mark in _MARKS if said.startswith(mark)), None):
            self._open, self._close = mark, _MARKS[mark]
            self._held = said[len(mark) :]
        else:
            return False
        self.in_thought = self.thought = True
        self._depth = 1
        return True

    def _thoughts(self) -> Iterator[tuple[bool, str]]:
        """Go to the mark that closes this thought; one of the same kind inside it must be closed first."""
        text, low = self._held, self._held.lower()
        start = 0
        while self._depth:
            closing = low.find(self._close.lower(), start)
            opening = self._next_opening(low, start)
            if opening is not None and (closing < 0 or opening < closing):
                self._depth += 1
                start = opening + len(self._open)
            elif closing >= 0:
                self._depth -= 1
                start = closing + len(self._close)
                end = closing
            else:
                break
        if self._depth == 0:
            self.in_thought = False
            if text[:end]:
                yield True, text[:end]
            self._held = text[start:]
            return
        # What may be the first part of a mark waits for the rest of it.
        cut = max(start, len(text) - _unfinished(low, self._close.lower(), self._open.lower()))
        if cut:
            yield True, text[:cut]
            self._held = text[cut:]

    def _next_opening(self, low: str, start: int) -> int | None:
        mark = self._open.lower()
        while (found := low.find(mark, start)) >= 0:
            after = low[found + len(mark) : found + len(mark) + 1]
            if not mark.startswith("<") or mark.endswith(">") or after in (">", " "):
                return found
            start = found + 1
        return None


def without_lone_end(text: str) -> tuple[str, str] | None:
    """Thoughts and answer where only the closing mark is there, since the prompt itself ended with the opening one.

    It counts when it ends its line or begins one, and no other mark stands before it. Inside code it is code.
    """
    found = _TAG_END.search(text)
    if found is None or _TAG.search(text, 0, found.start()):
        return None
    before, after = text[: found.start()], text[found.end() :]
    begins = not before.rpartition("\n")[2].strip()
    ends = not after.partition("\n")[0].strip()
    if not (begins or ends) or "`" in before.rpartition("\n")[2] or before.count("```") % 2:
        return None
    return before, after.lstrip()


def _may_become_mark(said: str) -> bool:
    low = said.lower()
    if any(mark.lower().startswith(low) for mark in (*_MARKS, *_HEADS)):
        return True
    if not said.startswith("<") or ">" in said or len(said) > _LONGEST_TAG:
        return False
    name = re.match(r"<([a-z:]*)(\s[^<>]*)?\Z", low)
    return name is not None and any(
        known == name[1] if name[2] else known.startswith(name[1]) for known in _NAMES.split("|")
    )


def _unfinished(text: str, *marks: str) -> int:
    """How many of the last characters of *text* may be the beginning of one of *marks*."""
    longest = 0
    for mark in marks:
        for size in range(1, min(len(mark), len(text)) + 1):
            if text.endswith(mark[:size]):
                longest = max(longest, size)
    return longest
