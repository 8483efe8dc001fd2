"""What another AI, a file or a web page says is data: it is cleaned, and put between fences nobody can guess.

A text inside a fence can forge neither the end of the fence nor another author's words, since it would have to know
a token that is drawn anew for every run (spotlighting by delimiting, Hines et al. 2024, arXiv 2403.14720).

Everything from outside passes here on its way to a person, a model, a log or a store: `clean` for text of many
lines, `one_line` for names, `Cleaner` for tokens as they arrive, and `core/pictures.py` for what is shown as Markdown.
"""

from __future__ import annotations

import random
import re

LONGEST_LINE = 2_000
"""Characters of what is shown on one line."""

_STRING = r"(?:\x1b[\]PX^_]|[\x9d\x90\x98\x9e\x9f])[^\x07\x1b\x90\x98\x9b-\x9f\n]{0,4096}"
"""OSC, DCS, SOS, PM and APC, up to what ends them: titles, links, and whatever a terminal understands by them."""
_ESCAPES = (
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"  # CSI: colours, cursor
    rf"|{_STRING}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,8}[0-Z\\-~]"
)
"""Of ECMA-48, sections 5 and 8. Bounded, so that a text of nothing but beginnings takes time that grows with its
length alone."""
_CONTROLS = r"\x00-\x08\x0e-\x1b\x1f\x7f-\x84\x86-\x9f"
_SPACES = "\x0b\x0c\x1c\x1d\x1e\x85\u2028\u2029"
"""Line ends to some programs and none to others: a blank to all of them."""
_PICTOGRAPHS = (
    "\u00a9\u00ae\u203c\u2049\u2122\u2139\u2194-\u21aa\u231a-\u23ff\u24c2\u25aa-\u25fe\u2600-\u27bf\u2934\u2935"
    "\u2b05-\u2b55\u3030\u303d\u3297\u3299\U0001f000-\U0001faff"
)
"""Roughly Extended_Pictographic of Unicode's emoji-data.txt, skin tones and regional indicators among them."""
_JOINING_SCRIPTS = (
    "\u0600-\u061b\u061d-\u08ff\u0900-\u0dff\u0e80-\u0fff\u1000-\u109f\u1780-\u17b3\u17b6-\u17ff\u1800-\u180a\u1810-\u18af"
    "\u1a20-\u1aaf\u1b00-\u1bff\u1c00-\u1c4f\ua840-\ua87f\ua8e0-\ua8ff\U00010a00-\U00010eff\U00011000-\U00011fff"
)
"""Arabic, Syriac, N'Ko, the scripts of India and South-East Asia, Mongolian: joiners are spelling there."""
_INVISIBLE = (
    "\u00ad\u034f\u061c\u115f\u1160\u17b4\u17b5\u180b-\u180f\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f"
    "\ufeff\uffa0\ufff0-\ufffb\U0001bca0-\U0001bca3\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
)
"""Default_Ignorable_Code_Point of Unicode's DerivedCoreProperties.txt, and the marks that turn the writing round."""
_FLAGS = "|".join(
    "\U0001f3f4" + "".join(chr(0xE0000 + ord(letter)) for letter in region) + "\U000e007f"
    for region in ("gbeng", "gbsct", "gbwls")
)
"""The flags of regions that Unicode recommends; any other row of tag characters is hidden text."""
_KEPT = (
    f"{_FLAGS}"
    f"|(?<=[{_PICTOGRAPHS}])[\ufe0e\ufe0f]"
    "|(?<=[0-9#*])\ufe0f(?=\u20e3)"
    f"|(?:(?<=[{_PICTOGRAPHS}])|(?<=[{_PICTOGRAPHS}]\ufe0f))\u200d(?=[{_PICTOGRAPHS}])"
    f"|(?<=[{_JOINING_SCRIPTS}])[\u200c\u200d]"
    "|(?<=[\u1800-\u18af])[\u180b-\u180d\u180f]"
)
_ASCII = re.compile(r"\x1b\[[0-?]{0,64}[ -/]{0,8}[@-~]|[\x00-\x08\x0b-\x1f\x7f]")
"""Whether there is anything to do in a text of ASCII alone."""
_ALL = re.compile(rf"({_KEPT})|({_ESCAPES}|\r(?=\n)|[{_CONTROLS}{_INVISIBLE}])|[{_SPACES}\r]")
_HALVES = "\ud800-\udfff"
_HALF = re.compile(f"[{_HALVES}]")
_SUSPECT = re.compile(rf"[{_CONTROLS}{_SPACES}\r{_INVISIBLE}{_HALVES}]")
_UNFINISHED = re.compile(
    r"(?:\r|[\u200d\ufe0f\ud800-\udbff]|[0-9#*]\ufe0f"
    rf"|(?:\x1b\[|\x9b)[0-?]{{0,64}}[ -/]{{0,8}}|{_STRING}\x1b?|\x1b[ -/]{{0,8}}"
    "|\U0001f3f4[\U000e0061-\U000e007a]{0,6})\\Z"
)
_LONGEST_UNFINISHED = 4_200
_BREAKS = re.compile(r"[\t\n]+")
_CONTEXT = 2
"""Characters before a joiner that decide whether it is spelling."""


def clean(text: str) -> str:
    """*text* without terminal escapes, control, invisible and direction-changing characters.

    Emoji sequences, and the joiners that some scripts need, stay whole. Lines end with a newline, whatever ended them.
    """
    if (_ASCII if text.isascii() else _SUSPECT).search(text) is None:
        return text
    return _ALL.sub(_what_stays, in_whole_characters(text))


def visible(text: str) -> str:
    """*text* with what `clean` would take out written as escapes: for whoever has to know that it is there."""
    return _ALL.sub(_as_escapes, in_whole_characters(text))


def _as_escapes(found: re.Match[str]) -> str:
    return found[0] if found[1] is not None else "".join(f"\\u{ord(one):04x}" for one in found[0])


def in_whole_characters(text: str) -> str:
    """*text* with U+FFFD for lone halves of surrogate pairs, which JSON carries and no file, socket or store takes."""
    if text.isascii() or _HALF.search(text) is None:
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def one_line(text: str, longest: int = LONGEST_LINE) -> str:
    """*text* cleaned, on one line and of at most *longest* characters, as names and messages are shown."""
    line = " ".join(clean(text[: 4 * longest]).split())
    return f"{line[: longest - 1]}…" if len(line) > longest else line


def quoted(text: str) -> str:
    """*text* as a Markdown quotation, so that no line of it can pass for a heading or a turn of ours."""
    return "\n".join(f"> {line}".rstrip() for line in clean(text).strip().splitlines()) or "> (nothing)"


def unbroken(text: str, longest: int = LONGEST_LINE) -> str:
    """*text* as `one_line` gives it, but with every blank it has: two in a file's name are not one."""
    line = _BREAKS.sub(" ", clean(text[: 4 * longest]))
    return f"{line[: longest - 1]}…" if len(line) > longest else line


class Cleaner:
    """`clean` for text that arrives in pieces: what it gives is the same, wherever the pieces are cut."""

    def __init__(self) -> None:
        self._before = ""
        self._held = ""

    def feed(self, piece: str) -> str:
        """What is certain of the text so far, without what was given already."""
        if not self._held and piece.isascii() and piece and _ASCII.search(piece) is None:
            self._before = piece[-_CONTEXT:]
            return piece
        text = self._held + piece
        text = (
            in_whole_characters(text[:-1]) + text[-1:]
            if "\ud800" <= text[-1:] <= "\udbff"
            else in_whole_characters(text)
        )
        begun = _UNFINISHED.search(text, max(0, len(text) - _LONGEST_UNFINISHED))
        cut = begun.start() if begun else len(text)
        self._held = text[cut:]
        return self._cleaned(text, cut)

    def flush(self) -> str:
        """The rest, once nothing more comes."""
        text, self._held = in_whole_characters(self._held), ""
        return self._cleaned(text, len(text))

    def _cleaned(self, text: str, end: int) -> str:
        start, whole = len(self._before), self._before + text
        kept, place = [], start
        for found in _ALL.finditer(whole, start):
            if found.end() > start + end:
                break
            kept += [whole[place : found.start()], _what_stays(found)]
            place = found.end()
        kept.append(whole[place : start + end])
        self._before = whole[max(0, start + end - _CONTEXT) : start + end]
        return "".join(kept)


def _what_stays(found: re.Match[str]) -> str:
    if found[1] is not None:
        return found[1]
    return "" if found[2] is not None else " "


def is_text(value: str) -> bool:
    """Whether *value* is text through and through: bytes that were none come out of Python as lone surrogates."""
    if value.isascii():
        return True
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


class Fence:
    """One fence, for all that is quoted in one prompt.

    Args:
        rng: Where the token comes from. A run's own generator makes the same prompt again when the run is resumed.
    """

    def __init__(self, rng: random.Random) -> None:
        self._token = f"{rng.getrandbits(48):012x}"

    def mark(self, sentence: str) -> str:
        """*sentence* with the token of this fence in place of `{token}`."""
        return sentence.format(token=self._token)

    def around(self, kind: str, text: str, *, longest: int | None = None, **attributes: str) -> str:
        """*text* as a block of *kind*; anything past *longest* characters is cut, and says so."""
        body = self._without_token(clean(text))
        if longest is not None and len(body) > longest:
            body = f"{body[:longest]}\n[cut: {len(body) - longest:,} more characters]"
        said = "".join(f' {name}="{self._without_token(_attribute(value))}"' for name, value in attributes.items())
        return f"<{kind}-{self._token}{said}>\n{body}\n</{kind}-{self._token}>"

    def _without_token(self, text: str) -> str:
        """*text* without the token: a model that was talked into telling it gives nobody the end of the fence."""
        if self._token not in text.lower():
            return text
        return re.sub(self._token, "[mark]", text, flags=re.IGNORECASE)


def _attribute(value: str) -> str:
    return one_line(value).replace('"', "'")
