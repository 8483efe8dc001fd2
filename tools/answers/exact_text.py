"""A text in the one form of all ways to type it: what is equal here was written alike, and means the same.

Only what carries no meaning is unified: how a character is stored, its width, quotation marks, dashes, blanks, the case
of ordinary words, a leading `the`, a full stop. Signs, superscripts, fractions and the case of symbols stay: `x²` is
not `x2`, `CO` not `Co`, `a & b` not `a | b`.
"""

from __future__ import annotations

import re
import unicodedata

_SAME = str.maketrans(
    {
        "“": '"', "”": '"', "„": '"', "«": '"', "»": '"', "‘": "'", "’": "'", "‚": "'", "`": "'", "´": "'",
        "–": "-", "—": "-", "‐": "-", "‑": "-", "−": "-", "…": "...", "µ": "μ", "ﬀ": "ff", "ﬁ": "fi", "ﬂ": "fl",
        "ﬃ": "ffi", "ﬄ": "ffl", "ﬅ": "st", "ﬆ": "st", "℃": "°C", "℉": "°F", "≤": "<=", "≥": ">=", "≠": "!=",
        "⩽": "<=", "⩾": ">=", "，": ",", "。": ".", "：": ":", "；": ";", "、": ",", "\u00ad": "",
    }
)  # fmt: skip
_SYMBOLS = re.compile(r" ?([<>=!&|^+*/(),;:{}\[\]∪∩∧∨⊂⊆∈→⇒]) ?")
_PRIME = re.compile(r"\d['\"]+$")
"""A mark that is a foot, an inch, a minute or a second, and no end of a quotation."""
_LATEX = {r"\leq": "<=", r"\geq": ">=", r"\neq": "!=", r"\le": "<=", r"\ge": ">=", r"\ne": "!=", r"\cup": "∪"} | {
    r"\cap": "∩",
    r"\land": "∧",
    r"\lor": "∨",
    r"\pi": "π",
    r"\infty": "∞",
}


def exact(text: str) -> str:
    """*text* in its one form."""
    line = unicodedata.normalize("NFC", unstyled(text))
    for command, sign in _LATEX.items():
        line = re.sub(re.escape(command) + r"(?![a-zA-Z])", sign, line) if command in line else line
    line = " ".join(line.translate(_SAME).split())
    line = line.lstrip("\"' ").rstrip(" ").rstrip(".!")
    line = line if _PRIME.search(line) else line.rstrip("\"' ").rstrip(".!").rstrip("\"' ")
    line = _SYMBOLS.sub(r"\1", line)
    words = [_word(word) for word in line.split(" ")]
    return " ".join(words[1:] if words[0] == "the" and len(words) > 1 else words)


def unstyled(text: str) -> str:
    """*text* without the width and the mathematical font of its characters."""
    return text if text.isascii() else "".join(map(_plain, text))


def _plain(character: str) -> str:
    """*character* without its width and its mathematical font, which are how it looks, not what it is."""
    point = ord(character)
    if 0xFF01 <= point <= 0xFF5E or 0x1D400 <= point <= 0x1D7FF or point in (0x3000, 0xA0, 0x202F, 0x2009):
        return unicodedata.normalize("NFKC", character)
    return character


def _word(word: str) -> str:
    """*word* without the case of ordinary words; symbols such as `CO`, `mRNA` or `pH` keep theirs."""
    letters = [character for character in word if character.isalpha()]
    if not letters or any(map(str.isdigit, word)):
        return word
    if all(map(str.isupper, letters)):
        return word.casefold() if len(letters) > 4 else word
    ordinary = not any(map(str.isupper, letters[1:])) or re.fullmatch(r"(?:\w+[-'/])+\w+", word)
    if len(letters) <= 2 and letters[0].isupper():
        return word if not word.istitle() or word not in _SHORT else word.casefold()
    return word.casefold() if ordinary else word


_SHORT = frozenset("In Of On At To It Is No We By An As If Or So Up My Do Go He Be Me Us The".split())  # noqa: SIM905
