"""The options a question lists, in every usual form, and which of them an answer names."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from tools.answers.exact_text import exact, unstyled

_LONGEST_LINE = 500
_MOST_LINES = 2_000
_ROMAN = ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii", "ix", "x")
_MARK = (
    r"(?:\(?\s*(?P<one>[A-Za-z]|\d{1,2}|[ivx]{1,4})\s*[).:、．]|\[(?P<two>[A-Za-z]|\d{1,2})\]"
    r"|(?P<three>[A-Z])\s+[-–—]\s)"
)
_LINE = re.compile(rf"^[\s>*•+–-]*(?:\*\*|__)?(?:(?:option|choice)\s+)?{_MARK}(?:\*\*|__)?\s*(?P<text>\S.*)$", re.I)
_ROW = re.compile(r"^\s*\|\s*\**(?P<one>[A-Za-z])\**\s*\|\s*(?P<text>[^|]+?)\s*\|")
_INLINE = re.compile(r"(?:^|(?<=[\s,;:?(]))[(\[]?(?P<label>[A-Ha-h])[)\].:](?=\s)")
_INLINE_CLOSED = re.compile(r"[(\[](?P<label>[A-Ha-h])[)\]]\s?")
_BULLET = re.compile(r"^\s*[-*•]\s+(\S.{0,200})$")
_ASKED = re.compile(
    r"\b(?:options|choices|choose|select|pick|answer|reply|respond|one of"
    r"|either)\b[^:\n]{0,80}:\s*(?P<list>[^\n]{3,300})$",
    re.I,
)
_ONE_OF = re.compile(
    r"\b(?:(?:answer|reply|respond|say)(?:\s+(?:with|either|one of|exactly|only))*|one of|choose between"
    r"|choose from|either)"
    r"\s+(?P<list>[^.\n:]{3,200})",
    re.I,
)
_CLOSED = re.compile(r"(?:^|[\s(])(?P<list>(?:yes|true|pass|agree)\b[^.\n:?]{2,60})[?)]*\s*$", re.I)


@dataclass(frozen=True)
class Options:
    """Labelled options by their label in upper case, and the texts of those that have none."""

    labelled: Mapping[str, str] = field(default_factory=dict)
    bare: Sequence[str] = ()

    def __bool__(self) -> bool:
        return bool(self.labelled or self.bare)

    def lists(self, answer: str) -> bool:
        """Whether *answer*, as it is or as the text of an option, is listed."""
        form = exact(answer).casefold()
        return any(exact(text).casefold() == form for text in (*self.labelled.values(), *self.bare))

    def label_of(self, answer: str) -> str | None:
        """The label of the one option that *answer* names: by label, by text, or by both where they fit each other."""
        label, text = _split(answer)
        if label is not None and label in self.labelled and (not text or _fits(text, self.labelled[label])):
            return label
        form = exact(answer)
        same = [name for name, option in self.labelled.items() if exact(option) == form]
        return same[0] if len(same) == 1 else self._trailing(answer)

    def contradicts(self, answer: str) -> bool:
        """Whether *answer* names an option by its label and another by its text."""
        label, text = _split(answer)
        if label not in self.labelled or not text:
            return False
        return any(exact(text) == exact(option) for name, option in self.labelled.items() if name != label)

    def _trailing(self, answer: str) -> str | None:
        """`Paris (B)`, where B is Paris."""
        match = re.fullmatch(r"(.{1,400}\S)\s*[(\[](?:option\s+)?([A-Za-z]|\d{1,2})[)\]]", answer, re.I)
        if match is None or (label := match[2].upper()) not in self.labelled:
            return None
        return label if _fits(match[1], self.labelled[label]) else None

    def labels_of(self, answer: str) -> tuple[str, ...]:
        """The labels in an answer that names several: `A and C`, `A, C`, `AC`."""
        if not self.labelled or len(answer) > 60:
            return ()
        bare = re.sub(r"^(?:options?|choices?|both)\s+", "", answer.strip(" ."), flags=re.I)
        parts = re.split(r"\s*(?:,|;|&|\+|/|\band\b)\s*", bare)
        if len(parts) == 1 and re.fullmatch(r"[A-Z]{2,8}", bare):
            parts = list(bare)
        labels = [part.strip(" ()[]").upper() for part in parts if part.strip()]
        several = len(labels) > 1 and len(set(labels)) == len(labels) and all(one in self.labelled for one in labels)
        return tuple(sorted(labels)) if several else ()


def read_options(question: str) -> Options:
    """The options *question* lists; none when it lists fewer than two."""
    lines = [unstyled(line[:_LONGEST_LINE]) for line in question.splitlines()[:_MOST_LINES]]
    labelled = _by_line(lines) or _by_row(lines) or _in_a_line(lines)
    return Options(labelled) if labelled else Options(bare=_unlabelled(lines))


def _by_line(lines: Sequence[str]) -> dict[str, str]:
    marked = [
        ((match["one"] or match["two"] or match["three"]).upper(), match["text"].strip().strip("*_ "))
        for line in lines
        if (match := _LINE.match(line))
    ]
    return _in_order(marked)


def _by_row(lines: Sequence[str]) -> dict[str, str]:
    return _in_order([(match["one"].upper(), match["text"]) for line in lines if (match := _ROW.match(line))])


def _in_a_line(lines: Sequence[str]) -> dict[str, str]:
    """`A) red B) green`, or `(a) red, (b) green or (c) blue`, in one line."""
    for line in lines:
        for pattern in (_INLINE_CLOSED, _INLINE):
            marks = list(pattern.finditer(line))
            if len(marks) < 2:
                continue
            ends = [mark.start() for mark in marks[1:]] + [len(line)]
            found = [
                (mark["label"].upper(), _inner(line[mark.end() : end])) for mark, end in zip(marks, ends, strict=True)
            ]
            if options := _in_order(found):
                return options
    return {}


def _inner(text: str) -> str:
    return re.sub(r"[\s,;]+(?:and|or)?[\s,;]*$", "", text.strip(), flags=re.I).rstrip(" .?")


def _in_order(found: Sequence[tuple[str, str]]) -> dict[str, str]:
    """*found* when its labels are A, B, C ..., 1, 2, 3 ... or i, ii, iii ...; the last such list of a text."""
    best: dict[str, str] = {}
    for start in (place for place, (label, _) in enumerate(found) if label in ("A", "1", "I")):
        expected = {"A": [chr(65 + n) for n in range(26)], "1": [str(n) for n in range(1, 100)]}.get(
            found[start][0], [one.upper() for one in _ROMAN]
        )
        run: dict[str, str] = {}
        for (label, text), wanted in zip(found[start:], expected, strict=False):
            if label != wanted or not text:
                break
            run[label] = text
        best = run if len(run) > 1 else best
    return best


def _unlabelled(lines: Sequence[str]) -> tuple[str, ...]:
    """`Options: yes, no, unknown`, `Answer one of red, green or Unknown`, or a list of bullets at the end."""
    for line in reversed(lines):
        for pattern in (_ASKED, _ONE_OF, _CLOSED):
            if (match := pattern.search(line)) and len(found := _listed(match["list"])) > 1:
                return found
    bullets: list[str] = []
    for line in reversed([line for line in lines if line.strip()]):
        if not (match := _BULLET.match(line)):
            break
        bullets.insert(0, match[1].strip(" *_.,;"))
    return tuple(bullets) if len(bullets) > 1 else ()


def _listed(text: str) -> tuple[str, ...]:
    parts = re.split(r"\s*(?:[,;|]|\bor\b|(?<=\w)/(?=\w)(?!a\b))\s*", text.strip(" .()[]"), flags=re.I)
    words = [part.strip(" \"'“”‘’`*.()[]") for part in parts]
    found = [word for word in words if word]
    return tuple(found) if all(len(word.split()) <= 5 for word in found) else ()


_LABEL = re.compile(
    r"^(?:(?:the\s+)?(?:option|choice|answer|letter|number)\s*:?\s*)?[(\[]?\s*(?P<label>[A-Za-z]|\d{1,2}"
    r"|[ivxIVX]{1,4})\s*"
    r"(?P<mark>[)\].:、]+|\s+[-–—=]|$|\s+(?=\())\s*(?P<text>.*)$",
    re.S | re.I,
)


def _split(answer: str) -> tuple[str | None, str]:
    """The label *answer* begins with and what follows it."""
    match = _LABEL.match(answer.strip()[:_LONGEST_LINE])
    if match is None:
        return None, answer
    return match["label"].upper(), match["text"].strip(" ()*_\"'.")


def _fits(text: str, option: str) -> bool:
    """Whether *text* is the option, or begins it, or is begun by it at the end of a word."""
    one, other = sorted((exact(text), exact(option)), key=len)
    if not one:
        return False
    return other == one or (len(one) > 2 and other.startswith(one) and not other[len(one)].isalnum())
